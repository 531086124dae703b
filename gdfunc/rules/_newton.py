from ..core import Fraction, NonNegative, Rate, TreeRule, rule, tree_scale
from ._conjugate_gradients import curvature_product, forcing, minimize_model


@rule
class Newton(TreeRule):
    r"""Newton's method, its linear system solved by conjugate gradients as far as it pays (Dembo, Eisenstat & Steihaug 1982, SIAM Journal on Numerical Analysis 19(2), <https://doi.org/10.1137/0719025>).

    $$\begin{aligned}
    (\nabla^2 f_t(p) + \lambda I)\, d_t &= -g_t \qquad \text{until }
        \lVert g_t + (\nabla^2 f_t(p) + \lambda I)\, d_t \rVert \le \min(\eta, \lVert g_t \rVert^q)\, \lVert g_t \rVert \\
    u_t &= \alpha\, d_t
    \end{aligned}$$

    No matrix is formed: each iteration takes one Hessian-vector product, about two gradients. Where a direction of
    negative curvature turns up the iteration ends with what it has, or with -g_t at the first, so that d_t always descends
    (Steihaug 1983). Far from a minimum the loss may still rise, as there is no line search: `TrustRegionNewton` never
    climbs.

    Args:
        learning_rate: alpha >= 0, without unit: 1 is Newton's.
        damping: lambda >= 0, in units of g per unit of p: added to every curvature; where it is large the step is a
            gradient step at a rate of 1 / lambda.
        tolerance: eta in [0, 1], without unit: the most of the gradient that the linear system may leave; 0 always takes
            all iterations.
        power: q in [0, 1]: near a minimum the order of convergence is 1 + q; the norm is taken in the gradient's units.
        cg_steps: the most iterations, >= 1: as many as there are parameters solve the system, up to rounding.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params or grad_fn are not given.
    """

    learning_rate: Rate = 1.0
    damping: NonNegative = 0.0
    tolerance: Fraction = 0.5
    power: Fraction = 1.0
    cg_steps: int = 50

    needs = ("params", "grad_fn")

    def __post_init__(self):
        super().__post_init__()
        if self.cg_steps < 1:
            raise ValueError(f"Newton needs cg_steps >= 1, and was given cg_steps={self.cg_steps}")

    def step(self, grads, memory, params, t, grad_fn):
        times = curvature_product(grad_fn, params, self.damping)
        d = minimize_model(grads, times, forcing(grads, self.tolerance, self.power), self.cg_steps).z
        return tree_scale(self.learning_rate, d), memory
