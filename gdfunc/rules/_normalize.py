import jax
import jax.numpy as jnp

from ..core import NonNegative, TreeRule, rule, tree_norm


@rule
class Normalize(TreeRule):
    r"""Divides the gradient by its global norm, which leaves its direction (Hazan, Levy & Shalev-Shwartz 2015, NeurIPS, <https://arxiv.org/abs/1507.02030>, Algorithm 1).

    $$g_t \leftarrow \frac{g_t}{\lVert g_t \rVert + \epsilon}, \qquad
    \lVert g \rVert^2 = \sum_{\text{leaves}} \sum_i g_i^2$$

    A part for a chain: `chain(Normalize(), SGD(0.1))` moves 0.1 at every step, and does not settle unless the rate
    falls. A zero gradient stays zero.

    Args:
        eps: epsilon >= 0, in units of g: gradients far below it stay short. 0 in the paper.
    """

    eps: NonNegative = 0.0

    def step(self, grads, memory, params, t):
        norm = tree_norm(grads) + self.eps
        length = jnp.where(norm > 0, norm, 1)
        return jax.tree.map(lambda g: g / length, grads), memory
