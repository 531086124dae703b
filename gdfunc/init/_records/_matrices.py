import math

import jax
import numpy as np

from ...core import Paper, Record, Twin
from .. import _orthogonal as matrices, _sparse as sparsity
from ._common import MATRIX, NO_OPTAX, WIDENING_KERNEL, draws_differ, filled, normals

_SAXE = Paper(
    "Saxe, McClelland & Ganguli",
    2014,
    "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
    "ICLR",
    "https://arxiv.org/abs/1312.6120",
)
_XIAO = Paper(
    "Xiao, Bahri, Sohl-Dickstein, Schoenholz & Pennington",
    2018,
    "Dynamical isometry and a mean field theory of CNNs: how to train 10,000-layer vanilla convolutional neural networks",
    "ICML",
    "https://arxiv.org/abs/1806.05393",
)
_IRNN = Paper(
    "Le, Jaitly & Hinton",
    2015,
    "A simple way to initialize recurrent networks of rectified linear units",
    "arXiv",
    "https://arxiv.org/abs/1504.00941",
)
_MARTENS = Paper(
    "Martens",
    2010,
    "Deep learning via Hessian-free optimization",
    "ICML",
    "https://icml.cc/Conferences/2010/papers/458.pdf",
)


def _orthogonal(key, shape, dtype, gain=1.0):
    """Gram-Schmidt, which is QR with a positive diagonal."""
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    q = normals(key, (max(rows, columns), min(rows, columns)), dtype)
    for j in range(q.shape[1]):
        for i in range(j):
            q[:, j] -= (q[:, i] @ q[:, j]) * q[:, i]
        q[:, j] /= np.linalg.norm(q[:, j])
    return gain * (q if rows >= columns else q.T).reshape(shape)


def _delta_orthogonal(key, shape, dtype, gain=1.0):
    """The middle tap, the earlier one of two, and nothing else."""
    w = np.zeros(shape)
    w[tuple(np.ceil(k / 2).astype(int) - 1 for k in shape[:-2])] = _orthogonal(key, shape[-2:], dtype, gain)
    return w


def _identity(key, shape, dtype, gain=1.0):
    w = np.zeros(shape)
    for i in range(min(shape)):
        w[i, i] = gain
    return w


def _sparse(key, shape, dtype, sparsity, std=0.01):
    values_key, places_key = jax.random.split(key)
    w = std * normals(values_key, shape, dtype)
    rank = np.repeat(np.arange(shape[0])[:, None], shape[1], axis=1)
    rank = np.asarray(jax.random.permutation(places_key, rank, axis=0, independent=True))
    for j in range(shape[1]):
        for i in range(shape[0]):
            if rank[i, j] < math.ceil(sparsity * shape[0]):
                w[i, j] = 0
    return w


MATRICES = (
    Record(
        "orthogonal",
        "matrix",
        (_SAXE,),
        matrices.orthogonal,
        twins=(Twin("jax.nn.initializers.orthogonal", lambda gain: {"scale": gain}),),
        no_twin=draws_differ("orthogonal_", "all singular values are the gain"),
        settings=({}, {"gain": 2.0}),
        example=MATRIX,
        curried=True,
        transcription=_orthogonal,
    ),
    Record(
        "delta_orthogonal",
        "matrix",
        (_XIAO,),
        matrices.delta_orthogonal,
        twins=(Twin("jax.nn.initializers.delta_orthogonal", lambda gain: {"scale": gain}),),
        no_twin={**NO_OPTAX, "torch": "torch.nn.init has no delta-orthogonal initialiser"},
        settings=({}, {"gain": 2.0}),
        example=WIDENING_KERNEL,
        curried=True,
        transcription=_delta_orthogonal,
    ),
    Record(
        "identity",
        "matrix",
        (_IRNN,),
        matrices.identity,
        twins=(
            Twin(
                "torch.nn.init.eye_",
                lambda gain: {} if gain == 1 else "eye_ has no gain",
                call=filled,
            ),
        ),
        no_twin={**NO_OPTAX, "jax": "jax.nn.initializers has no identity"},
        settings=({}, {"gain": 0.01}),
        example=MATRIX,
        curried=True,
        transcription=_identity,
    ),
    Record(
        "sparse",
        "matrix",
        (_MARTENS,),
        sparsity.sparse,
        no_twin={
            **draws_differ("sparse_", "std where it is not zero"),
            "jax": "jax.nn.initializers has no sparse initialiser",
        },
        settings=({"sparsity": 0.8}, {"sparsity": 0.33, "std": 1.0}),
        example=MATRIX,
        curried=True,
        transcription=_sparse,
    ),
)
