import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import core, init as initialisers
from ..core import Tree
from ..init import Initialiser
from ..init._common import check_choice
from ._attention import attention, dense
from ._model import Model, check_own_params, check_sizes
from ._normalisation import layer_norm
from ._recurrent import Readout


def transformer(
    vocabulary: int,
    width: int,
    heads: int,
    layers: int,
    outputs: int,
    hidden: int | None = None,
    length: int | None = None,
    causal: bool = True,
    norm_place: Literal["pre", "post", "none"] = "pre",
    activation: str | core.Activation = "gelu",
    weights: Initialiser | None = None,
    readout: Readout = "all",
    dtype: Any = jnp.float32,
) -> Model:
    r"""A stack of attention and two-layer perceptrons over tokens (Vaswani et al. 2017, NeurIPS, <https://arxiv.org/abs/1706.03762>).

    $$\begin{aligned}
    h &= \sqrt d\, E[x] + P \\
    h &\leftarrow h + A(\mathrm{LN}(h)) \qquad h \leftarrow h + F(\mathrm{LN}(h)) \qquad \text{in each block} \\
    y &= \mathrm{LN}(h)\, W + b \\
    A(u) &= \left[\mathrm{softmax}(Q_k K_k^\top / \sqrt{d / n})\, V_k\right]_{k = 1}^n W_O + b_O \qquad Q = u W_Q + b_Q \\
    F(u) &= \phi(u W_1 + b_1)\, W_2 + b_2
    \end{aligned}$$

    K and V are made as Q is, and all three are cut into n heads of d / n columns. The blocks are stacked and scanned over, so that 50
    compile as fast as 2. The parameters, all of "blocks" with a leading axis of `layers`:

        {"embedding": {"weight": (vocabulary, width), "position": (length, width)},
         "blocks": {"attention": {"query", "key", "value", "output"}, "attention_norm", "mlp": {"in", "out"}, "mlp_norm"},
         "norm": {"scale", "shift"},
         "readout": {"weight", "bias"}}

    Args:
        vocabulary: how many tokens there are; one that is not among them makes outputs NaN.
        width: d, the size of h.
        heads: n, a divisor of d.
        layers: how many blocks.
        outputs: the size of y; `vocabulary`, where the next token is to be predicted.
        hidden: the columns of W_1; None: 4 d.
        length: the longest sequence, each of whose places has a row of P that is learned. None: there is no longest, and
            $P_{t, 2i} = \sin(t / 10000^{2i/d})$, with its cosine for $P_{t, 2i + 1}$.
        causal: whether a place sees none of those after it.
        norm_place: where the layer norm stands. "pre": as above (Xiong et al. 2020, ICML, <https://arxiv.org/abs/2002.04745>);
            it does without warm-up. "post", Vaswani's: $h \leftarrow \mathrm{LN}(h + A(h))$, and none before W. "none": see
            `t_fixup`.
        activation: phi, by name or as an elementwise function.
        weights: how each matrix is drawn; None: `init.xavier_uniform()`. E and P are normal with variance 1 / d; biases start
            at zero.
        readout: "all": y of every place; "last": of the last one only.
        dtype: the parameters'.

    Returns:
        A `Model`; `apply` takes tokens, integers of shape (batch, time), and returns (batch, time, outputs) or
        (batch, outputs).

    Raises:
        ValueError: on sizes that are not positive integers, heads that do not divide the width, an unknown norm_place,
            readout or activation; from `apply` on other tokens, on more of them than `length`, or on parameters of other shapes.
    """
    check_sizes("transformer", vocabulary=vocabulary, width=width, heads=heads, layers=layers, outputs=outputs)
    check_sizes("transformer", hidden=1 if hidden is None else hidden, length=1 if length is None else length)
    check_choice("transformer", "norm_place", norm_place, ("pre", "post", "none"))
    check_choice("transformer", "readout", readout, ("last", "all"))
    if width % heads:
        raise ValueError(f"transformer needs heads to divide width={width}, and was given heads={heads}")
    phi, columns = core.activation(activation), hidden or 4 * width
    weights, rows = weights or initialisers.xavier_uniform(), initialisers.normal(width**-0.5)

    def init_dense(key: Array, n_in: int, n_out: int) -> Tree:
        return {"weight": weights(key, (n_in, n_out), dtype), "bias": jnp.zeros(n_out, dtype)}

    def init_norms(*names: str) -> Tree:
        return {name: {"scale": jnp.ones(width, dtype), "shift": jnp.zeros(width, dtype)} for name in names}

    def init_block(key: Array) -> Tree:
        in_key, out_key, *keys = jax.random.split(key, 6)
        names = ("query", "key", "value", "output")
        return {
            "attention": {name: init_dense(key, width, width) for name, key in zip(names, keys, strict=True)},
            "mlp": {"in": init_dense(in_key, width, columns), "out": init_dense(out_key, columns, width)},
            **({} if norm_place == "none" else init_norms("attention_norm", "mlp_norm")),
        }

    def init(key: Array) -> Tree:
        token_key, place_key, block_key, readout_key = jax.random.split(key, 4)
        places = {} if length is None else {"position": rows(place_key, (length, width), dtype)}
        return {
            "embedding": {"weight": rows(token_key, (vocabulary, width), dtype), **places},
            "blocks": jax.vmap(init_block)(jax.random.split(block_key, layers)),
            **(init_norms("norm") if norm_place == "pre" else {}),
            "readout": init_dense(readout_key, width, outputs),
        }

    def block(h: Array, params: Tree) -> tuple[Array, None]:
        attend = lambda u: attention(params["attention"], u, heads, causal)  # noqa: E731
        mlp = lambda u: dense(params["mlp"]["out"], phi(dense(params["mlp"]["in"], u)))  # noqa: E731
        for branch, norm in ((attend, "attention_norm"), (mlp, "mlp_norm")):
            if norm_place == "pre":
                h = h + branch(layer_norm(h, **params[norm]))
            elif norm_place == "post":
                h = layer_norm(h + branch(h), **params[norm])
            else:
                h = h + branch(h)
        return h, None

    def apply(params: Tree, tokens: Array) -> Array:
        tokens = _check_tokens(tokens, length)
        check_own_params("transformer", params, needed)
        embedding, time = params["embedding"], tokens.shape[1]
        h = math.sqrt(width) * jnp.take(embedding["weight"], tokens, axis=0, mode="fill")
        h = h + (_sinusoids(time, width, h.dtype) if length is None else embedding["position"][:time])
        h, _ = jax.lax.scan(block, h, params["blocks"])
        h = layer_norm(h, **params["norm"]) if norm_place == "pre" else h
        return dense(params["readout"], h[:, -1] if readout == "last" else h)

    needed = jax.eval_shape(init, jax.random.key(0))
    return Model(init, apply)


def _check_tokens(tokens: Any, length: int | None) -> Array:
    tokens = jnp.asarray(tokens)
    fits = tokens.ndim == 2 and 0 < tokens.shape[1] <= (length or math.inf)
    if not (fits and jnp.issubdtype(tokens.dtype, jnp.integer)):
        time = "time" if length is None else f"time <= {length}"
        raise ValueError(
            f"transformer needs integer tokens of shape (batch, {time}), and was given {tokens.dtype} of shape {tokens.shape}"
        )
    return tokens


def _sinusoids(time: int, width: int, dtype: Any) -> Array:
    i = np.arange(width)
    angle = np.arange(time)[:, None] / 10000 ** ((i - i % 2) / width)
    return jnp.asarray(np.where(i % 2 == 0, np.sin(angle), np.cos(angle)), dtype)
