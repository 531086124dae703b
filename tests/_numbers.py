"""Numbers to test with, drawn by NumPy: JAX compiles a program for each shape that it draws, which takes half a second."""

import jax.numpy as jnp
import numpy as np


def normal(seed, *shape):
    """Standard normal numbers in float32."""
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)
