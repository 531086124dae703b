"""`gdfunc diagnose`."""

import json
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from .. import data as data_sets
from ..core import did_you_mean
from ..diagnosis import KINDS, diagnose
from ..report import diagnosis as diagnosis_table, show
from ._own import own
from ._parse import named
from ._task import as_task, make_rule


def show_diagnosis(
    target: str,
    data: Sequence[str],
    model: Sequence[str],
    weights: Sequence[str],
    loss: Sequence[str],
    rule: Sequence[str],
    batch_size: int,
    steps: int,
    seed: int,
    fail_on: str,
    as_json: bool,
) -> int:
    """Diagnoses, prints the findings; 1 where one is of a kind in `fail_on`."""
    wanted = [kind.strip() for kind in fail_on.split(",") if kind.strip()]
    for kind in wanted:
        if kind not in (*KINDS, "any"):
            raise did_you_mean("--fail-on", kind, (*KINDS, "any"))
    given = [f"--{name}" for name, x in (("model", model), ("init", weights), ("loss", loss), ("data", data)) if x]
    if target and given:
        raise ValueError(f"diagnose needs {target} or one of our models, and was given {', '.join(given)} beside it")
    update = make_rule(rule, (), ()) if rule else None
    subject = (
        made(target) if target else one_of_ours(data or ("digits",), model or ("mlp",), weights, loss, batch_size, seed)
    )
    found = diagnose(*subject, rule=update, steps=steps, key=seed)
    if as_json:
        print(json.dumps(found.as_dict(), indent=1, allow_nan=False))
    else:
        show(diagnosis_table(found))
    return int(bool(found.findings) if "any" in wanted else bool(found.kinds & set(wanted)))


def made(target: str) -> tuple[Any, Any, Any]:
    """(loss_fn, params, batch), as the user's function returns them."""
    make = own("diagnose", target)
    if not callable(make):
        raise ValueError(f"diagnose needs {target} to be a function that returns (loss_fn, params, batch)")
    try:
        out = make()
    except Exception as error:  # whatever it is, it is no finding
        raise ValueError(f"diagnose calls {target}(), and it raised {type(error).__name__}: {error}") from error
    if not isinstance(out, tuple) or len(out) != 3 or not callable(out[0]):
        raise ValueError(
            f"diagnose needs {target}() to return (loss_fn, params, batch), and it returned "
            f"{[type(x).__name__ for x in out] if isinstance(out, tuple) else type(out).__name__}"
        )
    return out


def one_of_ours(
    data: Sequence[str], model: Sequence[str], weights: Sequence[str], loss: Sequence[str], batch_size: int, seed: int
) -> tuple[Any, Any, Any]:
    """(loss, parameters, one batch) of a model of ours on an embedded data set; a batch of 0 is all rows."""
    if batch_size < 0:
        raise ValueError(f"--batch-size needs to be 0 (all rows) or more, and was given {batch_size}")
    name, options = named(data, "--data")
    dataset = data_sets.load(name, **options)
    task, x, _ = as_task(dataset, model, weights, loss)
    rows = slice(batch_size or None)
    batch = (jnp.asarray(x[rows]), jnp.asarray(dataset.y_train[rows]))
    return task.loss, task.model.init(jax.random.key(seed)), batch
