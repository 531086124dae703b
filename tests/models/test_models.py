import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal
from jax.test_util import check_grads

from gdfunc import init, models

KEY = jax.random.key(5)
SIZES = {
    "one layer": (4, 3),
    "one hidden layer": (4, 6, 3),
    "equal widths": (4, 6, 6, 6, 6, 3),
    "equal to the inputs": (6, 6, 6, 6, 6),
    "unequal widths": (4, 8, 8, 8, 6, 5, 5, 5, 3),
}


def inputs(shape, dtype=jnp.float32):
    return normal(11, *shape).astype(dtype)


def drawn(model):
    """Parameters as the model has them."""
    leaves, structure = jax.tree.flatten(jax.eval_shape(model.init, KEY))
    return structure.unflatten([(normal(i, *p.shape) / 2).astype(p.dtype) for i, p in enumerate(leaves)])


def square(y):
    return jnp.sum(jnp.sin(y) ** 2)


def layers_of(params):
    """The layers one by one, in the leaves' order."""
    layers = []
    for block, layer in sorted(params.items()):
        if block.startswith("hidden"):
            layers += [jax.tree.map(lambda x, i=i: x[i], layer) for i in range(layer["weight"].shape[0])]
        else:
            layers.append(layer)
    return layers


def unrolled(layers, x, phi, shifts):
    """(output, pre-activations, activations) of a plain loop over a list of layers."""
    zs, activations = [], []
    for i, layer in enumerate(layers):
        z = x @ layer["weight"] + layer.get("bias", 0.0) + shifts[i]
        x = phi(z) if i < len(layers) - 1 else z
        zs.append(z)
        activations.append(x)
    return x, zs, activations


@pytest.mark.parametrize("case", SIZES)
@pytest.mark.parametrize("bias", [True, False])
def test_an_mlp_is_the_formula_unrolled_in_numpy(case, bias):
    with jax.enable_x64(True):
        model = models.mlp(SIZES[case], "tanh", bias=bias, dtype=jnp.float64)
        params = drawn(model)
        layers = jax.tree.map(np.asarray, layers_of(params))
        assert [layer["weight"].shape for layer in layers] == list(zip(SIZES[case], SIZES[case][1:], strict=False))
        assert all(("bias" in layer) == bias for layer in layers)
        x = np.asarray(inputs((7, SIZES[case][0]), jnp.float64))
        y = model.apply(params, x)
        assert (y.shape, y.dtype) == ((7, SIZES[case][-1]), jnp.float64)
        expected = unrolled(layers, x, np.tanh, [0.0] * len(layers))[0]
        np.testing.assert_allclose(y, expected, rtol=0, atol=64 * np.finfo(np.float64).eps * np.max(abs(expected)))


def test_stacking_changes_no_draw_every_layer_has_a_key_of_its_own():
    layers = layers_of(models.mlp(SIZES["unequal widths"], weights=init.normal(1.0)).init(KEY))
    sizes = SIZES["unequal widths"]
    for i, key in enumerate(jax.random.split(KEY, len(sizes) - 1)):
        expected = init.normal(1.0)(jax.random.split(key)[0], (sizes[i], sizes[i + 1]))
        np.testing.assert_array_equal(layers[i]["weight"], expected)
    assert not np.array_equal(layers[1]["weight"], layers[2]["weight"])


def test_the_parameters_of_equal_widths_are_first_hidden_last():
    params = jax.eval_shape(models.mlp((64, 100, 100, 100, 10)).init, KEY)
    shapes = jax.tree.map(jnp.shape, params, is_leaf=lambda x: hasattr(x, "shape"))
    assert shapes == {
        "first": {"weight": (64, 100), "bias": (100,)},
        "hidden": {"weight": (2, 100, 100), "bias": (2, 100)},
        "last": {"weight": (100, 10), "bias": (10,)},
    }


