"""The lift: a formula on one array, or on one tree, becomes an update rule over parameter trees.

All the traps live here, once: dtypes, weak types, donation, counting, schedules, and errors that name the leaf.
"""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ._numerics import wide
from ._rule import Rule, RuleState
from ._trees import Tree, check_alike, check_params, path_name

R = TypeVar("R", bound=Rule)
_LAST_STEP = np.iinfo(np.int32).max


class ArrayRule(Rule):
    """A rule whose formula concerns one array at a time.

    Subclasses write `step(self, g, memory, p, t)`, which returns (update, new memory), and, where there is memory,
    `start(self, p)`, which returns the first one: a NamedTuple of arrays. In both every hyperparameter is a number,
    arrays have at least 32 bits, and t is 1 at the first update.
    """

    def start(self, p: Array) -> Any:
        """The memory for one parameter `p` before the first update; each field a new array."""
        return ()

    def step(self, g: Array, memory: Any, p: Any, t: Array) -> tuple[Array, Any]:
        """The update for one array and its new memory."""
        raise NotImplementedError

    def init(self, params: Tree) -> RuleState:
        now = _first(self, params)
        leaves, structure = jax.tree.flatten(params)
        starts = [_strong(now.start(jnp.asarray(p)), p) for p in leaves]
        return RuleState(jnp.zeros((), jnp.int32), _transpose(starts, structure))

    def update(self, grads: Tree, state: RuleState, params: Tree | None = None, **extra: Any) -> tuple[Tree, RuleState]:
        now, t, given = _prepare(self, grads, state, params, extra)
        paths, structure = jax.tree_util.tree_flatten_with_path(grads)
        _check_memory(now, state.memory, paths[0][1])
        ps = [None] * len(paths) if params is None else structure.flatten_up_to(params)
        memories = _per_leaf(self, state.memory, grads, len(paths))
        updates, new = [], []
        for (path, g), memory, p in zip(paths, memories, ps, strict=True):
            g_wide, m_wide = wide(jnp.asarray(g)), jax.tree.map(wide, memory)
            try:
                u, after = now.step(g_wide, m_wide, None if p is None else wide(jnp.asarray(p)), t, **given)
            except TypeError as error:
                if "incompatible shapes" not in str(error):
                    raise
                raise ValueError(
                    f"{type(self).__name__}.update needs gradient and memory to match at {path_name(path)!r}, and was "
                    f"given shape {jnp.shape(g)} beside {[jnp.shape(x) for x in jax.tree.leaves(memory)]}"
                ) from error
            updates.append(_like(u, g, self, path, "the update"))
            new.append(jax.tree.map(lambda a, b, path=path: _like(a, b, self, path, "the memory"), after, memory))
        return structure.unflatten(updates), RuleState(t, _transpose(new, structure))


class TreeRule(Rule):
    """A rule that needs a number from the whole tree: a global norm, a distance, a loss.

    Subclasses write `start(self, params)` and `step(self, grads, memory, params, t)` on whole trees; the rest is as
    for `ArrayRule`.
    """

    def start(self, params: Tree) -> Any:
        """The memory before the first update."""
        return ()

    def step(self, grads: Tree, memory: Any, params: Any, t: Array) -> tuple[Tree, Any]:
        """The updates for the whole tree and the new memory."""
        raise NotImplementedError

    def init(self, params: Tree) -> RuleState:
        memory = jax.tree.map(lambda x: _strong(x, x), _first(self, params).start(params))
        return RuleState(jnp.zeros((), jnp.int32), memory)

    def update(self, grads: Tree, state: RuleState, params: Tree | None = None, **extra: Any) -> tuple[Tree, RuleState]:
        now, t, given = _prepare(self, grads, state, params, extra)
        wide_tree = lambda tree: jax.tree.map(lambda x: wide(jnp.asarray(x)), tree)  # noqa: E731
        updates, memory = now.step(wide_tree(grads), wide_tree(state.memory), wide_tree(params), t, **given)
        return _like_tree(updates, grads, self, "the update"), RuleState(
            t, _like_tree(memory, state.memory, self, "the memory")
        )


def _prepare(
    rule: R, grads: Tree, state: Any, params: Tree | None, extra: dict[str, Any], kind: type = RuleState
) -> tuple[R, Array, dict[str, Any]]:
    """Checks the arguments of an update; returns the rule at this step, the 1-based step, and the extras it needs."""
    who = f"{type(rule).__name__}.update"
    if not isinstance(state, kind):
        raise ValueError(
            f"{who} needs the state that its init or last update returned, and was given {type(state).__name__}"
        )
    check_params(grads, who)
    if params is not None:
        check_alike(who, gradients=grads, parameters=params)
    given = {**extra, "params": params}
    for name in rule.needs:
        if given.get(name) is None:
            raise ValueError(f"{who} needs {name}=..., and was not given it")
    now = rule.at(state.step)
    _check_scalars(now, who)
    t = jnp.minimum(state.step, _LAST_STEP - 1) + 1
    return now, t, {name: extra[name] for name in rule.needs if name != "params"}


