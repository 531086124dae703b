from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Rule, Transformation, Tree, TreeRule, call_update, rule, tree_all_finite


@rule
class ZeroNonFinite(TreeRule):
    r"""Sets every entry of the gradient that is NaN or infinite to 0.

    $$g_i \leftarrow \begin{cases} g_i & |g_i| < \infty \\ 0 & \text{otherwise} \end{cases}$$

    Hides the first sign of a divergence: keep the count and look at it, or use `skip_non_finite`, which leaves the
    parameters where they are. `optax.zero_nans` lets infinities through.

    Args:
        keep_count: whether `state.memory.count` holds how many entries of each leaf were replaced, () int32.
    """

    keep_count: bool = False

    class Memory(NamedTuple):
        count: Tree  # () int32 a leaf, entries replaced in the last update

    def start(self, params):
        return self.Memory(jax.tree.map(lambda p: jnp.zeros((), jnp.int32), params)) if self.keep_count else ()

    def step(self, grads, memory, params, t):
        kept = jax.tree.map(lambda g: jnp.where(jnp.isfinite(g), g, 0), grads)
        if not self.keep_count:
            return kept, ()
        return kept, self.Memory(jax.tree.map(lambda g: jnp.sum(~jnp.isfinite(g), dtype=jnp.int32), grads))


def zero_non_finite(grads: Tree) -> tuple[Tree, Tree]:
    """`ZeroNonFinite` as a function.

    Args:
        grads: a pytree of real floating-point arrays.

    Returns:
        (finite, count): the tree without NaN and infinities, and how many each leaf held, a tree of () int32.

    Raises:
        ValueError: where `grads` holds no real floating-point arrays.
    """
    zero = ZeroNonFinite(keep_count=True)
    finite, state = zero.update(grads, zero.init(grads))
    return finite, state.memory.count


class SkipState(NamedTuple):
    """What `SkipNonFinite` carries.

    Attributes:
        inner: the state of the rule inside, as its last update with finite gradients left it.
        skipped: () int32, how many updates were skipped.
        in_a_row: () int32, how many the last ones of them were; 0 after an update that was made.
    """

    inner: Any
    skipped: Array
    in_a_row: Array


@rule
class SkipNonFinite(Rule):
    r"""Makes no update at all where any gradient is not finite: zero updates, and the inner rule's state as it was.

    $$(u_t, s_t) = \begin{cases} \mathrm{inner}(g_t, s_{t-1}) & \text{all of } g_t \text{ finite} \\ (0, s_{t-1}) &
    \text{otherwise} \end{cases}$$

    What training with loss scaling does (Micikevicius et al. 2018, ICLR, <https://arxiv.org/abs/1710.03740>, section 3.2).
    It never gives in, where `optax.apply_if_finite` lets non-finite updates through after a number of them: read
    `state.in_a_row` to see a run that is stuck. The inner rule's step counter, and so its schedules, stand still.

    Args:
        inner: a rule or transformation; a chain, to protect all of it.

    Raises:
        ValueError: where `inner` has no `init` and `update`.
    """

    inner: Any

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Transformation) or isinstance(self.inner, type):
            raise ValueError(
                f"skip_non_finite needs a rule (an object with init and update), and was given {self.inner!r}"
            )

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return getattr(self.inner, "needs", ())

    def init(self, params):
        return SkipState(self.inner.init(params), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))

    def update(self, grads, state, params=None, **extra):
        finite = tree_all_finite(grads)
        # Both outcomes are computed, so the inner rule must not see the NaN: its derivative would be NaN in either case.
        safe = jax.tree.map(lambda g: jnp.where(finite, g, jnp.zeros_like(g)), grads)
        updates, inner = call_update(self.inner, safe, state.inner, params, extra)
        updates = jax.tree.map(lambda u: jnp.where(finite, u, jnp.zeros_like(u)), updates)
        inner = jax.tree.map(lambda new, old: jnp.where(finite, new, old), inner, state.inner)
        skipped = 1 - finite.astype(jnp.int32)
        return updates, SkipState(inner, state.skipped + skipped, (state.in_a_row + 1) * skipped)


def skip_non_finite(inner: Any) -> SkipNonFinite:
    """`inner`, with every update skipped where a gradient is not finite: `skip_non_finite(Adam(1e-3))`.

    Args:
        inner: a rule or transformation; a chain, to protect all of it.

    Returns:
        A rule whose state counts what was skipped; see `SkipNonFinite`.

    Raises:
        ValueError: where `inner` has no `init` and `update`.
    """
    return SkipNonFinite(inner)
