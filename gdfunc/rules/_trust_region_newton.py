from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import Fraction, Positive, TreeRule, rule, tree_add, tree_dot, tree_scale
from ._conjugate_gradients import curvature_product, forcing, minimize_model
from ._whole_tree import ratio, scalar_like


@rule
class TrustRegionNewton(TreeRule):
    r"""Newton's method within a radius that its own predictions set: it never climbs (Steihaug 1983, SIAM Journal on Numerical Analysis 20(3), <https://doi.org/10.1137/0720042>).

    $$\begin{aligned}
    z_t &\approx \arg\min_{\lVert z \rVert \le \Delta_{t-1}} m_t(z) \qquad
        m_t(z) = \langle g_t, z \rangle + \tfrac12 \langle z, \nabla^2 f_t(p)\, z \rangle \\
    \rho_t &= \frac{f_t(p) - f_t(p + z_t)}{-m_t(z_t)} \qquad
        u_t = \begin{cases} z_t & \rho_t > \eta \\ 0 & \text{otherwise} \end{cases} \\
    \Delta_t &= \begin{cases}
        \tfrac14 \Delta_{t-1} & \rho_t < \tfrac14 \\
        \min(2 \Delta_{t-1}, \Delta_{\max}) & \rho_t > \tfrac34 \text{ and } z_t \text{ is at the edge} \\
        \Delta_{t-1} & \text{otherwise}
    \end{cases}
    \end{aligned}$$

    The model is minimised by conjugate gradients, which end at the edge where a direction leaves the radius or its
    curvature is not positive (Steihaug 1983; Toint 1981); the radius follows Nocedal & Wright 2006, algorithm 4.1. It is
    a method for whole batches: another batch's loss may rise. Where the predicted fall is within the loss's rounding no
    step is told from any other, and it stays.

    Args:
        radius: Delta_0 > 0, in units of p: the longest first step.
        max_radius: Delta_max > 0, in units of p: the longest step.
        accept: eta in [0, 1], below 1/4, without unit: the least share of the predicted fall that a step must bring.
        tolerance: in [0, 1], without unit: the most of the gradient that the model's minimum may leave; 0 always takes
            all iterations.
        power: q in [0, 1]: the residual left is min(tolerance, norm of g to the power q) of the gradient's norm, so that
            near a minimum the order of convergence is 1 + q.
        cg_steps: the most iterations, >= 1, each of one Hessian-vector product, about two gradients.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where something needed is not given.
    """

    radius: Positive = 1.0
    max_radius: Positive = 100.0
    accept: Fraction = 0.1
    tolerance: Fraction = 0.5
    power: Fraction = 1.0
    cg_steps: int = 50

    needs = ("params", "value", "value_fn", "grad_fn")

    class Memory(NamedTuple):
        radius: Array  # (), Delta, in units of p

    def __post_init__(self):
        super().__post_init__()
        if self.cg_steps < 1:
            raise ValueError(f"TrustRegionNewton needs cg_steps >= 1, and was given cg_steps={self.cg_steps}")

    def start(self, params):
        return self.Memory(scalar_like(params, self.radius))

    def step(self, grads, memory, params, t, value, value_fn, grad_fn):
        enough = forcing(grads, self.tolerance, self.power)
        z, r, edge = minimize_model(grads, curvature_product(grad_fn, params), enough, self.cg_steps, memory.radius)
        predicted = -tree_dot(tree_add(grads, r), z) / 2  # r = g + B z, so that no other product is needed
        rho = gain(value - value_fn(tree_add(params, z)), predicted)
        radius = _next_radius(memory.radius, rho, edge, self.max_radius)
        return tree_scale(jnp.where(rho > self.accept, 1.0, 0.0), z), self.Memory(radius)


def gain(fall: Array, predicted: Array) -> Array:
    """The share of the predicted fall that came; 1/2, which changes no radius, where none was predicted."""
    return ratio(fall, predicted, 0.5)


def _next_radius(radius: Array, rho: Array, edge: Array, longest: Any) -> Array:
    bad = ~(rho >= 1 / 4)  # not `<`, for NaN is no fall
    longer = jnp.where((rho > 3 / 4) & edge, jnp.minimum(2 * radius, longest), radius)
    return jnp.where(bad, radius / 4, longer)
