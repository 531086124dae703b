"""Numerics that every formula uses: averages, bias corrections, roots whose gradients stay finite."""

import math
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

Debias = Literal["exact", "power", "none"]


def ema(m: Array, x: Array, decay: Any) -> Array:
    r"""One step of an exponential moving average, $\beta m + (1 - \beta) x$.

    Args:
        m: the average so far.
        x: the new value, shaped as `m`.
        decay: beta in [0, 1): the average remembers about 1 / (1 - beta) values.

    Returns:
        The new average, shaped as `m`.
    """
    return decay * m + (1 - decay) * x


def debias(decay: Any, t: Any, form: Debias = "exact") -> Any:
    r"""The share of an average started at zero that its values fill after $t$ steps, $1 - \beta^t$.

    In float32 the subtraction loses five digits for beta near 1: at t = 1 and beta = 0.999 it is wrong by 1.3e-5.
    "exact" computes $-\mathrm{expm1}(t \log \beta)$ instead, good to 2e-7 for every t; "power" is the literal
    expression, as Optax and PyTorch evaluate it; "none" is 1: no correction.

    Args:
        decay: beta in [0, 1).
        t: the number of values averaged, 1 or more.
        form: "exact", "power" or "none".

    Returns:
        A scalar in (0, 1].
    """
    if form == "none":
        return 1.0
    if form == "power":
        return _literal(decay, t)
    if isinstance(decay, (int, float)):  # known at trace time: the logarithm in double precision
        return -jnp.expm1(t * math.log(decay)) if decay > 0 else 1.0
    # Below 1/2 nothing cancels, and the power's derivative is finite at beta = 0, where the logarithm's is not.
    large = decay > 0.5
    return jnp.where(large, -jnp.expm1(t * jnp.log(jnp.where(large, decay, 0.5))), 1 - decay**t)


# One program, as in Optax: run operation by operation the power rounds otherwise, which cancellation magnifies.
@partial(jax.jit, inline=True)
def _literal(decay: Any, t: Any) -> Any:
    return 1 - decay**t


@jax.custom_jvp
def safe_sqrt(x: Array) -> Array:
    r"""$\sqrt{x}$ with derivative 0 at 0, where the true one is infinite.

    A parameter whose gradient is exactly zero has v = 0; the plain root would then turn every derivative with respect
    to a hyperparameter into 0 times infinity. Costs nothing when it is not differentiated.

    Args:
        x: any shape, at least 0.

    Returns:
        The root, shaped as `x`.
    """
    return jnp.sqrt(x)


@safe_sqrt.defjvp
def _safe_sqrt_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    y = safe_sqrt(x)
    positive = y > 0
    return y, jnp.where(positive, dx / (2 * jnp.where(positive, y, 1)), jnp.zeros_like(dx))


def safe_norm(x: Array, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Array:
    r"""$\lVert x \rVert_2$ with derivative 0 at x = 0.

    Args:
        x: an array.
        axis: the axes summed over; None for all.
        keepdims: whether summed axes stay as size 1.

    Returns:
        The norm over `axis`, in the units of `x`.
    """
    return safe_sqrt(jnp.sum(jnp.square(x), axis=axis, keepdims=keepdims))


def root_with_eps(v: Array, eps: Any, eps_at: str, correction: Any = 1.0) -> Array:
    r"""The root in a denominator with its epsilon where a dialect puts it.

    Args:
        v: an average of squares, corrected already where the rule corrects it.
        eps: epsilon, in units of the root ("outside", "before_debias") or of `v` ("inside").
        eps_at: "outside" gives $\sqrt v + \epsilon$; "inside" $\sqrt{v + \epsilon}$; "before_debias"
            $(\sqrt{v c} + \epsilon) / \sqrt c$, where c is the `correction` that v was divided by.
        correction: c.

    Returns:
        The denominator, shaped as `v`.
    """
    if eps_at == "inside":
        return safe_sqrt(v + eps)
    if eps_at == "before_debias":
        return safe_sqrt(v) + eps / jnp.sqrt(correction)
    return safe_sqrt(v) + eps


def wide(x: Array) -> Array:
    """`x` in float32 where it has 16 bits or fewer: formulas are computed in at least float32 and stored as given.

    In float16 Adam's eps = 1e-8 is 0, and a zero gradient gives 0 / 0.
    """
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 else x
