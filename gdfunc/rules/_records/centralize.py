import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._centralize import Centralize


def optax(unit_axis):
    if unit_axis == "last":
        return "optax.centralize takes the first axis for the units, which for kernels (in, out) are the inputs"
    return {}


def paper(gradients, params, unit_axis):
    if gradients.ndim < 3:
        return gradients
    units = np.moveaxis(gradients, {"last": -1, "first": 1}[unit_axis], 1)  # (steps, out, ...)
    flat = units.reshape(*units.shape[:2], -1)
    centred = flat - flat.mean(axis=2, keepdims=True)
    return np.moveaxis(centred.reshape(units.shape), 1, {"last": -1, "first": 1}[unit_axis])


RECORD = Record(
    name="centralize",
    family="transformation",
    papers=(
        Paper(
            "Yong, Huang, Hua & Zhang",
            2020,
            "Gradient Centralization: A New Optimization Technique for Deep Neural Networks",
            "ECCV",
            "https://arxiv.org/abs/2004.01461",
        ),
    ),
    make=Centralize,
    twins=(
        Twin(
            "optax.centralize",
            optax,
            note="It is Centralize(unit_axis='first') whatever the layout: for Flax's kernels (in, out) that is not the "
            "paper's unit.",
        ),
    ),
    no_twin={"torch": "torch.optim has no such option; the authors' code changes the optimizers"},
    settings=({}, {"unit_axis": "first"}),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.centralize",
            since="optax 0.2.8",
            what="of a kernel (in, out) it takes the mean over the outputs, where the paper has the mean over a unit's inputs",
            settings={"unit_axis": "last"},
        ),
    ),
)
