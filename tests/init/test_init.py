import importlib
import inspect
import math
import subprocess
import sys

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc import core, init

KEY = jax.random.key(7)
RECORDS = init.records()
CASES = [
    pytest.param(record, settings, id=f"{name}-{i}")
    for name, record in RECORDS.items()
    for i, settings in enumerate(record.settings)
]


def fields(record, settings):
    defaults = {name: p.default for name, p in inspect.signature(record.make).parameters.items()}
    return {**defaults, **settings}


def shape_of(record):
    return record.example(np.random.default_rng(3), "float32")[1]


def within_8_eps(ours, other, dtype):
    assert ours.dtype == dtype
    assert ours.shape == other.shape
    chex.assert_tree_all_finite(ours)
    ours, other = np.asarray(ours, np.float64), np.asarray(other, np.float64)
    atol = 8 * np.finfo(dtype).eps * max(np.max(abs(other)), np.finfo(dtype).tiny)
    np.testing.assert_allclose(ours, other, rtol=0, atol=atol, strict=True)


# The settings differ in the scale, which knows no dtype: in float64 one of each.
FIRST = [pytest.param(record, record.settings[0], "float64", id=f"{name}-float64") for name, record in RECORDS.items()]
DRAWN = [pytest.param(*case.values, "float32", id=f"{case.id}-float32") for case in CASES] + FIRST


@pytest.mark.parametrize(("record", "settings", "dtype"), DRAWN)
def test_draws_equal_the_twins_and_the_formula_on_the_same_draws(record, settings, dtype):
    with jax.enable_x64(dtype == "float64"):
        example = record.example(np.random.default_rng(3), dtype)
        ours = record.make(**settings)(*example)
        within_8_eps(ours, record.transcription(*example, **settings), dtype)
        compared = 0
        for twin in (twin for twin in record.twins if twin.library == "jax"):
            arguments = twin.arguments(**fields(record, settings))
            if isinstance(arguments, str):
                continue
            module, _, name = twin.name.rpartition(".")
            theirs = getattr(importlib.import_module(module), name)
            result = twin.call(theirs, *example, **arguments) if twin.call else theirs(**arguments)(*example)
            within_8_eps(ours, result, dtype)
            compared += 1
        assert compared or "jax" in record.no_twin


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_is_complete(name):
    record = RECORDS[name]
    assert record.summary
    assert name in ("zeros", "ones") or record.formula
    assert set(record.arguments) == set(fields(record, {}))
    for library in ("jax", "torch", "optax"):
        assert record.twin(library) or record.no_twin[library]
    for argument, default in fields(record, {}).items():
        assert any(settings.get(argument, default) != default for settings in record.settings), argument


@pytest.mark.parametrize(("record", "settings"), CASES)
def test_the_dtype_is_the_one_asked_for_and_it_traces(record, settings):
    make, shape = record.make(**settings), shape_of(record)
    for dtype in (jnp.float32, jnp.bfloat16):
        drawn = jax.eval_shape(lambda key, dtype=dtype: make(key, shape, dtype), KEY)
        assert (drawn.shape, drawn.dtype, drawn.weak_type) == (shape, dtype, False)


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_jit_changes_nothing(record):
    make, shape = record.make(**record.settings[0]), shape_of(record)
    jitted, eager = jax.jit(lambda key: make(key, shape, jnp.float32))(KEY), make(KEY, shape, jnp.float32)
    eps = float(jnp.finfo(jnp.float32).eps)
    np.testing.assert_allclose(jitted, eager, rtol=4 * eps, atol=4 * eps * 1e-2)


# ---- The variance laws, on 10^6 draws: the standard error of a variance is 0.14 % for a normal.


def sample_std(make, shape):
    w = np.asarray(make(KEY, shape), np.float64)
    assert abs(w.mean()) < 4 * w.std() / math.sqrt(w.size)
    return w.std()


