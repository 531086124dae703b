"""Curvature: against explicit Hessians and their eigenvalues, in float64."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import gdfunc as gd
from gdfunc import theory
from gdfunc.core import RuleState, chain
from gdfunc.gradients import hessian_vector_product
from gdfunc.instruments._curvature import top_eigenvalue
from gdfunc.instruments._lanczos import lanczos
from gdfunc.instruments._spectrum import SpectralDensity, hessian_trace, smooth_density, spectral_density
from gdfunc.instruments._stability import adam_preconditioner, sharpness_ratio
from gdfunc.rules import SGD, Adam, AdamW, HeavyBall

EPS = np.finfo(np.float64).eps


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def network():
    """A loss whose Hessian has both signs, its parameters and batch."""
    rng = np.random.default_rng(0)
    params = {"a": jnp.asarray(rng.normal(size=(3, 4))), "b": [jnp.asarray(rng.normal(size=(4, 2))), jnp.zeros(2)]}
    batch = jnp.asarray(rng.normal(size=(8, 3))), jnp.asarray(rng.normal(size=(8, 2)))

    def loss(p, batch):
        x, y = batch
        return jnp.mean((jnp.tanh(x @ p["a"]) @ p["b"][0] + p["b"][1] - y) ** 2)

    return loss, params, batch


def explicit(loss, params, batch):
    """The Hessian as a NumPy matrix, in the order of `ravel_pytree`."""
    flat, unravel = ravel_pytree(params)
    return np.asarray(jax.hessian(lambda q: loss(unravel(q), batch))(flat))


def quadratic(eigenvalues, seed=0):
    """A loss on a tree of two leaves whose Hessian has these eigenvalues; with the Hessian."""
    n = len(eigenvalues)
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    H = Q @ np.diag(eigenvalues) @ Q.T
    loss = lambda p, batch: 0.5 * jnp.concatenate([p["a"], p["b"]]) @ jnp.asarray(H) @ jnp.concatenate([p["a"], p["b"]])  # noqa: E731
    return loss, {"a": jnp.ones(2), "b": jnp.ones(n - 2)}, H


def like(params, seed=1):
    flat, unravel = ravel_pytree(params)
    return unravel(jnp.asarray(np.random.default_rng(seed).normal(size=flat.size), flat.dtype))


def flat(tree):
    return np.asarray(ravel_pytree(tree)[0])


@pytest.mark.parametrize("eigenvalues", [[5, 2, 1, 0.1, 0], [1, 0.5, 0.2, -4, 0.1]], ids=["highest", "lowest"])
def test_power_iteration_finds_the_eigenvalue_of_largest_magnitude(eigenvalues):
    loss, params, H = quadratic(eigenvalues)
    find = jax.jit(lambda p, v: top_eigenvalue(loss, p, None, v, 200, 1e-9))
    top = find(params, like(params))
    true = max(eigenvalues, key=abs)
    # The Rayleigh quotient's error is of second order in the residual.
    np.testing.assert_allclose(top.value, true, rtol=1e-14)
    assert top.residual <= 1e-9
    np.testing.assert_allclose(H @ flat(top.vector), true * flat(top.vector), atol=1e-8)
    np.testing.assert_allclose(np.linalg.norm(flat(top.vector)), 1, rtol=4 * EPS)


def test_the_residual_is_that_of_the_direction_measured_and_bounds_the_error():
    loss, params, batch = network()
    H, v = explicit(loss, params, batch), like(params)
    for products in (1, 2, 5, 9):
        top = top_eigenvalue(loss, params, batch, v, products, 0.0)
        u = np.linalg.matrix_power(H, products - 1) @ flat(v)
        u /= np.linalg.norm(u)
        assert top.products == products
        np.testing.assert_allclose(top.value, u @ H @ u, rtol=1e-9)
        np.testing.assert_allclose(top.residual, np.linalg.norm(H @ u - (u @ H @ u) * u) / abs(u @ H @ u), rtol=1e-9)
        assert np.min(np.abs(np.linalg.eigvalsh(H) - top.value)) <= top.residual * abs(top.value)


def test_one_product_a_call_converges_when_each_starts_from_the_last():
    loss, params, batch = network()
    vector = like(params)
    once = jax.jit(lambda v: top_eigenvalue(loss, params, batch, v, 1))
    for _ in range(200):
        value, vector, residual, products = once(vector)
    assert products == 1
    assert residual < 1e-6
    np.testing.assert_allclose(value, np.linalg.eigvalsh(explicit(loss, params, batch))[-1], rtol=1e-10)


def test_it_stops_at_the_tolerance_and_not_before():
    loss, params, batch = network()
    top = top_eigenvalue(loss, params, batch, like(params), 1000, 1e-3)
    assert 1 < top.products < 1000
    assert top.residual <= 1e-3
    assert top_eigenvalue(loss, params, batch, like(params), int(top.products) - 1, 1e-3).residual > 1e-3
    assert top_eigenvalue(loss, params, batch, top.vector, 1000, 1e-3).products == 1


def test_two_opposite_eigenvalues_leave_a_large_residual():
    loss, params, _ = quadratic([3, -3, 1])
    assert top_eigenvalue(loss, params, None, like(params), 100).residual > 0.1


def test_a_preconditioner_gives_the_eigenvalue_of_the_preconditioned_hessian():
    loss, params, batch = network()
    P = jax.tree.map(lambda x: 0.5 + x**2, like(params, seed=2))
    true = np.linalg.eigvals(np.diag(1 / flat(P)) @ explicit(loss, params, batch)).real
    top = top_eigenvalue(loss, params, batch, like(params), 2000, 1e-8, P)
    np.testing.assert_allclose(top.value, true[np.argmax(np.abs(true))], rtol=1e-12)


def test_without_curvature_the_value_is_zero_and_the_direction_stays():
    v = like(jnp.zeros(3))
    top = top_eigenvalue(lambda p, batch: jnp.sum(p), jnp.ones(3), None, v)
    assert (top.value, top.residual, top.products) == (0, 0, 1)
    np.testing.assert_allclose(top.vector, v / np.linalg.norm(v), rtol=4 * EPS)


def test_a_nan_is_reported_and_does_not_spoil_the_next_start():
    loss, params, batch = network()
    x, y = batch
    top = top_eigenvalue(loss, params, (x.at[0, 0].set(jnp.nan), y), like(params))
    assert jnp.isnan(top.value)
    assert jnp.isnan(top.residual)
    assert np.all(np.isfinite(flat(top.vector)))


def test_many_at_once_are_each_as_alone():
    loss, params, batch = network()
    starts = jax.tree.map(lambda *x: jnp.stack(x), *(like(params, seed) for seed in range(3)))
    many = jax.jit(jax.vmap(lambda v: top_eigenvalue(loss, params, batch, v, 500, 1e-5)))(starts)
    for i in range(3):
        alone = top_eigenvalue(loss, params, batch, jax.tree.map(lambda x, i=i: x[i], starts), 500, 1e-5)
        np.testing.assert_allclose(many.value[i], alone.value, rtol=1e-12)
        assert many.products[i] == alone.products


RULES = [
    SGD(0.1),
    SGD(0.1, momentum=0.9),
    SGD(0.1, momentum=0.9, dampening=0.5, momentum_at="before_rate"),
    SGD(0.1, momentum=0.9, nesterov=True),
    SGD(0.1, momentum=0.8, dampening=0.6, nesterov=True),
    HeavyBall(0.1, momentum=0.5),
]


@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_the_ratio_is_1_where_the_rule_begins_to_diverge(rule):
    limit = 1 / sharpness_ratio(1.0, rule)

    def after(curvature):
        def step(carry, _):
            p, state = carry
            u, state = rule.update(curvature * p, state, p)
            return (p + u, state), None

        p = jnp.ones(())
        return abs(jax.lax.scan(step, (p, rule.init(p)), None, length=1000)[0][0])

    # Plain descent, the slowest, multiplies by 0.98 or 1.02 a step.
    assert after(0.99 * limit) < 1e-4
    assert after(1.01 * limit) > 1e4


@pytest.mark.parametrize("rule", [*RULES, Adam(0.01, b1=0.7)], ids=repr)
def test_the_limit_in_closed_form_is_the_one_that_theory_reads_off_the_rule(rule):
    ratio = sharpness_ratio(theory.stability_limit(rule), rule, preconditioned=isinstance(rule, Adam))
    np.testing.assert_allclose(ratio, 1, rtol=1e-5)


@pytest.mark.parametrize("b1", [0.9, 0.5])
def test_adams_ratio_is_1_where_adam_with_its_preconditioner_held_begins_to_diverge(b1):
    rule = Adam(0.01, b1=b1, b2=1 - 1e-12, eps=1e-3)
    # So far on that nothing but the gradient changes, which is too small to move v.
    held = RuleState(jnp.asarray(2**31 - 2, jnp.int32), Adam.Memory(m=jnp.zeros(()), v=jnp.asarray(4.0)))
    held = held._replace(memory=held.memory._replace(v=held.memory.v * -np.expm1((2**31 - 2) * np.log(1 - 1e-12))))
    P = adam_preconditioner(rule, held)
    limit = float(P) / sharpness_ratio(1.0, rule, preconditioned=True)
    if b1 == 0.9:
        np.testing.assert_allclose(limit / P, 38 / 0.01, rtol=1e-12)

    def after(curvature):
        def step(carry, _):
            p, state = carry
            u, state = rule.update(curvature * p, state, p)
            return (p + u, state), None

        return abs(jax.lax.scan(step, (jnp.asarray(1e-30), held), None, length=100)[0][0]) / 1e-30

    assert after(0.99 * limit) < 0.1
    assert after(1.01 * limit) > 10


@pytest.mark.parametrize("eps_at", ["outside", "inside", "before_debias"])
@pytest.mark.parametrize("debias", ["exact", "none"])
def test_adam_steps_along_its_average_gradient_over_the_preconditioner(eps_at, debias):
    halving = gd.schedules.Exponential(0.1, 0.5, 2)
    rule = Adam(halving, eps=halving, eps_at=eps_at, debias=debias)
    params = {"a": jnp.ones(3), "b": jnp.ones(2)}
    state = rule.init(params)
    for seed in range(3):
        u, state = rule.update(like(params, seed), state, params)
    P = adam_preconditioner(rule, state)
    expected = jax.tree.map(lambda m, P: -rule.at(2).learning_rate * m / P, state.memory.m, P)
    np.testing.assert_allclose(flat(u), flat(expected), rtol=8 * EPS)


def test_there_is_no_ratio_where_the_limit_is_unknown_or_of_another_matrix():
    for rule in (AdamW(0.1), chain(SGD(0.1)), optax.sgd(0.1), Adam(0.1)):
        assert sharpness_ratio(1.0, rule) is None
    assert sharpness_ratio(1.0, SGD(0.1), preconditioned=True) is None


def test_the_ratio_follows_schedules_and_maps_over_rules():
    scheduled = SGD(lambda step: 0.1 / (1 + step))
    np.testing.assert_allclose(sharpness_ratio(10.0, scheduled, step=4), 10 * 0.02 / 2, rtol=4 * EPS)
    rates = jnp.asarray([0.1, 0.2])
    many = jax.jit(jax.vmap(lambda rate: sharpness_ratio(10.0, SGD(rate, momentum=0.5))))(rates)
    np.testing.assert_allclose(many, 10 * rates / 3, rtol=4 * EPS)


def test_the_trace_of_each_leafs_block_is_found_within_its_standard_error():
    loss, params, batch = network()
    H, probes = explicit(loss, params, batch), 4000
    found = jax.jit(lambda key: hessian_trace(loss, params, batch, key, probes))(jax.random.key(0))
    sizes = [x.size for x in jax.tree.leaves(params)]
    starts = np.cumsum([0, *sizes])
    blocks = [np.trace(H[i:j, i:j]) for i, j in itertools.pairwise(starts)]
    leaves, errors = flat(found.leaves), flat(found.errors)
    assert np.all(np.abs(leaves - blocks) <= 4 * errors)
    np.testing.assert_allclose(found.total, np.sum(leaves), rtol=1e-12)
    variance = 2 * np.sum((H - np.diag(np.diag(H))) ** 2)
    # The estimate of a standard deviation from 4000 draws is good to about 1 / sqrt(2 * 4000) = 1.1 %: five of them.
    np.testing.assert_allclose(found.total_error, np.sqrt(variance / probes), rtol=0.06)
    assert abs(found.total - np.trace(H)) <= 4 * found.total_error


def test_the_trace_of_a_diagonal_hessian_is_exact():
    loss = lambda p, batch: jnp.sum(p["a"] ** 2) + 1.5 * p["b"] ** 2  # noqa: E731
    found = hessian_trace(loss, {"a": jnp.ones(4), "b": jnp.ones(())}, None, jax.random.key(0), 3)
    assert (found.leaves["a"], found.leaves["b"], found.total, found.total_error) == (8, 3, 11, 0)


def test_one_probe_has_no_error_and_a_nan_is_seen():
    loss, params, batch = network()
    one = hessian_trace(loss, params, batch, jax.random.key(0), 1)
    assert jnp.isfinite(one.total)
    assert jnp.isnan(one.total_error)
    assert jnp.isnan(hessian_trace(loss, params, (batch[0] * jnp.nan, batch[1]), jax.random.key(0)).total)


def test_as_many_lanczos_steps_as_dimensions_find_every_eigenvalue():
    loss, params, batch = network()
    H, start = explicit(loss, params, batch), like(params)
    found = jax.jit(lambda v: lanczos(lambda u: hessian_vector_product(loss, params, u, batch), v, len(H)))(start)
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(H), atol=1e-12 * np.linalg.norm(H))
    np.testing.assert_allclose(found.basis @ found.basis.T, np.eye(len(H)), atol=1e-13)
    ritz = found.basis.T @ found.vectors
    np.testing.assert_allclose(H @ ritz, ritz * found.values, atol=1e-11)
    np.testing.assert_allclose(found.weights, (ritz.T @ flat(start)) ** 2 / np.sum(flat(start) ** 2), atol=1e-13)


def test_lanczos_errors_bound_the_distance_to_an_eigenvalue():
    loss, params, batch = network()
    H = explicit(loss, params, batch)
    found = lanczos(lambda u: hessian_vector_product(loss, params, u, batch), like(params), 8)
    away = np.min(np.abs(np.linalg.eigvalsh(H)[:, None] - found.values), axis=0)
    assert np.all(away <= found.errors + 1e-12)
    assert found.errors[-1] < 0.1 * found.values[-1]
    ritz = found.basis.T @ found.vectors
    np.testing.assert_allclose(np.linalg.norm(H @ ritz - ritz * found.values, axis=0), found.errors, atol=1e-11)


def test_in_single_precision_a_found_eigenvalue_does_not_come_back():
    eigenvalues = np.concatenate([np.linspace(0, 1, 97), [100, 200, 400]])
    A = jnp.asarray(np.diag(eigenvalues), jnp.float32)
    start = jnp.asarray(np.random.default_rng(0).normal(size=100), jnp.float32)
    found = lanczos(lambda v: A @ v, start, 60)
    assert found.values.dtype == jnp.float32
    # Rounding is about 400 * eps = 5e-5; without full orthogonality 400 stands there several times.
    np.testing.assert_allclose(found.values[-3:], [100, 200, 400], rtol=1e-5)
    assert np.all(found.values[:-3] < 1.001)


def test_an_exhausted_space_adds_nothing():
    A = jnp.diag(jnp.asarray([3.0, -2.0, 5.0, 7.0]))
    found = lanczos(lambda v: A @ v, jnp.asarray([1.0, 2.0, 0.0, 0.0]), 4)
    np.testing.assert_allclose(found.values, [-2, 0, 0, 3], atol=1e-14)
    np.testing.assert_allclose(found.weights[jnp.asarray([0, 3])], [0.8, 0.2], rtol=1e-14)
    np.testing.assert_allclose(np.sum(found.weights[1:3]), 0, atol=1e-28)
    np.testing.assert_allclose(found.errors, 0, atol=1e-14)


def test_lanczos_of_a_nan_is_nan():
    A = jnp.diag(jnp.asarray([3.0, jnp.nan, 5.0]))
    assert np.all(np.isnan(lanczos(lambda v: A @ v, jnp.ones(3), 2).values))


def test_the_density_has_the_spectrums_moments():
    loss, params, batch = network()
    H, probes = explicit(loss, params, batch), 400
    density = jax.jit(lambda key: spectral_density(loss, params, batch, key, 6, probes))(jax.random.key(0))
    assert density.nodes.shape == density.weights.shape == (probes, 6)
    np.testing.assert_allclose(np.sum(density.weights), 1, rtol=1e-12)
    for power in (1, 2, 3):
        each = np.sum(probes * density.weights * density.nodes**power, axis=1)
        error = np.std(each) / np.sqrt(probes)
        true = np.trace(np.linalg.matrix_power(H, power)) / len(H)
        assert abs(np.mean(each) - true) < 4 * error
        assert error < 0.2 * abs(true)


def test_each_probes_quadrature_is_exact_up_to_degree_2k_minus_1():
    H = np.diag(np.arange(1.0, 9.0))
    start = np.random.default_rng(0).normal(size=8)
    found = lanczos(lambda v: jnp.asarray(H) @ v, jnp.asarray(start), 3)
    exact = [start @ np.linalg.matrix_power(H, k) @ start / (start @ start) for k in range(7)]
    quadrature = [np.sum(found.weights * found.values**k) for k in range(7)]
    np.testing.assert_allclose(quadrature[:6], exact[:6], rtol=1e-12)
    assert abs(quadrature[6] / exact[6] - 1) > 1e-5


def test_a_multiple_of_the_identity_has_one_node():
    loss = lambda p, batch: 1.5 * jnp.sum(p**2)  # noqa: E731
    density = spectral_density(loss, jnp.ones(5), None, jax.random.key(0), 3, 2)
    np.testing.assert_allclose(np.sum(jnp.where(abs(density.nodes - 3) < 1e-12, density.weights, 0)), 1, rtol=1e-12)


def test_the_smooth_density_is_a_sum_of_gaussians_and_integrates_to_1():
    nodes, weights = np.array([[0.0, 1.0], [2.0, 5.0]]), np.array([[0.4, 0.1], [0.2, 0.3]])
    grid = np.linspace(-5, 10, 3001)
    found = jax.jit(smooth_density)(SpectralDensity(jnp.asarray(nodes), jnp.asarray(weights)), grid, 0.3)
    bells = np.exp(-((grid[:, None] - nodes.ravel()) ** 2) / (2 * 0.3**2)) / (0.3 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found, bells @ weights.ravel(), atol=1e-15)
    np.testing.assert_allclose(np.sum(found) * (grid[1] - grid[0]), 1, rtol=1e-10)


def test_the_spectrum_of_many_models_at_once_is_each_as_alone():
    loss, params, batch = network()
    many = jax.tree.map(lambda p: jnp.stack([p, 0.5 * p]), params)

    def everything(p):
        product = lambda v: hessian_vector_product(loss, p, v, batch)  # noqa: E731
        density = spectral_density(loss, p, batch, jax.random.key(0), 4, 2)
        found = lanczos(product, like(params), 4)
        return (
            *hessian_trace(loss, p, batch, jax.random.key(1), 3)[2:],
            jnp.sum(found.values**2),
            jnp.sum(found.errors),
            jnp.sum(density.nodes**2),
            jnp.sum(smooth_density(density, jnp.linspace(-1, 5, 20), 0.5)),
        )

    together = jax.jit(jax.vmap(everything))(many)
    for i in range(2):
        alone = everything(jax.tree.map(lambda p, i=i: p[i], many))
        np.testing.assert_allclose([x[i] for x in together], alone, rtol=1e-9)


def test_leaves_of_different_precision_keep_theirs_and_are_summed_in_at_least_single():
    loss = lambda p, batch: 2 * jnp.sum(p["a"].astype(jnp.float32) ** 2) + jnp.sum(p["b"] ** 2)  # noqa: E731
    params = {"a": jnp.ones(3, jnp.bfloat16), "b": jnp.ones(2, jnp.float32)}
    top = top_eigenvalue(loss, params, None, like(params), 100)
    assert jax.tree.map(lambda x: x.dtype, top.vector) == jax.tree.map(lambda x: x.dtype, params)
    assert top.value.dtype == top.residual.dtype == jnp.float32
    np.testing.assert_allclose(top.value, 4, rtol=0.02)  # the rounding of bfloat16
    density = spectral_density(loss, params, None, jax.random.key(0), 2)
    assert density.nodes.dtype == jnp.float32
    nodes = jnp.broadcast_to(jnp.asarray([2.0, 4.0]), (4, 2))
    np.testing.assert_allclose(density.nodes, nodes, rtol=0.02)  # the same
    assert hessian_trace(loss, params, None, jax.random.key(0)).total == 16  # 1 and -1 have no rounding


def test_lanczos_in_half_precision_multiplies_in_half_and_computes_in_single():
    given = []

    def matvec(v):
        given.append(v.dtype)
        return v * jnp.asarray([1.0, 2.0, 3.0], jnp.bfloat16)

    found = lanczos(matvec, jnp.ones(3, jnp.bfloat16), 3)
    assert set(given) == {jnp.dtype(jnp.bfloat16)}
    assert found.values.dtype == jnp.float32
    np.testing.assert_allclose(found.values, [1, 2, 3], rtol=0.02)  # the rounding of bfloat16


def total(p, batch):
    return jnp.sum(p**2)


V, KEY = np.ones(3), 0
WRONG = [
    (lambda: top_eigenvalue(total, jnp.ones(3), None, jnp.ones(2)), "top_eigenvalue needs params and vector"),
    (lambda: top_eigenvalue(total, V, None, V, 0), "top_eigenvalue needs iterations >= 1, and was given iterations=0"),
    (lambda: top_eigenvalue(total, V, None, V, 1, 0.1, (V,)), "top_eigenvalue needs params and preconditioner alike"),
    (lambda: hessian_trace(total, V, None, jax.random.key(0), 0), "hessian_trace needs probes >= 1"),
    (lambda: lanczos(lambda v: v, V, 0), "lanczos needs steps >= 1, and was given steps=0"),
    (lambda: spectral_density(total, V, None, jax.random.key(0), 3, 0), "spectral_density needs probes >= 1"),
    (lambda: adam_preconditioner(SGD(0.1), None), "adam_preconditioner needs an Adam, and was given SGD("),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_mistake_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
