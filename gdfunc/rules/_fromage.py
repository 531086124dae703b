import jax.numpy as jnp

from ..core import ArrayRule, NonNegative, Rate, rule, safe_norm
from ._trust_ratio import trust_ratio


@rule
class Fromage(ArrayRule):
    r"""Fromage: each layer moves by a fixed share of its norm, and is then shrunk by as much as that lengthens it (Bernstein et al. 2020, NeurIPS, <https://arxiv.org/abs/2002.03432>, Algorithm 1).

    $$\begin{aligned}
    p_t &= \frac{1}{\sqrt{1+\eta^2}} \left( p_{t-1} - \eta\, \frac{\lVert p_{t-1} \rVert}{\lVert g_t \rVert}\, g_t \right) \\
    u_t &= p_t - p_{t-1}
    \end{aligned}$$

    Args:
        learning_rate: eta > 0, without unit: the share of its norm that a layer moves; the paper advises 0.01.
        min_norm: both norms count as at least so much, in units of p and g; Optax has 1e-6, the paper none.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.

    Where weights or gradient are all zero the ratio is 1, so that parameters which start at zero move.
    """

    learning_rate: Rate
    min_norm: NonNegative = 0.0

    needs = ("params",)

    def step(self, g, memory, p, t):
        p_norm = jnp.maximum(safe_norm(p), self.min_norm)
        g_norm = jnp.maximum(safe_norm(g), self.min_norm)
        d = trust_ratio(p_norm, g_norm) * g
        root = jnp.sqrt(1 + jnp.square(self.learning_rate))
        # 1 / root - 1 with nothing to cancel: in float32 the difference would keep two or three digits.
        shrinkage = jnp.square(self.learning_rate) / (root * (root + 1))
        return -self.learning_rate * d / root - shrinkage * p, ()
