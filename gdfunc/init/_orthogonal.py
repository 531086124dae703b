import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ._common import Initialiser, Law, check_number, initialiser


def orthogonal(gain: Any = 1.0) -> Initialiser:
    r"""A random orthogonal matrix: all singular values equal (Saxe, McClelland & Ganguli 2014, ICLR, <https://arxiv.org/abs/1312.6120>).

    $$W = g\, Q \, \mathrm{sign}(\mathrm{diag} R) \qquad Q R = Z \qquad Z_{ij} \sim \mathcal N(0, 1)$$

    Without the signs QR prefers some rotations to others; with them every one is as likely (Haar measure: Mezzadri 2007,
    <https://arxiv.org/abs/math-ph/0609050>).

    Args:
        gain: g >= 0, without unit: every singular value of the matrix.

    Returns:
        `init(key, shape, dtype=float32)`: the matrix has all axes but the last as rows; where it is not square, the
        shorter side is orthonormal (times g).

    Raises:
        ValueError: on a negative gain; from `init` on fewer than two dimensions.
    """
    check_number("orthogonal", "gain", gain, low=0)

    def draw(key, shape, dtype):
        rows, columns = math.prod(shape[:-1]), shape[-1]
        z = jax.random.normal(key, (max(rows, columns), min(rows, columns)), dtype)
        q, r = _qr(z)
        q = q * jnp.sign(jnp.diagonal(r))
        return gain * (q if rows >= columns else q.T).reshape(shape)

    law = Law(lambda shape: gain**2 / max(math.prod(shape[:-1]), shape[-1]), orthogonal=True)
    return initialiser("orthogonal", draw, (2, math.inf), law)


def delta_orthogonal(gain: Any = 1.0) -> Initialiser:
    r"""A convolution that starts as an orthogonal map of the channels at every point (Xiao et al. 2018, ICML, <https://arxiv.org/abs/1806.05393>).

    $$K_{\beta} = \begin{cases} g\, Q & \beta \text{ the centre} \\ 0 & \text{else} \end{cases}
    \qquad Q Q^\top = I$$

    Such a layer keeps every norm, forward and (where in = out) back; with it, at the critical point, tanh networks of 10,000
    layers could be trained. `orthogonal` makes the kernel's matrix of all taps orthonormal, which the convolution is not.

    Args:
        gain: g >= 0, without unit: every singular value of the map.

    Returns:
        `init(key, shape, dtype=float32)` for kernels (..., in, out) with one to three axes in front and in <= out: fewer
        channels could not carry the norm on. The centre of k taps is the (k - 1) // 2-th from 0, as
        `jax.nn.initializers.delta_orthogonal` has it.

    Raises:
        ValueError: on a negative gain; from `init` on another number of dimensions, or where in > out.
    """
    check_number("delta_orthogonal", "gain", gain, low=0)
    channels = orthogonal(gain)

    def draw(key, shape, dtype):
        *taps, n_in, n_out = shape
        if n_in > n_out:
            raise ValueError(f"delta_orthogonal needs in <= out for axes (..., in, out), and was given {shape}")
        centre = tuple((k - 1) // 2 for k in taps)
        return jnp.zeros(shape, dtype).at[centre].set(channels(key, (n_in, n_out), dtype))

    law = Law(lambda shape: gain**2 / (math.prod(shape[:-2]) * shape[-1]), orthogonal=True)
    return initialiser("delta_orthogonal", draw, (3, 5), law)


# One matrix after the other: on CPUs, jaxlib 0.10.2's batched QR waits for ever where a program has several of them at once.
@jax.custom_batching.sequential_vmap
def _qr(z: Array) -> tuple[Array, Array]:
    return jnp.linalg.qr(z)


def identity(gain: Any = 1.0) -> Initialiser:
    r"""The identity matrix: a recurrent layer that starts by keeping its state (Le, Jaitly & Hinton 2015, <https://arxiv.org/abs/1504.00941>).

    $$W = g\, I$$

    Args:
        gain: g, without unit: the diagonal; 0.01 is the paper's choice where memory should be short.

    Returns:
        `init(key, shape, dtype=float32)` for two dimensions; where they differ the rest is zero. The key is not used.

    Raises:
        ValueError: where the gain is not a finite number; from `init` unless the shape has two dimensions.
    """
    check_number("identity", "gain", gain)
    return initialiser("identity", lambda key, shape, dtype: gain * jnp.eye(*shape, dtype=dtype), dimensions=(2, 2))
