"""The first operation that makes a loss or a gradient non-finite is named: which, where, in which layer."""

import dataclasses
import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal
from jax import lax

from gdfunc.core import safe_sqrt
from gdfunc.instruments import find_nonfinite

X = jnp.linspace(-1.0, 1.0, 12).reshape(4, 3)
PARAMS = {"hidden": {"w": jnp.full((3, 5), 0.3), "b": jnp.zeros(5)}, "out": {"w": jnp.full((5, 2), 0.5)}}


def network(params, x):
    return jnp.tanh(x @ params["hidden"]["w"] + params["hidden"]["b"]) @ params["out"]["w"]


# Losses that fail in one operation, which stands on the line marked as the fault's.


def root_behind_where(params, x):
    z = jnp.maximum(network(params, x), 0)  # relu's own derivative would absorb the NaN
    return jnp.sum(jnp.where(z > 0, jnp.sqrt(z), 0))  # fault


def log_of_zero(params, x):
    z = jax.nn.relu(network(params, x))
    return -jnp.mean(jnp.log(z))  # fault


def log_behind_where(params, x):
    z = jnp.maximum(network(params, x), 0) + 1
    logs = jnp.log(z - 1)  # fault
    return jnp.sum(jnp.where(z > 1, logs / z, 0))


def zero_times_infinity(params, x):
    z = 0 * network(params, x)
    return jnp.sum(z * jnp.inf)  # fault


def softmax_of_large_numbers(params, x):
    e = jnp.exp(200 * network(params, x))  # fault
    return -jnp.mean(jnp.log(e / jnp.sum(e, axis=1, keepdims=True)))


def norm_at_zero(params, x):
    z = 0 * network(params, x)
    return jnp.linalg.norm(z)  # fault


def division_by_zero(params, x):
    z = network(params, x)
    return jnp.sum((z - z) / (z - z))  # fault


def half_precision(params, x):
    z = (300 * network(params, x)).astype(jnp.float16)
    return jnp.sum(z * z)  # fault


def row_masked_out(params, x):
    scores = jnp.where(jnp.arange(4)[:, None] == 2, -jnp.inf, network(params, x))
    return jnp.sum(jax.nn.log_softmax(scores))  # fault


def branch_taken(params, x):
    z = network(params, x)
    wrong = lambda z: jnp.sqrt(z - 10)  # fault  # noqa: E731
    return jnp.sum(lax.cond(jnp.sum(z) < 1, wrong, lambda z: z, z))


def recomputed(params, x):
    wrong = lambda z: jnp.sqrt(z - 10)  # fault  # noqa: E731
    return jnp.sum(jax.checkpoint(lambda params: wrong(network(params, x)))(params))


@jax.custom_vjp
def with_wrong_derivative(z):
    return 2 * z


with_wrong_derivative.defvjp(lambda z: (2 * z, z), lambda z, g: (2 * g / (z - z),))


def derivative_of_its_own(params, x):
    return jnp.sum(with_wrong_derivative(network(params, x)))  # fault


def normalised_weights(params, x):
    w = params["out"]["w"].at[:, 1].set(0)
    w = w / jnp.linalg.norm(w, axis=0)  # fault
    return jnp.sum(jnp.tanh(x @ params["hidden"]["w"]) @ w)


def doubled_in_while(params, x):
    start = jnp.sum(x @ params["hidden"]["w"]) + 1
    return lax.while_loop(lambda c: c[0] < 9, lambda c: (c[0] + 1, c[1] * 1e10), (0, start))[1]  # fault


FAULTS = [
    (root_behind_where, "backward", "sqrt", "", "out/w", "NaN"),
    (log_of_zero, "forward", "log", "", "out/w", "-Inf"),
    (log_behind_where, "forward", "log", "", "out/w", "-Inf"),
    (zero_times_infinity, "forward", "mul", "", "out/w", "NaN"),
    (softmax_of_large_numbers, "forward", "exp", "", "out/w", "+Inf"),
    (norm_at_zero, "backward", "sqrt", "norm", "out/w", "+Inf"),
    (division_by_zero, "forward", "div", "", "out/w", "NaN"),
    (half_precision, "forward", "mul", "", "out/w", "+Inf"),
    (row_masked_out, "forward", "sub", "log_softmax", "out/w", "NaN"),
    (branch_taken, "forward", "sqrt", "", "out/w", "NaN"),
    (recomputed, "forward", "sqrt", "", "out/w", "NaN"),
    (derivative_of_its_own, "backward", "div", "derivative of with_wrong_derivative", "out/w", "+Inf"),
    (normalised_weights, "forward", "div", "", "out/w", "NaN"),
    (doubled_in_while, "forward", "mul", "", "hidden/w", "+Inf"),
]


