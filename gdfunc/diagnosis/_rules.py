"""When a number is a finding: one function a kind, from evidence to findings. Thresholds are ratios, with their sources."""

from collections.abc import Iterator

import jax
import numpy as np

from ..core import leaf_paths
from ._evidence import Evidence, Row, slope_of
from ._finding import Finding
from ._law import law

OWN = "between the healthy and the broken networks of docs/diagnosis.md"
# Where all examples come to lie in one direction, a relu unit is 0 for all or for none of them: half are dead by rank
# collapse alone. More than half, by more than chance at 30 units, is something else.
DEAD = 0.6
SLOPE, DECADES, FAR = 0.25, 1.5, 4.0  # a layer's, together with that of all layers; of all layers alone
RANK = 0.25


def unreached_parameters(seen: Evidence) -> Iterator[Finding]:
    """Parameters of which the loss's gradient is exactly 0, though the layer before is not dead."""
    for path, g in zip(leaf_paths(seen.grads), jax.tree.leaves(seen.grads), strict=True):
        if np.any(np.asarray(g) != 0) or np.size(g) == 0:
            continue
        yield Finding(
            "unreached_parameters",
            path,
            "the loss's gradient with respect to it is exactly 0: it is frozen, not used, or nothing comes through to it",
            0.0,
            0.0,
            "loss / weight",
            "a parameter that learns has a gradient that is not 0 everywhere",
        )


def poorly_scaled_input(seen: Evidence) -> Iterator[Finding]:
    """An input far from 1 in size, whose mean hides its variation, or whose features differ by orders of magnitude."""
    low, high = 0.005, 20.0
    source = "inputs near mean 0 and variance 1 (LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, 4.3)"
    for x in seen.inputs:
        scale = float(np.sqrt(np.mean(x**2)))
        spread = np.std(x, axis=0)
        spread = spread[spread > 0]
        if not spread.size:
            continue
        offset = float(np.abs(np.mean(x)) / np.std(x)) if np.std(x) else np.inf
        ratio = float(np.max(spread) / np.median(spread))
        if scale > high or 0 < scale < low:
            yield Finding(
                "poorly_scaled_input",
                "",
                f"the inputs' root mean square is {scale:.3g}",
                scale,
                high if scale > high else low,
                "of the data",
                source,
            )
        elif offset > high:
            words = f"the inputs' mean is {offset:.3g} times their standard deviation"
            yield Finding("poorly_scaled_input", "", words, offset, high, "standard deviations", source)
        elif ratio > 30:
            words = f"one feature varies {ratio:.3g} times as much as half of them"
            yield Finding("poorly_scaled_input", "", words, ratio, 30.0, "times the median", source)


def symmetric_init(seen: Evidence) -> Iterator[Finding]:
    """Units with the same weights and the same gradients: they stay the same for ever."""
    for row in seen.rows:
        if row.feeds and row.distinct < 0.5:
            yield Finding(
                "symmetric_init",
                row.name,
                f"only {row.distinct:.0%} of its units differ from the others in weights or gradients: the rest stay equal",
                row.distinct,
                0.5,
                "of the units",
                "units that start equal learn equal features (Goodfellow, Bengio & Courville 2016, Deep Learning, 8.4); "
                + OWN,
            )


def dead_units(seen: Evidence) -> Iterator[Finding]:
    """Units that are 0 for every example: no gradient comes through them."""
    for row in seen.rows:
        if row.feeds and row.dead > DEAD:
            yield Finding(
                "dead_units",
                row.name,
                f"{row.dead:.0%} of its units are 0 for every example of the batch",
                row.dead,
                DEAD,
                "of the units",
                "half the units (TheDeepChecker, Ben Braiek & Khomh 2023), and some; " + OWN,
            )


def saturation(seen: Evidence) -> Iterator[Finding]:
    """Tanh or sigmoid at its ends, where its slope is a few per cent of the largest."""
    for row in seen.rows:
        if row.saturated > 0.5:
            yield Finding(
                "saturation",
                row.name,
                f"{row.saturated:.0%} of its {row.activation} values lie at the ends, where the slope is below 6 % of the largest",
                row.saturated,
                0.5,
                "of the values",
                "Glorot & Bengio 2010, AISTATS, section 3; " + OWN,
            )


