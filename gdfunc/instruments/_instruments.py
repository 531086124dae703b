"""The instruments that a training step may carry: what each is called, and how it is read."""

from collections.abc import Sequence
from typing import NamedTuple

from ..core import did_you_mean


class Instrument(NamedTuple):
    """What a reading is called, and how it is to be read."""

    title: str
    unit: str
    scale: str  # "log" or "linear"
    of: str  # "layer" or "run"
    says: str


INSTRUMENTS = {
    "gradient_norm": Instrument(
        "Gradient norm", "loss / weight", "log", "layer", "|dL/dW|: how strongly a layer is asked to learn."
    ),
    "weight_norm": Instrument("Weight norm", "weight", "log", "layer", "|W|: how far weights grow."),
    "update_ratio": Instrument(
        "Update to weight",
        "1 / step",
        "log",
        "layer",
        "|update| / |W|: above 0.1 a net jumps, below 1e-4 it stands still.",
    ),
    "output_rms": Instrument(
        "Output rms", "output", "log", "layer", "The size of z = W a + b: a signal that dies or blows up with depth."
    ),
    "output_gradient": Instrument(
        "Gradient of the output",
        "loss / output",
        "log",
        "layer",
        "|dL/dz|: where it shrinks towards the first layer, it vanishes.",
    ),
    "zeros": Instrument("Zero activations", "share", "linear", "layer", "The share of activations that are exactly 0."),
    "dead_units": Instrument(
        "Dead units",
        "share",
        "linear",
        "layer",
        "Units that are 0 for the whole batch: no gradient comes through them.",
    ),
    "saturated": Instrument(
        "Saturated", "share", "linear", "layer", "Values of a tanh or sigmoid at its ends, where the slope is small."
    ),
}
SETS = {
    "economy": ("gradient_norm", "weight_norm", "update_ratio", "output_rms", "output_gradient"),
    "standard": tuple(INSTRUMENTS),
}
GLOBAL_NORM = "gradient_global_norm"  # recorded whatever the set


def wanted(who: str, given: str | Sequence[str]) -> tuple[str, ...]:
    """The names of a set ("economy", "standard"), or the given ones, once they are found to be instruments.

    Raises:
        ValueError: with the nearest names, where there is no such set or instrument.
    """
    if isinstance(given, str):
        if given not in SETS:
            raise did_you_mean(f"{who}, as instruments,", given, SETS)
        return SETS[given]
    for name in given:
        if name not in INSTRUMENTS:
            raise did_you_mean(f"{who}, as instruments,", name, INSTRUMENTS)
    return tuple(given)
