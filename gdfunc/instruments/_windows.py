"""The axes of a convolution, at each place of its window a product of its own."""

import math
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax


def places(params: dict[str, Any], kernel: tuple[int, ...]) -> np.ndarray:
    """(k, axes): where in the padded input each of the window's k places begins.

    Args:
        params: of `conv_general_dilated`.
        kernel: the shape of its right operand.
    """
    window = [kernel[axis] for axis in params["dimension_numbers"].rhs_spec[2:]]
    return np.indices(window).reshape(len(window), -1).T * np.array(params["rhs_dilation"])


def passed_over(params: dict[str, Any], out: tuple[int, ...], x: Array) -> Callable[[Array], Array]:
    """What of the input x one place of the window passes over, (groups, positions, channels of a group).

    Args:
        params: of `conv_general_dilated`.
        out: the shape of its output.
        x: its left operand.
    """
    strides, numbers = params["window_strides"], params["dimension_numbers"]
    edges = [(*ends, gap - 1) for ends, gap in zip(params["padding"], params["lhs_dilation"], strict=True)]
    x = lax.pad(_channels_last(x, numbers.lhs_spec), jnp.zeros((), x.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    spans = [(out[axis] - 1) * stride + 1 for axis, stride in zip(numbers.out_spec[2:], strides, strict=True)]

    def at(place: Array) -> Array:
        here = lax.dynamic_slice(x, [0, *place, 0], (x.shape[0], *spans, x.shape[-1]))
        return _matrices(lax.slice(here, [0] * x.ndim, here.shape, (1, *strides, 1)), params["feature_group_count"])

    return at


def put_out(params: dict[str, Any], z: Array) -> Array:
    """The output, or its gradient, as (groups, positions, channels of a group)."""
    return _matrices(_channels_last(z, params["dimension_numbers"].out_spec), params["feature_group_count"])


def _channels_last(x: Array, spec: tuple[int, ...]) -> Array:
    return x.transpose(spec[0], *spec[2:], spec[1])


def _matrices(x: Array, groups: int) -> Array:
    return jnp.moveaxis(x.reshape(math.prod(x.shape[:-1]), groups, x.shape[-1] // groups), 1, 0)
