"""The places where a loss's parameters do their work are all found, and looking at them changes nothing."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _zoo import ZOO, X, Y, draw, squared_error

from gdfunc.core import leaf_paths
from gdfunc.instruments import look_at
from gdfunc.instruments._trace import trace


@pytest.mark.parametrize("model", ZOO, ids=lambda model: model.__name__)
def test_the_probed_program_has_the_loss_and_gradient_of_jax_and_its_layers_in_the_order_of_the_run(model):
    loss, params, batch, has_aux, names = model()
    value, grads, found = look_at("test", loss, params, batch, has_aux).look(params, batch)
    wanted, slopes = jax.jit(jax.value_and_grad(loss, has_aux=has_aux))(params, batch)
    np.testing.assert_allclose(value, wanted[0] if has_aux else wanted, rtol=1e-6)
    chex.assert_tree_all_finite(grads)
    # What XLA fuses differs, and with it the roundings: a relative 1e-6 of the largest entry is 8 of float32's eps.
    scale = max(float(jnp.max(jnp.abs(g))) for g in jax.tree.leaves(slopes))
    assert scale > 0
    for path, a, b in zip(leaf_paths(params), jax.tree.leaves(grads), jax.tree.leaves(slopes), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), path
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * scale, err_msg=path)
    # A layer of its own in each turn of a scan counts as one here; NNX may name an array's value.
    seen = list(dict.fromkeys(layer.name.partition("[")[0].removesuffix("/value") for layer in found))
    assert seen == names
    taken = [layer for layer in found if layer.reached]
    assert taken
    assert all(np.any(layer.output_gradient != 0) for layer in taken)


def sites(loss, params, batch=(X, Y)):
    return trace("test", loss, params, batch).sites


@pytest.mark.parametrize(
    ("layer", "bias"),
    [
        (lambda p, x: x @ p["w"] + p["b"], ("b",)),
        (lambda p, x: p["b"] + x @ p["w"], ("b",)),
        (lambda p, x: x @ p["w"] - p["b"], ("b",)),
        (lambda p, x: x @ p["w"] / 3 + p["b"], ("b",)),
        (lambda p, x: (x @ p["w"]).reshape(4, 2, 3) + p["b"], ("b",)),
        (lambda p, x: (x @ p["w"]).astype(jnp.bfloat16).astype(jnp.float32) + p["b"][None], ("b",)),
        (lambda p, x: jax.vmap(lambda row: p["w"].T @ row + p["b"])(x), ("b",)),
        (lambda p, x: x @ p["w"] + 0.5 * p["b"] ** 2, ("b",)),
        (lambda p, x: x @ p["w"], ()),
        (lambda p, x: x @ p["w"] + x[:, :3], ()),
        (lambda p, x: jnp.tanh(x @ p["w"]) + p["b"], ()),
    ],
    ids=["after", "before", "minus", "scaled", "reshaped", "cast", "mapped", "function", "none", "data", "behind tanh"],
)
def test_a_bias_is_what_is_made_of_parameters_and_added_to_the_product(layer, bias):
    params = {"w": draw(10, 3), "b": jnp.full(3, 0.1)}
    (site,) = sites(lambda p, b: jnp.mean(layer(p, b[0]) ** 2), params)
    assert (site.weights, site.bias) == (("w",), bias)


def test_a_layer_is_first_where_the_data_come_to_it_untouched_by_another():
    def loss(p, b):
        left, right = b[0][:, :5] @ p["left"], jnp.sin(b[0][:, 5:]) @ p["right"]
        return squared_error((left + right) @ p["out"], b[1])

    found = sites(loss, {"left": draw(5, 8), "right": draw(5, 8), "out": draw(8, 3)})
    assert {site.name: site.first for site in found} == {"left": True, "right": True, "out": False}


def test_products_of_parameters_alone_and_of_data_alone_are_no_layers():
    loss = lambda p, b: jnp.mean(b[0] @ b[0].T) + jnp.mean(p["a"] @ p["b"]) + jnp.mean(b[0] @ p["a"])  # noqa: E731
    assert [site.name for site in sites(loss, {"a": draw(10, 8), "b": draw(8, 3)})] == ["a"]


def test_weights_of_each_turn_are_layers_and_weights_of_all_turns_are_time():
    def loss(p, b):
        turn = lambda h, w: (jnp.tanh(h @ w) @ p["again"], None)  # noqa: E731
        return squared_error(jax.lax.scan(turn, b[0], p["stack"])[0] @ p["out"], b[1])

    found = sites(loss, {"stack": draw(4, 10, 10), "again": draw(10, 10), "out": draw(10, 3)})
    levels = {site.name: [(level.length, level.layers) for level in site.levels] for site in found}
    assert levels == {"stack": [(4, True)], "again": [(4, False)], "out": []}


def test_a_layer_in_a_scan_of_scans_has_an_index_for_each_that_has_weights_of_its_own():
    def loss(p, b):
        time = lambda h, w: (jax.lax.fori_loop(0, 2, lambda i, h: jnp.tanh(h @ w), h), None)  # noqa: E731
        outer = lambda h, ws: (jax.lax.scan(time, h, ws)[0], None)  # noqa: E731
        return jnp.mean(jax.lax.scan(outer, b[0], p)[0] ** 2)

    params = draw(2, 3, 10, 10)
    found = look_at("test", loss, params, (X, Y)).look(params, (X, Y))[2]
    assert [layer.index for layer in found] == [(i, j) for i in range(2) for j in range(3)]
    a = X
    for layer in found:
        for turn in range(2):
            np.testing.assert_allclose(layer.input[turn], a, atol=2e-6)  # of at most 1
            a = jnp.tanh(a @ params[layer.index])


SHARDED = """
    import jax, jax.numpy as jnp, numpy as np
    from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
    from gdfunc.instruments import look_at
    from _zoo import MLP, X, Y, mlp, squared_error

    assert len(jax.devices()) == 4
    loss = lambda p, b: squared_error(mlp(p, b[0]), b[1])
    wanted = look_at("test", loss, MLP, (X, Y)).look(MLP, (X, Y))

    def compare(loss, params, batch):
        value, grads, found = look_at("test", loss, params, batch).look(params, batch)
        np.testing.assert_allclose(value, wanted[0], rtol=1e-6)
        for a, b in zip(jax.tree.leaves(grads), jax.tree.leaves(wanted[1]), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * np.max(np.abs(b)))
        assert [layer.name for layer in found] == ["w0", "w1"]
        for one, other in zip(found, wanted[2], strict=True):
            assert (one.bias, one.activation_name, one.reached) == (other.bias, other.activation_name, True)
            for place in ("input", "output", "activation"):
                for name in (place, f"{place}_gradient"):
                    a, b = getattr(one, name), getattr(other, name)
                    assert (a is None) == (b is None), name
                    if a is not None:
                        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.max(np.abs(b)), err_msg=name)

    mesh = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Auto,))
    split = jax.device_put((X, Y), NamedSharding(mesh, P("d")))
    compare(loss, MLP, split)
    print("auto")
    for checked in (True, False):
        mean = lambda p, b: jax.lax.pmean(loss(p, b), "d")
        each = jax.shard_map(mean, mesh=mesh, in_specs=(P(), P("d")), out_specs=P(), check_vma=checked)
        compare(each, MLP, split)
        print("shard_map", checked)
    two = jax.make_mesh((2, 2), ("d", "m"), axis_types=(AxisType.Auto,) * 2)
    mean = lambda p, b: jax.lax.pmean(loss(p, b), "d")  # the same on both of "m"
    compare(jax.shard_map(mean, mesh=two, in_specs=(P(), P("d")), out_specs=P()), MLP, (X, Y))
    print("shard_map of one axis of two")
    explicit = jax.make_mesh((4,), ("d",), axis_types=(AxisType.Explicit,))
    jax.set_mesh(explicit)
    split = jax.device_put((X, Y), NamedSharding(explicit, P("d")))
    compare(loss, jax.device_put(MLP, NamedSharding(explicit, P())), split)
    print("explicit")
"""


def test_a_loss_over_four_devices_has_the_layers_that_it_has_on_one(tmp_path):
    script = tmp_path / "sharded.py"
    script.write_text(textwrap.dedent(SHARDED))
    paths = os.pathsep.join([*map(str, Path(__file__).parents[:2]), os.environ.get("PYTHONPATH", "")])
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, **flags, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[-2] == "explicit"