LAWS = {
    "normal": (init.normal(0.3), 0.3),
    "truncated_normal": (init.truncated_normal(0.3), 0.3),
    "uniform": (init.uniform(-0.3, 0.3), 0.6 / math.sqrt(12)),
    "lecun_normal": (init.lecun_normal(), math.sqrt(1 / 500)),
    "lecun_normal, truncated": (init.lecun_normal(truncated=True), math.sqrt(1 / 500)),
    "lecun_uniform": (init.lecun_uniform(), math.sqrt(1 / 500)),
    "xavier_normal": (init.xavier_normal(), math.sqrt(2 / 2500)),
    "xavier_normal, truncated": (init.xavier_normal(truncated=True), math.sqrt(2 / 2500)),
    "xavier_uniform": (init.xavier_uniform(gain=3.0), 3 * math.sqrt(2 / 2500)),
    "he_normal": (init.he_normal(), math.sqrt(2 / 500)),
    "he_normal, truncated": (init.he_normal(truncated=True), math.sqrt(2 / 500)),
    "he_normal, out": (init.he_normal(fan="out"), math.sqrt(2 / 2000)),
    "he_normal, tanh": (init.he_normal("tanh"), 1.5925374197 / math.sqrt(500)),
    "he_uniform": (init.he_uniform(), math.sqrt(2 / 500)),
}


@pytest.mark.parametrize("case", LAWS)
def test_the_standard_deviation_is_the_papers_within_1_percent(case):
    make, expected = LAWS[case]
    np.testing.assert_allclose(sample_std(make, (500, 2000)), expected, rtol=0.01)


def test_a_truncated_normal_without_the_correction_fails_that_test():
    uncorrected = jax.nn.initializers.truncated_normal(0.3)
    np.testing.assert_allclose(sample_std(uncorrected, (500, 2000)), 0.3 * 0.87962566, rtol=0.01)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(sample_std(uncorrected, (500, 2000)), 0.3, rtol=0.01)


def test_a_receptive_field_counts_into_both_fans():
    assert init.fans((3, 3, 16, 32)) == {"in": 144, "out": 288, "average": 216}
    make = init.variance_scaling(1.0, "in", "uniform")
    np.testing.assert_allclose(sample_std(make, (3, 3, 100, 1000)), math.sqrt(1 / 900), rtol=0.01)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_16_bit_draws_are_unbiased_where_jaxs_are_not(dtype):
    shape = (2000, 2000)
    standard_error = 1 / math.sqrt(4e6)
    ours = np.asarray(init.normal(1.0)(KEY, shape, dtype), np.float64)
    assert abs(ours.mean()) < 4 * standard_error
    assert np.max(abs(ours)) > 4.5
    if dtype == jnp.bfloat16:
        theirs = np.asarray(jax.nn.initializers.normal(1.0)(KEY, shape, dtype), np.float64)
        assert abs(theirs.mean()) > 10 * standard_error  # jax 0.10.2; when this fails, `_common` can be simplified
        assert np.max(abs(theirs)) < 3


