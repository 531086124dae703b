"""A rule around another: numbers of its own, and an `inner` rule that it may call as it likes."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ._combinator import call_update, check_part, needs_of
from ._lift import _first, _like_tree, _prepare, _strong
from ._numerics import wide
from ._rule import Rule
from ._trees import Tree


class WrapperState(NamedTuple):
    """What a wrapper carries from one update to the next.

    Attributes:
        step: () int32, how many updates were made; stops at 2**31 - 1.
        memory: the wrapper's own `Memory`; () where there is none.
        inner: the state of the rule inside.
    """

    step: Array
    memory: Any
    inner: Any


class Wrapper(Rule):
    """A rule whose formula concerns another rule's updates, `inner`, its first field.

    Subclasses write `step(self, grads, memory, inner_state, params, t, update)` on whole trees and return
    (updates, memory, inner_state), where `update(grads, inner_state, params)` is the rule inside with everything else that
    it needs, and, where there is memory, `start(self, params)`. What they need beyond gradients stands in `wants` and
    comes as keywords. The rest is as for `TreeRule`; `inner` may be another library's.
    """

    wants: ClassVar[tuple[str, ...]] = ()
    inner: Any

    def __post_init__(self) -> None:
        check_part(type(self).__name__, self.inner)
        super().__post_init__()

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(dict.fromkeys((*self.wants, *needs_of([self.inner]))))

    def start(self, params: Tree) -> Any:
        """The memory before the first update."""
        return ()

    def step(
        self, grads: Tree, memory: Any, inner_state: Any, params: Any, t: Array, update: Callable, **given: Any
    ) -> tuple[Tree, Any, Any]:
        """The updates for the whole tree, the new memory and the inner rule's new state."""
        raise NotImplementedError

    def init(self, params: Tree) -> WrapperState:
        memory = jax.tree.map(lambda x: _strong(x, x), _first(self, params).start(params))
        return WrapperState(jnp.zeros((), jnp.int32), memory, self.inner.init(params))

    def update(
        self, grads: Tree, state: WrapperState, params: Tree | None = None, **extra: Any
    ) -> tuple[Tree, WrapperState]:
        now, t, given = _prepare(self, grads, state, params, extra, WrapperState)
        wide_tree = lambda tree: jax.tree.map(lambda x: wide(jnp.asarray(x)), tree)  # noqa: E731
        params = wide_tree(params)

        def update(grads: Tree, inner_state: Any, params: Tree | None = params, **more: Any) -> tuple[Tree, Any]:
            return call_update(self.inner, grads, inner_state, params, {**extra, **more})

        own = {name: x for name, x in given.items() if name in self.wants}
        updates, memory, inner = now.step(
            wide_tree(grads), wide_tree(state.memory), state.inner, params, t, update, **own
        )
        return _like_tree(updates, grads, self, "the update"), WrapperState(
            t, _like_tree(memory, state.memory, self, "the memory"), inner
        )