def is_at_the_fault(line, loss):
    source, first = inspect.getsourcelines(loss)
    (marked,) = (first + i for i, text in enumerate(source) if "# fault" in text)
    return re.search(rf"test_nonfinite\.py:{marked}\b", line) is not None


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "jit"])
@pytest.mark.parametrize(("loss", "direction", "primitive", "function", "layer", "kind"), FAULTS)
def test_the_operation_its_line_and_its_layer_are_named(loss, direction, primitive, function, layer, kind, compiled):
    found = find_nonfinite(jax.jit(loss) if compiled else loss, PARAMS, X)
    expected = (direction, primitive, layer, kind)
    assert (found.direction, found.primitive, found.layer, found.kind) == expected
    assert found.function in ({loss.__name__, ""} if compiled and not function else {function})
    assert is_at_the_fault(found.line, loss), found.line


def masked_attention(params, x):
    scores = (x @ params["q"]) @ (x @ params["k"]).T
    scores = jnp.where(jnp.tril(jnp.ones((4, 4), bool)), scores, -jnp.inf)
    return jnp.mean(jnp.square(jax.nn.softmax(scores) @ (x @ params["v"])))


def attention_with_mask_in_the_batch(params, batch):
    x, mask = batch
    return jnp.mean(jnp.square(jax.nn.softmax((x @ params["q"]) @ (x @ params["k"]).T + mask) @ (x @ params["v"])))


ATTENTION = {name: normal(i, 3, 3) for i, name in enumerate("qkv")}
CAUSAL = jnp.where(jnp.tril(jnp.ones((4, 4), bool)), 0.0, -jnp.inf)

