from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import NonNegative, Rate, Tree, TreeRule, rule, safe_sqrt, tree_dot, tree_norm, tree_scale, tree_sub
from ._whole_tree import copies, ratio, scalar_like


@rule
class DoG(TreeRule):
    r"""Distance over gradients: a rate that needs no tuning (Ivgi, Hinder & Carmon 2023, ICML, <https://arxiv.org/abs/2302.12022>).

    $$\begin{aligned}
    \bar r_t &= \max\{\bar r_{t-1}, \lVert p_{t-1} - p_0 \rVert\} \qquad G_t = G_{t-1} + \lVert g_t \rVert^2 \\
    u_t &= -\eta\, \frac{\bar r_t}{\sqrt{G_t + \epsilon}}\, g_t
    \end{aligned}$$

    Norms are those of the whole tree. The paper evaluates an average of the iterates, which is left to the user.

    Args:
        learning_rate: eta >= 0, without unit: the paper's c, which is 1 unless one knows better.
        first_step: how the first step is set, see `first_step_as`; small against the distance to the minimum.
        first_step_as: "heuristic": r_0 = first_step * (1 + norm of p_0), as in the paper's experiments; "distance":
            r_0 = first_step, in units of p; "learning_rate": the rate of the first step itself, r_0 = 0.
        eps: epsilon >= 0, in units of g**2: keeps the root from 0.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.
    """

    learning_rate: Rate = 1.0
    first_step: NonNegative = 1e-6
    first_step_as: Literal["heuristic", "distance", "learning_rate"] = "heuristic"
    eps: NonNegative = 1e-8

    needs = ("params",)

    class Memory(NamedTuple):
        x0: Tree  # the first parameters
        r: Array  # (), in units of p: the farthest from them so far
        G: Array  # (), in units of g**2

    def start(self, params):
        r = {
            "heuristic": self.first_step * (1 + tree_norm(params)),
            "distance": self.first_step,
            "learning_rate": 0.0,
        }[self.first_step_as]
        return self.Memory(x0=copies(params), r=scalar_like(params, r), G=scalar_like(params, 0.0))

    def step(self, grads, memory, params, t):
        distance = tree_norm(tree_sub(params, memory.x0))
        r = jnp.maximum(memory.r, distance)
        G = memory.G + tree_dot(grads, grads)
        eta = ratio(r, safe_sqrt(G + self.eps))
        if self.first_step_as == "learning_rate":
            eta = jnp.where(t == 1, self.first_step, eta)
        return tree_scale(-self.learning_rate * eta, grads), self.Memory(memory.x0, r, G)
