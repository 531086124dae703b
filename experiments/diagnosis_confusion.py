"""Does `gdfunc.diagnose` tell healthy networks from broken ones, and their faults from each other? Networks of many kinds, in
half of which one fault is planted: the confusion matrix, the false alarms, the misses.

--mutate takes the depth out of the judgement of gradients. --calibration takes the half that the thresholds were set on.
"""

import contextlib
import sys
from collections import Counter
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest import mock

import jax
import numpy as np
from _diagnosis_networks import HALVES, Net, broken, healthy, trained
from jax.experimental.compilation_cache import compilation_cache

import gdfunc as gd
from gdfunc.diagnosis import KINDS
from gdfunc.diagnosis._evidence import slope_of
from gdfunc.diagnosis._mismatch import MISMATCH, reach
from gdfunc.diagnosis._rates import HIGH, LOW, STEPS
from gdfunc.diagnosis._rules import DEAD, RANK, SLOPE
from gdfunc.diagnosis._shattered import DEEP, SHATTERED, alikeness
from gdfunc.instruments import trace
from gdfunc.report import COLOURS, Lab, figure, run_experiment, show, table

NONE = "nothing"
FALSE_ALARMS, MISSES = 0.02, 0.05  # at most
THRESHOLDS = {
    "vanishing": -SLOPE, "exploding": SLOPE, "dead_units": DEAD, "saturation": 0.5, "symmetric_init": 0.5,
    "rank_collapse": RANK, "rate_too_high": HIGH, "rate_too_low": LOW, "poorly_scaled_input": 20.0,
    "loss_mismatch": MISMATCH, "shattered_gradients": SHATTERED,
}  # fmt: skip
QUICK = (0, 3, 4, 7, 12, 14, 15, 19, 21, 23, 29, 30, 38)  # of the healthy ones: many kinds, few programs to compile


class Judged(NamedTuple):
    net: Net
    found: gd.diagnosis.Diagnosis
    ratio: float = np.nan  # of the first updates to the weights, where the network was trained
    lost: float | None = None  # the share of the loss's possible fall that is out of reach, of a healthy network
    alike: float | None = None  # the cosine between the gradients of inputs nearby, of a healthy deep one

    @property
    def right(self) -> bool:
        """Nothing said of a healthy network; the planted kind, first in the planted layer, of a broken one."""
        if not self.net.planted:
            return not self.found.findings
        layers = [finding.layer for finding in self.found.findings if finding.kind == self.net.planted]
        return bool(layers) and (self.net.layer is None or layers[0].startswith(self.net.layer))


def judge(net: Net) -> Judged:
    one = Judged(net, gd.diagnose(net.loss_fn, net.params, net.batch, rule=net.rule, remedies=False))
    if net.planted:
        return one
    traced = trace("judge", net.loss_fn, net.params, net.batch)
    fall = reach(traced, net.params, net.batch)
    number = alikeness(traced, net.batch) if len(one.found.layers) > DEEP else None
    return one._replace(lost=None if fall is None else fall.lost, alike=None if number is None else number(net.params))


def main(lab: Lab):
    experiment(lab, "reported")


def calibration(lab: Lab):
    experiment(lab, "calibration")


def experiment(lab: Lab, half: str):
    broken_on_purpose = mock.patch("gdfunc.diagnosis._rules.slope_of", return_value=0.0)
    with equal_programs_compiled_once(), broken_on_purpose if lab.mutate else contextlib.nullcontext():
        judged, falls = judge_all(lab, half)
    if falls:
        about = "the largest loss of a healthy network after 100 steps, of its first"
        lab.claim(about, predicted=0.95, measured=max(falls), kind="at_most", source="what healthy means")
    summary = rates(judged)
    for what, limit in (("false alarms", FALSE_ALARMS), ("misses", MISSES)):
        n, of, (low, high) = summary[what].values()
        about = f"{what}: {n} of {of}, 95 % interval {low:.1%} to {high:.1%}"
        lab.claim(about, predicted=limit, measured=n / of, kind="at_most", source="the bar set beforehand")
    lab.keep(half=half, **summary, matrix=matrix(judged), numbers=numbers(judged), wrong=wrong_ones(judged))
    if "--json" not in sys.argv:
        show(as_table(matrix(judged)), width=200)
    picture(lab, judged)


def judge_all(lab: Lab, half: str):
    """(a `Judged` of each network, the share of its first loss that each healthy one has after 100 steps)."""
    judged, falls = [], []
    seeds = tuple(
        seed + 99 * lab.seed for seed in HALVES[half].seeds
    )  # a multiple of 3: each network keeps its kind of weights
    for net in nets(HALVES[half]._replace(seeds=seeds), lab.quick):
        one = judge(net)
        # That a network is healthy is not for us to say: it learns. And having learned, it is healthy still.
        if not net.planted and not lab.quick and half == "reported":
            params, losses, ratios = trained(net)
            falls.append(losses[-1] / losses[0])
            one = one._replace(ratio=float(np.max(ratios[:STEPS])))
            judged.append(judge(net._replace(params=params, name=f"{net.name}, after 100 steps")))
        judged.append(one)
    for wrong in wrong_ones(judged):
        lab.say(wrong)
    return judged, falls


def nets(half, quick):
    """All of them; or of the first seed some healthy ones, and the first of each fault."""
    if not quick:
        return [*healthy(half), *broken(half)]
    one = half._replace(seeds=half.seeds[:1])
    some = list(healthy(one))
    first = {net.planted: net for net in reversed(list(broken(one)))}
    first.pop("rank_collapse")  # it is not told from health in every network: a matter of shares, for the whole run
    return [*(some[i] for i in QUICK), *reversed(first.values())]


