import jax
import jax.numpy as jnp

from ..core import Positive, Scalar, pytree_dataclass
from ._schedule import Schedule


@pytree_dataclass
class Step(Schedule):
    r"""Step decay: multiplies by `factor` after every `every` updates (Ge et al. 2019, NeurIPS, <https://arxiv.org/abs/1904.12838>).

    $$\eta_s = a\, \gamma^{\lfloor s / N \rfloor}$$

    For stairs of unequal length (PyTorch's MultiStepLR) use `Piecewise`.

    Args:
        start: a, finite: the value of the first N updates, in the unit of what is scheduled.
        every: N > 0, in updates: the length of a stair; update number N is the first on the second.
        factor: gamma > 0, a pure number: each stair's height over the one before.

    Raises:
        ValueError: where a number leaves its range.
    """

    start: Scalar
    every: Positive
    factor: Positive = 0.1

    def curve(self, s):
        # Not floor(s / every): compiled division by a constant multiplies by its reciprocal, and 41 * (1 / 41) < 1.
        stair = jax.lax.stop_gradient(jnp.floor_divide(s, self.every))
        return self.start * self.factor**stair
