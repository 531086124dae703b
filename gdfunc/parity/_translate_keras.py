"""Keras 3's optimizers and schedules: how our rules' fields become their arguments.

From its documentation and the formulas in its source (3.x); its own parity tests are not run here. Its `weight_decay`
is lr * weight_decay * p beside the update, for every optimizer; its `epsilon` is mostly that of the Adam paper's note.
"""

from collections.abc import Callable

from ..core import Twin
from ..schedules import Cosine


def _adam(learning_rate, b1, b2, eps, eps_at, debias):
    if eps_at != "before_debias" and eps != 0:
        return "Keras adds epsilon to the root before the correction: eps_at='before_debias'"
    if debias == "none":
        return "keras.optimizers.Adam always corrects its averages"
    return {"learning_rate": learning_rate, "beta_1": b1, "beta_2": b2, "epsilon": eps}


def _amsgrad(learning_rate, b1, b2, eps, correction, debias):
    if correction != "after_max" or eps != 0:
        return (
            "keras.optimizers.Adam(amsgrad=True) is correction='after_max', with its epsilon before the correction: 0"
        )
    return {"learning_rate": learning_rate, "beta_1": b1, "beta_2": b2, "epsilon": eps, "amsgrad": True}


def _sgd(learning_rate, momentum, dampening, nesterov, momentum_at, first_step):
    if momentum is None:
        return {"learning_rate": learning_rate}
    if dampening != 0:
        return "keras.optimizers.SGD has no dampening"
    if momentum_at == "before_rate" and callable(learning_rate):
        return "keras.optimizers.SGD puts the rate into the velocity: momentum_at='after_rate'"
    return {"learning_rate": learning_rate, "momentum": momentum, "nesterov": nesterov}


def _rmsprop(learning_rate, decay, eps, momentum, centered, nesterov, initial_v, eps_at, momentum_at, debias):
    if eps_at != "inside" and eps != 0:
        return "keras.optimizers.RMSprop has its epsilon inside the root"
    if nesterov or initial_v != 0 or debias != "none":
        return "keras.optimizers.RMSprop has no Nesterov momentum, initial average or bias correction"
    if momentum_at == "before_rate" and momentum is not None and callable(learning_rate):
        return "keras.optimizers.RMSprop puts the rate into the velocity"
    return {
        "learning_rate": learning_rate,
        "rho": decay,
        "momentum": momentum or 0.0,
        "epsilon": eps,
        "centered": centered,
    }


def _adagrad(learning_rate, eps, initial_accumulator, eps_at):
    if eps_at == "outside" and eps != 0:
        return "keras.optimizers.Adagrad has its epsilon inside the root"
    return {"learning_rate": learning_rate, "initial_accumulator_value": initial_accumulator, "epsilon": eps}


def _adadelta(learning_rate, rho, eps):
    return {"learning_rate": learning_rate, "rho": rho, "epsilon": eps}


def _adamax(learning_rate, b1, b2, eps, debias):
    if eps != 0:
        return "Keras adds epsilon after the maximum, ours (the paper's text and PyTorch) before it: equal for 0 only"
    return {"learning_rate": learning_rate, "beta_1": b1, "beta_2": b2, "epsilon": eps}


def _nadam(learning_rate, b1, b2, eps, momentum_decay, momentum, average, b2_factor, debias):
    if momentum != "scheduled" or average != "constant" or b2_factor or momentum_decay != 1:
        return "keras.optimizers.Nadam is momentum_decay=1, average='constant', b2_factor=False"
    return {"learning_rate": learning_rate, "beta_1": b1, "beta_2": b2, "epsilon": eps}


def _with_decay(plain):
    def arguments(weight_decay, schedule, decay, **fields):
        if decay != "rate":
            return "Keras multiplies the decay by the rate: decay='rate'"
        found = plain(**fields)
        return found if isinstance(found, str) else {**found, "weight_decay": weight_decay}

    return arguments


def _lion(learning_rate, b1, b2, weight_decay):
    return {"learning_rate": learning_rate, "beta_1": b1, "beta_2": b2, "weight_decay": weight_decay}


def _cosine(peak, steps, floor):
    return {"initial_learning_rate": peak, "decay_steps": int(steps), "alpha": floor / peak}


def _warmup(schedule, steps, start):
    if not isinstance(schedule, Cosine):
        return "keras.optimizers.schedules.CosineDecay warms up into a cosine only"
    ends = {"initial_learning_rate": start, "warmup_target": schedule.peak, "alpha": schedule.floor / schedule.peak}
    return {**ends, "decay_steps": int(schedule.steps), "warmup_steps": int(steps)}


def _exponential(start, rate, steps, floor):
    if floor != 0:
        return "keras.optimizers.schedules.ExponentialDecay has no floor"
    return {"initial_learning_rate": start, "decay_steps": int(steps), "decay_rate": rate}


def _step(start, every, factor):
    return {"initial_learning_rate": start, "decay_steps": int(every), "decay_rate": factor, "staircase": True}


def _polynomial(start, end, steps, power):
    return {
        "initial_learning_rate": start,
        "decay_steps": int(steps),
        "end_learning_rate": end,
        "power": power,
    }


def _linear(start, end, steps):
    return _polynomial(start, end, steps, 1.0)


def _piecewise(values, boundaries):
    # Keras keeps a value up to and with its boundary; ours ends before it.
    return {"boundaries": [int(b) - 1 for b in boundaries], "values": list(values)}


def _schedule(name: str, arguments: Callable, note: str = "") -> Twin:
    return Twin(f"keras.optimizers.schedules.{name}", arguments, note=note)


TWINS = {  # our record's name -> Keras's version
    "adadelta": Twin("keras.optimizers.Adadelta", _adadelta, note="Its default learning_rate is 0.001."),
    "adagrad": Twin("keras.optimizers.Adagrad", _adagrad, note="eps_at='inside'."),
    "adam": Twin("keras.optimizers.Adam", _adam, note="eps_at='before_debias'; its default epsilon is 1e-7."),
    "adamax": Twin("keras.optimizers.Adamax", _adamax, note="Keras adds epsilon after the maximum: equal for 0 only."),
    "adamaxw": Twin("keras.optimizers.Adamax", _with_decay(_adamax), note="decay='rate'."),
    "adamw": Twin("keras.optimizers.AdamW", _with_decay(_adam), note="decay='rate', eps_at='before_debias'."),
    "amsgrad": Twin("keras.optimizers.Adam", _amsgrad, note="amsgrad=True."),
    "lion": Twin("keras.optimizers.Lion", _lion),
    "nadam": Twin("keras.optimizers.Nadam", _nadam, note="momentum_decay=1: its momentum rises 250 times as fast."),
    "nadamw": Twin("keras.optimizers.Nadam", _with_decay(_nadam), note="momentum_decay=1, decay='rate'."),
    "rmsprop": Twin("keras.optimizers.RMSprop", _rmsprop, note="Its default epsilon is 1e-7."),
    "sgd": Twin("keras.optimizers.SGD", _sgd),
    "cosine": _schedule("CosineDecay", _cosine, "Its alpha is the floor's share of the peak."),
    "warmup": _schedule("CosineDecay", _warmup),
    "exponential": _schedule("ExponentialDecay", _exponential),
    "step": _schedule("ExponentialDecay", _step, "staircase=True."),
    "polynomial": _schedule("PolynomialDecay", _polynomial),
    "linear": _schedule("PolynomialDecay", _linear, "power=1."),
    "piecewise": _schedule("PiecewiseConstantDecay", _piecewise, "A value holds up to and with its boundary there."),
}
