"""The maximal update parametrisation: a network whose best learning rate does not change with its width."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp

from .. import core, init as initialisers
from ..core import leaf_paths
from ..init import Initialiser
from ..init._common import check_choice
from ._mlp import of_products
from ._model import Model, check_sizes


def mup(
    sizes: Sequence[int],
    activation: str | core.Activation = "relu",
    base_width: int = 1,
    bias: bool = True,
    dtype: Any = jnp.float32,
) -> Model:
    r"""A multilayer perceptron that starts as the maximal update parametrisation asks (Yang, Hu et al. 2021, NeurIPS, <https://arxiv.org/abs/2203.03466>, table 3).

    $$\mathrm{Var}\, W_l = \frac{g^2}{n_{l-1}} \quad l < D \qquad \mathrm{Var}\, W_D = \frac{g^2 n_0}{n_{D-1}^2} \qquad
    g = 1 / \sqrt{\mathbb E\, \phi(z)^2}$$

    The other half are the learning rates, leaf by leaf. With both, one step changes the output and every hidden unit as much
    at any width, so that a rate found on a narrow network serves a wide one:

        model = mup((64, 1024, 1024, 10), base_width=128)
        factors = mup_factors(model, "adam", base_width=128)
        rule = by_path({leaf: Adam(3e-3 * factor) for leaf, factor in factors.items()})

    Args:
        sizes: the widths (inputs, hidden..., outputs): three or more.
        activation: phi, by name or as an elementwise function.
        base_width: n_0 >= 1, the hidden width at which this is `mlp(sizes, activation)` and every rate's factor is 1; 1 is
            the paper's table.
        bias: whether there are b_l, zero at the start.
        dtype: the parameters'.

    Returns:
        A `Model` with the parameters of `mlp`.

    Raises:
        ValueError: as `mlp`, and on no hidden layer.
    """
    _check_hidden("mup", len(sizes) - 1)
    check_sizes("mup", base_width=base_width)
    output: Initialiser = initialisers.mup_output(base_width, initialisers.gain(activation))
    return of_products("mup", sizes, activation, None, None, bias, dtype, last_weights=output)


def mup_factors(model: Model, rule: Literal["sgd", "adam"], base_width: int = 1) -> dict[str, float]:
    r"""What each leaf's learning rate is multiplied by in the maximal update parametrisation (Yang, Hu et al. 2021, NeurIPS, <https://arxiv.org/abs/2203.03466>, table 3).

    $$\begin{array}{lccc}
    & W_1 \text{ and } b_l & W_l & W_D \\
    \text{SGD} & n_l / n_0 & 1 & n_0 / n_{D-1} \\
    \text{Adam} & 1 & n_0 / n_{l-1} & n_0 / n_{D-1}
    \end{array}$$

    Args:
        model: from `mup`, or `mlp` without a norm; $W_l$ is (n_{l-1}, n_l). The outputs' bias, which no width comes into,
            has 1.
        rule: "sgd", with or without momentum; "adam", and whatever else divides a gradient by its size.
        base_width: n_0 >= 1, the hidden width at which every factor is 1.

    Returns:
        The leaf's path, as `by_path` takes it -> its factor, in the leaves' order.

    Raises:
        ValueError: on a model of another make or without a hidden layer, and another rule.
    """
    check_choice("mup_factors", "rule", rule, ("sgd", "adam"))
    check_sizes("mup_factors", base_width=base_width)
    _check_hidden("mup_factors", len(model.layers))
    params = jax.eval_shape(model.init, jax.random.key(0))

    def factor(leaf: str, shape: tuple[int, ...]) -> float:
        block, kind = leaf.split("/")
        if kind == "weight" and block != "first":
            return base_width / shape[-2] if rule == "adam" or block == "last" else 1.0
        return shape[-1] / base_width if rule == "sgd" and block != "last" else 1.0

    return {leaf: factor(leaf, p.shape) for leaf, p in zip(leaf_paths(params), jax.tree.leaves(params), strict=True)}


def _check_hidden(who: str, depth: int) -> None:
    if depth < 2:
        raise ValueError(
            f"{who} needs a network of layers one after the other, one of them hidden, and was given {depth} layers"
        )
