"""Records of the schedules that rise and fall."""

import itertools

import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .. import CosineRestarts, OneCycle
from ._calls import each, in_optax, in_torch, steps_to_try
from ._decay import SGDR, plain_cosine


def _optax_one_cycle(form):
    def arguments(peak, steps, rise, initial_divisor, final_divisor, return_at, shape):
        if shape != form or (return_at is None) != (form == "cosine"):
            return f"{form}_onecycle_schedule is {'cosine in two parts' if form == 'cosine' else 'linear in three'}"
        ends = {} if return_at is None else {"pct_final": return_at}
        divisors = {"div_factor": initial_divisor, "final_div_factor": final_divisor}
        return {"transition_steps": int(steps), "peak_value": peak, "pct_start": rise, **ends, **divisors}

    return arguments


def _torch_one_cycle(peak, steps, rise, initial_divisor, final_divisor, return_at, shape):
    if return_at not in (None, 2 * rise):
        return "OneCycleLR in three parts falls as long as it rose"
    return {
        "base": peak,
        "last": int(steps),
        "max_lr": peak,
        "total_steps": int(steps) + 1,
        "pct_start": (rise * steps + 1) / (steps + 1),
        "anneal_strategy": {"cosine": "cos", "linear": "linear"}[shape],
        "cycle_momentum": False,
        "div_factor": initial_divisor,
        "final_div_factor": final_divisor,
        "three_phase": return_at is not None,
    }


def _optax_restarts(peak, steps, multiplier, floor):
    cycle = {"init_value": peak, "peak_value": peak, "warmup_steps": 0, "end_value": floor}
    return {"cosine_kwargs": [{**cycle, "decay_steps": int(steps) * multiplier**i} for i in range(8)]}


def _restarts(s, peak, steps, multiplier=1, floor=0.0):
    while s >= steps:
        s, steps = s - steps, steps * multiplier
    return plain_cosine(s, peak, steps, floor)


def _one_cycle(s, peak, steps, rise=0.3, initial_divisor=25.0, final_divisor=1e4, return_at=None, shape="cosine"):
    first = peak / initial_divisor
    knots = [(0, first), (rise * steps, peak), (steps, first / final_divisor)]
    if return_at is not None:
        knots.insert(2, (return_at * steps, first))
    for (a, from_), (b, to) in itertools.pairwise(knots):
        if a <= s < b:
            x = (s - a) / (b - a)
            return to + (from_ - to) * ((1 + np.cos(np.pi * x)) / 2 if shape == "cosine" else 1 - x)
    return knots[-1][1]


RECORDS = (
    Record(
        name="cosine_restarts",
        family="cyclic",
        papers=(SGDR,),
        make=CosineRestarts,
        twins=(
            Twin(
                "optax.schedules.sgdr_schedule",
                _optax_restarts,
                call=in_optax,
                note="It takes a list of cycles.",
            ),
            Twin(
                "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
                lambda peak, steps, multiplier, floor: {
                    "base": peak,
                    "T_0": int(steps),
                    "T_mult": multiplier,
                    "eta_min": floor,
                },
                call=in_torch,
            ),
        ),
        settings=(
            {"peak": 0.3, "steps": 7},
            {"peak": 0.3, "steps": 3, "multiplier": 2, "floor": 0.01},
        ),
        example=steps_to_try,
        curried=True,
        transcription=each(_restarts),
    ),
    Record(
        name="one_cycle",
        family="cyclic",
        papers=(
            Paper(
                "Smith & Topin",
                2019,
                "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates",
                "SPIE Artificial Intelligence and Machine Learning for Multi-Domain Operations Applications",
                "https://arxiv.org/abs/1708.07120",
            ),
        ),
        make=OneCycle,
        twins=(
            Twin(
                "optax.schedules.cosine_onecycle_schedule",
                _optax_one_cycle("cosine"),
                call=in_optax,
                note="It rounds rise * steps down to a whole number.",
            ),
            Twin(
                "optax.schedules.linear_onecycle_schedule",
                _optax_one_cycle("linear"),
                call=in_optax,
                note="It rounds rise * steps and return_at * steps down to whole numbers.",
            ),
            Twin(
                "torch.optim.lr_scheduler.OneCycleLR",
                _torch_one_cycle,
                call=in_torch,
                note="It reaches its last value at step total_steps - 1 and raises an error after it.",
            ),
        ),
        settings=(
            {"peak": 0.3, "steps": 20, "rise": 0.25},
            {"peak": 0.3, "steps": 20, "initial_divisor": 10.0, "final_divisor": 100.0},
            {"peak": 0.3, "steps": 20, "rise": 0.25, "return_at": 0.75, "shape": "linear"},
            {"peak": 0.3, "steps": 16, "rise": 0.25, "return_at": 0.5, "shape": "linear"},
            {"peak": 0.3, "steps": 16, "rise": 0.375, "shape": "linear"},
        ),
        example=steps_to_try,
        curried=True,
        transcription=each(_one_cycle),
        deviations=(
            Deviation(
                twin="optax.schedules.cosine_onecycle_schedule",
                since="optax 0.2.8",
                what="rise * steps is rounded down to a whole step: the peak comes early, and below one step there is no rise at all",
                settings={"peak": 1.0, "steps": 10, "rise": 0.35},
            ),
            Deviation(
                twin="optax.schedules.linear_onecycle_schedule",
                since="optax 0.2.8",
                what="rise * steps and return_at * steps are rounded down to whole steps: the peak and the return come early",
                settings={"peak": 1.0, "steps": 10, "rise": 0.35, "return_at": 0.85, "shape": "linear"},
            ),
        ),
    ),
)
