"""The examples at which parity is run, and how ours and each twin are called on them."""

from typing import Any

import numpy as np


def apply(clip: Any, grads: Any, params: Any) -> Any:
    """The clipped gradients: from one update of a rule, or from the function where there is no rule."""
    if hasattr(clip, "update"):
        return clip.update(grads, clip.init(params), params)[0]
    return clip(grads)[0]


def tree(rng, dtype):
    """A matrix that is not square, a vector with zeros, a small kernel; norms from 0 to 20."""
    shapes = {"bias": (4,), "dead": (3,), "kernel": (3, 3, 2, 5), "weight": (6, 4)}
    scales = {"bias": 1.0, "dead": 0.0, "kernel": 0.01, "weight": 4.0}
    grads = {k: (scales[k] * rng.standard_normal(shape)).astype(dtype) for k, shape in shapes.items()}
    params = {k: (0.3 * rng.standard_normal(shape)).astype(dtype) for k, shape in shapes.items()}
    params["weight"][:, 1] = 0
    grads["bias"][0] = 0
    return grads, params


def broken_tree(rng, dtype):
    grads, params = tree(rng, dtype)
    grads["weight"][2, 1], grads["weight"][3, 0], grads["bias"][1] = np.nan, np.inf, -np.inf
    return grads, params


def batch(rng, dtype):
    """Six examples' gradients, of norm 0 to 20."""
    scale = np.array([0.0, 0.01, 0.3, 1.0, 3.0, 4.0])
    weight = scale[:, None, None] * rng.standard_normal((6, 5, 3))
    bias = scale[:, None] * rng.standard_normal((6, 3))
    return {"bias": bias.astype(dtype), "weight": weight.astype(dtype)}, None


def optax(twin, grads, params, **settings):
    transformation = twin(**settings)
    return transformation.update(grads, transformation.init(params), params)[0]


def optax_by_leaf(twin, grads, params, **settings):
    return {k: optax(twin, {k: g}, {k: params[k]}, **settings)[k] for k, g in grads.items()}


def optax_per_example(twin, grads, params, l2_norm_clip, reduce):
    total, _ = twin(grads, l2_norm_clip)
    return {k: g / (6 if reduce == "mean" else 1) for k, g in total.items()}


def torch(twin, grads, params, **settings):
    """PyTorch's functions change the `.grad` of the parameters that they are given."""
    mine = {k: p.clone() for k, p in params.items()}
    for k, p in mine.items():
        p.grad = grads[k].clone()
    twin(list(mine.values()), **settings)
    return {k: p.grad for k, p in mine.items()}


def torch_by_leaf(twin, grads, params, **settings):
    return {k: torch(twin, {k: g}, {k: params[k]}, **settings)[k] for k, g in grads.items()}


def by_leaf(twin, grads, params, **settings):
    return {k: twin(g, **settings) for k, g in grads.items()}
