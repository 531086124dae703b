from typing import Annotated, Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Fraction, NonNegative, Range, TreeRule, rule, wide
from ._counts import check_count, scalar

Share: TypeAlias = Annotated[Any, Range(low=0.0, high=1.0, low_open=True, high_open=True)]


@rule
class ReduceOnPlateau(TreeRule):
    r"""Shrinks the updates each time the loss has stopped falling (He, Zhang, Ren & Sun 2016, CVPR, <https://arxiv.org/abs/1512.03385>, section 4: "divided by 10 when the error plateaus").

    $$\begin{aligned}
    \text{better:}\; \bar f_k &< (1 - \rho) f^\star - \alpha \\
    \sigma &\leftarrow \max(\gamma\, \sigma, \sigma_{\min}) \quad \text{after } N \text{ mean losses in a row that were no better} \\
    g_t &\leftarrow \sigma g_t
    \end{aligned}$$

    The last part of a chain, `chain(Adam(1e-3), ReduceOnPlateau(patience=200, accumulation_size=10))`; the loss comes
    as `value`. f* is the best mean so far. Means that fall into the cooldown after a reduction are not counted as bad.

    Args:
        factor: gamma in (0, 1): what the updates are multiplied by each time.
        patience: N >= 1, in means: how many may be no better. `torch.optim.lr_scheduler.ReduceLROnPlateau` waits for one more.
        rtol: rho in [0, 1], no unit: the least fall that counts, as a share of the best loss. For losses above 0.
        atol: alpha >= 0, in units of the loss: likewise, absolute.
        cooldown: >= 0, in means: how many to ignore after a reduction.
        accumulation_size: >= 1, in steps: how many losses make a mean; take many where the loss is a mini-batch's.
        min_scale: sigma_min in [0, 1]: the least that all reductions together multiply by.

    Raises:
        ValueError: where a number leaves its range, and from `update` without value.
    """

    factor: Share = 0.1
    patience: int = 10
    rtol: Fraction = 1e-4
    atol: NonNegative = 0.0
    cooldown: int = 0
    accumulation_size: int = 1
    min_scale: Fraction = 0.0

    needs = ("value",)

    class Memory(NamedTuple):
        scale: Array  # (), sigma
        best: Array  # (), in units of the loss; infinite at first
        bad: Array  # () int32, means in a row that were no better
        cooling: Array  # () int32, means still to ignore
        count: Array  # () int32, losses in the mean so far
        mean: Array  # (), in units of the loss

    def __post_init__(self):
        super().__post_init__()
        check_count(self, "patience")
        check_count(self, "accumulation_size")
        if self.cooldown < 0:
            raise ValueError(f"ReduceOnPlateau needs cooldown >= 0, and was given cooldown={self.cooldown}")

    def start(self, params):
        none = lambda: jnp.zeros((), jnp.int32)  # noqa: E731
        return self.Memory(scalar(1, params), scalar(jnp.inf, params), none(), none(), none(), scalar(0, params))

    def step(self, grads, memory, params, t, value):
        count = memory.count + 1
        mean = memory.mean + (wide(jnp.asarray(value)) - memory.mean) / count
        full = count == self.accumulation_size

        better = mean < (1 - self.rtol) * memory.best - self.atol
        cooling = memory.cooling > 0
        bad = jnp.where(better | cooling, 0, memory.bad + 1)
        reduce = full & (bad == self.patience)

        scale = jnp.where(reduce, jnp.maximum(self.factor * memory.scale, self.min_scale), memory.scale)
        after = self.Memory(
            scale=scale,
            best=jnp.where(better, mean, memory.best),
            bad=jnp.where(reduce, 0, bad),
            cooling=jnp.where(reduce, self.cooldown, jnp.maximum(memory.cooling - 1, 0)),
            count=jnp.zeros_like(count),
            mean=jnp.zeros_like(mean),
        )
        pending = memory._replace(count=count, mean=mean)
        memory = jax.tree.map(lambda new, old: jnp.where(full, new, old), after, pending)
        return jax.tree.map(lambda g: scale * g, grads), memory
