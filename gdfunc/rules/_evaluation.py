"""The parameters to test with, where they are not those that the gradients are taken at."""

from typing import Any

from ..core import Tree
from ..core._chain import Chain


def evaluation_params(rule: Any, state: Any, params: Tree) -> Tree:
    """The parameters that a rule would have tested: schedule-free's average, lookahead's slow weights, `EMAParams`' average.

    Looks into chains and into rules around rules; the outermost that has an answer gives it.

    Args:
        rule: any rule or transformation.
        state: its state after the last update.
        params: the parameters after it.

    Returns:
        A pytree alike `params`; `params` itself where the rule keeps no others.
    """
    found = _find(rule, state, params)
    return params if found is None else found


def _find(rule: Any, state: Any, params: Tree) -> Tree | None:
    if hasattr(rule, "evaluation_params"):
        return rule.evaluation_params(state, params)
    if isinstance(rule, Chain):
        answers = (_find(part, each, params) for part, each in zip(rule.parts, state, strict=True))
        return next((answer for answer in answers if answer is not None), None)
    if hasattr(rule, "inner") and hasattr(state, "inner"):
        return _find(rule.inner, state.inner, params)
    return None
