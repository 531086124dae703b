"""Where implementations of one rule differ, who follows the paper? Each rule with a known deviation on one recorded stream
of gradients: the paper's formula in NumPy, gdfunc, Optax 0.2.8 and PyTorch 2.13.
"""

import dataclasses
import sys

import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, DASHES, Lab, figure, number, positive, run_experiment

COLOUR = {"gdfunc": COLOURS[0], "optax": COLOURS[1], "torch": COLOURS[4]}
MODES = {mode.name: mode for mode in gd.parity.MODES}


def cases():
    """(record, deviation, settings, mode) for each known deviation that the paper's transcription can judge."""
    for record in gd.rules.records().values():
        for deviation in record.deviations:
            for settings in record.settings:
                rule = record.make(**settings)
                fields = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
                mode = next(
                    (MODES[name] for name in ("float64", "float32 (x64)", "float32") if name in deviation.sizes), None
                )
                if mode is None or not all(fields.get(name) == value for name, value in deviation.settings.items()):
                    continue
                twin = next((twin for twin in record.twins if twin.name == deviation.twin), None)
                known = twin is not None and isinstance(twin.arguments(**fields), dict)
                if known and gd.parity.paper_updates(record, settings, mode) is not None:
                    yield record, deviation, settings, mode
                    break


def distance(updates, paper, mode, growth):
    """The largest difference of any entry at each step, in rounding errors of its leaf's largest update times their growth."""
    unit = {leaf: growth * mode.eps * np.max(np.abs(u.astype(np.float64))) for leaf, u in paper.items()}
    off = [np.abs(updates[leaf].astype(np.float64) - paper[leaf].astype(np.float64)) / unit[leaf] for leaf in updates]
    return np.max([x.reshape(len(x), -1).max(axis=1) for x in off], axis=0)


def main(lab: Lab):
    found = list(cases())[: 4 if lab.quick else None]
    columns = 4
    made, grid = figure(-(-len(found) // columns), columns, width=3.2, height=2.3)

    for axes, (record, deviation, settings, mode) in zip(grid.flat, found, strict=False):
        library = deviation.twin.partition(".")[0]
        lab.say(f"{record.name}: {deviation.twin}")
        paper = gd.parity.paper_updates(record, settings, mode)
        if lab.mutate:  # the paper's formula, one step late
            paper = {leaf: np.roll(u, 1, axis=0) for leaf, u in paper.items()}
        updates = {"gdfunc": gd.parity.run(record.make(**settings), gd.parity.stream(), mode)}
        for twin in record.twins:
            theirs = gd.parity.witness_updates(record, twin, settings, mode)
            if theirs is not None and (twin.name == deviation.twin or twin.library not in (library, *updates)):
                updates[twin.library] = theirs
        growth = gd.parity.growth(record.make(**settings), mode) if record.ill_conditioned else 1.0
        far = {who: distance(u, paper, mode, growth) for who, u in updates.items()}

        # Ours is the paper's formula up to the order of operations; the other deviates by what its record says.
        title = f"{record.name}: {gd.parity.in_words(settings)}"
        lab.claim(
            f"{record.name}: gdfunc from the paper, eps of {mode.name}",
            predicted=gd.parity.TOLERANCE,
            measured=far["gdfunc"].max(),
            kind="at_most",
            source=str(record.papers[0].link),
        )
        least, most = deviation.sizes[mode.name]
        lab.claim(
            f"{record.name}: {deviation.twin} from the paper, eps of {mode.name}",
            predicted=(least + most) / 2,
            measured=far[library].max(),
            tolerance=(most - least) / 2 + gd.parity.TOLERANCE,
            kind="absolute",
            source=deviation.thread.rpartition("github.com/")[2] or deviation.what,
        )
        lab.keep(**{f"{record.name} {deviation.twin} {mode.name}": dict(far), title: deviation.what})

        steps = np.arange(1, len(far["gdfunc"]) + 1)
        for who, x in far.items():
            axes.plot(
                steps, positive(np.maximum(x, 0.1)), color=COLOUR[who], ls=DASHES[list(COLOUR).index(who)], label=who
            )
        axes.axhline(gd.parity.TOLERANCE, color=COLOURS[7], lw=0.8)
        axes.set(yscale="log", ylim=(0.03, 1e19), xlim=(1, steps[-1]))
        axes.set_title(f"{record.name}: {library} {number(far[library].max(), 2)} eps", loc="left", fontsize=8.5)
        axes.legend(fontsize=7, frameon=False, loc="upper right", ncols=3)
    for axes in list(grid.flat)[len(found) :]:
        axes.set_axis_off()
    made.supylabel(
        "distance from the paper's formula, in rounding errors; where a rule magnifies them, in what it makes of one (grey line: the tolerance)",
        fontsize=9,
    )
    made.supxlabel("step", fontsize=9)
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
