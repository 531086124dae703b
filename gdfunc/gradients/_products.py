"""Products with matrices of derivatives, none of which is ever formed."""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array

from ..core import Tree, check_alike, check_params
from ._given import as_direction, cast_like, scalar


def jacobian_vector_product(f: Callable[..., Tree], params: Tree, v: Tree, *args: Any) -> Tree:
    r"""$J v$, how the outputs change along v: forward mode (Wengert 1964, Commun. ACM 7(8), <https://doi.org/10.1145/355586.364791>).

    $$J v = \frac{\partial}{\partial r} f(p + r v) \Big|_{r=0}$$

    `jax.jvp`, with every leaf in its place or named. Costs about as much as f twice, and no memory for what lies between.

    Args:
        f: (params, *args) -> a pytree of arrays.
        params: p, a pytree of real floating-point arrays.
        v: the direction, a tree as `params` in structure and shapes.
        *args: what else f takes.

    Returns:
        A tree as f's outputs, in units of f where v is in units of p.

    Raises:
        ValueError: naming the first leaf where `params` and `v` differ.
    """
    v = as_direction("jacobian_vector_product", params, v)
    return jax.jvp(lambda p: f(p, *args), (params,), (v,))[1]


def vector_jacobian_product(f: Callable[..., Tree], params: Tree, u: Tree, *args: Any) -> Tree:
    r"""$J^\top u$, the gradient of a weighted sum of outputs: reverse mode (Linnainmaa 1976, BIT 16, <https://doi.org/10.1007/BF01931367>).

    $$J^\top u = \nabla_p\, \langle u, f(p) \rangle$$

    `jax.vjp`, with every leaf in its place or named. Costs two to four times f, and memory for what lies between.

    Args:
        f: (params, *args) -> a pytree of arrays.
        params: p, a pytree of real floating-point arrays.
        u: the weights, a tree as f's outputs in structure and shapes.
        *args: what else f takes.

    Returns:
        A tree as `params`, in units of u f / p.

    Raises:
        ValueError: naming the first leaf where the outputs and `u` differ.
    """
    check_params(params, "vector_jacobian_product")
    outputs, pull = jax.vjp(lambda p: f(p, *args), params)
    check_alike("vector_jacobian_product", outputs=outputs, u=u)
    return pull(cast_like(outputs, u))[0]


def hessian_vector_product(f: Callable[..., Array], params: Tree, v: Tree, *args: Any) -> Tree:
    r"""$H v$, the derivative of the gradient along v, without the Hessian itself (Pearlmutter 1994, Neural Comput. 6(1), <https://doi.org/10.1162/neco.1994.6.1.147>).

    $$H v = \frac{\partial}{\partial r} \nabla f(p + r v) \Big|_{r=0}$$

    Costs two to two and a half gradients.

    Args:
        f: (params, *args) -> (), as a loss (params, batch) -> ().
        params: p, a pytree of real floating-point arrays.
        v: the direction, a tree as `params` in structure and shapes.
        *args: what else f takes: the batch.

    Returns:
        A tree as `params`, in units of f / p where v is in units of p.

    Raises:
        ValueError: naming the first leaf where `params` and `v` differ, or where f is no real scalar.
    """
    v = as_direction("hessian_vector_product", params, v)
    gradient = jax.grad(scalar("hessian_vector_product", f))
    return jax.jvp(lambda p: gradient(p, *args), (params,), (v,))[1]


def gauss_newton_vector_product(
    model_fn: Callable[..., Tree], loss_of_output: Callable[..., Array], params: Tree, v: Tree, *args: Any
) -> Tree:
    r"""$G v$, the Hessian's product without the curvature of the model itself (Schraudolph 2002, Neural Comput. 14(7), <https://doi.org/10.1162/08997660260028683>).

    $$G v = J^\top H_\ell\, J v \qquad J = \frac{\partial z}{\partial p},\quad H_\ell = \nabla_z^2\, \ell(z),
    \quad z = \text{model}(p)$$

    No eigenvalue of G is negative where the loss is convex in the model's outputs. Of a loss that is the negative
    log-likelihood of an exponential family with z its natural parameters (squared error, cross-entropy of logits) G is the
    Fisher information of the model at these inputs (Martens 2020, JMLR 21(146), <https://arxiv.org/abs/1412.1193>).

    Args:
        model_fn: (params, *args) -> z, a pytree of arrays.
        loss_of_output: (z, *args) -> (), the loss of the outputs alone.
        params: p, a pytree of real floating-point arrays.
        v: the direction, a tree as `params` in structure and shapes.
        *args: what else both take: the batch.

    Returns:
        A tree as `params`, in units of loss / p where v is in units of p.

    Raises:
        ValueError: naming the first leaf where `params` and `v` differ, or where the loss is no real scalar.
    """
    v = as_direction("gauss_newton_vector_product", params, v)
    model = lambda p: model_fn(p, *args)  # noqa: E731
    z, jv = jax.jvp(model, (params,), (v,))
    gradient = jax.grad(scalar("gauss_newton_vector_product", loss_of_output))
    hjv = jax.jvp(lambda z: gradient(z, *args), (z,), (jv,))[1]
    return jax.vjp(model, params)[1](hjv)[0]
