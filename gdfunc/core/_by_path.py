from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import jax
import jax.numpy as jnp

from ._combinator import (
    Combinator,
    check_part,
    check_states,
    combinator,
    init_part,
    merge,
    needs_of,
    select,
    update_part,
)
from ._trees import Tree, check_alike, check_params, path_name


@combinator("rules", static=("patterns",))
class ByPath(Combinator):
    """What `by_path` returns."""

    word = "by_path"

    rules: tuple
    patterns: tuple[str, ...]

    def __init__(self, rules: Mapping[str, Any]):
        if not isinstance(rules, Mapping) or not rules or not all(isinstance(pattern, str) for pattern in rules):
            raise ValueError(f"by_path needs a mapping of patterns (words) to rules, and was given {rules!r}")
        for part in rules.values():
            if part is not None:
                check_part("by_path", part)
        object.__setattr__(self, "patterns", tuple(rules))
        object.__setattr__(self, "rules", tuple(rules.values()))

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return needs_of(self.rules)

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
            () if part is None else init_part(part, select(params, _equals(owners, i)))
            for i, part in enumerate(self.rules)
        )

    def update(self, grads, state, params=None, **extra):
        if params is not None:
            check_alike("by_path.update", gradients=grads, parameters=params)
        check_states("by_path", state, self.rules)
        owners, new = self._owners(grads), []
        updates = jax.tree.map(jnp.zeros_like, grads)
        for i, (part, old) in enumerate(zip(self.rules, state, strict=True)):
            mine, after = _equals(owners, i), old
            if part is not None:
                some, after = update_part(part, grads, old, params, mine, extra)
                updates = merge(updates, mine, some)
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


def _equals(owners: Tree, i: int) -> Tree:
    return jax.tree.map(lambda owner: owner == i, owners)
