"""What the papers and docstrings say of rules that see the whole tree, or need more than a gradient."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc.rules import (
    LBFGS,
    MARS,
    AdaHessian,
    AdamW,
    BarzilaiBorwein,
    DAdaptAdamW,
    DoG,
    DoWG,
    MoMo,
    MoMoAdam,
    NoisySGD,
    PolyakSGD,
    Prodigy,
    Sophia,
)
from gdfunc.rules._hutchinson import hessian_diagonal

EPS = float(np.finfo(np.float64).eps)
SHAPES = {"matrix": (3, 4), "scalar": (), "vector": (5,)}


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def tree(seed, scale=1.0):
    random = np.random.default_rng(seed)
    return {name: np.asarray(scale * random.standard_normal(shape)) for name, shape in SHAPES.items()}


GRADIENTS = [tree(seed) for seed in range(12)]
PARAMS = [tree(100 + seed, 0.1) for seed in range(12)]


def run(rule, gradients=GRADIENTS, params=PARAMS, values=None):
    """The updates of a rule on recorded gradients, parameters and losses."""
    state, rows = rule.init(params[0]), []
    step = jax.jit(lambda g, state, p, value: rule.update(g, state, p, value=value))
    for t, (g, p) in enumerate(zip(gradients, params, strict=True)):
        u, state = step(g, state, p, jnp.asarray(2.0 if values is None else values[t]))
        rows.append(u)
    return rows


def descend(rule, f, p, steps):
    """The losses of gradient descent on f."""

    def one(carry, key):
        p, state = carry
        value, g = jax.value_and_grad(f)(p)
        u, state = rule.update(g, state, p, value=value, value_fn=f, grad_fn=jax.grad(f), key=key)
        return (p + u, state), value

    keys = jax.random.split(jax.random.key(0), steps)
    return np.asarray(jax.jit(lambda p: jax.lax.scan(one, (p, rule.init(p)), keys))(p)[1])


def assert_equal(seen, wanted, eps=16):
    for a, b in zip(jax.tree.leaves(seen), jax.tree.leaves(wanted), strict=True):
        assert np.all(np.isfinite(a))
        np.testing.assert_allclose(a, b, rtol=0, atol=eps * EPS * max(float(np.max(np.abs(b))), 1e-300))


# ---------------------------------------------------------------------------------------------------- Polyak and MoMo


def test_half_of_polyaks_denominator_is_newtons_step_in_one_dimension():
    parabola = lambda p: 7.0 * p**2 / 2  # noqa: E731
    losses = descend(PolyakSGD(c=0.5), parabola, jnp.asarray(3.0), 2)
    assert losses[1] <= EPS**2 * losses[0]
    # With c = 1 each step halves the distance.
    np.testing.assert_allclose(descend(PolyakSGD(c=1.0), parabola, jnp.asarray(3.0), 5)[4], losses[0] / 4**4)


def test_polyaks_step_beats_the_best_fixed_rate_where_the_minimum_is_known():
    f = lambda p: jnp.sum(jnp.logspace(0, 3, 20) * p**2) / 2  # noqa: E731
    fixed = descend(gd.rules.SGD(1e-3), f, jnp.ones(20), 1500)[-1]  # 1 / L
    assert descend(PolyakSGD(c=1.0), f, jnp.ones(20), 1500)[-1] < 1e-3 * fixed


def test_below_its_minimum_sps_climbs_and_sps_plus_stays():
    below = [0.5] * 12
    assert all(np.all(u == 0) for row in run(PolyakSGD(f_min=1.0, variant="sps+"), values=below) for u in row.values())
    for row, g in zip(run(PolyakSGD(f_min=1.0), values=below), GRADIENTS, strict=True):
        assert all(np.all(row[name] * g[name] > 0) for name in g)


def test_without_momentum_momo_is_polyaks_rule():
    values = np.linspace(0.1, 3, 12)
    momo = run(MoMo(0.05, beta=0.0, lower_bound=0.3), values=values)
    polyak = run(PolyakSGD(0.05, c=1.0, f_min=0.3, variant="sps+"), values=values)
    # f_bar - gamma + <d, p> is f but for its rounding.
    assert_equal(momo, polyak, 100)


@pytest.mark.parametrize("make", [MoMo, MoMoAdam])
def test_momos_weight_decay_is_a_proximal_step(make):
    """Where the plane lies high above the bound, tau is the rate, and the new parameters are (p - tau d) / (1 + eta lambda)."""
    eta, decay, high = 0.01, 0.5, [1e6] * 12
    plain, decayed = run(make(eta), values=high), run(make(eta, weight_decay=decay), values=high)
    for p, a, b in zip(PARAMS, plain, decayed, strict=True):
        wanted = {name: (p[name] + a[name]) / (1 + eta * decay) - p[name] for name in p}
        assert_equal(b, wanted, 100)


def test_an_adaptive_lower_bound_is_never_below_the_given_one_and_rises_with_the_losses():
    rule = MoMo(0.1, lower_bound=0.5, adapt_lower_bound=True)
    f = lambda p: 3.0 + jnp.sum(p**2)  # noqa: E731
    p = jnp.ones(3)
    state = rule.init(p)
    for _ in range(30):
        value, g = jax.value_and_grad(f)(p)
        u, state = rule.update(g, state, p, value=value)
        p = p + u
        assert float(state.memory.bound) >= 0.5
    assert float(state.memory.bound) > 2.5


# ------------------------------------------------------------------------------------------------------------- noise


def test_the_noise_is_normal_with_the_variance_that_the_paper_gives():
    n, eta, gamma = 20_000, 0.3, 0.55
    rule, p = NoisySGD(1.0, eta=eta, gamma=gamma), {"a": jnp.zeros(n), "b": jnp.zeros(n)}
    state, update = rule.init(p), jax.jit(lambda state, key: rule.update(p, state, key=key))
    for t in range(4):
        u, state = update(state, jax.random.key(t))
        z = np.asarray(u["a"]) / np.sqrt(eta / (1 + t) ** gamma)
        # Five standard errors of the mean, the variance and the fourth moment of so many normal numbers.
        assert abs(np.mean(z)) < 5 / np.sqrt(n)
        assert abs(np.mean(z**2) - 1) < 5 * np.sqrt(2 / n)
        assert abs(np.mean(z**4) - 3) < 5 * np.sqrt(96 / n)
        assert abs(np.corrcoef(u["a"], u["b"])[0, 1]) < 5 / np.sqrt(n)


def test_one_key_gives_the_same_noise_in_every_precision():
    rule, key = NoisySGD(0.1, eta=1.0), jax.random.key(5)
    wide = rule.update(jnp.zeros(50), rule.init(jnp.zeros(50)), key=key)[0]
    for dtype in ("float32", "bfloat16", "float16"):
        zero = jnp.zeros(50, dtype)
        narrow = rule.update(zero, rule.init(zero), key=key)[0]
        assert narrow.dtype == dtype
        np.testing.assert_allclose(np.asarray(narrow, np.float64), wide, atol=float(jnp.finfo(dtype).eps))


# ------------------------------------------------------------------------------------------------ rates found on the way


@pytest.mark.parametrize(
    "rule", [DoG(eps=0.0), DoWG(), Prodigy(eps=0.0), DAdaptAdamW(eps=0.0)], ids=lambda r: type(r).__name__
)
def test_a_rule_without_a_rate_does_not_care_in_which_units_the_loss_is(rule):
    thousandfold = [jax.tree.map(lambda x: 1024 * x, g) for g in GRADIENTS]
    assert_equal(run(rule, thousandfold), run(rule), 64)


@pytest.mark.parametrize("rule", [DoG(), DoWG(), Prodigy(), DAdaptAdamW()], ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("scale", [1e-2, 1e2])
def test_a_rule_without_a_rate_finds_a_minimum_near_or_far(rule, scale):
    f = lambda p: jnp.sum(jnp.array([1.0, 3.0, 10.0]) * (p - scale) ** 2) / scale**2  # noqa: E731
    losses = descend(rule, f, jnp.zeros(3), 2000)
    assert np.min(losses) < 0.01 * losses[0]


@pytest.mark.parametrize("rule", [DoG(), DoWG(), Prodigy(), DAdaptAdamW()], ids=lambda r: type(r).__name__)
def test_the_first_step_follows_the_whole_tree_and_not_each_leaf(rule):
    """Freezing a leaf changes what the others do, for their rate is a number of the whole tree."""
    part = lambda trees: [{"matrix": x["matrix"]} for x in trees]  # noqa: E731
    whole, alone = run(rule), run(rule, part(GRADIENTS), part(PARAMS))
    assert np.max(np.abs(whole[-1]["matrix"] - alone[-1]["matrix"])) > 1e-3 * np.max(np.abs(alone[-1]["matrix"]))


def test_prodigys_d_never_falls():
    rule = Prodigy()
    state, d = rule.init(PARAMS[0]), 0.0
    for g, p in zip(GRADIENTS, PARAMS, strict=True):
        _, state = rule.update(g, state, p)
        assert float(state.memory.d) >= d
        d = float(state.memory.d)
    assert d > rule.first_d


# ------------------------------------------------------------------------------------------------------ second order


@pytest.mark.parametrize("step_size", ["long", "short", "alternating"])
def test_barzilai_and_borwein_need_far_fewer_steps_than_gradient_descent(step_size):
    f = lambda p: jnp.sum(jnp.logspace(0, 3, 100) * p**2) / 2  # noqa: E731
    steps = lambda rule, most: int(np.argmax(descend(rule, f, jnp.ones(100), most) < 1e-8))  # noqa: E731
    few, many = steps(BarzilaiBorwein(1e-3, step_size), 1000), steps(gd.rules.SGD(2 / 1001), 8000)
    assert 0 < 5 * few < many


def test_in_one_dimension_the_secant_is_newtons_step():
    for step_size in ("long", "short", "alternating"):
        losses = descend(BarzilaiBorwein(0.01, step_size), lambda p: 7.0 * p**2 / 2, jnp.asarray(3.0), 3)
        assert losses[2] < 1e-25 * losses[0]


def test_hutchinsons_estimate_is_exact_for_a_diagonal_and_right_on_average_for_any_hessian():
    random = np.random.default_rng(0)
    A = random.normal(size=(6, 6))
    A = jnp.asarray(A + A.T)
    keys = jax.random.split(jax.random.key(0), 4000)
    estimate = lambda H: np.asarray(jax.vmap(lambda k: hessian_diagonal(lambda p: H @ p, jnp.ones(6), k))(keys))  # noqa: E731
    diagonal = jnp.diag(jnp.diag(A))
    assert np.all(estimate(diagonal) == np.diag(A))
    # The variance of an entry is the sum of its row's other squares.
    error = np.sqrt(np.sum((A - diagonal) ** 2, axis=1) / len(keys))
    assert np.all(np.abs(estimate(A).mean(axis=0) - np.diag(A)) < 5 * error)


def test_on_a_diagonal_quadratic_adahessian_is_newtons_method():
    curvatures = jnp.logspace(0, 3, 6)
    losses = descend(AdaHessian(1.0, b1=0.0, b2=0.9, eps=0.0), lambda p: jnp.sum(curvatures * p**2), jnp.ones(6), 2)
    assert losses[1] < 1e-25 * losses[0]


@pytest.mark.parametrize(("average", "axes"), [("leading", (0, 1)), ("trailing", (2, 3)), ("none", ())])
def test_adahessian_averages_over_a_kernels_places_and_leaves_matrices_alone(average, axes):
    random = np.random.default_rng(0)
    h = {name: jnp.asarray(random.uniform(1, 2, shape)) for name, shape in {"k": (3, 2, 4, 5), "w": (4, 5)}.items()}
    rule, p = AdaHessian(b2=0.0, average=average), jax.tree.map(jnp.ones_like, h)
    grad_fn = lambda q: jax.tree.map(jnp.multiply, h, q)  # noqa: E731
    _, state = rule.update(p, rule.init(p), p, grad_fn=grad_fn, key=jax.random.key(0))
    kernel = np.broadcast_to(np.mean(h["k"], axis=axes, keepdims=True), h["k"].shape) if axes else h["k"]
    np.testing.assert_allclose(np.sqrt(state.memory.v["k"]), kernel, rtol=1e-12)
    np.testing.assert_allclose(np.sqrt(state.memory.v["w"]), h["w"], rtol=1e-12)


def test_sophia_moves_no_parameter_farther_than_its_rate_and_looks_at_the_hessian_every_k_steps():
    rule, p = Sophia(0.01, weight_decay=0.0, update_interval=3), jnp.linspace(-2, 2, 9)
    looked = []

    def grad_fn(q):
        jax.debug.callback(lambda: looked.append(1))
        return q**3

    state, counts, step = rule.init(p), [], jax.jit(lambda s, p, k: rule.update(p**3, s, p, grad_fn=grad_fn, key=k))
    for t in range(8):
        u, state = step(state, p, jax.random.key(t))
        jax.effects_barrier()
        counts.append(len(looked))
        assert np.all(np.abs(u) <= 0.01 * (1 + 1e-12))
    assert np.array_equal(np.diff([0, *counts]) > 0, [True, False, False, True, False, False, True, False])


# ------------------------------------------------------------------------------------------------ variance reduction


def test_mars_without_its_correction_is_adamw():
    small = [jax.tree.map(lambda x: 0.1 * x, g) for g in GRADIENTS]
    mars = MARS(0.01, b1=0.9, b2=0.99, gamma=0.0, weight_decay=0.1)
    assert_equal(run(mars, small), run(AdamW(0.01, b1=0.9, b2=0.99, weight_decay=0.1, decay="rate"), small))


def test_on_whole_batches_the_exact_and_the_approximate_change_are_one():
    f = lambda p: jnp.sum(jnp.cosh(p - 1))  # noqa: E731
    runs = [descend(MARS(0.05, gamma=0.5, change=change), f, jnp.zeros(5), 50) for change in ("exact", "approximate")]
    np.testing.assert_allclose(*runs, rtol=1e-12)


def test_mars_clips_each_leaf_to_its_norm():
    large = [jax.tree.map(lambda x: 1e3 * x, g) for g in GRADIENTS[:1]]
    rule = MARS(0.01, b1=0.0, b2=0.0)
    _, state = rule.update(large[0], rule.init(PARAMS[0]), PARAMS[0])
    for c in state.memory.m.values():
        np.testing.assert_allclose(np.linalg.norm(c), 1, rtol=1e-12)


def test_parameters_that_stand_still_have_no_exact_change_whatever_the_batches_noise():
    noise = jnp.asarray(np.random.default_rng(0).normal(size=(50, 1)))

    def averages(gamma, change):
        rule, p = MARS(0.0, gamma=gamma, max_norm=1e9, change=change), jnp.ones(1)

        def one(state, n):
            grad_fn = lambda q: q + n  # noqa: E731
            _, state = rule.update(grad_fn(p), state, p, grad_fn=grad_fn)
            return state, state.memory.m

        return np.asarray(jax.lax.scan(one, rule.init(p), noise)[1])

    assert np.array_equal(averages(1.0, "exact"), averages(0.0, "exact"))
    assert np.std(averages(1.0, "approximate")) > 2 * np.std(averages(0.0, "approximate"))


@pytest.mark.parametrize("make", [LBFGS, Sophia])
def test_whole_numbers_below_one_are_refused(make):
    fields = {"LBFGS": ("memory_size", "trials"), "Sophia": ("update_interval",)}[make.__name__]
    given = {field.name: 0.1 for field in dataclasses.fields(make) if field.default is dataclasses.MISSING}
    for name in fields:
        with pytest.raises(ValueError, match=rf"^{make.__name__} needs {name} >= 1"):
            make(**given, **{name: 0})