def test_many_runs_of_widths_stay_in_depth_order():
    sizes = tuple(range(3, 20))
    params = jax.eval_shape(models.mlp(sizes).init, KEY)
    weights = [x for x in jax.tree.leaves(params) if x.ndim >= 2 and x.shape[-2:] != (1, x.shape[-1])]
    assert [w.shape[-1] for w in weights] == list(sizes[1:])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda dtype: models.mlp(SIZES["unequal widths"], "gelu", dtype=dtype), (5, 4)),
        (lambda dtype: models.deep_linear((4, 4, 4, 2), dtype=dtype), (5, 4)),
        (lambda dtype: models.rnn(4, 6, 2, dtype=dtype), (5, 9, 4)),
    ],
)
def test_jit_equals_eager_and_the_dtype_stays(make, shape, dtype):
    model = make(dtype)
    params = drawn(model)
    x = inputs(shape, dtype)
    eager, jitted = model.apply(params, x), jax.jit(model.apply)(params, x)
    assert eager.dtype == jitted.dtype == dtype
    chex.assert_tree_all_finite(eager)
    atol = 16 * float(jnp.finfo(dtype).eps) * float(jnp.max(abs(eager)))
    np.testing.assert_allclose(np.asarray(jitted, np.float64), np.asarray(eager, np.float64), rtol=0, atol=atol)


def test_leading_axes_of_an_mlps_input_are_kept():
    model = models.mlp((4, 6, 3))
    params = model.init(KEY)
    x = inputs((2, 5, 4))
    assert model.apply(params, x[0, 0]).shape == (3,)
    np.testing.assert_allclose(model.apply(params, x)[1, 2], model.apply(params, x[1, 2]), rtol=1e-5, atol=1e-6)


def test_a_deep_linear_network_is_the_product_of_its_matrices():
    model = models.deep_linear((6, 6, 6, 6, 6))
    params = model.init(KEY)
    product = np.linalg.multi_dot([np.asarray(layer["weight"], np.float64) for layer in layers_of(params)])
    np.testing.assert_allclose(product @ product.T, np.eye(6), atol=1e-5)  # orthogonal at the start, at any depth
    np.testing.assert_allclose(model.apply(params, inputs((3, 6))), inputs((3, 6)) @ product, rtol=1e-5, atol=1e-5)
    assert all("bias" not in layer for layer in layers_of(params))


def test_200_layers_trace_once_and_have_few_operations():
    model = models.mlp((64, *[32] * 199, 10))
    params = model.init(KEY)
    traces = []

    @jax.jit
    def gradient(params, x):
        traces.append(1)
        return jax.grad(lambda params: square(model.apply(params, x)))(params)

    for scale in (1.0, 2.0):
        chex.assert_tree_all_finite(gradient(params, scale * inputs((8, 64))))
    assert len(traces) == 1

    def operations(depth):
        model = models.mlp((64, *[32] * (depth - 1), 10))
        return len(str(jax.make_jaxpr(model.apply)(model.init(KEY), inputs((8, 64)))).splitlines())

    assert operations(200) == operations(4)


# ---- Gradients.


@pytest.mark.parametrize("activation", ["tanh", "gelu", "selu"])
def test_an_mlps_gradients_equal_finite_differences(activation):
    with jax.enable_x64(True):
        model = models.mlp((3, 4, 4, 4, 2), activation, biases=init.normal(0.1), dtype=jnp.float64)
        x = inputs((5, 3), jnp.float64)
        check_grads(lambda params: square(model.apply(params, x)), (model.init(KEY),), order=2, modes=["rev"], eps=1e-5)


def test_an_rnns_gradients_equal_finite_differences():
    with jax.enable_x64(True):
        model = models.rnn(2, 4, 2, readout="all", dtype=jnp.float64)
        x = inputs((3, 6, 2), jnp.float64)
        check_grads(lambda params: square(model.apply(params, x)), (model.init(KEY),), order=2, modes=["rev"], eps=1e-5)


