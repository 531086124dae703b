"""Which rows of the data each step sees: a pure function of the key and the step's number."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Tree, did_you_mean, path_name

Order = Literal["shuffle", "replace", "sequential"]


@dataclass(frozen=True)
class Batches:
    """How batches are drawn; fixed when the program compiles.

    Attributes:
        rows: the length of the data's leading axis; 0 without data.
        size: rows a mini-batch; None for the whole data in one.
        accumulate: mini-batches an update.
        order: "shuffle", "replace" or "sequential".
    """

    rows: int
    size: int | None
    accumulate: int
    order: Order

    def start(self, step: int) -> Any:
        """What is carried from step to step, made for the step after `step` updates."""
        if self.size is None or self.order == "replace":
            return ()
        count = self.size * self.accumulate
        if self.order == "sequential":
            return jnp.asarray(step * count % self.rows, jnp.int32)
        # One epoch behind, so that the first draw makes the permutation.
        return jnp.asarray(step // (self.rows // count) - 1, jnp.int32), jnp.arange(self.rows, dtype=jnp.int32)

    def draw(self, data: Tree, key: Array, drawn: Any, step: Array) -> tuple[Tree, Any]:
        """The batch of one step.

        Args:
            data: a pytree of arrays (rows, ...).
            key: a JAX key.
            drawn: what `start` or the last `draw` returned.
            step: () int32, 0 for the first update.

        Returns:
            (batch, drawn): arrays (size, ...), or (accumulate, size, ...) where accumulate > 1.
        """
        if self.size is None:
            return data, drawn
        # All mini-batches of an update are drawn as one: accumulation sees the rows that one large batch would.
        count = self.size * self.accumulate
        if self.order == "replace":
            rows = jax.random.randint(jax.random.fold_in(key, step), (count,), 0, self.rows)
        elif self.order == "sequential":
            rows = (drawn + jnp.arange(count, dtype=jnp.int32)) % self.rows
            drawn = (drawn + count) % self.rows
        else:
            per_epoch = self.rows // count
            drawn = self._shuffle(key, drawn, step // per_epoch)
            rows = lax.dynamic_slice(drawn[1], ((step % per_epoch) * count,), (count,))
        batch = jax.tree.map(lambda x: x.at[rows].get(mode="promise_in_bounds"), data)
        if self.accumulate > 1:
            batch = jax.tree.map(lambda x: x.reshape(self.accumulate, self.size, *x.shape[1:]), batch)
        return batch, drawn

    def _shuffle(self, key: Array, drawn: Any, epoch: Array) -> Any:
        # A loop of 0 or 1 turns and not a cond: XLA passes a loop's carry on in place, and copies a cond's. Counting up
        # from the old epoch matters: a body without its carry would be hoisted, and sort all rows at every step.
        def next_epoch(old):
            now = old[0] + 1
            # One sort, where jax.random.permutation makes two from 1,626 rows on and takes twice as long. Equal 32-bit
            # numbers keep their order: 1 pair among 90,000 rows, 116 among a million.
            bits = jax.random.bits(jax.random.fold_in(key, now), (self.rows,), jnp.uint32)
            return now, jnp.argsort(bits).astype(jnp.int32)

        return lax.while_loop(lambda old: old[0] < epoch, next_epoch, drawn)


def plan_batches(data: Tree, size: int | None, accumulate: int, order: str) -> Batches:
    """Checks the data and the batch settings of `train` against one another."""
    if order not in get_args(Order):
        raise did_you_mean("train's order", order, get_args(Order))
    rows = _common_rows(data)
    if size is None:
        if accumulate > 1:
            raise ValueError(
                f"train needs batch_size to accumulate over mini-batches, and was given "
                f"accumulate={accumulate} with the whole data as one batch"
            )
        return Batches(rows, None, 1, "sequential")
    if not jax.tree.leaves(data):
        raise ValueError(f"train needs data to draw batches from, and was given data={data!r} and batch_size={size}")
    if size * accumulate > rows:
        product = f"{size}" if accumulate == 1 else f"{size} with accumulate={accumulate}"
        raise ValueError(
            f"train needs batch_size to be at most the {rows} rows of the data, and was given batch_size={product}"
        )
    return Batches(rows, size, accumulate, order)  # pyright: ignore[reportArgumentType]


def _common_rows(data: Tree) -> int:
    first = None
    for path, leaf in jax.tree_util.tree_leaves_with_path(data):
        if not jnp.shape(leaf):
            raise ValueError(
                f"train needs data to be arrays with a common leading axis, and was given a scalar at "
                f"{path_name(path)!r}; constants belong into loss_fn"
            )
        if first is None:
            first = path, jnp.shape(leaf)[0]
        if jnp.shape(leaf)[0] != first[1]:
            raise ValueError(
                f"train needs data with one common leading axis, and was given {first[1]} rows at "
                f"{path_name(first[0])!r} and {jnp.shape(leaf)[0]} at {path_name(path)!r}"
            )
    if first is None:
        return 0
    if first[1] == 0:
        raise ValueError("train needs at least one row of data, and was given none")
    return first[1]
