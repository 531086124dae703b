from typing import Any

from ._combinator import Combinator, call_update, check_part, check_states, combinator, needs_of
from ._trees import check_params


@combinator("parts")
class Chain(Combinator):
    """What `chain` returns."""

    word = "chain"

    def __init__(self, *parts: Any):
        for part in parts:
            check_part("chain", part)
        object.__setattr__(self, "parts", parts)

    parts: tuple

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return needs_of(self.parts)

    def _show(self) -> str:
        return ", ".join(map(repr, self.parts))

    def init(self, params):
        check_params(params, "chain.init")
        return tuple(part.init(params) for part in self.parts)

    def update(self, grads, state, params=None, **extra):
        check_states("chain", state, self.parts)
        new = []
        for part, old in zip(self.parts, state, strict=True):
            grads, after = call_update(part, grads, old, params, extra)
            new.append(after)
        return grads, tuple(new)


def chain(*parts: Any) -> Chain:
    """Rules one after another: each is given what the one before returned, as in `optax.chain`.

    `chain(ClipByGlobalNorm(1.0), Adam(1e-3))` clips the gradients and gives them to Adam. A part may be an Optax
    transformation, or any object with its two methods.

    Args:
        *parts: rules or transformations, the one that sees the gradients first.

    Returns:
        A rule whose state is the tuple of its parts' states.

    Raises:
        ValueError: where a part has no `init` and `update`.
    """
    return Chain(*parts)
