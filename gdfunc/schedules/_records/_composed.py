"""Records of the schedules made of others."""

import numpy as np

from ...core import Paper, Record, Twin
from .. import Constant, Cosine, Join, Step, Warmup, WarmupStableDecay
from ._calls import each, in_optax, steps_to_try
from ._decay import plain_cosine

_GOYAL = Paper(
    "Goyal et al.",
    2017,
    "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour",
    "arXiv",
    "https://arxiv.org/abs/1706.02677",
)


def _optax_warmup_cosine(schedule, steps, start):
    if not isinstance(schedule, Cosine):
        return "warmup_cosine_decay_schedule goes into a cosine"
    both = int(steps) + int(schedule.steps)
    ends = {"init_value": start, "peak_value": schedule.peak, "end_value": schedule.floor}
    return {**ends, "warmup_steps": int(steps), "decay_steps": both}


def _optax_warmup_constant(schedule, steps, start):
    if not isinstance(schedule, Constant) or steps == 0:
        return "warmup_constant_schedule goes into a constant, and without steps stays at its initial value"
    return {"init_value": start, "peak_value": schedule.value, "warmup_steps": int(steps)}


def _plain(schedule, s):
    """A part of a composed schedule."""
    if isinstance(schedule, Cosine):
        return plain_cosine(s, schedule.peak, schedule.steps, schedule.floor)
    if isinstance(schedule, Step):
        return schedule.start * schedule.factor ** (s // schedule.every)
    return schedule.value


def _warmup(s, schedule, steps, start=0.0):
    return start + (_plain(schedule, 0) - start) * s / steps if s < steps else _plain(schedule, s - steps)


def _join(s, schedules, boundaries):
    i = sum(s >= b for b in boundaries)
    return _plain(schedules[i], s - (0, *boundaries)[i])


def _wsd(s, peak, warmup_steps, stable_steps, decay_steps, floor=0.0, shape="1-sqrt"):
    if s < warmup_steps:
        return peak * s / warmup_steps
    x = (s - warmup_steps - stable_steps) / decay_steps
    if x <= 0:
        return peak
    if x >= 1:
        return floor
    left = {"1-sqrt": 1 - np.sqrt(x), "linear": 1 - x, "cosine": np.cos(np.pi * x / 2) ** 2}[shape]
    return floor + (peak - floor) * left


RECORDS = (
    Record(
        name="warmup",
        family="composed",
        papers=(_GOYAL,),
        make=Warmup,
        twins=(
            Twin("optax.schedules.warmup_cosine_decay_schedule", _optax_warmup_cosine, call=in_optax),
            Twin("optax.schedules.warmup_constant_schedule", _optax_warmup_constant, call=in_optax),
        ),
        no_twin={
            "torch": "composed there with SequentialLR, which has no warm-up from 0: LinearLR needs a factor above it"
        },
        settings=(
            {"schedule": Cosine(0.3, 10, 0.01), "steps": 4},
            {"schedule": Cosine(0.3, 10), "steps": 4, "start": 0.05},
            {"schedule": Constant(0.3), "steps": 4, "start": 0.05},
            {"schedule": Step(0.3, 5), "steps": 0},
        ),
        example=steps_to_try,
        curried=True,
        transcription=each(_warmup),
    ),
    Record(
        name="warmup_stable_decay",
        family="composed",
        papers=(
            Paper(
                "Hu et al.",
                2024,
                "MiniCPM: Unveiling the Potential of Small Language Models with Scalable Training Strategies",
                "COLM",
                "https://arxiv.org/abs/2404.06395",
            ),
            Paper(
                "Haegele et al.",
                2024,
                "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations",
                "NeurIPS",
                "https://arxiv.org/abs/2405.18392",
            ),
        ),
        make=WarmupStableDecay,
        no_twin={"optax": "it has none (0.2.8); composed with join_schedules", "torch": "it has none (2.13)"},
        settings=(
            {"peak": 0.3, "warmup_steps": 4, "stable_steps": 6, "decay_steps": 8},
            {
                "peak": 0.3,
                "warmup_steps": 0,
                "stable_steps": 5,
                "decay_steps": 8,
                "floor": 0.01,
                "shape": "linear",
            },
            {
                "peak": 0.3,
                "warmup_steps": 4,
                "stable_steps": 0,
                "decay_steps": 9,
                "floor": 0.01,
                "shape": "cosine",
            },
        ),
        example=steps_to_try,
        curried=True,
        transcription=each(_wsd),
    ),
    Record(
        name="join",
        family="composed",
        papers=(_GOYAL,),
        make=Join,
        twins=(
            Twin(
                "optax.schedules.join_schedules",
                lambda schedules, boundaries: {"schedules": schedules, "boundaries": boundaries},
                call=in_optax,
            ),
        ),
        no_twin={
            "torch": "SequentialLR chains schedulers that rewrite the optimizer's rate; it is no function of the step"
        },
        settings=(
            {"schedules": (Constant(0.3), Cosine(0.2, 6, 0.01), Step(0.1, 3)), "boundaries": (4, 12)},
            {"schedules": (Step(0.3, 5),), "boundaries": ()},
        ),
        example=steps_to_try,
        curried=True,
        transcription=each(_join),
    ),
)
