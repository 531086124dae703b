"""A logarithmic histogram of any array in one shape."""

import math

import jax.numpy as jnp
from jax import Array, lax


def exponent_histogram(x: Array, sample: int = 4096) -> Array:
    r"""How many entries fall between successive powers of two, with their signs.

    $$c_{s,e} = \#\{i : \operatorname{sign} x_i = s,\ 2^{e-127} \le |x_i| < 2^{e-126}\}$$

    Read off the bits of a float32, so there is no range to choose, nothing to clip, and arrays of all sizes and steps
    compare. Costs one pass over the sample.

    Args:
        x: an array of real floating-point numbers; above 32 bits it is rounded to float32.
        sample: the most entries that are looked at, evenly spaced over the array so that no row or column is favoured.

    Returns:
        (2, 256) int32: row 0 the negative, row 1 the positive; column e as above, but for column 0, the zeros (with
        what is below 2**-126), and column 255, what is not finite.

    Raises:
        ValueError: where the array is empty or of another type, or `sample` is below 1.
    """
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating) or x.size == 0:
        raise ValueError(f"exponent_histogram needs real floating-point entries, and was given {x.dtype}{x.shape}")
    if sample < 1:
        raise ValueError(f"exponent_histogram needs sample >= 1, and was given sample={sample}")
    bits = lax.bitcast_convert_type(x.ravel()[:: _stride(x.size, sample)].astype(jnp.float32), jnp.uint32)
    positive, exponent = 1 - (bits >> 31), (bits >> 23) & 255
    return jnp.zeros((2, 256), jnp.int32).at[positive, exponent].add(1)


EDGES_LOG2 = tuple(range(-40, 21))  # between the bins of `magnitude_histogram`


def magnitude_histogram(x: Array, sample: int = 4096) -> Array:
    """How many entries lie between successive powers of two, 2**-40 to 2**20, whatever their sign; of the first bin and the last, beyond.

    Args:
        x: as for `exponent_histogram`.
        sample: the same.

    Returns:
        (62,) int32; zeros are in the first bin, what is not finite in the last.

    Raises:
        ValueError: as `exponent_histogram`.
    """
    counts = jnp.sum(exponent_histogram(x, sample), axis=0)
    low, high = EDGES_LOG2[0] + 127, EDGES_LOG2[-1] + 127
    ends = jnp.sum(counts[:low]), jnp.sum(counts[high:])
    return jnp.concatenate([ends[0][None], counts[low:high], ends[1][None]])


def _stride(size: int, sample: int) -> int:
    """The least stride that leaves at most `sample` entries and shares no divisor with any axis.

    A stride of one row's length would look at a single column.
    """
    stride = -(-size // sample)
    while math.gcd(stride, size) > 1 and stride < size:
        stride += 1
    return stride
