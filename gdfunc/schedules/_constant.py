from ..core import Scalar, pytree_dataclass
from ._schedule import Schedule


@pytree_dataclass
class Constant(Schedule):
    r"""The same value at every step (Bottou, Curtis & Nocedal 2018, SIAM Review, <https://arxiv.org/abs/1606.04838>, section 4.2).

    $$\eta_s = \eta$$

    With stochastic gradients a constant rate ends in a ball around the minimum whose size falls with the rate.

    Args:
        value: eta, finite, in the unit of what is scheduled.

    Raises:
        ValueError: where the value is not a finite number.
    """

    value: Scalar

    def curve(self, s):
        return self.value
