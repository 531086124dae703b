"""Every formula of the tables, evaluated as the Python that it is, is the derivative that JAX computes."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal
from scipy.special import erf, erfc

from gdfunc.gradients import in_numbers, trace
from gdfunc.gradients._formulas import POINTWISE

WORDS = {
    **{name: getattr(np, name) for name in ["abs", "arctan2", "cbrt", "ceil", "clip", "cos", "cosh", "exp", "floor", "log", "sign", "sin", "sinh", "sqrt", "tan", "tanh"]},
    "float32": np.float32, "round": np.round, "where": np.where, "pi": math.pi, "erf": erf, "erfc": erfc,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "max": np.maximum, "min": np.minimum, "outer": np.outer,
}  # fmt: skip
A, B = jnp.array([0.3, 1.2, 2.0]), jnp.array([0.7, 0.4, 2.0])  # a tie for max and min
LAX = {name: getattr(jax.lax, name) for name in POINTWISE if hasattr(jax.lax, name)}
FUNCTIONS = {
    **{name: lambda a, b, f=LAX[name]: f(a) for name, known in POINTWISE.items() if len(known.derivatives) == 1 and name in LAX},
    **{name: lambda a, b, f=LAX[name]: f(a, b) for name, known in POINTWISE.items() if len(known.derivatives) == 2 and name in LAX},
    "clamp": lambda a, b: jax.lax.clamp(0.5, a, 1.5),
    "convert_element_type": lambda a, b: a.astype(jnp.float16).astype(jnp.float32),
    "integer_pow": lambda a, b: jax.lax.integer_pow(a, 3),
    "integer_pow, squared": lambda a, b: jax.lax.integer_pow(a, 2),
    "integer_pow, inverse": lambda a, b: jax.lax.integer_pow(a, -2),
    "pow": lambda a, b: jax.lax.pow(a, b),
    "select_n": lambda a, b: jax.lax.select_n(np.array([True, False, True]), a, b),
}  # fmt: skip
FUNCTIONS.pop("copy", None)  # hidden


def evaluated(text, names):
    return eval(text, {**WORDS, **names})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_formula_and_its_derivatives_are_true(name):
    f = FUNCTIONS[name]
    found = trace(lambda p, _: jnp.sum(f(p["a"], p["b"]) * jnp.array([1.0, 2.0, 3.0])), {"a": A, "b": B}, None)
    numbers: dict[str, Any] = {name: np.asarray(value.value) for name, value in found.values.items()}
    numbers |= {"float16": np.float16}
    step = next(step for step in found.forward if step.outputs == ("v1",))
    np.testing.assert_allclose(np.float32(evaluated(step.operation, numbers)), np.float32(numbers["v1"]), rtol=1e-6)
    links = [each for step in found.backward for each in step.derivatives if each.through == ("v1",)]
    assert links
    for each in links:
        assert each.local
        # In float32, and cancellation in forms such as 1 - tanh(x)**2.
        np.testing.assert_allclose(
            np.broadcast_to(evaluated(each.local, numbers), 3), np.float32(each.local_value), rtol=1e-5
        )


def test_every_derivative_in_the_table_is_tried():
    tried = {name.partition(",")[0] for name in FUNCTIONS}
    assert {name for name, known in POINTWISE.items() if known.derivatives} - tried == {"add_any", "copy"}


PRODUCTS = ["i,i->", "i,ij->j", "i,ji->j", "ij,j->i", "ji,j->i", "ij,jk->ik", "ij,kj->ik", "ji,jk->ik", "ji,kj->ik"]


@pytest.mark.parametrize("indices", PRODUCTS)
def test_a_product_of_matrices_and_its_gradients_are_written_as_they_are(indices):
    first, second = indices.partition("->")[0].split(",")
    lengths = {"i": 4, "j": 3, "k": 2}
    a, b = (normal(seed, *[lengths[i] for i in each]) for seed, each in enumerate((first, second)))
    summed = next(i for i in first if i in second)
    axes = (((first.index(summed),), (second.index(summed),)), ((), ()))
    found = trace(lambda p, _: jnp.sum(jnp.sin(jax.lax.dot_general(p["a"], p["b"], axes))), {"a": a, "b": b}, None)
    (step,) = [step for step in found.backward if "@" in step.operation]
    (name,) = step.outputs
    numbers = {"a": np.asarray(a), "b": np.asarray(b), "g": np.asarray(found.values[name].gradient)}
    np.testing.assert_allclose(evaluated(step.operation, numbers), found.values[name].value, rtol=1e-5, atol=1e-6)
    assert [each.by for each in step.derivatives] == ["a", "b"]
    for each in step.derivatives:
        gradient = evaluated(each.rule.replace(f"dL/d{name}", "g"), numbers)
        assert np.shape(gradient) == each.value.shape
        np.testing.assert_allclose(gradient, each.value, rtol=1e-5, atol=1e-6)  # sums of at most four
        assert each.local == {"a": "b", "b": "a"}[each.by]
        np.testing.assert_array_equal(each.local_value, numbers[each.local])


@pytest.mark.parametrize(
    ("f", "shown"),
    [
        (lambda p: p[1:3, 0], "params[1:3, 0:1]"),
        (lambda p: p[:, ::2], "params[:, ::2]"),
        (lambda p: p.T, "transpose(params, (1, 0))"),
        (lambda p: p.reshape(-1), "reshape(params, (12,))"),
        (lambda p: jnp.sum(p, axis=1), "sum(params, axis=1)"),
        (lambda p: jnp.max(p, axis=(0, 1)), "max(params)"),
        (lambda p: jnp.maximum(p, -1.0), "max(params, -1)"),
        (lambda p: p + -1.0, "params + (-1)"),
        (lambda p: p**-2, "params**(-2)"),
        (lambda p: jnp.where(p > 1, p, 0.0), "where(v1, params, 0)"),
        (lambda p: jax.lax.select_n(jnp.int32(p), p, p, 2 * p, p), "select_n(v1, params, params, v2, params)"),
    ],
)  # fmt: skip
def test_an_operation_is_written_as_in_python(f, shown):
    found = trace(lambda p, _: jnp.sum(f(p) ** 3), jnp.arange(1.0, 13.0).reshape(4, 3), None)
    assert shown in [step.operation for step in found.forward]


def test_numbers_are_exact_to_their_digits_and_large_arrays_are_summed_up():
    assert in_numbers(np.float32(1 / 3)) == "0.33333"
    assert in_numbers(np.array([[1.0, -2.5], [0.0, np.inf]])) == "[[1, -2.5], [0, inf]]"
    assert in_numbers(np.array([True, False])) == "[True, False]"
    assert in_numbers(np.arange(13.0)) == f"(13,), rms {np.sqrt(np.mean(np.arange(13.0) ** 2)):.5g}"
    assert in_numbers(jax.random.key(0)) == "a random key"
    assert in_numbers(np.arange(3.0), most=1) == "(3,), rms 1.291"