@pytest.mark.parametrize("case", SIZES)
def test_layer_signals_equal_those_of_the_unrolled_model(case):
    with jax.enable_x64(True):
        model = models.mlp(SIZES[case], "tanh", biases=init.normal(0.5), dtype=jnp.float64)
        params = model.init(KEY)
        x = inputs((7, SIZES[case][0]), jnp.float64)
        measured = jax.jit(lambda params, x: models.layer_signals(model, params, x, square))(params, x)

        layers = layers_of(params)
        shifts = [jnp.zeros((7, layer["weight"].shape[1])) for layer in layers]
        loss = lambda layers, shifts: square(unrolled(layers, x, jnp.tanh, shifts)[0])  # noqa: E731
        layer_gradients, shift_gradients = jax.grad(loss, argnums=(0, 1))(layers, shifts)
        _, zs, activations = unrolled(layers, x, jnp.tanh, shifts)
        mean_squares = lambda arrays: np.array([np.mean(np.square(a)) for a in arrays])  # noqa: E731
        expected = models.LayerSignals(
            pre_activation=mean_squares(zs),
            activation=mean_squares(activations),
            pre_activation_gradient=mean_squares(shift_gradients),
            weight_gradient=mean_squares([layer["weight"] for layer in layer_gradients]),
            weight=mean_squares([layer["weight"] for layer in layers]),
        )
        chex.assert_tree_all_finite(measured)
        for ours, other in zip(measured, expected, strict=True):
            assert ours.shape == (len(SIZES[case]) - 1,)
            np.testing.assert_allclose(ours, other, rtol=1e-12)

        arrays = models.layer_arrays(model, params, x, square)
        np.testing.assert_allclose(arrays.pre_activation_gradient["last"], shift_gradients[-1], rtol=1e-12)
        if len(layers) > 1:
            np.testing.assert_allclose(arrays.activation["first"], activations[0], rtol=1e-12)
        for block, w in arrays.weight.items():
            assert arrays.weight_gradient[block].shape == w.shape


@pytest.mark.parametrize("readout", ["last", "all"])
def test_an_rnn_and_its_state_gradients_are_those_of_a_python_loop(readout):
    with jax.enable_x64(True):
        model = models.rnn(3, 5, 2, readout=readout, dtype=jnp.float64)
        params = model.init(KEY)
        params["recurrent"]["bias"] = params["recurrent"]["bias"] + 0.1
        params["readout"]["bias"] = params["readout"]["bias"] - 0.2
        x = inputs((4, 6, 3), jnp.float64)

        def loop(shifts):
            h, outputs = jnp.zeros((4, 5)), []
            for t in range(6):
                h = jnp.tanh(
                    x[:, t] @ params["input"]["weight"]
                    + h @ params["recurrent"]["weight"]
                    + params["recurrent"]["bias"]
                )
                h = h + shifts[t]
                outputs.append(h @ params["readout"]["weight"] + params["readout"]["bias"])
            return outputs[-1] if readout == "last" else jnp.stack(outputs, axis=1)

        zeros = jnp.zeros((6, 4, 5))
        assert model.apply(params, x).shape == ((4, 2) if readout == "last" else (4, 6, 2))
        np.testing.assert_allclose(model.apply(params, x), loop(zeros), rtol=1e-13, atol=1e-14)
        gradients = jax.grad(lambda shifts: square(loop(shifts)))(zeros)
        measured = jax.jit(lambda params, x: models.state_gradients(model, params, x, square))(params, x)
        np.testing.assert_allclose(measured, np.sqrt(np.sum(np.square(gradients), axis=(1, 2))), rtol=1e-12)


def test_an_identity_recurrence_passes_the_gradient_back_whole():
    model = models.rnn(3, 5, 2, "identity", recurrent=init.identity())
    norms = models.state_gradients(model, model.init(KEY), inputs((4, 30, 3)), jnp.sum)
    np.testing.assert_allclose(norms, norms[-1], rtol=1e-6)


def test_a_contracting_recurrence_makes_it_vanish_at_its_rate():
    model = models.rnn(3, 5, 2, "identity", recurrent=init.orthogonal(0.5))
    norms = models.state_gradients(model, model.init(KEY), inputs((4, 30, 3)), jnp.sum)
    np.testing.assert_allclose(norms[:-1] / norms[1:], 0.5, rtol=1e-5)