HEALTHY = {
    "network": (lambda params, x: jnp.mean(jnp.square(network(params, x))), PARAMS, X),
    "masked attention": (masked_attention, ATTENTION, X),
    "a mask of infinities in the batch": (attention_with_mask_in_the_batch, ATTENTION, (X, CAUSAL)),
    "the logarithm of a mask": (
        lambda params, x: attention_with_mask_in_the_batch(params, (x, jnp.log(jnp.tril(jnp.ones((4, 4)))))),
        ATTENTION,
        X,
    ),
    "a root at zero behind stop_gradient": (
        lambda params, x: jnp.sum(network(params, x) + lax.stop_gradient(jnp.sqrt(0 * network(params, x)))),
        PARAMS,
        X,
    ),
    "a root with a derivative of its own": (
        lambda params, x: jnp.sum(safe_sqrt(0 * network(params, x))),
        PARAMS,
        X,
    ),
    "a root of the data at zero": (
        lambda params, x: jnp.sum(network(params, jnp.where(x > 0, jnp.sqrt(jnp.maximum(x, 0)), 0))),
        PARAMS,
        X,
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_infinities_that_are_absorbed_are_no_finding(name):
    assert find_nonfinite(*HEALTHY[name]) is None


@pytest.mark.parametrize(
    ("loss", "params", "batch"),
    [*HEALTHY.values(), *((loss, PARAMS, X) for loss, *_ in FAULTS if loss is not doubled_in_while)],
)
def test_there_is_a_finding_exactly_where_jax_gives_a_non_finite_loss_or_gradient(loss, params, batch):
    finite = all(np.isfinite(x).all() for x in jax.tree.leaves(jax.value_and_grad(loss)(params, batch)))
    found = find_nonfinite(loss, params, batch)
    assert (found is None) == finite
    if found is not None:
        value, grads = jax.value_and_grad(loss)(params, batch)
        leaves = {f"{a}/{b}": x for a, tree in grads.items() for b, x in tree.items()}
        wrong = tuple(path for path, x in leaves.items() if not np.isfinite(x).all())
        assert found.reached == (wrong if np.isfinite(value) else ("the loss",))


DEPTH = 20
STACKED = {"hidden": {"w": jnp.full((DEPTH, 4, 4), 200.0)}, "out": jnp.ones((4, 1))}


def deep(params, x):
    h, _ = lax.scan(lambda h, w: (jax.nn.relu(h @ w), None), x, params["hidden"]["w"])  # fault
    return jnp.mean(h @ params["out"])


def test_the_layer_of_a_stack_that_overflows_is_named_by_its_number():
    h, k = np.float64(1.0), -1
    while h < np.finfo(np.float32).max:  # each layer multiplies by 4 * 200
        h, k = h * 800, k + 1
    found = find_nonfinite(jax.jit(deep), STACKED, jnp.ones((2, 4)))
    assert (found.layer, found.turns, found.primitive, found.kind) == (f"hidden/w[{k}]", (k,), "dot_general", "+Inf")
    assert (found.count, found.size, found.reached) == (8, 8, ("the loss",))
    assert is_at_the_fault(found.line, deep)
    assert find_nonfinite(deep, jax.tree.map(lambda w: w / 800, STACKED), jnp.ones((2, 4))) is None


def test_the_layer_whose_derivative_overflows_is_named_by_its_number():
    k, g = DEPTH, np.float64(1 / 2)  # the mean of two rows
    while g < np.finfo(np.float32).max:
        k, g = k - 1, g * 800
    # The weights' gradient h^T g overflows no sooner: h g is below 1e30 in every layer.
    found = find_nonfinite(deep, STACKED, jnp.full((2, 4), 1e-30))
    assert (found.direction, found.layer, found.turns) == ("backward", f"hidden/w[{k}]", (k,))
    assert (found.primitive, found.kind, found.reached) == ("dot_general", "+Inf", ("hidden/w",))
    (low, high) = found.gradient[0]
    assert low == pytest.approx(g / 800, rel=1e-5)  # some twenty roundings
    assert high == low


def test_what_is_done_to_the_weights_of_a_stack_before_they_are_used_is_named_by_their_number():
    def normalised(params, x):
        cell = lambda h, w: (jnp.tanh(h @ (w / jnp.max(w))), None)  # fault  # noqa: E731
        return jnp.sum(lax.scan(cell, x, params["w"])[0])

    found = find_nonfinite(normalised, {"w": jnp.ones((5, 3, 3)).at[2].set(0)}, X)
    assert (found.layer, found.primitive, found.kind) == ("w[2]", "div", "NaN")
    assert is_at_the_fault(found.line, normalised)


def test_a_turn_in_time_is_named_and_a_layer_met_in_each_turn_has_no_number():
    def unrolled(params, x):
        def cell(h, row):
            h = h + row @ params["w"]
            return h, jnp.log1p(-h)  # fault

        return jnp.sum(lax.scan(cell, jnp.zeros(3), x, reverse=True)[1])

    # Each turn adds 0.18: the sixth from the end, of nine rows the one numbered 3, is the first above 1.
    found = find_nonfinite(unrolled, {"w": jnp.full((2, 3), 0.09)}, jnp.ones((9, 2)))
    assert (found.layer, found.turns, found.primitive, found.kind) == ("w", (3,), "log1p", "NaN")
    assert is_at_the_fault(found.line, unrolled)
    np.testing.assert_allclose(found.inputs, [(-1.08, -1.08)], rtol=1e-6)  # six roundings


def test_the_turn_of_a_while_loop_is_named():
    start = 1 + float(jnp.sum(X @ PARAMS["hidden"]["w"]))
    turn = int(np.ceil(np.log10(np.finfo(np.float32).max / start) / 10)) - 1
    assert find_nonfinite(doubled_in_while, PARAMS, X).turns == (turn,)


def test_under_vmap_a_loop_goes_on_for_the_slowest_alone():
    def loss(params, x):
        roots = jax.vmap(lambda x: lax.while_loop(lambda c: c < 5, lambda c: c * 1e20, x))(x)
        return jnp.sum(params["out"]["w"]) * jnp.sum(roots)

    # Two turns for the first, none for the last, which a turn more would make infinite.
    assert find_nonfinite(loss, PARAMS, jnp.array([1e-30, 1e25])) is None
    assert find_nonfinite(loss, PARAMS, jnp.array([1e-30, jnp.inf])).direction == "batch"


def test_a_fault_that_where_leaves_out_takes_no_blame_from_the_one_that_it_lets_through():
    def loss(params, x):
        z = network(params, x)
        left_out = jnp.log(-jnp.abs(z) - 1)
        let_through = jnp.sqrt(z - 10)  # fault
        return jnp.sum(jnp.where(z > 100, left_out, let_through))

    found = find_nonfinite(loss, PARAMS, X)
    assert found.primitive == "sqrt"
    assert is_at_the_fault(found.line, loss)


def test_entries_that_are_masked_later_take_no_blame():
    def loss(params, x):
        z = network(params, x)
        first = jnp.arange(4)[:, None] == 0
        absorbed = jnp.where(first, jnp.log(-1 - z**2), 1)
        harmful = jnp.where(first, 1, jnp.sqrt(-1 - z**2))  # fault
        return jnp.sum(jnp.where(first, 0, absorbed + harmful))

    found = find_nonfinite(loss, PARAMS, X)
    assert is_at_the_fault(found.line, loss)
    assert (found.count, found.size) == (8, 8)  # of what the operation gives, masked later or not


def test_the_first_of_two_infinities_that_are_added_is_named():
    def loss(params, x):
        z = network(params, x)
        early = jnp.exp(1000 + z)  # fault
        return jnp.sum(jnp.exp(1001 + z) + early)

    assert is_at_the_fault(find_nonfinite(loss, PARAMS, X).line, loss)


def test_an_overflow_is_named_though_the_sum_over_the_rest_overflows_too():
    def loss(params, x):
        z = 1e38 * (3 + jnp.arange(4.0)) + network(params, x)[0, 0]  # fault
        return jnp.sum(z)

    assert is_at_the_fault(find_nonfinite(loss, PARAMS, X).line, loss)


def test_an_overflow_that_meets_an_infinity_that_is_meant_is_named():
    def loss(params, x):
        z = network(params, x)
        meant = jnp.where(z > 0, jnp.inf, z)
        return jnp.sum(meant / jnp.exp(1000 + z))  # fault

    found = find_nonfinite(loss, PARAMS, X)
    assert (found.primitive, found.kind) == ("exp", "+Inf")


def test_the_first_of_two_faults_is_named():
    def loss(params, x):
        z = network(params, x)
        early = jnp.sqrt(z - 10)  # fault
        late = jnp.log(0 * z)
        return jnp.sum(late) + jnp.sum(early)

    assert is_at_the_fault(find_nonfinite(loss, PARAMS, X).line, loss)


def test_a_function_of_jax_has_the_line_of_its_own_call():
    def loss(params, x):
        good = jnp.linalg.norm(network(params, x))
        return good + jnp.linalg.norm(0 * network(params, x))  # fault

    assert is_at_the_fault(find_nonfinite(loss, PARAMS, X).line, loss)


def test_entries_and_ranges_are_those_of_the_operation():
    z = np.maximum(np.asarray(network(PARAMS, X)), 0)
    found = find_nonfinite(log_of_zero, PARAMS, X)
    assert (found.count, found.size) == (np.sum(z == 0), z.size)
    np.testing.assert_allclose(found.inputs, [(0, z.max())], rtol=1e-6)  # one compiled program against another
    assert found.gradient == ()
    found = find_nonfinite(root_behind_where, PARAMS, X)
    assert (found.count, found.size) == (np.sum(z == 0), z.size)
    assert found.gradient == ((0, 1),)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite_are_named_before_any_operation(value):
    broken = {**PARAMS, "out": {"w": PARAMS["out"]["w"].at[0, 1].set(value)}}
    found = find_nonfinite(log_of_zero, broken, X)
    kind = "NaN" if np.isnan(value) else f"{value:+}".capitalize()[0] + "Inf"
    assert (found.direction, found.layer, found.kind, found.count) == ("parameters", "out/w", kind, 1)


def test_parameters_that_are_not_finite_are_named_before_a_fault_that_comes_first():
    broken = {**PARAMS, "out": {"w": PARAMS["out"]["w"].at[0, 1].set(jnp.inf)}}
    loss = lambda params, x: jnp.sum(jnp.log(-1 - x**2)) + jnp.sum(network(params, x))  # noqa: E731
    assert find_nonfinite(loss, broken, X).direction == "parameters"
    assert find_nonfinite(loss, PARAMS, X).primitive == "log"


def test_what_stop_gradient_hides_needs_no_derivative():
    def loss(params, x):
        z = network(params, x)
        return jnp.sum(z * jax.pure_callback(lambda z: z, z, lax.stop_gradient(z)))

    assert find_nonfinite(loss, PARAMS, X) is None


def test_a_batch_that_is_not_finite_is_named_by_its_leaf():
    batch = {"x": X.at[1, 2].set(jnp.nan), "y": X}
    found = find_nonfinite(lambda params, batch: jnp.sum(network(params, batch["x"])), PARAMS, batch)
    assert (found.direction, found.layer, found.kind, found.count) == ("batch", "x", "NaN", 1)
    assert find_nonfinite(lambda params, batch: jnp.sum(network(params, batch["y"])), PARAMS, batch) is None


def test_a_mask_in_the_batch_is_named_where_it_leaves_nothing_and_not_where_the_scores_overflow():
    batch = X, CAUSAL.at[2].set(-jnp.inf)
    found = find_nonfinite(attention_with_mask_in_the_batch, ATTENTION, batch)
    assert (found.direction, found.layer, found.primitive) == ("batch", "1", "sub")
    large = jax.tree.map(lambda w: 1e20 * w, ATTENTION)
    found = find_nonfinite(attention_with_mask_in_the_batch, large, (X, CAUSAL))
    assert (found.direction, found.primitive) == ("forward", "dot_general")


def test_a_nan_among_the_constants_is_named_with_the_operation_that_takes_it():
    data = X.at[0, 0].set(jnp.nan)

    def loss(params, x):
        z = network(params, x)
        return jnp.sum(z) + jnp.sum(data * x)  # fault

    found = find_nonfinite(loss, PARAMS, X)
    assert (found.direction, found.primitive, found.count, found.size) == ("constant", "mul", 1, 12)
    assert is_at_the_fault(found.line, loss)


def test_a_loss_made_infinite_by_a_constant_is_blamed_on_the_operation_that_brings_it_in():
    def loss(params, x):
        return jnp.sum(jnp.where(x > 0, x @ params["w"], -jnp.inf))  # fault

    found = find_nonfinite(loss, {"w": jnp.eye(3)}, X)
    assert (found.direction, found.primitive, found.kind) == ("forward", "select_n", "-Inf")
    assert is_at_the_fault(found.line, loss)


def test_a_flax_model_is_searched():
    nn = pytest.importorskip("flax.linen")

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.LayerNorm()(nn.relu(nn.Dense(8, name="first")(x)))
            return nn.Dense(3, name="last")(x)

    params = Model().init(jax.random.key(0), X)

    def loss(params, x):
        z = Model().apply(params, x)
        return jnp.mean(jnp.log(jnp.exp(100 * z) / jnp.sum(jnp.exp(100 * z), axis=1, keepdims=True)))  # fault

    assert find_nonfinite(lambda params, x: jnp.mean(jax.nn.log_softmax(Model().apply(params, x))), params, X) is None
    found = find_nonfinite(loss, params, X)
    assert (found.direction, found.primitive, found.layer) == ("forward", "exp", "params/last/kernel")
    assert is_at_the_fault(found.line, loss)


def test_the_auxiliary_output_is_not_looked_at():
    loss = lambda params, x: (jnp.sum(network(params, x)), jnp.log(-jnp.ones(2)))  # noqa: E731
    assert find_nonfinite(loss, PARAMS, X, has_aux=True) is None
    with pytest.raises(ValueError, match="find_nonfinite needs loss_fn to return a scalar"):
        find_nonfinite(loss, PARAMS, X)


def test_jaxs_own_checks_for_nan_do_not_stop_the_search():
    with jax.debug_nans(True), jax.debug_infs(True):
        assert find_nonfinite(masked_attention, ATTENTION, X) is None
        assert find_nonfinite(log_of_zero, PARAMS, X).primitive == "log"


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (
            log_of_zero,
            r"forward: log gives -Inf in 4 of 8 entries at .*test_nonfinite\.py:\d+.* \(log_of_zero\), in layer 'out/w': "
            r"its inputs lie in \[0, 1\.\d+\]; so the loss is not finite",
        ),
        (
            norm_at_zero,
            r"backward: the derivative of sqrt in norm gives \+Inf in 1 of 1 entry at .* \(norm_at_zero\), in layer "
            r"'out/w': its inputs lie in \[0, 0\], the gradient that reaches it in \[1, 1\]; "
            r"so the gradients of 'hidden/b' and of 2 others are not finite",
        ),
        (
            derivative_of_its_own,
            r"backward: div in the derivative of with_wrong_derivative gives \+Inf in 8 of 8 entries at .*",
        ),
        (
            doubled_in_while,
            r"forward: mul gives \+Inf .*, in layer 'hidden/w', in turn 3 of a loop: its inputs lie in .*",
        ),
    ],
)
def test_the_finding_reads_as_a_sentence(loss, sentence):
    assert re.fullmatch(sentence, str(find_nonfinite(loss, PARAMS, X)))


def test_the_finding_of_a_leaf_reads_as_a_sentence():
    broken = {**PARAMS, "out": {"w": PARAMS["out"]["w"].at[0].set(jnp.nan)}}
    sentence = (
        r"parameters: 'out/w' holds NaN in 2 of 10 entries before any operation, which first harms dot_general at "
    )
    assert re.fullmatch(
        sentence + r".*\(network\); so the loss is not finite", str(find_nonfinite(network_sum, broken, X))
    )


def network_sum(params, x):
    return jnp.sum(network(params, x))


def test_the_finding_cannot_be_changed():
    found = find_nonfinite(log_of_zero, PARAMS, X)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.kind = "NaN"
