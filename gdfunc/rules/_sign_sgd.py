import jax.numpy as jnp

from ..core import ArrayRule, Rate, rule


@rule
class SignSGD(ArrayRule):
    r"""The gradient's sign alone (Bernstein, Wang, Azizzadenesheli & Anandkumar 2018, ICML, <https://arxiv.org/abs/1802.04434>, Algorithm 1).

    $$u_t = -\eta\, \mathrm{sign}(g_t)$$

    Args:
        learning_rate: eta > 0, in units of p: how far every parameter moves in a step.

    Raises:
        ValueError: where the rate is negative or not finite.
    """

    learning_rate: Rate

    def step(self, g, memory, p, t):
        return -self.learning_rate * jnp.sign(g), memory
