import jax.numpy as jnp

from ..core import pytree_dataclass
from ._schedule import Schedule, check_boundaries, numbers


@pytree_dataclass
class Join(Schedule):
    r"""One schedule after another, each counting from its own beginning (as Goyal et al. 2017 join warm-up and stairs, <https://arxiv.org/abs/1706.02677>).

    $$\eta_s = \phi_i(s - b_i) \quad\text{where}\quad b_i \le s < b_{i+1},\quad b_0 = 0$$

    Args:
        schedules: phi_0 to phi_k: ours or any functions of the step (they are given float steps), all in one unit.
        boundaries: b_1 to b_k, rising from above 0, in updates: update number b_i is the first to see phi_i.

    Raises:
        ValueError: where the lengths do not fit, the boundaries do not rise, or a schedule cannot be called.
    """

    schedules: tuple
    boundaries: tuple

    def __post_init__(self):
        schedules = self.schedules
        if not isinstance(schedules, (tuple, list)) or not all(map(callable, schedules)):
            raise ValueError(f"Join needs schedules to be functions of the step, and was given schedules={schedules!r}")
        object.__setattr__(self, "schedules", tuple(schedules))
        object.__setattr__(self, "boundaries", numbers("Join", "boundaries", self.boundaries))
        check_boundaries("Join", self.boundaries, len(schedules), "schedules")
        super().__post_init__()

    def curve(self, s):
        begins = (0.0, *self.boundaries)
        ends = (*self.boundaries, jnp.inf)
        value = 0.0
        for schedule, begin, end in zip(self.schedules, begins, ends, strict=True):
            # Clipped to its own stretch: a schedule that overflows later on would turn gradients into NaN.
            value = jnp.where(s < begin, value, schedule(jnp.clip(s, begin, end) - begin))
        return value
