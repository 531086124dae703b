"""Update rules, each in its paper's form; frameworks' dialects are conventions of the same formula.

`get("adam", learning_rate=1e-3)` finds a rule by its lower-case name, `records()` what is known of each.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..core import Record, Rule, did_you_mean
from ._adadelta import Adadelta as Adadelta
from ._adagrad import Adagrad as Adagrad
from ._adam import Adam as Adam
from ._adamax import Adamax as Adamax
from ._adamw import AdamW as AdamW
from ._add_decayed_weights import AddDecayedWeights as AddDecayedWeights
from ._amsgrad import AMSGrad as AMSGrad
from ._lion import Lion as Lion
from ._nadam import NAdam as NAdam
from ._radam import RAdam as RAdam
from ._rmsprop import RMSprop as RMSprop
from ._rprop import Rprop as Rprop
from ._sgd import SGD as SGD
from ._sign_sgd import SignSGD as SignSGD
from ._signum import Signum as Signum


@cache
def records() -> dict[str, Record]:
    """Every rule's record by its lower-case name, in alphabetical order."""
    from . import _records as folder

    found = (
        import_module(f"{folder.__name__}.{module.name}").RECORD
        for module in iter_modules(folder.__path__)
        if not module.name.startswith("_")
    )
    return {record.name: record for record in sorted(found, key=lambda record: record.name)}


def record(name: str) -> Record:
    """The record of the rule called `name`.

    Raises:
        ValueError: with the nearest names, where there is no such rule.
    """
    try:
        return records()[name.lower()]
    except (KeyError, AttributeError):
        raise did_you_mean("gdfunc.rules", name, records()) from None


def get(name: str, **hyperparameters) -> Rule:
    """The rule called `name` with these hyperparameters: `get("adam", learning_rate=1e-3)`.

    Args:
        name: a lower-case name from `records()`.
        **hyperparameters: the fields of the rule's class.

    Returns:
        The rule.

    Raises:
        ValueError: on an unknown name or hyperparameter (with the nearest ones), a missing one, or a bad value.
    """
    import dataclasses

    make = record(name).make
    fields = {field.name: field for field in dataclasses.fields(make)}  # pyright: ignore[reportArgumentType]
    for given in hyperparameters:
        if given not in fields:
            raise did_you_mean(make.__name__, given, fields)
    missing = [f.name for f in fields.values() if f.default is dataclasses.MISSING and f.name not in hyperparameters]
    if missing:
        raise ValueError(f"{make.__name__} needs {', '.join(missing)}, and was not given it")
    return make(**hyperparameters)
