from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import NonNegative, Positive, Rate, Tree, TreeRule, rule, safe_sqrt, tree_dot, tree_scale, tree_sub
from ._whole_tree import copies, ratio, scalar_like


@rule
class DoWG(TreeRule):
    r"""Distance over weighted gradients: a rate that needs no tuning (Khaled, Mishchenko & Jin 2023, NeurIPS, <https://arxiv.org/abs/2305.16284>, Algorithm 1).

    $$\begin{aligned}
    \bar r_t^2 &= \max\{\bar r_{t-1}^2, \lVert p_{t-1} - p_0 \rVert^2\} \\
    v_t &= v_{t-1} + \bar r_t^2 \lVert g_t \rVert^2 \\
    u_t &= -\eta\, \frac{\bar r_t^2}{\sqrt{v_t} + \epsilon}\, g_t
    \end{aligned}$$

    Norms are those of the whole tree.

    Args:
        learning_rate: eta >= 0, without unit: multiplies the rate found; 1 in the paper.
        first_squared_distance: r_0**2 > 0, in units of p**2: a guess, too small rather than too large, of the squared
            distance to the minimum. The default is that of the authors' code.
        eps: epsilon >= 0, in units of p times g: 0 as published, the value of first_squared_distance in the authors' code.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """

    learning_rate: Rate = 1.0
    first_squared_distance: Positive = 1e-4
    eps: NonNegative = 0.0

    needs = ("params",)

    class Memory(NamedTuple):
        x0: Tree  # the first parameters
        r2: Array  # (), in units of p**2: the farthest from them so far, squared
        v: Array  # (), in units of p**2 g**2

    def start(self, params):
        r2 = scalar_like(params, self.first_squared_distance)
        return self.Memory(x0=copies(params), r2=r2, v=scalar_like(params, 0.0))

    def step(self, grads, memory, params, t):
        way = tree_sub(params, memory.x0)
        r2 = jnp.maximum(memory.r2, tree_dot(way, way))
        v = memory.v + r2 * tree_dot(grads, grads)
        eta = ratio(r2, safe_sqrt(v) + self.eps)
        return tree_scale(-self.learning_rate * eta, grads), self.Memory(memory.x0, r2, v)
