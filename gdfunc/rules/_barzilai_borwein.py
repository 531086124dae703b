from typing import Literal, NamedTuple

import jax.numpy as jnp

from ..core import Rate, Tree, TreeRule, rule, tree_dot, tree_scale, tree_sub
from ._whole_tree import copies, ratio, zeros_like


@rule
class BarzilaiBorwein(TreeRule):
    r"""Gradient descent whose rate is a secant's inverse curvature (Barzilai & Borwein 1988, IMA Journal of Numerical Analysis 8(1), <https://doi.org/10.1093/imanum/8.1.141>).

    $$\begin{aligned}
    s_t &= p_{t-1} - p_{t-2} \qquad y_t = g_t - g_{t-1} \\
    \alpha_t^{\text{long}} &= \frac{\langle s_t, s_t \rangle}{\langle s_t, y_t \rangle} \qquad
    \alpha_t^{\text{short}} = \frac{\langle s_t, y_t \rangle}{\langle y_t, y_t \rangle} \\
    u_t &= -\alpha_t\, g_t
    \end{aligned}$$

    Products are those of the whole tree. The loss does not fall at every step; on a convex quadratic it converges all
    the same. It is a method for whole batches: between mini-batches y_t is mostly noise.

    Args:
        learning_rate: the rate of the first step, and of every step at which <s, y> is not positive, where the secant
            sees no curvature; > 0, in units of p per unit of g.
        step_size: "long", the paper's eq. 5; "short", its eq. 6; "alternating", long at even steps and short at odd ones.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """

    learning_rate: Rate
    step_size: Literal["long", "short", "alternating"] = "long"

    needs = ("params",)

    class Memory(NamedTuple):
        p: Tree  # the parameters before
        g: Tree  # the gradients before

    def start(self, params):
        return self.Memory(p=copies(params), g=zeros_like(params))

    def step(self, grads, memory, params, t):
        s, y = tree_sub(params, memory.p), tree_sub(grads, memory.g)
        sy = tree_dot(s, y)
        long, short = ratio(tree_dot(s, s), sy), ratio(sy, tree_dot(y, y))
        alternating = jnp.where(t % 2 == 0, long, short)
        alpha = {"long": long, "short": short, "alternating": alternating}[self.step_size]
        alpha = jnp.where((t > 1) & (sy > 0), alpha, self.learning_rate)
        return tree_scale(-alpha, grads), self.Memory(params, grads)