# ---- Variance laws: the factor on the pre-activations' mean square per layer, over 8 seeds.


def factor_per_layer(weights, activation="relu", depth=20, width=512):
    model = models.mlp((width,) * (depth + 1), activation, weights, bias=False)
    x = inputs((16, width))

    @jax.jit
    def log_factor(key):
        signals = models.layer_signals(model, model.init(key), x, square)
        return jnp.log(signals.pre_activation[-1] / signals.pre_activation[0]) / (depth - 1)

    return np.exp(np.mean([log_factor(key) for key in jax.random.split(KEY, 8)]))


def test_he_keeps_the_mean_square_through_relu_and_xavier_halves_it():
    np.testing.assert_allclose(factor_per_layer(None), 1, rtol=0.02)
    np.testing.assert_allclose(factor_per_layer(init.xavier_normal()), 0.5, rtol=0.02)


def test_a_truncated_normal_without_its_correction_loses_23_percent_a_layer():
    uncorrected = lambda key, shape, dtype: init.he_normal(truncated=True)(key, shape, dtype) * 0.87962566  # noqa: E731
    np.testing.assert_allclose(factor_per_layer(uncorrected), 0.7737, rtol=0.02)


def test_the_default_weights_keep_tanhs_mean_square_at_1():
    model = models.mlp((512,) * 21, "tanh", bias=False)
    x = jnp.sign(inputs((16, 512))) / init.gain("tanh")  # z_1 has mean square 1
    signals = models.layer_signals(model, model.init(KEY), x, square)
    np.testing.assert_allclose(jnp.mean(signals.pre_activation), 1, rtol=0.05)


# ---- Errors.

MLP = models.mlp((4, 6, 3))
RNN = models.rnn(4, 6, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: models.mlp((4,)), r"mlp needs two or more sizes .* given \(4,\)"),
        (lambda: models.mlp((4, 0, 3)), r"mlp needs sizes\[1\] to be an integer >= 1"),
        (lambda: models.mlp((4, 2.5, 3)), r"sizes\[1\]=2.5"),
        (lambda: models.mlp((4, 3), "rulu"), "activation knows no 'rulu'"),
        (lambda: MLP.apply(MLP.init(KEY), jnp.ones((2, 5))), r"mlp needs x of shape \(..., 4\).*given \(2, 5\)"),
        (lambda: MLP.apply(MLP.init(KEY), jnp.ones(())), r"given \(\)"),
        (lambda: MLP.apply(MLP.init(KEY), jnp.ones((2, 4), jnp.int32)), "floating-point x, and was given int32"),
        (lambda: MLP.apply(models.mlp((4, 6, 5)).init(KEY), jnp.ones((2, 4))), r"'last/bias' was given \(5,\)"),
        (
            lambda: MLP.apply(models.mlp((4, 3)).init(KEY), jnp.ones((2, 4))),
            "'first/bias' is in init but not in params",
        ),
        (lambda: RNN.apply(RNN.init(KEY), jnp.ones((2, 4))), r"rnn needs x of shape \(batch, time, 4\)"),
        (lambda: RNN.apply(RNN.init(KEY), jnp.ones((2, 0, 4))), r"given \(2, 0, 4\)"),
        (lambda: models.rnn(4, 6, 3, readout="first"), "rnn needs readout to be 'last' or 'all'"),
        (lambda: models.rnn(4, -1, 3), "rnn needs width to be an integer >= 1"),
        (
            lambda: models.layer_signals(RNN, RNN.init(KEY), jnp.ones((2, 5, 4)), square),
            "made by mlp, deep_linear or conv_net",
        ),
        (lambda: models.state_gradients(MLP, MLP.init(KEY), jnp.ones((2, 4)), square), "made by rnn"),
        (
            lambda: models.layer_signals(MLP, MLP.init(KEY), jnp.ones((2, 4)), jnp.sin),
            r"loss needs to return a scalar, and returned shape \(2, 3\)",
        ),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_needed_and_given(call, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(lambda: (call(), 0)[1])  # at trace time
