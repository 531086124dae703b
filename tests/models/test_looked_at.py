"""Diagnosis and training take every model as it is, and each weighted layer is found by its name."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

import gdfunc as gd
from gdfunc import models

LABELS = np.arange(8) % 3
SEQUENCES, IMAGES = normal(1, 8, 4, 3), normal(2, 8, 4, 4, 2)
TOKENS = np.random.default_rng(3).integers(0, 7, (8, 4))
STACKED = ("attention/query", "attention/key", "attention/value", "attention/output", "mlp/in", "mlp/out")
MODELS = {
    "lstm": (models.lstm(3, 4, 3), SEQUENCES, ["input/weight", "recurrent/weight", "readout/weight"]),
    "gru": (
        models.gru(3, 4, 3),
        SEQUENCES,
        ["input/weight", "recurrent/weight", "recurrent/weight#2", "readout/weight"],
    ),
    "conv_net": (
        models.conv_net(2, (4, 4, 4), 3),
        IMAGES,
        ["first/weight", "hidden/weight[0]", "hidden/weight[1]", "last/weight"],
    ),
    "transformer": (
        models.transformer(7, 4, 2, 2, 3, hidden=5, readout="last"),
        TOKENS,
        ["embedding/weight", *(f"blocks/{name}/weight[{i}]" for name in STACKED for i in (0, 1)), "readout/weight"],
    ),
}


def drawn(path, p):
    """Weights whose inputs' mean square they keep, by NumPy: JAX would compile for seconds."""
    if path[-1].key != "weight":
        return jnp.full(p.shape, float(path[-1].key == "scale"))
    return normal(len(str(path)), *p.shape) / np.sqrt(np.prod(p.shape[-4:-1]) if p.ndim > 3 else p.shape[-2])


PARAMS = {
    name: jax.tree_util.tree_map_with_path(drawn, jax.eval_shape(model.init, jax.random.key(0)))
    for name, (model, _, _) in MODELS.items()
}


def loss_of(name):
    apply = MODELS[name][0].apply
    return lambda params, batch: gd.losses.softmax_cross_entropy(apply(params, batch[0]), batch[1]).mean()


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_is_found_by_its_name_and_nothing_is_wrong_at_the_start(name):
    _, x, layers = MODELS[name]
    found = gd.diagnose(loss_of(name), PARAMS[name], (x, LABELS), remedies=False)
    assert [row["name"] for row in found.layers] == layers
    assert not found.findings
    assert not found.unseen


def test_they_train():
    # All at once: one program to compile.
    loss = lambda params, batch: sum(loss_of(name)(params[name], (batch[0][name], batch[1])) for name in MODELS)  # noqa: E731
    batch = ({name: x for name, (_, x, _) in MODELS.items()}, LABELS)
    run = gd.train(loss, PARAMS, batch, gd.rules.Adam(1e-2), steps=20)
    assert run.history.loss[-1] < run.history.loss[0] - 0.4
    moved = jax.tree.map(lambda p, q: np.max(np.abs(p - q)), PARAMS, run.params)
    far = dict(zip(gd.core.leaf_paths(moved), jax.tree.leaves(moved), strict=True))
    # Not biases: the keys' adds the same to every score of a query, and has no gradient.
    assert min(x for path, x in far.items() if path.endswith("weight")) > 0.05
