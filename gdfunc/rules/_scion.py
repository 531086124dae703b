from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Decay, NonNegative, Positive, Rate, ema, rule, safe_norm
from ._matrix import Layout, fans, need_at_least_one, newton_schulz


@rule
class Scion(ArrayRule):
    r"""Scion: the gradient's average, and the point of a norm's ball that lies farthest against it (Pethick et al. 2025, ICML, <https://arxiv.org/abs/2502.07529>).

    $$\begin{aligned}
    d_t &= \beta d_{t-1} + (1-\beta) g_t \qquad
    \mathrm{lmo}(d) = \operatorname{arg\,min}_{\lVert x \rVert \le \rho} \langle d, x \rangle \\
    u_t &= \eta\, (\mathrm{lmo}(d_t) - p_{t-1}) \qquad \text{unconstrained: } u_t = \eta\, \mathrm{lmo}(d_t) \\
    -\mathrm{lmo}(d) / \rho &= \sqrt{n_{out} / n_{in}}\; U V^\top \text{ (spectral)}, \quad
    \mathrm{sign}(d) / n_{in} \text{ (sign)}, \quad
    d_{:j} / \lVert d_{:j} \rVert_{RMS} \text{ (column)}
    \end{aligned}$$

    where $d = U \Sigma V^\top$, found by Newton-Schulz steps as in Muon, and $d_{:j}$ are the n_out weights that leave
    input j. The paper takes the spectral norm in hidden layers, the sign in the last one, and column or sign in an
    embedding: say so with `by_path`. A scalar or vector (a bias) becomes $d / \lVert d \rVert_{RMS}$, or sign(d) with
    norm="sign". Of an array of three axes and more the outermost on the output's side is kept and the others are taken
    together: the last one with "in_out", the first with "out_in".

    Args:
        learning_rate: eta >= 0, without unit (at most 1 where constrained): the share of the way to the ball's edge.
        momentum: beta in [0, 1), the paper's 1 - alpha: d remembers about 1 / (1 - momentum) gradients.
        radius: rho > 0, in units of p: the size of the ball, which constrained weights never leave. The paper takes 50 in
            the hidden layers of its GPT and 3000 in the last one.
        norm: of a matrix: "spectral" bounds the output's root mean square by the input's; "sign" the output's largest
            entry by the input's mean absolute one; "column" the output's root mean square by the sum of the input's
            absolute entries.
        constrained: whether p is drawn into the ball, which acts as weight decay eta; False is "unconstrained Scion".
        eps: epsilon >= 0, in units of g: averages far below it give a shorter step.
        ns_steps: the Newton-Schulz steps of the spectral norm, >= 1.
        layout: "in_out": the last axis is the output, as in JAX's x @ W; "out_in": the first, as in PyTorch.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given though
            constrained.

    Where d is zero the point is 0, of all that are equally far. The Newton-Schulz coefficients are Muon's, as in the
    authors' code: singular values of $U V^\top$ come out between 0.7 and 1.2. The authors' code has an additional
    max(1, .) around the factor in the first layer of an image model.
    """

    learning_rate: Rate
    momentum: Decay = 0.9
    radius: Positive = 1.0
    norm: Literal["spectral", "sign", "column"] = "spectral"
    constrained: bool = True
    eps: NonNegative = 1e-7
    ns_steps: int = 5
    layout: Layout = "in_out"

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("params",) if self.constrained else ()

    class Memory(NamedTuple):
        d: Array  # shaped as p, in units of g

    def __post_init__(self):
        super().__post_init__()
        need_at_least_one(self, "ns_steps")

    def start(self, p):
        return self.Memory(d=jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        d = ema(memory.d, g, self.momentum)
        lmo = -self.radius * self._steepest(d)
        u = self.learning_rate * (lmo - p if self.constrained else lmo)
        return u, self.Memory(d)

    def _steepest(self, d):
        """-lmo(d) for the unit ball."""
        if d.ndim < 2:
            return jnp.sign(d) if self.norm == "sign" else _over_rms(d, None, self.eps)
        D = d.reshape(-1, d.shape[-1]) if self.layout == "in_out" else d.reshape(d.shape[0], -1)
        n_in, n_out = fans(D.shape, self.layout)
        if self.norm == "sign":
            steepest = jnp.sign(D) / n_in
        elif self.norm == "column":
            steepest = _over_rms(D, 1 if self.layout == "in_out" else 0, self.eps)
        else:
            steepest = (n_out / n_in) ** 0.5 * newton_schulz(D, (3.4445, -4.7750, 2.0315), self.ns_steps, self.eps)
        return steepest.reshape(d.shape)


def _over_rms(x, axis, eps):
    size = x.size if axis is None else x.shape[axis]
    return x / (safe_norm(x, axis, keepdims=True) / size**0.5 + eps)
