"""The forward and backward pass: against a worked example in NumPy, and against `jax.grad` for every kind of loss."""

import itertools
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

from gdfunc.gradients import trace

X = jnp.array([0.5, -1.0, 2.0])
W = jnp.array([[0.3, -0.2, 0.1], [0.5, 0.4, -0.6]])


def net(params, batch):
    """Two inputs, two hidden sigmoids, one sigmoid; half the squared error."""
    x, y = batch
    hidden = jax.nn.sigmoid(x @ params["w1"] + params["b1"])
    output = jax.nn.sigmoid(hidden @ params["w2"] + params["b2"])
    return jnp.sum((output - y) ** 2) / 2


def weights(dtype: type = np.float64):
    numbers = {"w1": [[0.1, -0.3], [0.4, 0.2]], "b1": [0.25, -0.1], "w2": [[0.7], [-0.5]], "b2": [0.3]}
    return {name: np.asarray(x, dtype) for name, x in numbers.items()}


def worked():
    """Each value and gradient of `net`, by the formulas of the textbook."""
    p, x, y = weights(), np.array([0.6, 0.2]), np.array([0.9])
    found = {"z1": p["w1"].T @ x + p["b1"]}
    found["a1"] = 1 / (1 + np.exp(-found["z1"]))
    found["z2"] = p["w2"].T @ found["a1"] + p["b2"]
    found["a2"] = 1 / (1 + np.exp(-found["z2"]))
    found["L"] = ((found["a2"] - y) ** 2).sum() / 2
    by = {"a2": found["a2"] - y}
    by["z2"] = by["a2"] * found["a2"] * (1 - found["a2"])
    by["b2"], by["w2"], by["a1"] = by["z2"], np.outer(found["a1"], by["z2"]), p["w2"] @ by["z2"]
    by["z1"] = by["a1"] * found["a1"] * (1 - found["a1"])
    by["b1"], by["w1"] = by["z1"], np.outer(x, by["z1"])
    return (x, y), found, by


def test_a_worked_example_has_every_value_and_every_gradient_of_the_textbooks_formulas():
    batch, values, gradients = worked()
    with jax.enable_x64(True):
        found = trace(net, weights(), batch)
    for name, value in values.items():
        np.testing.assert_allclose(found.values[name].value, value, rtol=1e-13)
    for name, value in gradients.items():
        np.testing.assert_allclose(found.values[name].gradient, value, rtol=1e-12)
    for name in weights():
        np.testing.assert_allclose(found.gradients[name], gradients[name], rtol=1e-12)


def test_a_worked_example_reads_as_on_a_board():
    batch, values, gradients = worked()
    lines = [line.strip() for line in str(trace(net, weights(np.float32), batch)).splitlines()]
    a2, by_a2 = values["a2"].item(), gradients["a2"].item()
    slope, by_z2 = a2 * (1 - a2), gradients["z2"].item()
    assert f"a2 = sigmoid(z2) = [{a2:.5g}]" in lines
    assert f"da2/dz2 = a2 * (1 - a2) = {slope:.5g}" in lines
    assert f"dL/dz2 = dL/da2 * da2/dz2 = ({by_a2:.5g}) * {slope:.5g} = [{by_z2:.5g}]" in lines
    assert "L = v3 / 2" in lines
    assert "dL/dv3 = 1 / 2 = 0.5" in lines
    forward = ["u1 = x @ w1", "z1 = u1 + b1", "a1 = sigmoid(z1)", "u2 = a1 @ w2", "z2 = u2 + b2", "a2 = sigmoid(z2)"]
    order = [next(i for i, line in enumerate(lines) if line.startswith(f"{step} = ")) for step in forward]
    back = [lines.index(step) for step in forward]
    assert order == sorted(order)
    assert back == sorted(back, reverse=True)
    assert max(order) < min(back)


