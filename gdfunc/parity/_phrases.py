"""What a changed setting means, in words."""

from typing import Any

from ._slips import Shifted

_SAME = 256.0  # in rounding errors
_WORDS = {
    ("eps_at", "inside"): "eps stands inside the root",
    ("eps_at", "outside"): "eps stands outside the root",
    ("eps_at", "before_debias"): "eps is added before the bias correction",
    ("debias", "none"): "the averages are not corrected for their start at zero",
    ("debias", "power"): "1 - beta**t is evaluated literally",
    ("debias", "exact"): "1 - beta**t is evaluated without cancellation",
    ("nesterov", True): "the momentum looks ahead",
    ("nesterov", False): "the momentum does not look ahead",
    ("decay", "coupled"): "the weight decay is added to the gradient",
    ("decay", "rate"): "the weight decay is multiplied by the learning rate",
    ("decay", "schedule"): "the weight decay is independent of the learning rate",
    ("correction", "none"): "the averages are not corrected for their start at zero",
    ("correction", "before_max"): "the bias is corrected before the maximum is taken",
    ("correction", "after_max"): "the bias is corrected after the maximum is taken",
    ("centered", True): "the squared mean is subtracted from the second moment",
    ("centered", False): "the squared mean is not subtracted from the second moment",
    ("factor", -1.0): "its sign is turned",
}


def words(name: str, value: Any, part: Any) -> str:
    """One change of the rule, as a clause after "if"."""
    if isinstance(value, Shifted):
        return f"{name} is read one step {'late' if value.by > 0 else 'early'}"
    if name == "l2":
        return f"a weight decay of {value:g} is added to the gradient"
    if name == "decoupled":
        rate = getattr(part, "learning_rate", None)
        share = f"{value / rate:.6g} times the learning rate" if isinstance(rate, float) and rate else f"{value:g}"
        return f"the parameter decays beside the update, by {share} a step"
    if name == "late":
        return "its update comes one step late"
    if name == "factor" and value != -1:
        return f"its update is multiplied by {value:g}"
    known = _WORDS.get((name, value)) if isinstance(value, (bool, str, float)) else None
    return known or f"{name} is {value!r}"


def clause(part: Any, changes: Any) -> str:
    """All changes of the rule, as one clause."""
    return " and ".join(words(name, value, part) for name, value in changes.items())


def settings(part: Any, changes: Any) -> str:
    """What to set, where that is a matter of fields."""
    own = [f"{n}={v!r}" for n, v in changes.items() if n in part._fields and not isinstance(v, Shifted)]
    return ", ".join(own + [f"AddDecayedWeights({v:g}) in a chain before it" for n, v in changes.items() if n == "l2"])


def sentence(part: Any, best: Any, ties: list) -> str:
    """What explains the difference; `ties` explain it as well."""
    name = type(part).__name__
    if not best.changes:
        return (
            f"{name} has the same formula: the two differ by {best.error:.2g} rounding errors, and by no setting of it"
        )
    to_set = settings(part, best.changes)
    text = f"{name} agrees to {best.error:.2g} rounding errors if {clause(part, best.changes)}"
    text += f": set {to_set}" if to_set else ""
    return text + "".join(f"; or if {clause(part, tie.changes)}" for tie in ties[:2])


def unexplained(part: Any, nearest: Any, before: float, other: tuple[str, float] | None) -> str:
    """What comes nearest where nothing explains the difference: a changed setting, another rule."""
    text = f"no setting of {type(part).__name__} explains it"
    if nearest.changes and nearest.error < before / 2:
        text += f"; the nearest, if {clause(part, nearest.changes)}, is {nearest.error:.2g} rounding errors off"
    if other is None:
        return text
    name, error = other
    if error <= _SAME:
        return f"{text}; it is {name}, to {error:.2g} rounding errors"
    return f"{text}; the nearest other rule is {name}, {error:.2g} rounding errors off"
