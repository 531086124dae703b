from ..core import NonNegative, Rate, Scalar, TreeRule, rule, safe_sqrt, tree_map
from ._noise import gaussian


@rule
class NoisySGD(TreeRule):
    r"""Gradient descent on gradients with Gaussian noise that dies out (Neelakantan et al. 2015, <https://arxiv.org/abs/1511.06807>).

    $$\begin{aligned}
    \sigma_t^2 &= \eta / (1 + (t - 1))^\gamma \qquad z_t \sim \mathcal N(0, I) \\
    u_t &= -\alpha\, (g_t + \sigma_t z_t)
    \end{aligned}$$

    It needs a `key`, another one at every step; the noise is drawn in float32, the same for every precision.

    Args:
        learning_rate: alpha > 0, in units of p per unit of g.
        eta: eta >= 0, in units of g**2: the variance of the noise at the first step. The paper takes 0.01, 0.3 or 1.
        gamma: gamma, without unit: how fast the variance falls with the number of steps.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where the key is not given.
    """

    learning_rate: Rate
    eta: NonNegative = 0.01
    gamma: Scalar = 0.55

    needs = ("key",)

    def step(self, grads, memory, params, t, key):
        sigma = safe_sqrt(self.eta / t**self.gamma)
        z = gaussian(key, grads)
        return tree_map(lambda g, z: -self.learning_rate * (g + sigma * z), grads, z), memory
