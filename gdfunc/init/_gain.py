import jax
import jax.numpy as jnp
import numpy as np
from jax.core import eval_context

from .. import core
from ..core import gaussian_nodes

_NODES, _WEIGHTS = gaussian_nodes(0.0, 1.0, np)


def gain(activation: str | core.Activation) -> float:
    r"""The factor on the weights with which an activation passes on a mean square of 1 (after He et al. 2015, section 2.2).

    $$g = 1 / \sqrt{\mathbb E\, \phi(z)^2} \qquad z \sim \mathcal N(0, 1)$$

    Computed by quadrature for any function; relu gives $\sqrt 2$, leaky_relu $\sqrt{2 / (1 + a^2)}$, identity and selu 1,
    tanh 1.5925. PyTorch's `calculate_gain` is a table: it agrees on relu, leaky_relu and linear, but has 5/3 for tanh, 3/4 for
    selu and 1 for sigmoid. For the gradient going back the second moment is that of the derivative, $\phi'(z)$: the same
    for relu and leaky_relu only.

    Args:
        activation: a name that `gdfunc.core.activation` knows, or an elementwise function of an array.

    Returns:
        g > 0, a Python float, good to 1e-12 unless the function has kinks or jumps other than `core.gaussian_nodes` knows.

    Raises:
        ValueError: on an unknown name, or where the second moment is zero, infinite or being traced.
    """
    phi = core.activation(activation)
    # A number even where the caller is being traced. (`jax.ensure_compile_time_eval` does not reach into a vmap.)
    try:
        with eval_context(), jax.enable_x64(True):
            values = np.asarray(phi(jnp.asarray(_NODES)), np.float64)
    except (jax.errors.UnexpectedTracerError, jax.errors.TracerArrayConversionError) as e:
        raise ValueError("gain needs an activation whose constants are known numbers, not traced ones") from e
    second_moment = float(np.sum(_WEIGHTS * values**2))
    if not 0 < second_moment < np.inf:
        raise ValueError(
            f"gain needs an activation with a finite second moment above 0, and was given {activation!r} with {second_moment}"
        )
    return second_moment**-0.5
