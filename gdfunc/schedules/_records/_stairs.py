"""Records of the schedules that are constant between steps."""

import itertools

import numpy as np

from ...core import Paper, Record, Twin
from .. import Piecewise, Step
from ._calls import each, in_optax, in_torch, steps_to_try


def _optax_stairs(values, boundaries):
    scales = {int(b): v / u for b, u, v in zip(boundaries, values, values[1:], strict=False)}
    return {"init_value": values[0], "boundaries_and_scales": scales}


def _torch_stairs(values, boundaries):
    gamma = values[1] / values[0]
    if any(abs(b - gamma * a) > 1e-12 for a, b in itertools.pairwise(values)):
        return "MultiStepLR multiplies by the same gamma at every milestone"
    return {"base": values[0], "milestones": [int(b) for b in boundaries], "gamma": gamma}


RECORDS = (
    Record(
        name="step",
        family="stairs",
        papers=(
            Paper(
                "Ge, Kakade, Kidambi & Netrapalli",
                2019,
                "The Step Decay Schedule: A Near Optimal, Geometrically Decaying Learning Rate Procedure for Least Squares",
                "NeurIPS",
                "https://arxiv.org/abs/1904.12838",
            ),
        ),
        make=Step,
        twins=(
            Twin(
                "optax.schedules.exponential_decay",
                lambda start, every, factor: {
                    "init_value": start,
                    "transition_steps": int(every),
                    "decay_rate": factor,
                    "staircase": True,
                },
                call=in_optax,
            ),
            Twin(
                "torch.optim.lr_scheduler.StepLR",
                lambda start, every, factor: {"base": start, "step_size": int(every), "gamma": factor},
                call=in_torch,
            ),
        ),
        settings=({"start": 0.3, "every": 5}, {"start": 0.3, "every": 3, "factor": 0.5}),
        example=steps_to_try,
        curried=True,
        transcription=each(lambda s, start, every, factor=0.1: start * factor ** (s // every)),
    ),
    Record(
        name="piecewise",
        family="stairs",
        papers=(
            Paper(
                "He, Zhang, Ren & Sun",
                2016,
                "Deep Residual Learning for Image Recognition",
                "CVPR",
                "https://arxiv.org/abs/1512.03385",
            ),
        ),
        make=Piecewise,
        twins=(
            Twin("optax.schedules.piecewise_constant_schedule", _optax_stairs, call=in_optax),
            Twin("torch.optim.lr_scheduler.MultiStepLR", _torch_stairs, call=in_torch),
        ),
        settings=(
            {"values": (0.4, 0.04, 0.004), "boundaries": (5, 12)},
            {"values": (0.1, 0.3, 0.2), "boundaries": (1, 20)},
        ),
        example=steps_to_try,
        curried=True,
        transcription=each(lambda s, values, boundaries: values[int(np.searchsorted(boundaries, s, side="right"))]),
    ),
)
