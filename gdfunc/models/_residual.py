from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .. import core, init as initialisers
from ..core import Tree
from ..init import Initialiser
from ..init._common import check_number
from ._layers import Given, part, plus
from ._model import Fit, Model, check_input, check_own_params, check_sizes
from ._norm import Norm, check_norm, check_statistics, norm_params, normalise
from ._normalisation import Moments


def residual(
    inputs: int,
    width: int,
    outputs: int,
    blocks: int,
    layers: int = 2,
    activation: str | core.Activation = "relu",
    weights: Initialiser | None = None,
    branch_scale: Any = 1.0,
    learn_scale: bool = False,
    norm: Norm | None = None,
    fixup: bool = False,
    dtype: Any = jnp.float32,
) -> Model:
    r"""A residual network of equal blocks, in pre-activation order (He, Zhang, Ren & Sun 2016, ECCV, <https://arxiv.org/abs/1603.05027>).

    $$\begin{aligned}
    x_0 &= x W_{in} + b_{in} \qquad x_l = x_{l-1} + \alpha_l F_l(x_{l-1}) \qquad y = \phi(x_D) W_{out} + b_{out} \\
    F(x) &= h_m \qquad h_k = \phi(h_{k-1}) W_k + b_k \qquad h_0 = x
    \end{aligned}$$

    Unscaled, every block of He's weights doubles the signal's mean square, and deep networks need a remedy:

    - a norm N before each phi: $h_k = \phi(\gamma_k N(h_{k-1}) + \beta_k) W_k$, likewise in y (He et al. 2016);
    - `branch_scale=blocks**-0.5`, with which the mean square grows to at most e times itself, at any depth;
    - `branch_scale=0.0, learn_scale=True`: every block starts as the identity and learns its alpha_l (SkipInit: De & Smith 2020,
      <https://arxiv.org/abs/2002.10444>; ReZero: Bachlechner et al. 2021, <https://arxiv.org/abs/2003.04887>);
    - `fixup=True` (Zhang, Dauphin & Ma 2019, <https://arxiv.org/abs/1901.09321>): `init.fixup(blocks, layers, activation)` in the
      branches but for the last W_m = 0, W_out = 0, learned alpha_l, and in place of b_k and b_in one number before each phi and
      one before each W.

    The blocks are stacked and scanned over: {"first": {"weight", "bias"}, "hidden": {"weight": (blocks, layers, width, width),
    "bias": (blocks, layers, width)}, "last": {"weight", "bias"}}, with "branch_scale" (blocks,) where it is learned, and "scale"
    and "shift" in place of biases where there is a norm. Biases start at zero. As pre-activations `layer_signals` shows x_0, ...,
    x_D and y, as activations what each block adds, and the gradients that come back to x_0, ..., x_D.

    Args:
        inputs: the size of x.
        width: that of every x_l and h_k.
        outputs: that of y.
        blocks: D.
        layers: m, the weight layers in a branch.
        activation: phi, by name or as an elementwise function.
        weights: how each W is drawn, from a key of its own; None: `init.he_normal(activation)`. With fixup: W_in alone.
        branch_scale: alpha, without unit; where it is learned its start.
        learn_scale: whether each block has an alpha_l among its parameters.
        norm: "batch", "layer" or "rms"; None for none.
        fixup: whether the network is Fixup's.
        dtype: the parameters'.

    Returns:
        A `Model`; `apply` takes x of shape (..., inputs) and returns (..., outputs).

    Raises:
        ValueError: on sizes that are not positive integers, an unknown activation or norm, fixup with a norm or with one
            layer a branch; from `apply` on an x, parameters or statistics of other shapes.
    """
    check_sizes("residual", inputs=inputs, width=width, outputs=outputs, blocks=blocks, layers=layers)
    check_number("residual", "branch_scale", branch_scale)
    check_norm("residual", norm)
    if fixup and norm:
        raise ValueError(f"residual needs fixup or a norm, which it is to replace, and was given norm={norm!r}")
    phi = core.activation(activation)
    weights = weights or initialisers.he_normal(activation)
    within = initialisers.fixup(blocks, layers, activation) if fixup else weights
    learn_scale = learn_scale or fixup
    plain = not (norm or fixup)

    def init_layer(key: Array, draw: Initialiser, shape: tuple[int, int], bias: bool) -> Tree:
        params = {"weight": draw(key, shape, dtype)}
        params |= {"bias": jnp.zeros(shape[1], dtype)} if bias else {}
        if norm:
            return params | norm_params(key, shape[0], initialisers.zeros(), dtype)
        return params | {"shift": jnp.zeros(2, dtype)} if fixup else params

    def init(key: Array) -> Tree:
        first_key, hidden_key, last_key = jax.random.split(key, 3)
        first = {"weight": weights(first_key, (inputs, width), dtype)}
        first |= {"bias": jnp.zeros(width, dtype)} if plain else {}
        draw = jax.vmap(jax.vmap(lambda key: init_layer(key, within, (width, width), bias=plain)))
        hidden = draw(jax.random.split(hidden_key, (blocks, layers)))
        hidden |= {"branch_scale": jnp.full(blocks, branch_scale, dtype)} if learn_scale else {}
        if fixup:
            hidden["weight"] = hidden["weight"].at[:, -1].set(0)
        out = initialisers.zeros() if fixup else weights
        return {"first": first, "hidden": hidden, "last": init_layer(last_key, out, (width, outputs), bias=True)}

    def entry(h: Array, params: Tree, statistics: Moments | None = None) -> tuple[Array, Moments | None]:
        """What the weights of a layer see of h."""
        if norm:
            h, statistics = normalise(norm, params, h, statistics)
        before_phi, before_weight = params["shift"] if fixup else (None, None)
        return plus(phi(plus(h, before_phi)), before_weight), statistics

    def layer(h: Array, given: tuple[Tree, Moments | None]) -> tuple[Array, Moments | None]:
        params, statistics = given
        a, statistics = entry(h, params, statistics)
        return plus(a @ params["weight"], params.get("bias")), statistics

    def block(x: Array, given: Given) -> tuple[Array, tuple]:
        params = dict(given.params)
        alpha = params.pop("branch_scale", branch_scale)
        h, used = jax.lax.scan(layer, x, (params, given.statistics), unroll=layers)
        added = (alpha * h).astype(x.dtype)
        x = plus(x, added, given.shift)
        return x, (x, added, used)

    def run(params: Tree, x: Array, shifts: Tree = None, statistics: Tree = None) -> tuple:
        """(the output, block -> (what it puts out, what it added), block -> the batch's moments)."""
        x = check_input("residual", x, ("...", inputs))
        check_own_params("residual", params, needed)
        check_statistics("residual", statistics, run, needed, ("...", inputs))
        first, hidden, last = (
            Given(params[i], part(shifts, i), part(statistics, i)) for i in ("first", "hidden", "last")
        )
        x0 = plus(x @ first.params["weight"], first.params.get("bias"), first.shift)
        x, (stream, added, used) = jax.lax.scan(block, x0, hidden)
        y, last_used = layer(x, (last.params, last.statistics))
        y = plus(y, last.shift)
        signals = {"first": (x0, x0), "hidden": (stream, added), "last": (y, y)}
        return y, signals, {"hidden": used, "last": last_used}

    def refit(params: Tree, x: Array, fit: Fit) -> Tree:
        def refit_layer(h: Array, layer: Tree) -> tuple[Array, Tree]:
            a, _ = entry(h, layer)
            layer = fit(layer, partial(jnp.matmul, a))
            return plus(a @ layer["weight"], layer.get("bias")), layer

        def refit_block(x: Array, block: Tree) -> tuple[Array, Tree]:
            scale = {"branch_scale": block["branch_scale"]} if learn_scale else {}
            h, fitted = jax.lax.scan(refit_layer, x, {k: p for k, p in block.items() if k not in scale})
            return x + (scale.get("branch_scale", branch_scale) * h).astype(x.dtype), fitted | scale

        x = check_input("residual", x, ("...", inputs))
        check_own_params("residual", params, needed)
        first = fit(params["first"], partial(jnp.matmul, x))
        x, hidden = jax.lax.scan(refit_block, plus(x @ first["weight"], first.get("bias")), params["hidden"])
        return {"first": first, "hidden": hidden, "last": refit_layer(x, params["last"])[1]}

    needed = jax.eval_shape(init, jax.random.key(0))
    return Model(
        init,
        lambda params, x, statistics=None: run(params, x, None, statistics)[0],
        trace_layers=lambda params, x, shifts=None: run(params, x, shifts)[:2],
        batch_statistics=(lambda params, x: run(params, x)[2]) if norm == "batch" else None,
        refit=refit,
    )
