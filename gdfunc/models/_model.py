"""What a model is: pure functions of a parameter pytree."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..core import Activation, Tree, check_alike
from ..init import Initialiser

# (the parameters of a layer z = a W + b, W -> a W) -> other parameters
Fit = Callable[[Tree, Callable[[Array], Array]], Tree]


class Layer(NamedTuple):
    """A layer z = a W + b of a network, as it is made."""

    shape: tuple[int, int]  # (in, out)
    activation: Activation  # phi, of z; the identity after the last layer
    weights: Initialiser
    biases: Initialiser | None  # None: there are none


@dataclass(frozen=True)
class Model:
    """A network as pure functions of its parameters.

    Attributes:
        init: `init(key) -> params`, a pytree of arrays.
        apply: `apply(params, x) -> output`. A model with batch normalisation takes `statistics` too, one with dropout a
            `key`.
        trace_layers: `trace_layers(params, x, shifts=None) -> (output, signals)`: block -> (pre-activations, activations), with
            `shifts[block]` added to the block's pre-activations; None for a model that has no layers to show.
        trace_states: `trace_states(params, x, shifts=None) -> (output, states)` of a recurrent model: (time, batch, size of a
            state), with `shifts` added to the states; None for others.
        layers: each `Layer` in depth order; none for a model that is more than one layer after the other.
        batch_statistics: `batch_statistics(params, x) -> statistics` of a model with batch normalisation: the mean and
            variance of every feature that it normalises, over the batch x; None for others.
        refit: `refit(params, x, fit) -> params`: each layer's parameters replaced, in depth order, by `fit(parameters, W -> a W)`
            with a its input, which comes from layers that are fitted; None for a model that has no such order.
    """

    init: Callable[[Array], Tree]
    apply: Callable[..., Array]
    trace_layers: Callable[..., tuple[Array, Any]] | None = None
    trace_states: Callable[..., tuple[Array, Any]] | None = None
    layers: tuple[Layer, ...] = ()
    batch_statistics: Callable[[Tree, Array], Tree] | None = None
    refit: Callable[[Tree, Array, Fit], Tree] | None = None


def check_input(who: str, x: Any, shape: tuple[str | int, ...]) -> Array:
    """`x` as an array, or ValueError unless it is floating-point and its trailing dimensions are `shape`'s.

    Args:
        who: the model, for the error.
        x: the input.
        shape: a number is required, a word is any size above 0; "..." in front allows any leading ones.
    """
    x = jnp.asarray(x)
    needed = shape[1:] if shape[0] == "..." else shape
    dimensions_fit = x.ndim >= len(needed) if shape[0] == "..." else x.ndim == len(needed)
    sizes = x.shape[x.ndim - len(needed) :]
    sizes_fit = all(b > 0 if isinstance(n, str) else b == n for n, b in zip(needed, sizes, strict=False))
    if not (dimensions_fit and sizes_fit):
        raise ValueError(f"{who} needs x of shape ({', '.join(map(str, shape))}), and was given {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"{who} needs a floating-point x, and was given {x.dtype}")
    return x


def check_sizes(who: str, **sizes: Any) -> None:
    """Raises ValueError unless every size is an integer of at least 1."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size < 1:
            raise ValueError(f"{who} needs {name} to be an integer >= 1, and was given {name}={size!r}")


def check_own_params(who: str, params: Tree, needed: Tree) -> None:
    """Raises ValueError, naming the leaf, unless `params` is alike to what the model's own `init` makes."""
    check_alike(who, params=params, init=needed)
