"""Records of the schedules that only fall (or only rise)."""

import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .. import Constant, Cosine, Exponential, InverseSqrt, Linear, Polynomial
from ._calls import each, in_optax, in_torch, steps_to_try

SGDR = Paper(
    "Loshchilov & Hutter",
    2017,
    "SGDR: Stochastic Gradient Descent with Warm Restarts",
    "ICLR",
    "https://arxiv.org/abs/1608.03983",
)


def _torch_linear(start, end, steps):
    base = max(start, end)
    if start <= 0 or end < 0:
        return "LinearLR scales a positive rate by factors in (0, 1]"
    return {"base": base, "start_factor": start / base, "end_factor": end / base, "total_iters": int(steps)}


def _line(s, start, end, steps, power=1.0):
    return end + (start - end) * max(1 - s / steps, 0.0) ** power


def plain_cosine(s, peak, steps, floor=0.0):
    return floor + 0.5 * (peak - floor) * (1 + np.cos(np.pi * s / steps)) if s < steps else floor


def _noam(s, peak, warmup_steps=0.0):
    w = max(warmup_steps, 1)
    return peak * np.sqrt(w) * min((s + 1) ** -0.5, (s + 1) * w**-1.5)


RECORDS = (
    Record(
        name="constant",
        family="constant",
        papers=(
            Paper(
                "Bottou, Curtis & Nocedal",
                2018,
                "Optimization Methods for Large-Scale Machine Learning",
                "SIAM Review",
                "https://arxiv.org/abs/1606.04838",
            ),
        ),
        make=Constant,
        twins=(Twin("optax.schedules.constant_schedule", lambda value: {"value": value}, call=in_optax),),
        no_twin={"torch": "an optimizer without a scheduler; its ConstantLR multiplies by a factor for a while"},
        settings=({"value": 0.3},),
        example=steps_to_try,
        curried=True,
        transcription=each(lambda s, value: value),
    ),
    Record(
        name="linear",
        family="decay",
        papers=(
            Paper(
                "Defazio et al.",
                2023,
                "Optimal Linear Decay Learning Rate Schedules and Further Refinements",
                "arXiv",
                "https://arxiv.org/abs/2310.07831",
            ),
        ),
        make=Linear,
        twins=(
            Twin(
                "optax.schedules.linear_schedule",
                lambda start, end, steps: {
                    "init_value": start,
                    "end_value": end,
                    "transition_steps": int(steps),
                },
                call=in_optax,
            ),
            Twin("torch.optim.lr_scheduler.LinearLR", _torch_linear, call=in_torch),
        ),
        settings=({"start": 0.3, "end": 0.01, "steps": 10}, {"start": -1.0, "end": 2.0, "steps": 7}),
        example=steps_to_try,
        curried=True,
        transcription=each(_line),
    ),
    Record(
        name="polynomial",
        family="decay",
        papers=(
            Paper(
                "Chen et al.",
                2018,
                "DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, and "
                "Fully Connected CRFs",
                "TPAMI",
                "https://arxiv.org/abs/1606.00915",
            ),
        ),
        make=Polynomial,
        twins=(
            Twin(
                "optax.schedules.polynomial_schedule",
                lambda start, end, steps, power: {
                    "init_value": start,
                    "end_value": end,
                    "power": power,
                    "transition_steps": int(steps),
                },
                call=in_optax,
            ),
            Twin(
                "torch.optim.lr_scheduler.PolynomialLR",
                lambda start, end, steps, power: (
                    {"base": start, "total_iters": int(steps), "power": power} if end == 0 else "PolynomialLR ends at 0"
                ),
                call=in_torch,
            ),
        ),
        settings=(
            {"start": 0.3, "end": 0.0, "steps": 10},
            {"start": 0.3, "end": 0.02, "steps": 10, "power": 0.9},
        ),
        example=steps_to_try,
        curried=True,
        transcription=each(lambda s, start, end, steps, power=2.0: _line(s, start, end, steps, power)),
        deviations=(
            Deviation(
                twin="optax.schedules.polynomial_schedule",
                since="optax 0.2.8",
                what="with 64-bit types enabled it returns float32 at an int32 step, as its optimizers count: a quotient of int32 numbers",
                settings={"start": 1.0, "end": 0.0, "steps": 7},
                sizes={"float64": (2e7, 2e9)},
            ),
        ),
    ),
    Record(
        name="exponential",
        family="decay",
        papers=(
            Paper(
                "Li, Zhuang & Orabona",
                2021,
                "A Second Look at Exponential and Cosine Step Sizes: Simplicity, Adaptivity, and Performance",
                "ICML",
                "https://arxiv.org/abs/2002.05273",
            ),
        ),
        make=Exponential,
        twins=(
            Twin(
                "optax.schedules.exponential_decay",
                lambda start, rate, steps, floor: {
                    "init_value": start,
                    "transition_steps": int(steps),
                    "decay_rate": rate,
                    "end_value": floor if rate < 1 else None,
                },
                call=in_optax,
                note="Its end_value is a ceiling where the rate is above 1; our floor is always a floor.",
            ),
            Twin(
                "torch.optim.lr_scheduler.ExponentialLR",
                lambda start, rate, steps, floor: (
                    {"base": start, "gamma": rate ** (1 / steps)} if floor == 0 else "ExponentialLR has no floor"
                ),
                call=in_torch,
            ),
        ),
        settings=(
            {"start": 0.3, "rate": 0.5},
            {"start": 0.3, "rate": 0.1, "steps": 8, "floor": 0.001},
            {"start": 0.01, "rate": 2.0, "steps": 3},
        ),
        example=steps_to_try,
        curried=True,
        transcription=each(
            lambda s, start, rate, steps=1.0, floor=0.0: max(start * np.exp(s / steps * np.log(rate)), floor)
        ),
        deviations=(
            Deviation(
                twin="optax.schedules.exponential_decay",
                since="optax 0.2.8",
                what="with 64-bit types enabled it returns float32 at an int32 step, as its optimizers count: a quotient of int32 numbers",
                settings={"start": 1.0, "rate": 0.5, "steps": 7},
                sizes={"float64": (2e7, 2e9)},
            ),
        ),
    ),
    Record(
        name="cosine",
        family="decay",
        papers=(SGDR,),
        make=Cosine,
        twins=(
            Twin(
                "optax.schedules.cosine_decay_schedule",
                lambda peak, steps, floor: {
                    "init_value": peak,
                    "decay_steps": int(steps),
                    "alpha": floor / peak,
                },
                call=in_optax,
                note="Its alpha is the floor's share of the peak.",
            ),
            Twin(
                "torch.optim.lr_scheduler.CosineAnnealingLR",
                lambda peak, steps, floor: {"base": peak, "T_max": int(steps), "eta_min": floor},
                call=in_torch,
            ),
        ),
        settings=({"peak": 0.3, "steps": 40}, {"peak": 0.3, "steps": 10, "floor": 0.01}),
        example=steps_to_try,
        curried=True,
        transcription=each(plain_cosine),
        deviations=(
            Deviation(
                twin="torch.optim.lr_scheduler.CosineAnnealingLR",
                since="torch 2.13.0",
                what="after T_max it climbs again, back to the peak at 2 T_max; ours holds the floor",
                settings={"steps": 10},
                sizes={"float32": (8e6, 8.5e6), "float32 (x64)": (8e6, 8.5e6), "float64": (4.2e15, 4.6e15)},
            ),
        ),
    ),
    Record(
        name="inverse_sqrt",
        family="decay",
        papers=(
            Paper(
                "Vaswani et al.",
                2017,
                "Attention Is All You Need",
                "NeurIPS",
                "https://arxiv.org/abs/1706.03762",
            ),
        ),
        make=InverseSqrt,
        no_twin={"optax": "it has no inverse square root (0.2.8)", "torch": "it has none (2.13)"},
        settings=({"peak": 0.3}, {"peak": 0.3, "warmup_steps": 6}),
        example=steps_to_try,
        curried=True,
        transcription=each(_noam),
    ),
)
