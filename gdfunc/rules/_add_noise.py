import jax

from ..core import NonNegative, TreeRule, rule, safe_sqrt
from ._noise import gaussian


@rule
class AddNoise(TreeRule):
    r"""Adds Gaussian noise that fades, which lets a badly started deep network find its way (Neelakantan et al. 2015, <https://arxiv.org/abs/1511.06807>, section 3).

    $$g_t \leftarrow g_t + \mathcal N(0, \sigma_t^2), \qquad \sigma_t^2 = \frac{\eta}{t^\gamma}$$

    A part for a chain. The paper counts steps from 0 and divides by (1 + t)^gamma: the same numbers.

    Args:
        eta: eta >= 0, in units of g**2: the noise's variance at the first step. The paper tries 0.01, 0.3 and 1.
        gamma: gamma >= 0, no unit: how fast it falls; 0 keeps it.

    Raises:
        ValueError: from `update`, without a key.
    """

    eta: NonNegative
    gamma: NonNegative = 0.55

    needs = ("key",)

    def step(self, grads, memory, params, t, key):
        sigma = safe_sqrt(self.eta / t**self.gamma)
        noise = gaussian(key, grads)
        return jax.tree.map(lambda g, xi: g + sigma * xi, grads, noise), memory
