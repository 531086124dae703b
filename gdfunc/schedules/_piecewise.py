import jax.numpy as jnp

from ..core import pytree_dataclass
from ._schedule import Schedule, check_boundaries, numbers


@pytree_dataclass
class Piecewise(Schedule):
    r"""Constant between boundaries (He et al. 2016, CVPR, <https://arxiv.org/abs/1512.03385>: a tenth at 32k and at 48k updates).

    $$\eta_s = v_i \quad\text{where}\quad b_i \le s < b_{i+1},\quad b_0 = 0$$

    Args:
        values: v_0 to v_k, finite, in the unit of what is scheduled: the value of each piece.
        boundaries: b_1 to b_k, rising from above 0, in updates: update number b_i is the first to see v_i.

    Raises:
        ValueError: where the lengths do not fit, the boundaries do not rise, or an entry is not a finite number.
    """

    values: tuple
    boundaries: tuple

    def __post_init__(self):
        for name in ("values", "boundaries"):
            object.__setattr__(self, name, numbers("Piecewise", name, getattr(self, name)))
        check_boundaries("Piecewise", self.boundaries, len(self.values), "values")
        super().__post_init__()

    def curve(self, s):
        value = self.values[0]
        for boundary, after in zip(self.boundaries, self.values[1:], strict=True):
            value = jnp.where(s < boundary, value, after)
        return value
