"""The signatures of Keras 3's optimizers and schedules, and those of them that nothing here is the same as."""

import inspect
from typing import Any

WITHOUT = {  # Keras's name -> why nothing here is the same
    "keras.optimizers.Adafactor": "Keras's clips and scales by its own relative step, with epsilon_1 inside the square",
    "keras.optimizers.Ftrl": "FTRL keeps its parameters as a function of summed gradients: it is no rule of updates",
    "keras.optimizers.Lamb": "Keras's weight decay stands outside LAMB's trust ratio",
    "keras.optimizers.Muon": "Keras's chooses by name and shape which variables it treats as AdamW",
    "keras.optimizers.schedules.CosineDecayRestarts": "Keras's may also shrink its peak, by m_mul, and counts by logarithms",
    "keras.optimizers.schedules.InverseTimeDecay": "there is no such schedule here",
}


def _base(weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None, use_ema=False, ema_momentum=0.99,
          ema_overwrite_frequency=None, loss_scale_factor=None, gradient_accumulation_steps=None, name=None):  # fmt: skip
    """What every optimizer of Keras takes after its own."""


def _optimizer(weight_decay: float | None = None, **own: Any) -> inspect.Signature:
    return _made(own, {**_defaults(_base), "weight_decay": weight_decay})


def _defaults(function: Any) -> dict[str, Any]:
    return {p.name: p.default for p in inspect.signature(function).parameters.values()}


_REQUIRED = inspect.Parameter.empty


def _made(*groups: dict[str, Any]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(n, kind, default=v) for group in groups for n, v in group.items()])


def _adams(**more: Any) -> dict[str, Any]:
    return {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, **more}


_START = {"initial_learning_rate": _REQUIRED, "decay_steps": _REQUIRED}
SIGNATURES = {
    "keras.optimizers.Adadelta": _optimizer(learning_rate=0.001, rho=0.95, epsilon=1e-7),
    "keras.optimizers.Adagrad": _optimizer(learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7),
    "keras.optimizers.Adam": _optimizer(**_adams(amsgrad=False)),
    "keras.optimizers.AdamW": _made(
        {"learning_rate": 0.001, "weight_decay": 0.004, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
        {"amsgrad": False, **{name: value for name, value in _defaults(_base).items() if name != "weight_decay"}},
    ),
    "keras.optimizers.Adamax": _optimizer(**_adams()),
    "keras.optimizers.Lion": _optimizer(learning_rate=0.001, beta_1=0.9, beta_2=0.99),
    "keras.optimizers.Nadam": _optimizer(**_adams()),
    "keras.optimizers.RMSprop": _optimizer(learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False),
    "keras.optimizers.SGD": _optimizer(learning_rate=0.01, momentum=0.0, nesterov=False),
    "keras.optimizers.schedules.CosineDecay": _made(
        _START, {"alpha": 0.0, "name": None, "warmup_target": None, "warmup_steps": 0}
    ),
    "keras.optimizers.schedules.ExponentialDecay": _made(
        _START, {"decay_rate": _REQUIRED, "staircase": False, "name": None}
    ),
    "keras.optimizers.schedules.PolynomialDecay": _made(
        _START, {"end_learning_rate": 0.0001, "power": 1.0, "cycle": False, "name": None}
    ),
    "keras.optimizers.schedules.PiecewiseConstantDecay": _made(
        {"boundaries": _REQUIRED, "values": _REQUIRED, "name": None}
    ),
    **dict.fromkeys(WITHOUT, inspect.signature(lambda *arguments, **keywords: None)),
}
