from dataclasses import replace

import jax
from jax import Array

from ..core import Tree, leaf_paths, path_name, tree_scale
from ._model import Model


def t_fixup(model: Model, decoder: bool = True) -> Model:
    r"""A start from which a transformer learns without layer norm and warm-up (Huang, Perez, Ba & Volkovs 2020, ICML, <https://proceedings.mlr.press/v119/huang20f.html>).

    $$\begin{aligned}
    E &\leftarrow (9 N)^{-1/4}\, E \\
    W_V, W_O, W_1, W_2 &\leftarrow c\, W_V, c\, W_O, c\, W_1, c\, W_2 \qquad
    c = \begin{cases} (9 N)^{-1/4} & \text{in a decoder} \\ 0.67\, N^{-1/4} & \text{in an encoder} \end{cases}
    \end{aligned}$$

    where N blocks have Xavier's matrices, and E the standard deviation $d^{-1/2}$, as `transformer` draws them. W_Q, W_K,
    the readout and the positions stay as they are. The paper derives the factors for an encoder and a decoder of N blocks
    each, where the decoder's blocks have a second attention, to the encoder; for a stack alone it has none. The decoder's is
    the smaller of the two.

    Args:
        model: from `transformer` with norm_place="none".
        decoder: whether c is the decoder's, 0.577 N^(-1/4), or the encoder's.

    Returns:
        The model, with an `init` that scales what the model's own draws.

    Raises:
        ValueError: on a model of another make, or with layer norms.
    """
    needed = jax.eval_shape(model.init, jax.random.key(0))
    branches = ("attention/value", "attention/output", "mlp/in", "mlp/out")
    scaled = {f"blocks/{branch}/weight" for branch in branches}
    paths = set(leaf_paths(needed))
    if not {"embedding/weight", *scaled} <= paths or any("norm" in path for path in paths):
        raise ValueError(
            f"t_fixup needs a model made by transformer with norm_place='none', and was given one with {sorted(paths)}"
        )
    n = needed["blocks"]["mlp"]["in"]["weight"].shape[0]
    of_embedding = (9 * n) ** -0.25
    factors = {"embedding/weight": of_embedding, **dict.fromkeys(scaled, of_embedding if decoder else 0.67 * n**-0.25)}

    def init(key: Array) -> Tree:
        scale = lambda path, p: tree_scale(factors.get(path_name(path), 1.0), p)  # noqa: E731
        return jax.tree_util.tree_map_with_path(scale, model.init(key))

    return replace(model, init=init)
