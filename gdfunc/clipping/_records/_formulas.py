"""The papers' formulas in plain NumPy float64, written without a look at the rules."""

import numpy as np


def _in_float64(tree):
    return {k: np.asarray(x, np.float64) for k, x in tree.items()}


def by_value(grads, params, max_value, keep_norm=False):
    return {k: np.minimum(np.maximum(g, -max_value), max_value) for k, g in _in_float64(grads).items()}


def by_global_norm(grads, params, max_norm, eps=0.0, keep_norm=False):
    grads = _in_float64(grads)
    norm = np.linalg.norm(np.concatenate([g.ravel() for g in grads.values()])) + eps
    return {k: g * (max_norm / norm) if norm > max_norm else g for k, g in grads.items()}


def by_leaf_norm(grads, params, max_norm, eps=0.0, keep_norm=False):
    return {k: by_global_norm({k: g}, None, max_norm, eps)[k] for k, g in grads.items()}


def by_block_rms(grads, params, max_rms, keep_norm=False):
    return {k: g / max(1, np.sqrt(np.mean(g**2)) / max_rms) for k, g in _in_float64(grads).items()}


def adaptive(grads, params, clipping, eps=1e-3, unit_axis="last", keep_norm=False):
    grads, params, clipped = _in_float64(grads), _in_float64(params), {}
    for k, g in grads.items():
        # Units as rows.
        unit = {"last": -1, "first": 0}[unit_axis]
        G, W = (np.moveaxis(x, unit, 0).reshape(x.shape[unit] if x.ndim > 1 else 1, -1).copy() for x in (g, params[k]))
        rest = np.moveaxis(g, unit, 0).shape
        for i in range(len(G)):
            most = clipping * max(np.linalg.norm(W[i]), eps)
            if np.linalg.norm(G[i]) > most:
                G[i] *= most / np.linalg.norm(G[i])
        clipped[k] = np.moveaxis(G.reshape(rest), 0, unit)
    return clipped


def per_example(grads, params, max_norm, reduce="mean", eps=0.0):
    grads = _in_float64(grads)
    one_by_one = [by_global_norm({k: g[i] for k, g in grads.items()}, None, max_norm, eps) for i in range(6)]
    total = {k: sum(g[k] for g in one_by_one) for k in grads}
    return {k: g / 6 for k, g in total.items()} if reduce == "mean" else total


def zero_non_finite(grads, params, keep_count=False):
    return {k: np.where(np.isfinite(g), g, 0) for k, g in _in_float64(grads).items()}


def skip_non_finite(grads, params, inner):
    assert not all(np.all(np.isfinite(g)) for g in grads.values())
    return {k: np.zeros_like(g) for k, g in _in_float64(grads).items()}
