"""What rules made of rules share. Their parts are their leaves, so mapping or differentiating reaches into them."""

from collections.abc import Callable
from typing import Any, ClassVar

import jax

from ._fields import _build, _unwrap, _wrap
from ._rule import Rule, Transformation
from ._trees import Tree


class Combinator(Rule):
    """A rule whose only numbers are those of its parts; its choices are static."""

    word: ClassVar[str]  # the function that makes it

    def __repr__(self) -> str:
        return f"{self.word}({self._show()})"

    def _show(self) -> str:
        raise NotImplementedError


def combinator(parts: str, static: tuple[str, ...] = ()):
    """Registers a combinator: the attribute `parts` holds rules or a tuple of them, `static` what is fixed."""

    def register(cls):
        def flatten(x):
            return (_wrap(getattr(x, parts)),), tuple(getattr(x, name) for name in static)

        def flatten_with_keys(x):
            (child,), aux = flatten(x)
            return ((jax.tree_util.GetAttrKey(parts), child),), aux

        def unflatten(aux, children):
            return _build(cls, {parts: _unwrap(children[0]), **dict(zip(static, aux, strict=True))})

        jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)
        return cls

    return register


def check_part(who: str, part: Any) -> None:
    """Raises ValueError unless `part` has a rule's two methods."""
    if not isinstance(part, Transformation) or isinstance(part, type):
        raise ValueError(f"{who} needs rules (objects with init and update), and was given {part!r}")


def call_update(part: Any, grads: Tree, state: Any, params: Tree | None, extra: dict[str, Any]) -> tuple[Tree, Any]:
    """`part.update`, with the extra keywords if it is a rule or its signature takes any."""
    if isinstance(part, Rule) or not extra:
        return part.update(grads, state, params, **extra)
    import inspect

    kinds = [p.kind for p in inspect.signature(part.update).parameters.values()]
    takes = inspect.Parameter.VAR_KEYWORD in kinds
    return part.update(grads, state, params, **extra) if takes else part.update(grads, state, params)


def objective(value_fn: Callable[[Tree], Any]) -> Callable[..., Any]:
    """`value_fn` as Optax's line searches want it: they hand it every extra that it names, and refuse any other."""
    return lambda params, *, grad_fn=None, obj_fn=None, key=None, per_example_grads=None: value_fn(params)


def check_states(who: str, state: Any, parts: tuple) -> None:
    """Raises ValueError unless `state` is a tuple with a state for each part."""
    if type(state) is not tuple or len(state) != len(parts):
        raise ValueError(
            f"{who}.update needs the state that its init or last update returned, a tuple of {len(parts)}, "
            f"and was given {state!r:.80}"
        )


def needs_of(parts: Any) -> tuple[str, ...]:
    """What any of the parts needs, each once."""
    return tuple(dict.fromkeys(name for part in parts for name in getattr(part, "needs", ())))


def select(tree: Tree, keep: Tree) -> Tree:
    """`tree` with a hole (None, a node without leaves) where `keep` is False: paths stay as they are."""
    return jax.tree.map(lambda k, x: x if k else None, keep, tree)


def merge(base: Tree, keep: Tree, chosen: Tree) -> Tree:
    """`chosen` where `keep`, else `base`."""
    fill = iter(jax.tree.leaves(chosen))
    return jax.tree.map(lambda k, x: next(fill) if k else x, keep, base)


def init_part(part: Any, params: Tree) -> Any:
    """The part's first state; () where no leaf is left for it."""
    return part.init(params) if jax.tree.leaves(params) else ()


def update_part(
    part: Any, grads: Tree, state: Any, params: Tree | None, keep: Tree, extra: dict[str, Any]
) -> tuple[Tree, Any]:
    """The part's update of the leaves where `keep`; where no leaf is left for it, nothing happens."""
    mine = select(grads, keep)
    if not jax.tree.leaves(mine):
        return mine, state
    chosen = None if params is None else select(params, keep)
    return call_update(part, mine, state, chosen, _narrowed(extra, params, keep))


def _narrowed(extra: dict[str, Any], params: Tree | None, keep: Tree) -> dict[str, Any]:
    """The extras as they concern some of the leaves: functions of those alone, the others held where they are."""
    new = dict(extra)
    for name in ("grad", "per_example_grads"):
        if new.get(name) is not None:
            new[name] = select(new[name], keep)
    for name in ("value_fn", "obj_fn", "grad_fn"):
        whole = new.get(name)
        if whole is None or params is None:
            continue
        some = lambda chosen, whole=whole: whole(merge(params, keep, chosen))  # noqa: E731
        new[name] = (lambda chosen, some=some: select(some(chosen), keep)) if name == "grad_fn" else objective(some)
    return new
