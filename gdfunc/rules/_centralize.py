from typing import Literal

import jax.numpy as jnp

from ..core import ArrayRule, rule


@rule
class Centralize(ArrayRule):
    r"""Gradient centralization: takes the mean out of each unit's gradient (Yong, Huang, Hua & Zhang 2020, ECCV, <https://arxiv.org/abs/2004.01461>, eq. 1).

    $$G_i \leftarrow G_i - \frac1{|i|} \sum_{j \in i} G_{ij} \qquad \text{for each unit } i$$

    A part for a chain, before a rule: `chain(Centralize(), SGD(0.1))` then keeps the sum of each unit's weights as it was
    at the start. A unit i is what feeds one output; vectors and scalars pass unchanged.

    Args:
        unit_axis: where an array's outputs lie: "last", kernels (in, out) and (height, width, in, out) as in Flax;
            "first", weights (out, in) and (out, in, height, width) as in PyTorch and the authors' code. Optax's
            `centralize` takes the first axis also for Flax's kernels, where it centres each input's weights.
    """

    unit_axis: Literal["last", "first"] = "last"

    def step(self, g, memory, p, t):
        if g.ndim < 2:
            return g, memory
        axes = tuple(range(g.ndim - 1)) if self.unit_axis == "last" else tuple(range(1, g.ndim))
        return g - jnp.mean(g, axis=axes, keepdims=True), memory
