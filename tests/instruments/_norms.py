"""The norms of examples' gradients, taken one by one."""

import jax
import jax.numpy as jnp
import numpy as np

from gdfunc.core import leaf_paths, trace_loss, tree_norm
from gdfunc.instruments._products import products
from gdfunc.instruments._program import read_program

EPS = np.finfo(np.float64).eps


def in_double(tree):
    return jax.tree.map(lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, tree)


def from_gradients(loss, params, batch):
    """The norm of every example's gradient, which is taken."""
    one = lambda example: tree_norm(jax.grad(loss)(params, jax.tree.map(lambda x: x[None], example)))  # noqa: E731
    return jax.jit(jax.vmap(one))(batch)


def without_gradient(loss, params, batch):
    """The paths of the parameters whose gradients are not taken."""
    program = read_program(trace_loss("test", loss, params, jax.tree.map(lambda x: x[:1], batch))[0])
    paths = leaf_paths(params)
    return {paths[i] for i in products(program, len(paths))}