# ---- The gain.


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", math.sqrt(2)),
        (lambda x: jnp.maximum(x, 0), math.sqrt(2)),
        (core.activation("leaky_relu", slope=0.2), math.sqrt(2 / 1.04)),
        ("identity", 1.0),
        ("selu", 1.0),  # the fixed point of Klambauer et al. 2017
        (jnp.abs, 1.0),
        (jnp.sign, 1.0),
        (lambda x: jnp.heaviside(x, 0.5), math.sqrt(2)),
        (jnp.exp, math.exp(-1.0)),
        (jnp.sin, math.sqrt(2 / (1 - math.exp(-2)))),
        (jnp.square, 1 / math.sqrt(3)),
    ],
)
def test_the_gain_is_the_closed_form(activation, expected):
    np.testing.assert_allclose(init.gain(activation), expected, rtol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu", "silu"])
def test_the_gain_equals_gauss_hermite(activation):
    z, weights = np.polynomial.hermite_e.hermegauss(120)
    with jax.enable_x64(True):
        values = np.asarray(core.activation(activation)(jnp.asarray(z)))
    moment = np.sum(weights * values**2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(init.gain(activation), moment**-0.5, rtol=1e-9)


def test_a_kink_away_from_zero_costs_less_than_1e_6():
    # E min(max(z, 0), 1)^2 in closed form.
    cdf, pdf = (1 + math.erf(1 / math.sqrt(2))) / 2, math.exp(-0.5) / math.sqrt(2 * math.pi)
    moment = cdf - 0.5 - pdf + (1 - cdf)
    np.testing.assert_allclose(init.gain(lambda x: jnp.clip(x, 0, 1)), moment**-0.5, rtol=1e-6)


def test_the_gain_is_a_number_inside_any_transformation():
    expected = init.gain("tanh")
    for transform in (jax.jit, jax.vmap, jax.grad):
        seen = []

        def f(x, seen=seen):
            seen.append(init.gain("tanh"))
            return x * seen[-1]

        transform(f)(jnp.ones(2) if transform is jax.vmap else 1.0)
        assert seen == [expected]


def test_pytorchs_table_differs_where_the_docstring_says():
    assert abs(init.gain("tanh") - 5 / 3) > 0.07
    assert abs(init.gain("selu") - 3 / 4) > 0.2


# ---- Matrices.


MANY_TURNS = """
import jax
from gdfunc import init, models
model = models.mlp((20, 40, 80, 80, 40, 40, 10), "tanh", init.orthogonal())
jax.block_until_ready(jax.jit(jax.vmap(model.init))(jax.random.split(jax.random.key(0), 40)))
"""


def test_many_orthogonal_networks_are_drawn_at_once():
    # In a process of its own: jaxlib's batched QR, several at once, never returns.
    subprocess.run([sys.executable, "-c", MANY_TURNS], check=True, timeout=120)


@pytest.mark.parametrize("shape", [(64, 64), (96, 32), (32, 96), (3, 3, 8, 16)])
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32, jnp.bfloat16])
def test_the_shorter_side_of_an_orthogonal_matrix_is_orthonormal(shape, dtype):
    with jax.enable_x64(True):
        w = np.asarray(init.orthogonal(2.0)(KEY, shape, dtype), np.float64).reshape(-1, shape[-1])
        q = (w if w.shape[0] >= w.shape[1] else w.T) / 2
        np.testing.assert_allclose(q.T @ q, np.eye(q.shape[1]), atol=8 * float(jnp.finfo(dtype).eps))


@pytest.mark.parametrize("taps", [(5,), (3, 3), (2, 3, 4)])
def test_a_delta_orthogonal_convolution_keeps_every_norm_where_an_orthogonal_kernel_does_not(taps):
    x = jnp.asarray(np.random.default_rng(3).standard_normal((2, *[6] * len(taps), 4)), jnp.float32)
    letters = "DHW"[: len(taps)]
    axes = (f"N{letters}C", f"{letters}IO", f"N{letters}C")

    def norms(make):
        kernel = make(KEY, (*taps, 4, 8))
        y = jax.lax.conv_general_dilated(x, kernel, (1,) * len(taps), "SAME", dimension_numbers=axes)
        return np.linalg.norm(y, axis=-1) / np.linalg.norm(x, axis=-1)

    np.testing.assert_allclose(norms(init.delta_orthogonal(0.5)), 0.5, rtol=1e-5)
    assert np.std(norms(init.orthogonal())) > 0.1


def test_every_rotation_is_as_likely_which_qr_without_signs_is_not():
    # Under Haar the trace of a 2 x 2 orthogonal matrix has mean 0 and mean square 1.
    keys = jax.random.split(KEY, 20_000)
    trace = jax.vmap(lambda key: jnp.trace(init.orthogonal()(key, (2, 2))))(keys)
    assert abs(jnp.mean(trace)) < 0.03
    np.testing.assert_allclose(jnp.mean(trace**2), 1, atol=0.03)
    unsigned = jax.vmap(lambda key: jnp.trace(jnp.linalg.qr(jax.random.normal(key, (2, 2)))[0]))(keys)
    assert abs(jnp.mean(unsigned)) > 0.3 or abs(jnp.mean(unsigned**2) - 1) > 0.1