def _first(rule: R, params: Tree) -> R:
    """The rule at step 0, once parameters and hyperparameters are found good."""
    who = f"{type(rule).__name__}.init"
    check_params(params, who)
    now = rule.at(0)
    _check_scalars(now, who)
    return now


def _check_scalars(rule: Rule, who: str) -> None:
    for name in rule._fields:
        value = getattr(rule, name)
        if np.ndim(value) and isinstance(value, (np.ndarray, jax.Array)):
            raise ValueError(
                f"{who} needs {name} to be one number, and was given shape {np.shape(value)}: map over "
                "rules with jax.vmap and gd.in_axes, or give layers their own with gd.by_path"
            )


_KINDS: dict[Any, tuple[type, list[str]]] = {}


def _check_memory(rule: ArrayRule, memory: Any, p: Array) -> None:
    """Raises ValueError where the memory is another rule's, or this one's with other conventions."""
    # What fields a memory has depends on the rule's conventions and on the parameter's shape, and is found once for each.
    known = (jax.tree.structure(rule), jnp.shape(p), jnp.result_type(p))
    if known not in _KINDS:
        _KINDS[known] = _kind(jax.eval_shape(lambda: rule.start(jnp.zeros(jnp.shape(p), jnp.result_type(p)))))
    own = _KINDS[known]
    if _kind(memory) != own:
        raise ValueError(
            f"{type(rule).__name__}.update needs the state that its init or last update returned, with a memory of "
            f"{own[1] or 'nothing'}, and was given one of {_kind(memory)[1] or 'nothing'}"
        )


def _kind(memory: Any) -> tuple[type, list[str]]:
    """(its type, the names of the fields that hold something)."""
    return type(memory), [name for name in getattr(memory, "_fields", ()) if getattr(memory, name) is not None]


def _strong(memory: Any, p: Any) -> Any:
    """The first memory with its dtypes settled: the parameter's where it is shaped alike, at least 32 bits for the rest."""
    dtype = jnp.result_type(p)
    at_least_32 = wide(jnp.zeros((), dtype)).dtype
    # float16 ends at 6e-8: the square of a gradient of 1e-4 would be stored as 0, and divide.
    kept = at_least_32 if dtype == jnp.float16 else dtype

    def settle(x):
        x = jnp.asarray(x)
        if jnp.issubdtype(x.dtype, jnp.floating):
            alike = x.ndim > 0 and x.shape == jnp.shape(p)
            return jax.lax.convert_element_type(x, np.dtype(kept if alike or x.dtype == kept else at_least_32))
        # A weakly typed zero would take another type at the first update, and the step would be traced twice.
        return jax.lax.convert_element_type(x, x.dtype)

    return jax.tree.map(settle, memory)


def _like(new: Any, old: Any, rule: Rule, path: tuple, what: str) -> Array:
    """`new` in the dtype of `old`, once their shapes agree."""
    if jnp.shape(new) != jnp.shape(old):
        raise ValueError(
            f"{type(rule).__name__}.update needs {what} at {path_name(path)!r} to keep its shape "
            f"{jnp.shape(old)}, and it came out as {jnp.shape(new)}"
        )
    return jnp.asarray(new).astype(jnp.result_type(old))


def _like_tree(new: Tree, old: Tree, rule: Rule, what: str) -> Tree:
    check_alike(f"{type(rule).__name__}.update", shapes=False, **{what.removeprefix("the "): new, "its model": old})
    return jax.tree_util.tree_map_with_path(lambda path, a, b: _like(a, b, rule, path, what), new, old)


def _transpose(memories: list, structure: Any) -> Any:
    """A NamedTuple a leaf -> a NamedTuple of trees."""
    first = memories[0]
    if first == ():
        return ()
    columns = zip(*memories, strict=True)
    return type(first)(*(None if column[0] is None else structure.unflatten(column) for column in columns))


def _per_leaf(rule: Rule, memory: Any, grads: Tree, n: int) -> list:
    """A NamedTuple of trees -> a NamedTuple a leaf."""
    if memory == ():
        return [()] * n
    for name, tree in zip(memory._fields, memory, strict=True):
        if tree is not None:
            check_alike(f"{type(rule).__name__}.update", shapes=False, gradients=grads, **{f"memory.{name}": tree})
    columns = [[None] * n if tree is None else jax.tree.leaves(tree) for tree in memory]
    return [type(memory)(*row) for row in zip(*columns, strict=True)]
