from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Rate, debias, ema, rule, safe_sqrt


@rule
class AdamMini(ArrayRule):
    r"""Adam-mini: Adam with one second moment for a block of parameters (Zhang et al. 2024, ICLR, <https://arxiv.org/abs/2406.16793>, Algorithm 1).

    $$\begin{aligned}
    m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\, \mathrm{mean}_{\text{block}}(g_t^2) \\
    \hat m_t &= m_t / (1-\beta_1^t) \qquad \hat v_t = v_t / (1-\beta_2^t) \\
    u_t &= -\eta \left( \hat m_t / (\sqrt{\hat v_t} + \epsilon) + \lambda\, p_{t-1} \right)
    \end{aligned}$$

    The blocks are what the paper finds to have dense blocks in the Hessian: an output neuron, an attention head, or else the
    whole array. `by_path` gives different leaves different blocks, and embeddings plain AdamW, as the paper has it.

    Args:
        learning_rate: eta > 0, in units of p: the root mean square of a block's step is about eta at most.
        b1: beta_1 in [0, 1): m remembers about 1 / (1 - b1) gradients.
        b2: beta_2 in [0, 1): v remembers about 1 / (1 - b2) mean squares.
        eps: epsilon >= 0, in units of g.
        weight_decay: lambda >= 0, in 1 / p; multiplied by the rate. None for none, and params are not needed.
        block: "array": one v for the whole array; "row": one for each index of the first axis (an output neuron where
            weights are (out, in), as in PyTorch); "column": one for each index of the last axis (an output neuron where
            they are (in, out), as in Flax). An array of fewer than two axes is always one block.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where decay needs params not given.
    """

    learning_rate: Rate
    b1: Decay = 0.9
    b2: Decay = 0.999
    eps: NonNegative = 1e-8
    weight_decay: NonNegative | None = None
    block: Literal["array", "row", "column"] = "array"

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # one number a block, in units of g**2: all axes of p but the block's are 1

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return () if self.weight_decay is None else ("params",)

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros(self._mean(p).shape))

    def step(self, g, memory, p, t):
        m = ema(memory.m, g, self.b1)
        v = ema(memory.v, self._mean(g**2), self.b2)
        m_hat = m / debias(self.b1, t)
        v_hat = v / debias(self.b2, t)
        d = m_hat / (safe_sqrt(v_hat) + self.eps)
        if self.weight_decay is not None:
            d = d + self.weight_decay * p
        return -self.learning_rate * d, self.Memory(m, v)

    def _mean(self, x: Array) -> Array:
        """The mean over each block, on axes of size 1."""
        whole = self.block == "array" or x.ndim < 2
        axes = range(x.ndim) if whole else range(1, x.ndim) if self.block == "row" else range(x.ndim - 1)
        return jnp.mean(x, axis=tuple(axes), keepdims=True)