@pytest.mark.parametrize(("sparsity", "zeros"), [(0.0, 0), (0.07, 7), (0.805, 81), (1.0, 100)])
def test_every_column_has_exactly_the_share_of_zeros_in_places_of_its_own(sparsity, zeros):
    w = np.asarray(init.sparse(sparsity, std=2.0)(KEY, (100, 300)))
    np.testing.assert_array_equal((w == 0).sum(axis=0), zeros)
    if 0 < zeros < 100:
        assert len({tuple(column) for column in (w == 0).T}) > 290
        np.testing.assert_allclose(w[w != 0].std(), 2, rtol=0.03)


# ---- Use.


def test_flax_accepts_them():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Conv(4, (3, 3), kernel_init=init.he_normal(), bias_init=init.constant(0.1))(x)
            return nn.Dense(3, kernel_init=init.orthogonal(), bias_init=init.zeros())(x.reshape(x.shape[0], -1))

    params = Net().init(KEY, jnp.ones((2, 4, 4, 1)))["params"]
    chex.assert_tree_all_finite(params)
    kernel = params["Dense_0"]["kernel"]
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(3), atol=1e-6)
    np.testing.assert_array_equal(params["Conv_0"]["bias"], np.float32(0.1))


def test_a_sweep_over_the_gain_is_a_vmap():
    gains = jnp.array([0.5, 1.0, 2.0])
    stds = jax.vmap(lambda gain: init.variance_scaling(gain)(KEY, (100, 100)).std())(gains)
    np.testing.assert_allclose(stds / gains, stds[1], rtol=1e-5)


def test_get_finds_every_name_and_its_aliases():
    for name, alias in (("xavier_normal", "glorot_normal"), ("he_uniform", "kaiming_uniform")):
        np.testing.assert_array_equal(init.get(name)(KEY, (3, 4)), init.get(alias)(KEY, (3, 4)))
        assert getattr(init, alias) is getattr(init, name)
    assert init.get("constant", value=2.0)(KEY, ()) == 2
    for name in RECORDS:
        assert getattr(init, name) is RECORDS[name].make


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: init.get("he_norml"), "init knows no 'he_norml'. Did you mean 'he_normal'"),
        (lambda: init.he_normal()(KEY, (3,)), r"he_normal needs a shape of 2 or more dimensions.*given \(3,\)"),
        (lambda: init.he_normal()(KEY, (0, 3)), "none of them 0"),
        (lambda: init.orthogonal()(KEY, (3,)), "orthogonal needs a shape of 2 or more"),
        (lambda: init.delta_orthogonal()(KEY, (4, 8)), "delta_orthogonal needs a shape of 3 to 5 dimensions"),
        (lambda: init.delta_orthogonal()(KEY, (3, 3, 8, 4)), r"needs in <= out .* given \(3, 3, 8, 4\)"),
        (lambda: init.delta_orthogonal(-1.0), "delta_orthogonal needs 0 <= gain"),
        (lambda: init.identity()(KEY, (3, 3, 3)), "identity needs a shape of 2 dimensions"),
        (lambda: init.normal(-1.0), "normal needs 0 <= std, and was given std=-1.0"),
        (lambda: init.truncated_normal(float("nan")), "truncated_normal needs 0 <= std"),
        (lambda: init.xavier_normal(gain=-1.0), "xavier_normal needs 0 <= gain"),
        (lambda: init.uniform(1.0, 0.0), "uniform needs low <= high"),
        (lambda: init.constant("a"), "constant needs value to be a finite number"),
        (lambda: init.zeros()(KEY, (2,), jnp.int32), "needs a real floating-point dtype, and was given int32"),
        (lambda: init.sparse(1.5), "sparse needs 0 <= sparsity <= 1, and was given sparsity=1.5"),
        (lambda: init.he_normal("rulu"), "activation knows no 'rulu'"),
        (lambda: init.he_normal(fan="both"), "he_normal needs fan to be 'in' or 'out' or 'average'"),
        (lambda: init.variance_scaling(distribution="cauchy"), "needs distribution to be"),
        (lambda: init.gain(jnp.zeros_like), "finite second moment above 0"),
        (lambda: jax.jit(lambda a: init.gain(lambda x: a * x))(2.0), "constants are known numbers"),
    ],
)
def test_a_wrong_argument_is_an_error_that_says_what_was_needed_and_given(call, message):
    with pytest.raises(ValueError, match=message):
        call()
