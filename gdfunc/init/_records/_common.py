"""What the records share: papers, examples, the same draws in NumPy."""

import math

import jax
import numpy as np

from ...core import Paper

GLOROT = Paper(
    "Glorot & Bengio",
    2010,
    "Understanding the difficulty of training deep feedforward neural networks",
    "AISTATS",
    "https://proceedings.mlr.press/v9/glorot10a.html",
)
HE = Paper(
    "He, Zhang, Ren & Sun",
    2015,
    "Delving deep into rectifiers: surpassing human-level performance on ImageNet classification",
    "ICCV",
    "https://arxiv.org/abs/1502.01852",
)
RUMELHART = Paper(
    "Rumelhart, Hinton & Williams",
    1986,
    "Learning representations by back-propagating errors",
    "Nature 323",
    "https://doi.org/10.1038/323533a0",
)


def _example(shape):
    return lambda rng, dtype: (jax.random.key(int(rng.integers(2**31))), shape, dtype)


MATRIX = _example((40, 12))
KERNEL = _example((3, 2, 8, 5))  # a receptive field of 6, 8 inputs, 5 outputs: no two fans are equal
WIDENING_KERNEL = _example((3, 2, 5, 8))


NO_OPTAX = {"optax": "Optax has no initialisers"}


def draws_differ(name: str, formula: str) -> dict[str, str]:
    return {
        "torch": f"torch.nn.init.{name} draws from another generator; its scale is the same: {formula} "
        "(its axes are (out, in, ...), ours (..., in, out))",
        **NO_OPTAX,
    }


def filled(twin, key, shape, dtype, **arguments):
    """PyTorch fills a tensor in place; where nothing is random the values can be compared."""
    import torch  # pyright: ignore[reportMissingImports]

    return twin(torch.empty(tuple(shape), dtype=getattr(torch, np.dtype(dtype).name)), **arguments)


def normals(key, shape, dtype):
    return np.array(jax.random.normal(key, shape, dtype), np.float64)


def uniforms(key, shape, dtype):
    return np.asarray(jax.random.uniform(key, shape, dtype, -1, 1), np.float64)


def cut_normals(key, shape, dtype):
    """Divided by their standard deviation: var = 1 - 2 b pdf(b) / P(|z| < b) at b = 2."""
    pdf, inside = math.exp(-2) / math.sqrt(2 * math.pi), math.erf(math.sqrt(2))
    cut = np.asarray(jax.random.truncated_normal(key, -2, 2, shape, dtype), np.float64)
    return cut / math.sqrt(1 - 4 * pdf / inside)
