"""Rules made of rules. Their parts are their leaves, so mapping or differentiating reaches into them."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ._fields import _build, _unwrap, _wrap
from ._rule import Rule, Transformation
from ._trees import Tree, check_alike, check_params, path_name


class _Combinator(Rule):
    """A rule whose only numbers are those of its parts; its choices are static."""

    word: ClassVar[str]  # the function that makes it

    def __repr__(self) -> str:
        return f"{self.word}({self._show()})"

    def _show(self) -> str:
        raise NotImplementedError


def _combinator(parts: str, static: tuple[str, ...] = ()):
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


def _check_part(who: str, part: Any) -> None:
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


def _check_states(who: str, state: Any, parts: tuple) -> None:
    if type(state) is not tuple or len(state) != len(parts):
        raise ValueError(
            f"{who}.update needs the state that its init or last update returned, a tuple of {len(parts)}, "
            f"and was given {state!r:.80}"
        )


def _needs(parts: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in getattr(part, "needs", ())))


@_combinator("parts")
class Chain(_Combinator):
    """What `chain` returns."""

    word = "chain"

    def __init__(self, *parts: Any):
        for part in parts:
            _check_part("chain", part)
        object.__setattr__(self, "parts", parts)

    parts: tuple

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return _needs(self.parts)

    def _show(self) -> str:
        return ", ".join(map(repr, self.parts))

    def init(self, params):
        check_params(params, "chain.init")
        return tuple(part.init(params) for part in self.parts)

    def update(self, grads, state, params=None, **extra):
        _check_states("chain", state, self.parts)
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


@_combinator("inner", static=("mask",))
class Masked(_Combinator):
    """What `masked` returns."""

    word = "masked"

    inner: Any
    mask: Any

    def __init__(self, inner: Any, mask: Any):
        _check_part("masked", inner)
        object.__setattr__(self, "inner", inner)
        object.__setattr__(self, "mask", mask if callable(mask) else _frozen_mask(mask))

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return _needs([self.inner])

    def _show(self) -> str:
        mask = self.mask if callable(self.mask) else self.mask[1].unflatten(self.mask[0])
        return f"{self.inner!r}, {mask!r}"

    def _keep(self, tree: Tree) -> Tree:
        if callable(self.mask):
            mask = self.mask(tree)
        else:
            leaves, structure = self.mask
            mask = structure.unflatten(leaves)
        if jax.tree.structure(mask) != jax.tree.structure(tree):
            raise ValueError(
                f"masked needs a mask alike the parameters, {jax.tree.structure(tree)}, "
                f"and was given {jax.tree.structure(mask)}"
            )
        return mask

    def init(self, params):
        check_params(params, "masked.init")
        return _init_part(self.inner, _select(params, self._keep(params)))

    def update(self, grads, state, params=None, **extra):
        if params is not None:
            check_alike("masked.update", gradients=grads, parameters=params)
        keep = self._keep(grads)
        chosen = None if params is None else _select(params, keep)
        updates, state = _update_part(self.inner, _select(grads, keep), state, chosen, extra)
        return _merge(grads, keep, updates), state


def masked(inner: Any, mask: Any) -> Masked:
    """`inner` on the leaves where `mask` is True; elsewhere the gradients pass through as they are.

    As `optax.masked`, and with its trap: what passes through is a gradient, not zero. To give some leaves another rule
    or to freeze them, use `by_path`.

    Args:
        inner: a rule or transformation.
        mask: a pytree of booleans alike the parameters, or a function from parameters to one.

    Returns:
        A rule.

    Raises:
        ValueError: where the mask is not alike the parameters.
    """
    return Masked(inner, mask)


@_combinator("rules", static=("patterns",))
class ByPath(_Combinator):
    """What `by_path` returns."""

    word = "by_path"

    rules: tuple
    patterns: tuple[str, ...]

    def __init__(self, rules: Mapping[str, Any]):
        if not isinstance(rules, Mapping) or not rules or not all(isinstance(pattern, str) for pattern in rules):
            raise ValueError(f"by_path needs a mapping of patterns (words) to rules, and was given {rules!r}")
        for part in rules.values():
            if part is not None:
                _check_part("by_path", part)
        object.__setattr__(self, "patterns", tuple(rules))
        object.__setattr__(self, "rules", tuple(rules.values()))

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return _needs(self.rules)

    def _show(self) -> str:
        return repr(dict(zip(self.patterns, self.rules, strict=True)))

    def _owners(self, tree: Tree) -> Tree:
        def owner(path, _):
            name = path_name(path)
            for i, pattern in enumerate(self.patterns):
                if fnmatchcase(name, pattern):
                    return i
            raise ValueError(
                f"by_path needs a pattern for every leaf, and none of {', '.join(self.patterns)} "
                f"matches {name!r}; end with '*' to catch the rest"
            )

        return jax.tree_util.tree_map_with_path(owner, tree)

    def init(self, params):
        check_params(params, "by_path.init")
        owners = self._owners(params)
        return tuple(
            () if part is None else _init_part(part, _select(params, _equals(owners, i)))
            for i, part in enumerate(self.rules)
        )

    def update(self, grads, state, params=None, **extra):
        if params is not None:
            check_alike("by_path.update", gradients=grads, parameters=params)
        _check_states("by_path", state, self.rules)
        owners, new = self._owners(grads), []
        updates = jax.tree.map(jnp.zeros_like, grads)
        for i, (part, old) in enumerate(zip(self.rules, state, strict=True)):
            mine, after = _equals(owners, i), old
            if part is not None:
                chosen = None if params is None else _select(params, mine)
                some, after = _update_part(part, _select(grads, mine), old, chosen, extra)
                updates = _merge(updates, mine, some)
            new.append(after)
        return updates, tuple(new)


def by_path(rules: Mapping[str, Any]) -> ByPath:
    """A rule for each group of leaves, by the path of the leaf: `by_path({"*/bias": SGD(0.1), "*": Adam(1e-3)})`.

    Args:
        rules: pattern -> rule, or None to freeze those leaves (their updates are zero). Patterns are shell globs over
            paths such as `layers/0/weight`; `*` crosses `/`. The first that matches decides.

    Returns:
        A rule whose state is the tuple of the groups' states.

    Raises:
        ValueError: from `init` and `update`, naming a leaf that no pattern matches.
    """
    return ByPath(rules)


def _frozen_mask(mask: Tree) -> tuple:
    leaves, structure = jax.tree.flatten(mask)
    if not all(isinstance(leaf, (bool, jnp.bool_)) for leaf in leaves):
        raise ValueError(f"masked needs a mask of booleans, and was given {mask!r}")
    return tuple(map(bool, leaves)), structure


def _equals(owners: Tree, i: int) -> Tree:
    return jax.tree.map(lambda owner: owner == i, owners)


def _select(tree: Tree, keep: Tree) -> Tree:
    """`tree` with a hole (None, a node without leaves) where `keep` is False: paths stay as they are."""
    return jax.tree.map(lambda k, x: x if k else None, keep, tree)


def _merge(base: Tree, keep: Tree, chosen: Tree) -> Tree:
    """`chosen` where `keep`, else `base`."""
    fill = iter(jax.tree.leaves(chosen))
    return jax.tree.map(lambda k, x: next(fill) if k else x, keep, base)


def _init_part(part: Any, params: Tree) -> Any:
    return part.init(params) if jax.tree.leaves(params) else ()


def _update_part(part: Any, grads: Tree, state: Any, params: Tree | None, extra: dict) -> tuple[Tree, Any]:
    return call_update(part, grads, state, params, extra) if jax.tree.leaves(grads) else (grads, state)
