import jax
import jax.numpy as jnp

from ..core import NonNegative, Positive, Rate, TreeRule, rule, tree_norm, wide
from ._noise import gaussian


@rule
class DPSGD(TreeRule):
    r"""Gradient descent that hides each example: clips every example's gradient and adds noise (Abadi et al. 2016, CCS, <https://arxiv.org/abs/1607.00133>, Algorithm 1).

    $$\begin{aligned}
    \bar g_i &= \min\!\Big(1, \frac{C}{\lVert g_i \rVert}\Big)\, g_i \\
    u_t &= -\frac{\eta}{n} \Big( \sum_{i=1}^n \bar g_i + \mathcal N(0, \sigma^2 C^2) \Big)
    \end{aligned}$$

    The privacy that n, sigma and the number of steps buy is not computed here. The batches must be drawn at random, and
    n, the examples in the batch, stands for the paper's lot size.

    Args:
        learning_rate: eta > 0, in units of p / g.
        max_norm: C > 0, in units of g: the most that the norm of one example's gradient counts.
        noise_multiplier: sigma >= 0, no unit: the noise's standard deviation over C. The paper uses 2 to 8; 0 is not private.

    Raises:
        ValueError: from `update`, without a key or without the gradients of each example, (n, ...) a leaf.
    """

    learning_rate: Rate
    max_norm: Positive
    noise_multiplier: NonNegative

    needs = ("per_example_grads", "key")

    def step(self, grads, memory, params, t, per_example_grads, key):
        examples = jax.tree.map(wide, per_example_grads)
        norms = jax.vmap(tree_norm)(examples)
        shares = jnp.where(norms <= self.max_norm, 1.0, self.max_norm / jnp.where(norms <= self.max_norm, 1.0, norms))
        clipped = jax.tree.map(lambda g: jnp.tensordot(shares.astype(g.dtype), g, axes=1), examples)
        sigma = self.noise_multiplier * self.max_norm
        noise = gaussian(key, clipped)
        g = jax.tree.map(lambda total, xi: (total + sigma * xi) / len(norms), clipped, noise)
        return jax.tree.map(lambda g: -self.learning_rate * g, g), memory
