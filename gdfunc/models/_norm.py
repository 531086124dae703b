"""A normalisation as part of a layer: with its parameters, and where it is the batch's with what it measured there."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, check_alike
from ..init import Initialiser
from ..init._common import check_choice
from ._normalisation import Moments, batch_norm, layer_norm, moments, rms_norm

Norm = Literal["batch", "layer", "rms"]


def check_norm(who: str, norm: Norm | None) -> None:
    """Raises ValueError unless it is one, or None."""
    if norm is not None:
        check_choice(who, "norm", norm, ("batch", "layer", "rms"))


def check_statistics(who: str, statistics: Tree, run: Callable[..., tuple], params: Tree, shape: tuple) -> None:
    """Raises ValueError, naming the leaf, unless they are None or alike to what `run(params, x)[2]` is on a batch of a shape as `check_input` takes it."""
    if statistics is not None:
        batch = jax.ShapeDtypeStruct((*[2] * (len(shape) - 1), shape[-1]), jnp.float32)
        check_alike(who, statistics=statistics, batch_statistics=jax.eval_shape(run, params, batch)[2])


def norm_params(key: Array, width: int, shifts: Initialiser | None, dtype: Any) -> Tree:
    """{"scale": ones, "shift"}; no shift where they are None."""
    scale = {"scale": jnp.ones(width, dtype)}
    return {**scale, "shift": shifts(key, (width,), dtype)} if shifts else scale


def normalise(norm: Norm, params: Tree, x: Array, statistics: Moments | None) -> tuple[Array, Moments | None]:
    """(x normalised; the moments with which the batch's was, which are `statistics` where there are some)."""
    scale, shift = params["scale"], params.get("shift", 0.0)
    if norm == "layer":
        return layer_norm(x, scale, shift), None
    if norm == "rms":
        return (rms_norm(x, scale) + shift).astype(x.dtype), None
    if statistics is None and x.ndim > 1:
        statistics = moments(x)
    return batch_norm(x, scale, shift, *(statistics or (None, None))), statistics
