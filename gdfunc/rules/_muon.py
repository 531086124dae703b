from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, Debias, Decay, NonNegative, Positive, Rate, Scalar, debias, ema, rule, safe_sqrt
from ._matrix import Layout, fans, need_at_least_one, newton_schulz


@rule
class Muon(ArrayRule):
    r"""Muon: the gradient's average with all its singular values brought near 1 (Jordan et al. 2024, <https://kellerjordan.github.io/posts/muon/>).

    $$\begin{aligned}
    m_t &= \beta m_{t-1} + (1-\beta) g_t \qquad d_t = \beta m_t + (1-\beta) g_t \\
    X_0 &= d_t / (\lVert d_t \rVert_F + \epsilon) \qquad
    X_{k+1} = a X_k + b\, (X_k X_k^\top) X_k + c\, (X_k X_k^\top)^2 X_k \\
    u_t &= -\eta\, (\sqrt{\max(1, n_{out} / n_{in})}\, X_K + \lambda\, p_{t-1})
    \end{aligned}$$

    Only matrices (two axes) are updated so. Scalars, vectors and arrays of more axes get AdamW, with the fields whose
    names begin with adam. Embeddings and output layers are matrices too: give them AdamW with `by_path`, as the author
    does.

    Args:
        learning_rate: eta > 0, in units of p: about the root mean square of a square matrix's step, times the root of
            its side. It is far larger than Adam's, 0.02 in the author's runs.
        momentum: beta in [0, 1): m remembers about 1 / (1 - momentum) gradients.
        nesterov: whether to look ahead; if not, d is m.
        weight_decay: lambda >= 0, in units of 1 / p: eta * lambda is the share of a matrix lost at each step.
        eps: epsilon >= 0, in units of g: gradients far below it move less.
        ns_steps: K >= 1, the Newton-Schulz steps; a singular value of relative size s is brought near 1 where a**K s > 1.
        ns_a: a, without unit: the slope at 0. With the published a, b and c singular values end between 0.7 and 1.2.
        ns_b: b, without unit.
        ns_c: c, without unit.
        rms: None for the factor above; else about the root mean square, in units of p / eta, that the step of every full
            matrix is brought to by rms * sqrt(max(n_in, n_out)): 0.2 is about Adam's (Liu et al. 2025,
            <https://arxiv.org/abs/2502.16982>).
        layout: "in_out": the first axis of a matrix is n_in, as in JAX's x @ W; "out_in": n_out, as in PyTorch.
        debias: "none", as published; "exact" or "power" divide m by 1 - beta**(t + 1) and g by 1 - beta**t (without
            nesterov m by 1 - beta**t), as Optax does with "power". AdamW corrects always, with "power" where that is
            chosen here and "exact" otherwise.
        adam_learning_rate: AdamW's rate, in units of p; None for eta.
        adam_b1: AdamW's beta_1 in [0, 1).
        adam_b2: AdamW's beta_2 in [0, 1): 0.95 in the code of both papers, 0.999 in Optax.
        adam_eps: AdamW's epsilon >= 0, in units of g.
        adam_weight_decay: AdamW's decay >= 0, in units of 1 / p: the rate times it is the share of p lost at each step.
        adam_nesterov: whether AdamW looks ahead, as NAdam with constant momentum; Optax does where Muon does.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where params are not given.

    The author's code runs the Newton-Schulz steps in bfloat16, and so does PyTorch; here they have the digits of the
    gradients, at least float32.
    """

    learning_rate: Rate
    momentum: Decay = 0.95
    nesterov: bool = True
    weight_decay: NonNegative = 0.0
    eps: NonNegative = 1e-7
    ns_steps: int = 5
    ns_a: Scalar = 3.4445
    ns_b: Scalar = -4.7750
    ns_c: Scalar = 2.0315
    rms: Positive | None = None
    layout: Layout = "in_out"
    debias: Debias = "none"
    adam_learning_rate: Rate | None = None
    adam_b1: Decay = 0.9
    adam_b2: Decay = 0.95
    adam_eps: NonNegative = 1e-8
    adam_weight_decay: NonNegative = 0.0
    adam_nesterov: bool = False

    needs = ("params",)

    class Memory(NamedTuple):
        m: Array  # shaped as p, in units of g
        v: Array  # AdamW's, shaped as p, in units of g**2; empty for a matrix

    def __post_init__(self):
        super().__post_init__()
        need_at_least_one(self, "ns_steps")

    def start(self, p):
        return self.Memory(m=jnp.zeros_like(p), v=jnp.zeros((0,), p.dtype) if p.ndim == 2 else jnp.zeros_like(p))

    def step(self, g, memory, p, t):
        if g.ndim == 2:
            m = ema(memory.m, g, self.momentum)
            d = _mean(m, g, self.momentum, t, self.nesterov, self.debias)
            X = newton_schulz(d, (self.ns_a, self.ns_b, self.ns_c), self.ns_steps, self.eps)
            n_in, n_out = fans(g.shape, self.layout)
            factor = max(1, n_out / n_in) ** 0.5 if self.rms is None else self.rms * max(n_in, n_out) ** 0.5
            u = -self.learning_rate * (factor * X + self.weight_decay * p)
            return u, self.Memory(m, memory.v)
        rate = self.learning_rate if self.adam_learning_rate is None else self.adam_learning_rate
        form = "power" if self.debias == "power" else "exact"
        m = ema(memory.m, g, self.adam_b1)
        v = ema(memory.v, g**2, self.adam_b2)
        m_hat = _mean(m, g, self.adam_b1, t, self.adam_nesterov, form)
        v_hat = v / debias(self.adam_b2, t, form)
        u = -rate * (m_hat / (safe_sqrt(v_hat) + self.adam_eps) + self.adam_weight_decay * p)
        return u, self.Memory(m, v)


def _mean(m, g, decay, t, nesterov, form):
    """The corrected average, or a look ahead to the next one."""
    if not nesterov:
        return m / debias(decay, t, form)
    return decay * (m / debias(decay, t + 1, form)) + (1 - decay) * (g / debias(decay, t, form))
