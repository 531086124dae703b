"""Activation functions. At a kink the derivative is the left one; for finite input every derivative is finite."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from ._trees import did_you_mean

Activation = Callable[..., Array]


def identity(x: Array) -> Array:
    """$x$: a linear layer."""
    return jnp.asarray(x)


def relu(x: Array) -> Array:
    r"""Rectified linear unit, $\max(x, 0)$ (Nair & Hinton 2010, ICML); derivative 0 at 0."""
    return jax.nn.relu(x)


def leaky_relu(x: Array, slope: Any = 0.01) -> Array:
    r"""Leaky rectified linear unit (Maas, Hannun & Ng 2013, ICML workshop).

    $$\phi(x) = \begin{cases} x & x > 0 \\ a x & x \le 0 \end{cases}$$

    Args:
        x: any shape.
        slope: a, without unit: the slope below 0, and the derivative at 0, so that slope 0 is `relu` (as in PyTorch;
            `jax.nn.leaky_relu` has derivative 1 at 0).

    Returns:
        An array shaped as `x`.
    """
    return jnp.where(x > 0, x, slope * x).astype(jnp.result_type(x))


def tanh(x: Array) -> Array:
    r"""Hyperbolic tangent; its derivative $1 - \tanh^2 x$ rounds to 0 beyond |x| = 9 in float32 (20 in float64)."""
    return jnp.tanh(x)


def sigmoid(x: Array) -> Array:
    r"""Logistic function $1 / (1 + e^{-x})$; its derivative is at most 1/4."""
    return jax.nn.sigmoid(x)


def silu(x: Array) -> Array:
    r"""Sigmoid linear unit, or swish, $x / (1 + e^{-x})$ (Elfwing et al. 2018, <https://arxiv.org/abs/1702.03118>)."""
    return jax.nn.silu(x)


def selu(x: Array) -> Array:
    r"""Scaled exponential linear unit (Klambauer et al. 2017, NeurIPS, <https://arxiv.org/abs/1706.02515>, eq 2).

    $$\phi(x) = \lambda \begin{cases} x & x > 0 \\ \alpha (e^x - 1) & x \le 0 \end{cases}
    \qquad \lambda = 1.0507009873554805 \qquad \alpha = 1.6732632423543772$$

    With these constants mean 0 and variance 1 are a fixed point under LeCun's initialisation. The derivative at 0 is
    the left one, lambda alpha = 1.758.

    Args:
        x: any shape.

    Returns:
        An array shaped as `x`.
    """
    return jax.nn.selu(x)


# The tanh form is saturated here in every dtype: u(8) = 24.6, and 1 - tanh(u) is below float64's eps from u = 19 on.
_GELU_SATURATED = 8.0


def gelu(x: Array, form: Literal["exact", "tanh"] = "exact") -> Array:
    r"""Gaussian error linear unit, (Hendrycks & Gimpel 2016, <https://arxiv.org/abs/1606.08415>).

    $$\begin{aligned}
    \text{exact: } & \phi(x) = \tfrac{x}{2} \left(1 + \mathrm{erf}(x / \sqrt 2)\right) \\
    \text{tanh: } & \phi(x) = \tfrac{x}{2} (1 + \tanh u) \qquad u = \sqrt{2/\pi}\, (x + 0.044715\, x^3)
    \end{aligned}$$

    Args:
        x: any shape.
        form: "exact", PyTorch's default; "tanh", off by up to 4.7e-4, `jax.nn.gelu`'s default.

    Returns:
        An array shaped as `x`.

    Raises:
        ValueError: on another form.
    """
    if form == "exact":
        return jax.nn.gelu(x, approximate=False)
    if form != "tanh":
        raise ValueError(f"gelu needs form to be 'exact' or 'tanh', and was given form={form!r}")
    # Unclipped, x**3 overflows (beyond 40 in float16) and the derivative becomes infinity times 0.
    c = jnp.clip(x, -_GELU_SATURATED, _GELU_SATURATED)
    u = (2 / jnp.pi) ** 0.5 * (c + 0.044715 * c**3)
    return x * jax.nn.sigmoid(2 * u)  # (1 + tanh u) / 2, without the cancellation at negative u


_ACTIVATIONS: dict[str, Activation] = {
    f.__name__: f for f in (identity, relu, leaky_relu, tanh, sigmoid, silu, selu, gelu)
}


def activation(which: str | Activation, **settings: Any) -> Activation:
    """The activation function of that name, or the given one, with its settings bound.

    Args:
        which: "identity", "relu", "leaky_relu", "tanh", "sigmoid", "silu", "selu", "gelu", or any function of an array.
        **settings: keyword arguments for it: `activation("leaky_relu", slope=0.2)`.

    Returns:
        A function from an array to one of the same shape.

    Raises:
        ValueError: on an unknown name, with the nearest known ones.
    """
    if not callable(which):
        if which not in _ACTIVATIONS:
            raise did_you_mean("activation", which, _ACTIVATIONS)
        which = _ACTIVATIONS[which]
    return partial(which, **settings) if settings else which


def slope_of(phi: Activation) -> Activation:
    """The derivative of an elementwise function, as a function of an array."""
    return lambda x: jax.jvp(phi, (x,), (jnp.ones_like(x),))[1]