def relu_mlp(p, batch):
    x, y = batch
    for i in range(3):
        x = jax.nn.relu(x @ p[f"layer_{i}"]["w"] + p[f"layer_{i}"]["b"])
    return -jnp.mean(jax.nn.log_softmax(x)[jnp.arange(len(y)), y])


def mlp_params(depth=3):
    return {f"layer_{i}": {"w": normal(i, 3, 3), "b": jnp.full(3, 0.1)} for i in range(depth)}


def scanned(p, x):
    carry, rows = jax.lax.scan(lambda c, u: (jnp.tanh(c * p["w"] + u), c * u), p["start"], x)
    return carry + jnp.sum(rows**2)


def convolved(p, batch):
    x, y = batch
    h = jax.lax.conv_general_dilated(x, p["kernel"], (1, 1), "SAME") + p["bias"][:, None, None]
    h = jax.lax.reduce_window(jax.nn.relu(h), -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return jnp.mean((h.reshape(len(x), -1) @ p["w"] - y) ** 2)


def conv_params():
    return {"kernel": normal(0, 2, 1, 3, 3), "bias": jnp.ones(2), "w": normal(1, 8, 1)}


@jax.custom_vjp
def clipped(x):
    return x * 1.0


clipped.defvjp(lambda x: (x, None), lambda _, g: (g / jnp.linalg.norm(g),))


@jax.custom_jvp
def mixed(x):
    return x * 2.0


mixed.defjvp(lambda x, t: (mixed(*x), 2 * t[0][::-1]))


@jax.jit
def dense(w, x):
    return jnp.tanh(w @ x)


LOSSES = {
    "relu mlp": (relu_mlp, mlp_params(), (jnp.stack([X, -X]), jnp.array([0, 2]))),
    "value used twice": (lambda p, x: jnp.sum(p * p * x + jnp.sin(p)), X, X),
    "scan": (scanned, {"w": jnp.array(0.7), "start": jnp.array(0.2)}, X),
    "vector in between": (lambda w, x: jnp.prod(jnp.exp(w @ x)), W, X),
    "convolution": (convolved, conv_params(), (normal(2, 3, 1, 4, 4), jnp.ones((3, 1)))),
    "matrix from the left": (lambda w, x: jnp.sum(jnp.tanh(w.T @ x[:2])), W, X),
    "matrices": (lambda w, x: jnp.sum((w @ w.T) ** 2), W, X),
    "batched product": (lambda w, x: jnp.sum(jnp.einsum("bij,bj->bi", w[None] * x[:, None, None], x[None] * X[:, None]) ** 3), W, X),
    "softmax": (lambda w, x: jax.nn.softmax(w @ x)[0], W, X),
    "gelu": (lambda w, x: jnp.sum(jax.nn.gelu(w @ x)), W, X),
    "norms": (lambda p, _: jnp.linalg.norm(p) + jnp.max(p) + jnp.sort(p)[0] + jnp.cumsum(p)[1] + jnp.var(p), X, X),
    "loop": (lambda p, _: jax.lax.fori_loop(0, 3, lambda i, a: jnp.tanh(a * p), p), jnp.array(0.5), X),
    "branch": (lambda p, x: jax.lax.cond(x[0] > 0, lambda q: q @ q, jnp.sum, p), X, X),
    "recomputed": (lambda w, x: jnp.sum(jax.checkpoint(dense)(w, x)), W, X),
    "own backward rule": (lambda p, x: jnp.sum(clipped(p) * x), X, X),
    "own forward rule": (lambda p, x: jnp.sum(mixed(p) * x), X, X),
    "stopped": (lambda p, x: jnp.sum(jax.lax.stop_gradient(p) * p * x), X, X),
    "dropout": (lambda p, b: jnp.sum(jnp.where(jax.random.bernoulli(b[0], 0.5, (3,)), p / 0.5, 0) * b[1]), X, (jax.random.key(0), X)),
    "closed-over data": (lambda p, _: jnp.mean((W @ p - X[:2]) ** 2), X, None),
    "python floats": (lambda p, b: (p["w"] * b[0] + p["b"] - b[1]) ** 2, {"w": 0.5, "b": 0.1}, (2.0, 1.0)),
    "the parameter itself": (lambda p, _: p, jnp.array(2.0), X),
    "nothing": (lambda _, x: jnp.sum(x), X, X),
    "a constant": (lambda _, x: jnp.array(1.0), X, X),
    "half precision": (lambda w, x: jnp.mean((w @ x.astype(w.dtype)).astype(jnp.float32) ** 2), W.astype(jnp.bfloat16), X),
}  # fmt: skip


@cache
def traced(name):
    return trace(*LOSSES[name])


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradients_are_those_of_jax(name):
    loss, params, batch = LOSSES[name]
    found, expected = traced(name), jax.grad(loss)(params, batch)
    np.testing.assert_allclose(found.loss, loss(params, batch), rtol=1e-6)
    assert jax.tree.structure(found.gradients) == jax.tree.structure(expected)
    for ours, theirs in zip(jax.tree.leaves(found.gradients), jax.tree.leaves(expected), strict=True):
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        assert np.isfinite(np.asarray(ours, np.float32)).all()
        # The same operations one by one: rounding alone, of the largest entry where entries cancel.
        size = float(jnp.max(jnp.abs(theirs)))
        np.testing.assert_allclose(np.float32(ours), np.float32(theirs), rtol=1e-6, atol=1e-6 * size)
    assert str(found)


def _sums(product, shape):
    """The sums of a product over some of its axes that have this shape, but for axes of length 1."""
    wanted = [n for n in shape if n > 1]
    axes = itertools.chain(*(itertools.combinations(range(product.ndim), n) for n in range(product.ndim + 1)))
    sums = (product.sum(each, keepdims=True) for each in axes)
    return [each.reshape(shape) for each in sums if [n for n in each.shape if n > 1] == wanted]


@pytest.mark.parametrize("name", LOSSES)
def test_each_line_of_the_chain_rule_is_a_true_equation(name):
    found, totals, told = traced(name), {}, {}
    for step in found.backward:
        for each in step.derivatives:
            totals[each.by] = totals.get(each.by, 0) + np.float32(each.value)
            told.setdefault(each.by, []).append(each.part)
            incoming = [found.values[name].gradient for name in each.through]
            assert all(a is b for a, b in zip(incoming, each.incoming, strict=True))
            if each.local_value is None or " * d" not in each.rule:
                continue
            slope, incoming = np.float32(each.local_value), np.float32(incoming[0])
            if each.rule.startswith("sum of") and "copies" not in each.rule:
                products = [np.tensordot(incoming, slope, axes=incoming.ndim)]
            else:
                products = _sums(incoming * slope, np.shape(each.value))
            # Half precision has 8 bits; elsewhere sums of a few terms round otherwise in another order.
            near = 2e-2 if name == "half precision" else 1e-5
            atol = near * max(float(np.max(np.abs(incoming * slope if "copies" in each.rule else products[0]))), 1e-6)
            assert any(np.allclose(np.float32(each.value), one, rtol=near, atol=atol) for one in products)
    for name, total in totals.items():
        np.testing.assert_allclose(np.float32(found.values[name].gradient), total, rtol=1e-5, atol=1e-6)
    sums = {each.by: each for step in found.backward for each in step.sums}
    assert sums.keys() == {name for name, parts in told.items() if len(parts) > 1}
    for i, step in enumerate(found.backward):
        for total in step.sums:  # at its last part
            assert any(each.by == total.by for each in step.derivatives)
            assert not any(each.by == total.by for later in found.backward[i + 1 :] for each in later.derivatives)
    for name, parts in told.items():
        assert [label for label, _ in sums[name].parts] == parts if len(parts) > 1 else parts == [""]
        assert len(set(parts)) == len(parts)


def test_a_gradient_by_a_value_in_between_is_that_of_moving_this_value():
    batch, _, _ = worked()
    p = weights(np.float32)

    def moved(shift):
        hidden = jax.nn.sigmoid(batch[0] @ p["w1"] + p["b1"] + shift)
        return net(
            {"w1": jnp.eye(2), "b1": jnp.zeros(2), "w2": p["w2"], "b2": p["b2"]},
            (jnp.log(hidden / (1 - hidden)), batch[1]),
        )

    expected = jax.grad(moved)(jnp.zeros(2))
    np.testing.assert_allclose(trace(net, p, batch).values["z1"].gradient, expected, rtol=2e-6)  # one more round trip


def test_a_part_of_a_gradient_is_told_from_the_sum():
    found = trace(lambda p, x: p * p + jnp.sin(p), jnp.array(0.5), None)
    text = str(found)
    assert "dL/dparams = 0.87758 (through v2) + 0.5 (through v1, input 1) + 0.5 (through v1, input 2) = 1.8776" in text
    assert "dv1/dparams (input 2) = params = 0.5" in text


def test_the_table_is_in_the_order_of_depth_with_what_is_not_reached_last():
    params = {f"layer_{i}": jnp.eye(2) for i in range(11)} | {"away": jnp.ones(2)}

    def loss(p, x):
        for i in range(11):
            x = jnp.tanh(x @ p[f"layer_{i}"])
        return jnp.sum(x)

    found = trace(loss, params, jnp.ones(2))
    assert [row.layer for row in found.table] == [*(f"layer_{i}" for i in range(11)), "away"]
    assert [row.output for row in found.table] == [*(f"z{i}" for i in range(1, 12)), ""]
    last = found.table[-1]
    assert last.note == "not reached by the loss"
    assert not last.gradient.any()
    assert "dL/daway = 0: not reached by the loss" in str(found)


def test_a_row_of_the_table_holds_the_gradients_by_the_output_and_by_the_weights():
    batch, _, gradients = worked()
    for row in trace(net, weights(np.float32), batch).table:
        np.testing.assert_allclose(row.gradient, gradients[row.layer], rtol=1e-5)
        z = f"z{row.layer[1]}"  # the bias adds: the gradient by the product is that by the sum
        np.testing.assert_allclose(row.output_gradient, gradients[z], rtol=1e-5)
        assert row.output == (z if row.layer.startswith("b") else f"u{row.layer[1]}")


def test_a_parameter_behind_a_stopped_gradient_is_reached_but_given_none():
    (row,) = trace(lambda p, x: jax.lax.stop_gradient(p) * x, jnp.array(2.0), jnp.array(3.0)).table
    assert (row.note, row.output, float(row.gradient)) == ("no gradient passes", "v1", 0.0)


def operations(loss, params, batch, **options):
    return [step.operation for step in trace(loss, params, batch, **options).forward]


def test_what_the_loss_does_not_need_is_not_shown():
    loss = lambda p, x: (p @ x, {"norm": jnp.linalg.norm(p), "tanh": jnp.tanh(x)})  # noqa: E731
    assert operations(loss, X, X, has_aux=True) == ["params @ x"]


def test_functions_of_ones_own_are_opened_and_those_of_jax_are_one_step():
    assert operations(lambda w, x: jnp.sum(dense(w, x)), W, X) == ["params @ x", "tanh(z1)", "sum(a1)"]
    shown = operations(lambda p, _: jnp.sum(jax.nn.silu(jax.nn.relu(p)) + jax.nn.log_softmax(p)), X, None)
    assert shown == ["relu(params)", "silu(v1)", "log_softmax(params)", "v2 + v3", "sum(v4)"]
    assert "scan(params, 0, params; 3 turns)" in operations(*LOSSES["loop"])
    assert "clipped(params)" in operations(*LOSSES["own backward rule"])


def test_a_layer_is_opened_even_where_it_bears_a_name_of_jax():
    def dot(w, x):
        return jnp.tanh(w @ x)

    assert operations(lambda w, x: jnp.sum(jax.jit(dot)(w, x)), W, X) == ["params @ x", "tanh(z1)", "sum(a1)"]


def test_a_rule_that_mixes_entries_is_not_shown_as_one_that_does_not():
    by_name = {}
    for name in ("own backward rule", "own forward rule"):
        (found,) = [each for step in traced(name).backward for each in step.derivatives if each.by == "params"]
        by_name[name] = found
    assert by_name["own backward rule"].rule == "clipped's own rule for dL/dv1"
    assert by_name["own backward rule"].local_value is None
    np.testing.assert_array_equal(by_name["own forward rule"].local_value, 2 * np.eye(3)[::-1])


def test_a_layer_that_is_mapped_over_the_batch_is_named_as_one_that_is_not():
    def loss(p, x):
        hidden = jax.vmap(lambda one: jnp.tanh(p["w"] @ one + p["b"]))(x)
        return jnp.sum(hidden @ p["v"])

    steps = trace(loss, {"w": W, "b": jnp.ones(2), "v": jnp.ones(2)}, jnp.stack([X, -X])).forward
    shown = [f"{step.outputs[0]} = {step.operation}" for step in steps]
    assert shown == [
        "u1 = w @ x.T", "v1 = transpose(u1, (1, 0))", "z1 = v1 + b", "a1 = tanh(z1)", "z2 = a1 @ v", "L = sum(z2)"
    ]  # fmt: skip


def test_names_that_are_taken_are_not_given_twice():
    found = trace(
        lambda p, b: jnp.sum(jnp.tanh(p["x"] @ b[0]) * p["z1"] * p["L"]), {"x": W, "z1": 2.0, "L": 1.0}, (X, 0.0)
    )
    names = [name for step in found.forward for name in step.outputs]
    assert len({*names, *found.values}) == len(found.values)
    assert {"x", "batch/x", "z1", "z1_2", "L", "L_2"} <= set(found.values)
    assert found.loss_name == "L_2"


def test_a_number_of_the_programs_own_is_no_value():
    found = trace(lambda p, x: jnp.sum(jnp.where(p > 0, p, jnp.zeros(3)) + jnp.ones(3) * x), X, X)
    assert "where(v1, params, 0)" in [step.operation for step in found.forward]
    assert not {"0", "1"} & found.values.keys()
    assert {name for step in found.forward for name in step.inputs} <= found.values.keys()


def test_large_arrays_are_shown_by_shape_and_root_mean_square():
    w = jnp.arange(20.0).reshape(4, 5)
    text = str(trace(lambda p, x: jnp.sum((x @ p) ** 2), w, jnp.ones(4)))
    assert f"(4, 5), rms {np.sqrt(np.mean(np.arange(20.0) ** 2)):.5g}" in text
    assert "[30, 34, 38, 42, 46]" in text


@pytest.mark.parametrize(
    ("loss", "params", "options", "message"),
    [
        (lambda p, x: p["w"] * x, {"w": X}, {}, r"scalar of shape \(\), and it returned float32 of shape \(3,\)"),
        (lambda p, x: jnp.sum(p["w"] > 0), {"w": X}, {}, r"floating-point scalar .* int32"),
        (lambda p, x: (jnp.sum(p["w"]), x), {"w": X}, {}, "returned a tuple; for .* has_aux=True"),
        (lambda p, x: jnp.sum(p["w"]), {"w": X}, {"has_aux": True}, r"has_aux=True needs loss_fn to return \(loss, aux\)"),
        (lambda p, x: jnp.sum(x * p["a"]["w"]), {"a": {"w": jnp.arange(3)}}, {}, "needs real floating-point parameters, and was given int32 at 'a/w'"),
        (lambda p, x: jnp.sum(x), {}, {}, "trace needs at least one array"),
    ],
)  # fmt: skip
def test_bad_input_is_told(loss, params, options, message):
    with pytest.raises(ValueError, match=message):
        trace(loss, params, X, **options)
