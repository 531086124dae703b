from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import Fraction, Rate, Tree, TreeRule, rule, tree_dot, tree_map, tree_norm, tree_scale, tree_sub
from ._conjugate_gradients import plus
from ._line_search import search
from ._whole_tree import ratio, scalar_like, zeros_like


@rule
class NonlinearCG(TreeRule):
    r"""Conjugate gradients for any loss, with a line search (Fletcher & Reeves 1964, The Computer Journal 7(2), <https://doi.org/10.1093/comjnl/7.2.149>).

    $$\begin{aligned}
    y_t &= g_t - g_{t-1} \qquad d_t = -g_t + \beta_t d_{t-1} \qquad u_t = \alpha_t d_t \\
    \beta_t^{\text{FR}} &= \frac{\lVert g_t \rVert^2}{\lVert g_{t-1} \rVert^2} \qquad
    \beta_t^{\text{PR+}} = \max\Big\{0,\ \frac{\langle g_t, y_t \rangle}{\lVert g_{t-1} \rVert^2}\Big\} \\
    \beta_t^{\text{HZ}} &= \max\Big\{
        \frac{1}{\langle d_{t-1}, y_t \rangle} \Big\langle y_t - 2\, d_{t-1} \frac{\lVert y_t \rVert^2}{\langle d_{t-1}, y_t \rangle},\ g_t \Big\rangle,\
        \frac{-1}{\lVert d_{t-1} \rVert \min\{\eta, \lVert g_{t-1} \rVert\}} \Big\}
    \end{aligned}$$

    Products are those of the whole tree. It goes along -g_t at first, wherever d_t ascends, and after a search that found
    nothing. The first step tried falls as far by its slope as the last step did (Nocedal & Wright 2006, section 3.5). It is
    a method for whole batches: between mini-batches y_t is mostly noise.

    Args:
        learning_rate: the length of the first step tried, >= 0, in units of p; again after a search that found nothing.
        beta: "polak_ribiere" (Polak & Ribiere 1969, with Powell's bound at 0), "fletcher_reeves", or "hager_zhang"
            (Hager & Zhang 2005, SIAM J. Optim. 16(1), <https://doi.org/10.1137/030601880>, eq. 1.2 to 1.4).
        eta: in [0, 1], in units of g: Hager and Zhang's, of the bound below their beta.
        line_search: "wolfe" for the strong Wolfe conditions; "backtracking" shortens the step until the loss falls enough.
        armijo: c_1 in [0, 1], without unit: the share of the fall promised by the slope that a step must bring.
        wolfe: c_2 in [0, 1], above c_1 and for Fletcher and Reeves below 1/2: the share of the first slope that may be left.
        shrink: in [0, 1], without unit: what a step too long is multiplied by, for "backtracking".
        trials: the most losses that a search evaluates, >= 1.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where something needed is not given.
    """

    learning_rate: Rate = 1.0
    beta: Literal["polak_ribiere", "fletcher_reeves", "hager_zhang"] = "polak_ribiere"
    eta: Fraction = 0.01
    line_search: Literal["wolfe", "backtracking"] = "wolfe"
    armijo: Fraction = 1e-4
    wolfe: Fraction = 0.1
    shrink: Fraction = 0.5
    trials: int = 20

    needs = ("params", "value", "value_fn", "grad_fn")

    class Memory(NamedTuple):
        g: Tree  # the gradients before
        d: Tree  # the direction before, in units of g; 0 before there is one
        fall: Array  # (), alpha <g, d> of the last step, in units of the loss; 0 where none was made

    def __post_init__(self):
        super().__post_init__()
        if self.trials < 1:
            raise ValueError(f"NonlinearCG needs trials >= 1, and was given trials={self.trials}")

    def start(self, params):
        return self.Memory(zeros_like(params), zeros_like(params), scalar_like(params, 0.0))

    def step(self, grads, memory, params, t, **loss):
        steepest = tree_scale(-1.0, grads)
        d = plus(steepest, self._beta(grads, memory), memory.d)
        good = (memory.fall < 0) & (tree_dot(grads, d) < 0)
        d = tree_map(lambda d, s: jnp.where(good, d, s), d, steepest)
        slope = tree_dot(grads, d)
        first = jnp.where(memory.fall < 0, ratio(memory.fall, slope), ratio(self.learning_rate, tree_norm(d)))
        alpha = search(self, first, d, params, grads, **loss)
        return tree_scale(alpha, d), self.Memory(grads, d, alpha * slope)

    def _beta(self, g: Tree, memory: Any) -> Array:
        y, before = tree_sub(g, memory.g), memory.g
        if self.beta == "fletcher_reeves":
            return ratio(tree_dot(g, g), tree_dot(before, before))
        if self.beta == "polak_ribiere":
            return jnp.maximum(0, ratio(tree_dot(g, y), tree_dot(before, before)))
        dy = tree_dot(memory.d, y)
        beta = ratio(tree_dot(plus(y, -2 * ratio(tree_dot(y, y), dy), memory.d), g), dy)
        return jnp.maximum(beta, ratio(-1.0, tree_norm(memory.d) * jnp.minimum(self.eta, tree_norm(before))))
