from collections.abc import Callable
from typing import Any

from ..parity import MODES, TOLERANCE, certify, compare


def assert_same_rule(
    first: Any, second: Any, *, precision: str | None = None, tolerance: float = TOLERANCE, **options: Any
) -> None:
    """Asserts that two rules make the same updates of the same gradients.

    Args:
        first: a rule, an Optax transformation, any pair of `init` and `update`.
        second: another.
        precision: "float32", "float32 (x64)" or "float64"; all three if not given.
        tolerance: in rounding errors of the leaf's largest update.
        **options: `steps`, `seed`, `gradients`, `params`, `jit`, as for `gd.parity.compare`.

    Raises:
        AssertionError: with the first step, leaf and entry at which they part.
        ValueError: where one of the two is not a transformation.
    """
    for each in [mode.name for mode in MODES] if precision is None else [precision]:
        seen = compare(first, second, precision=each, tolerance=tolerance, **options)
        if not seen.agrees:
            raise AssertionError(str(seen))


def assert_follows_paper(rule: Any, paper: Callable[..., Any]) -> None:
    """Asserts that a rule is its paper's formula, written in NumPy, in every precision, compiled and not.

    Args:
        rule: a rule, or any object with `init` and `update`.
        paper: (gradients, params, **some of the rule's fields) -> updates, as for `gd.parity.certify`.

    Raises:
        AssertionError: with the first comparison that fails.
        ValueError: where `rule` is not a transformation.
    """
    certificate = certify(rule, paper=paper)
    if not certificate.rows:
        raise AssertionError(f"{certificate.name} was not held against its paper: {dict(certificate.without)}")
    for row in certificate.rows:
        if not row.passes:
            raise AssertionError(
                f"{certificate.name} and its paper part at {row.where} by {row.error:.3g} rounding errors of {row.mode} "
                f"({row.run})"
            )