def vanishing(seen: Evidence) -> Iterator[Finding]:
    """A gradient that shrinks from layer to layer on its way back, through depth or through time."""
    yield from _through_depth(seen, "vanishing", -1)


def exploding(seen: Evidence) -> Iterator[Finding]:
    """A gradient that grows from layer to layer on its way back, through depth or through time."""
    yield from _through_depth(seen, "exploding", 1)


def _through_depth(seen: Evidence, kind: str, sign: int) -> Iterator[Finding]:
    rows = [row for row in seen.rows if row.feeds and np.isfinite(row.gradient_norm)]
    sizes = [row.gradient_norm for row in rows if row.gradient_norm > 0]
    # Behind a gradient near the smallest number that float32 holds, one of 0 has gone below it.
    underflows = bool(sizes) and min(sizes) < 1e-30
    line = [row for row in rows if row.gradient_norm > 0 or underflows]
    profiles = [(line, "layer", [max(row.gradient_norm, 1e-46) for row in line])] if line else []
    profiles += [([row], "turn", [n for n in row.turns if n > 0]) for row in line if np.all(np.isfinite(row.turns))]
    for through, step, norms in profiles:
        slope = slope_of(norms)
        decades = sign * slope * (len(norms) - 1)
        steep = sign * slope > SLOPE and decades > DECADES
        if len(norms) < 3 or not (steep or decades > FAR):
            continue
        verb = "shrinks" if sign < 0 else "grows"
        why = law(through, slope) if step == "layer" and line == seen.rows[: len(line)] else ""
        yield Finding(
            kind,
            through[0].name,
            f"on the way back the gradient {verb} {10 ** abs(slope):.3g} times a {step}, "
            f"10^{decades:.1f} times over {len(norms)} {step}s{why}",
            slope if steep else sign * decades,
            sign * (SLOPE if steep else FAR),
            f"decades a {step}" if steep else f"decades over all {step}s",
            "gradients through many layers shrink or grow as a power (Bengio, Simard & Frasconi 1994); " + OWN,
        )


def rank_collapse(seen: Evidence) -> Iterator[Finding]:
    """Activations of different examples that come to lie in a few directions."""
    rows = [row for row in seen.rows if row.rank > 0 and row.feeds]  # a squashed output has as few as it has units
    if len(rows) < 3:
        return
    first, last = rows[0], rows[-1]
    if last.rank < RANK * first.rank:
        yield Finding(
            "rank_collapse",
            last.name,
            f"its activations' effective rank is {last.rank:.3g}, the first layer's {first.rank:.3g}",
            last.rank / first.rank,
            RANK,
            "of the first layer's",
            "Dong, Cordonnier & Loukas 2021, ICML; " + OWN,
        )


# The most basic first: a later one may be no more than its consequence.
RULES = (
    unreached_parameters,
    poorly_scaled_input,
    symmetric_init,
    dead_units,
    saturation,
    vanishing,
    exploding,
    rank_collapse,
)


def examine(seen: Evidence) -> list[Finding]:
    """The findings of one batch, without those that follow from another."""
    found = [finding for rule in RULES for finding in rule(seen)]
    kinds = {finding.kind for finding in found}
    hidden: set[str] = set()
    if kinds & {"symmetric_init", "dead_units", "saturation"}:
        hidden |= {"exploding", "vanishing"}
    if kinds & {"symmetric_init", "saturation"}:
        hidden |= {"rank_collapse"}
    if kinds & {"dead_units", "saturation"}:
        hidden |= {"unreached_parameters"}
    if kinds & {"vanishing", "exploding"}:
        hidden |= {"rank_collapse", "unreached_parameters"}
    return [finding for finding in found if finding.kind not in hidden]


def rows_as_dicts(rows: list[Row]) -> tuple[dict, ...]:
    """A plain dictionary a layer, for tables and JSON; None where there is no number."""
    plain = lambda x: None if isinstance(x, float) and not np.isfinite(x) else x  # noqa: E731
    return tuple({k: plain(v) for k, v in row._asdict().items() if k != "turns"} for row in rows)