@contextlib.contextmanager
def equal_programs_compiled_once():
    """Networks of one shape are one program. A test's own cache is left in its place."""
    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = [getattr(jax.config, name) for name in names]
    if before[0]:
        yield
        return
    with TemporaryDirectory() as folder:
        try:
            for name, value in zip(names, (folder, 0.0, -1), strict=True):
                jax.config.update(name, value)
            compilation_cache.reset_cache()  # it may have been found switched off
            yield
        finally:
            for name, value in zip(names, before, strict=True):
                jax.config.update(name, value)
            compilation_cache.reset_cache()


def rates(judged):
    """False alarms among the healthy, misses among the broken, each with the interval of Wilson (1927, JASA)."""
    out = {}
    for what, of in (
        ("false alarms", [j for j in judged if not j.net.planted]),
        ("misses", [j for j in judged if j.net.planted]),
    ):
        n, count = len(of), sum(not j.right for j in of)
        p, z = count / n, 1.96
        middle, half = (p + z**2 / 2 / n), z * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2)
        interval = [max(0.0, (middle - half) / (1 + z**2 / n)), (middle + half) / (1 + z**2 / n)]
        out[what] = {"count": count, "of": n, "interval": interval}
    return out


def matrix(judged):
    """{planted: {found: networks}}; a network with findings of two kinds counts under both."""
    out: dict[str, Counter] = {}
    for j in judged:
        out.setdefault(j.net.planted or NONE, Counter()).update(j.found.kinds or {NONE})
    return out


def wrong_ones(judged):
    return [f"{j.net.planted or NONE}, {j.net.name}: {sorted(j.found.kinds) or NONE}" for j in judged if not j.right]


def numbers(judged):
    """{kind: {"healthy": the number of each healthy network, "broken": of each in which the kind was planted and found}}."""
    out = {kind: {"healthy": [], "broken": []} for kind in THRESHOLDS}
    for j in judged:
        rows = [row for row in j.found.layers if row["feeds"]]
        if j.net.planted in out:
            values = [finding.value for finding in j.found.findings if finding.kind == j.net.planted][:1]
            out[j.net.planted]["broken"] += values
        elif not j.net.planted:
            norms = [row["gradient_norm"] for row in rows if row["gradient_norm"]]
            ranks = [row["rank"] for row in rows if row["rank"]]
            slope = slope_of(norms) if len(norms) > 2 else None
            seen = {
                "vanishing": slope,
                "exploding": slope,
                "dead_units": max((row["dead"] for row in rows if row["dead"] is not None), default=None),
                "saturation": max((row["saturated"] for row in rows if row["saturated"] is not None), default=None),
                "symmetric_init": min((row["distinct"] for row in rows if row["distinct"] is not None), default=None),
                "rank_collapse": ranks[-1] / ranks[0] if len(ranks) > 2 else None,
                "loss_mismatch": j.lost,
                "shattered_gradients": j.alike,
                "rate_too_high": j.ratio if np.isfinite(j.ratio) else None,
                "rate_too_low": j.ratio if np.isfinite(j.ratio) else None,
            }
            for kind, value in seen.items():
                if value is not None:
                    out[kind]["healthy"].append(value)
    return out


def as_table(counts):
    columns = [kind for kind in (*KINDS, NONE) if any(row[kind] for row in counts.values())]
    rows = [(kind, *(str(row[c] or "") for c in columns)) for kind, row in ordered(counts)]
    return table("planted (rows), found (columns)", ("", *(c.replace("_", " ") for c in columns)), rows)


def ordered(counts):
    return [(kind, counts[kind]) for kind in (NONE, *KINDS) if kind in counts]


def picture(lab, judged):
    made, (left, right) = figure(1, 2, width=6.4, height=5.2)
    counts = matrix(judged)
    rows = [kind for kind, _ in ordered(counts)]
    columns = [kind for kind in (NONE, *KINDS) if any(row[kind] for row in counts.values())]
    shares = np.array(
        [[counts[r][c] / sum(j.net.planted == r * (r != NONE) for j in judged) for c in columns] for r in rows]
    )
    left.imshow(shares, cmap="Blues", vmin=0, vmax=1.5, aspect="auto")
    for i, r in enumerate(rows):
        for k, c in enumerate(columns):
            if counts[r][c]:
                left.text(k, i, counts[r][c], ha="center", va="center", fontsize=8)
    left.set_xticks(range(len(columns)), [c.replace("_", " ") for c in columns], rotation=60, ha="right")
    left.set_yticks(range(len(rows)), [r.replace("_", " ") for r in rows])
    left.set(title="Networks: planted (rows), found (columns)")
    left.grid(False)
    for i, (kind, each) in enumerate(numbers(judged).items()):
        for which, colour, shift in (("healthy", COLOURS[0], -0.15), ("broken", COLOURS[1], 0.15)):
            values = np.array(each[which]) / THRESHOLDS[kind]
            y = np.full(len(values), i + shift)
            right.plot(np.clip(values, 1e-4, 1e4), y, "|", color=colour, ms=9, label=which if not i else None)
    right.axvline(1, color="black", ls=":")
    right.set_yticks(range(len(THRESHOLDS)), [kind.replace("_", " ") for kind in THRESHOLDS])
    right.set(xscale="log", xlim=(1e-4, 1e4), ylim=(len(THRESHOLDS) - 0.5, -0.5), xlabel="number / threshold")
    right.set(title="How far from the threshold")
    right.legend(loc="upper left")
    lab.figure(made)


if __name__ == "__main__":
    on = calibration if "--calibration" in sys.argv else main
    sys.exit(run_experiment(on, [word for word in sys.argv[1:] if word != "--calibration"]))
