"""Data sets and problems by name."""

import inspect
from collections.abc import Callable
from typing import Any

from ..core import did_you_mean
from ._adding_problem import adding_problem
from ._dataset import Dataset
from ._digits import digits
from ._linear_regression import linear_regression
from ._mnist1d import mnist1d
from ._problems import Problem, quadratic, rosenbrock
from ._spirals import spirals
from ._two_moons import two_moons

_DATASETS: dict[str, Callable[..., Dataset]] = {
    make.__name__: make for make in (adding_problem, digits, linear_regression, mnist1d, spirals, two_moons)
}
_PROBLEMS: dict[str, Callable[..., Problem]] = {make.__name__: make for make in (quadratic, rosenbrock)}


def datasets() -> dict[str, Callable[..., Dataset]]:
    """Name -> the function that makes the data set, for all that `load` knows."""
    return dict(_DATASETS)


def problems() -> dict[str, Callable[..., Problem]]:
    """Name -> the function that makes the problem, for all that `problem` knows."""
    return dict(_PROBLEMS)


def load(name: str, **options: Any) -> Dataset:
    """A data set by name: `load("digits")`, `load("spirals", arms=3)`. Nothing is downloaded.

    Args:
        name: one of `datasets()`.
        **options: that data set's own.

    Returns:
        Training and test arrays, and where they come from; the same for the same options.

    Raises:
        ValueError: on an unknown name or option, with the nearest known ones; where an option leaves its range.
    """
    return _make("load", _DATASETS, name, options)


def problem(name: str, **options: Any) -> Problem:
    """A function to minimise by name: `problem("quadratic", condition_number=1e3)`, `problem("rosenbrock")`.

    Args:
        name: one of `problems()`.
        **options: that problem's own.

    Returns:
        The function, a start, the minimiser and the minimum.

    Raises:
        ValueError: on an unknown name or option, with the nearest known ones; where an option leaves its range.
    """
    return _make("problem", _PROBLEMS, name, options)


def _make(who: str, table: dict[str, Callable[..., Any]], name: str, options: dict[str, Any]) -> Any:
    if name not in table:
        raise did_you_mean(who, name, table)
    known = inspect.signature(table[name]).parameters
    for option in options:
        if option not in known:
            raise did_you_mean(f"{who}({name!r})", option, known)
    return table[name](**options)
