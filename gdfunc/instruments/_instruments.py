"""The instruments that a training step may carry: what each is called, how it is read, what it costs."""

from typing import NamedTuple


class Instrument(NamedTuple):
    """What a reading is called, how it is to be read, what it costs.

    Attributes:
        title: its name on a page.
        unit: of its numbers.
        scale: "log" or "linear".
        of: "layer", (layers,) numbers a reading; "run", one; "histogram", (layers, bins) counts.
        says: what it is, and what it tells.
        cost: of one reading, beside the step itself; a pass is one over the arrays in question, a gradient is the step's.
        pace: in a set, how many of the run's records pass between two readings.
    """

    title: str
    unit: str
    scale: str
    of: str
    says: str
    cost: str
    pace: int = 1


def _layer(title: str, unit: str, scale: str, says: str, cost: str, pace: int = 1) -> Instrument:
    return Instrument(title, unit, scale, "layer", says, cost, pace)


def _run(title: str, unit: str, scale: str, says: str, cost: str, pace: int = 10) -> Instrument:
    return Instrument(title, unit, scale, "run", says, cost, pace)


def _histogram(title: str, unit: str, says: str) -> Instrument:
    return Instrument(title, unit, "log", "histogram", says, "a pass over 4096 entries a layer", 10)


INSTRUMENTS = {
    "gradient_norm": _layer(
        "Gradient norm", "loss / weight", "log", "|dL/dW|: how strongly a layer is asked to learn.", "1 pass"
    ),
    "weight_norm": _layer("Weight norm", "weight", "log", "|W|: how far weights grow.", "1 pass"),
    "update_ratio": _layer(
        "Update to weight", "1 / step", "log",
        "|update| / |W|: above 0.1 a net jumps, below 1e-4 it stands still.", "1 pass",
    ),
    "output_rms": _layer(
        "Output rms", "output", "log",
        "The size of z = W a + b: a signal that dies or blows up with depth.", "1 pass",
    ),
    "output_gradient": _layer(
        "Gradient of the output", "loss / output", "log",
        "|dL/dz|: where it shrinks towards the first layer, it vanishes.", "1 pass",
    ),
    "zeros": _layer(
        "Zero activations", "share", "linear", "The share of activations that are exactly 0.", "1 pass"
    ),
    "dead_units": _layer(
        "Dead units", "share", "linear",
        "Units that are 0 for the whole batch: no gradient comes through them.", "1 pass",
    ),
    "saturated": _layer(
        "Saturated", "share", "linear", "Values of a tanh or sigmoid at its ends, where the slope is small.", "1 pass"
    ),
    "distance": _layer(
        "Distance travelled", "weight", "log",
        "|W - W_0|: how far a layer is from where it was at the first reading.", "1 pass, and a copy of the weights",
    ),
    "effective_rank": _layer(
        "Effective rank", "directions", "log",
        "How many directions a layer's activations use: where they become few, examples look alike.",
        "a gradient, and a singular value decomposition of at most 128 examples a layer", 10,
    ),
    "gradient_histogram": _histogram(
        "Gradients", "loss / weight", "Entries of dL/dW by size: many at 0 and few large is a sparse gradient."
    ),
    "weight_histogram": _histogram("Weights", "weight", "Entries of W by size."),
    "output_histogram": _histogram(
        "Outputs", "output", "Entries of z = W a + b by size: its ends saturate a tanh, its size a softmax."
    ),
    "clipped": _run(
        "Cut by clipping", "share", "linear",
        "1 - |clipped gradient| / |gradient|, for a chain that clips first: how much is cut, and how often.", "1 pass", 1,
    ),
    "gradient_cosine": _run(
        "Cosine to the last gradient", "cosine", "linear",
        "Near 1 steps are short for the slope they follow, near -1 they bounce across it; 0 is mostly noise. Between "
        "readings.", "1 pass, and a copy of the gradient", 1,
    ),
    "initial_cosine": _run(
        "Cosine to the first gradient", "cosine", "linear",
        "Whether the gradient still points where it did at the first reading.", "1 pass, and a copy of the gradient", 1,
    ),
    "alpha": _run(
        "Alpha", "step", "linear",
        "Where a step lands on the local parabola: -1 where it began, 0 at the minimum, above 1 it climbs.",
        "1 gradient, 2 with mini-batches",
    ),
    "loss_after_before": _run(
        "Loss after / before", "ratio", "linear",
        "On the step's own batch: 1 or more, and the step was too long.", "1 gradient, none beside alpha",
    ),
    "gradient_noise": _run(
        "Gradient noise", "g²", "log", "The trace of the covariance of one example's gradient.",
        "1 to 2 gradients, more where weights are used again; at every record less than half of one, where examples go "
        "through the loss each on its own",
    ),
    "gradient_signal": _run(
        "Gradient signal", "g²", "log",
        "The squared norm of the gradient without noise, estimated: below 0 where noise hides it.",
        "none beside gradient_noise",
    ),
    "noise_scale": _run(
        "Noise scale", "examples", "log",
        "Noise over signal, each averaged over the last readings: batches far below it are mostly noise, far above "
        "it mostly repetition.", "none beside gradient_noise",
    ),
    "norm_test": _run(
        "Norm test", "ratio", "log",
        "The batch gradient's standard error over its length: below some number under 1 the batch is large enough.",
        "none beside gradient_noise",
    ),
    "inner_product_test": _run(
        "Inner product test", "ratio", "log",
        "The standard error along the gradient: small, and the step very likely descends.",
        "1 gradient; a third of one where gradient_noise takes less than half",
    ),
    "orthogonality_test": _run(
        "Orthogonality test", "ratio", "log",
        "The standard error across the gradient: large, and the step strays sideways.", "none beside inner_product_test",
    ),
    "sharpness": _run(
        "Sharpness", "loss / weight²", "log",
        "The Hessian's eigenvalue of largest magnitude, from where the last reading ended.",
        "2.5 gradients a product, 1 to 20 products",
    ),
    "sharpness_residual": _run(
        "Residual of the sharpness", "share", "log",
        "|H v - value v| / |value|: above 0.1 the sharpness is not yet found.", "none beside sharpness",
    ),
    "sharpness_ratio": _run(
        "Sharpness over the rule's limit", "ratio", "linear",
        "Above 1 a step along the sharpest direction lands farther out than it began; full-batch descent settles at 1.",
        "none beside sharpness for gradient descent and momentum; as much again for Adam",
    ),
}  # fmt: skip
SETS = {
    "economy": ("gradient_norm", "weight_norm", "update_ratio", "output_rms", "output_gradient", "clipped"),
    "standard": (
        "gradient_norm",
        "weight_norm",
        "update_ratio",
        "output_rms",
        "output_gradient",
        "zeros",
        "dead_units",
        "saturated",
        "clipped",
    ),
    "full": tuple(INSTRUMENTS),
}
# Read with the step's own gradient: the others look at the loss again, or remember earlier steps.
IN_STEP = tuple(name for name in SETS["standard"] if INSTRUMENTS[name].of == "layer")
# Read by the loss run again with probes; the others need but the loss, gradients and parameters.
PROBED = frozenset({
    "output_rms", "output_gradient", "zeros", "dead_units", "saturated", "effective_rank", "output_histogram",
    "gradient_noise", "gradient_signal", "noise_scale", "norm_test", "inner_product_test", "orthogonality_test",
})  # fmt: skip
GLOBAL_NORM = "gradient_global_norm"  # recorded whatever the set


def norm_called(name: str) -> Instrument:
    """How a norm over all parameters is read: the gradient's, and what `see` records."""
    title = "Gradient norm, all layers" if name == GLOBAL_NORM else name.replace("_", " ").capitalize()
    return _run(title, "loss / weight", "log", "The norm over all parameters.", "1 pass", 1)
