"""The command line: `gdfunc VERB`. Parses, calls, prints; machine output on stdout, everything else on stderr."""

import os
import sys


def main(argv: list[str] | None = None) -> int:
    """Runs a verb.

    Args:
        argv: the arguments; the command line's if not given.

    Returns:
        0 where all is well; 1 for a finding (a parity mismatch, a run that ended non-finite); 2 for wrong usage or bad
        input; 3 where a library of the `lab` extra is missing.
    """
    try:
        import tyro
    except ModuleNotFoundError:
        print('gdfunc: the command line needs tyro and rich: pip install "gdfunc[lab]"', file=sys.stderr)
        return 3
    from ._verbs import VERBS

    try:
        return tyro.extras.subcommand_cli_from_dict(
            VERBS,
            args=argv,
            prog="gdfunc",
            description="Gradient descent that you can read, verify, see through and scale.",
            config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
        )
    except BrokenPipeError:  # the reader has seen enough: `gdfunc rules | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        print(f"gdfunc: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        if type(error).__name__ != "MissingExtra":
            raise
        print(f"gdfunc: {error}", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
