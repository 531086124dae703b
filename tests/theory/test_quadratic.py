"""Rates, best settings and worst cases on quadratics, and what noise leaves: against formulas, and against runs."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _numbers import normal

from gdfunc import rules, theory
from gdfunc.core import apply_updates

K = 100.0
BEST = {
    "gradient descent": (theory.best_gradient_descent, 0.9802),
    "nesterov": (theory.best_nesterov, 0.8847),
    "heavy ball": (theory.best_heavy_ball, 0.8182),
}


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


def run(rule, grad, start, steps):
    """The parameters after every step."""

    def one(carry, _):
        p, state = carry
        updates, state = rule.update(grad(p), state, p)
        return (p := apply_updates(p, updates), state), p

    return jax.jit(lambda p: jax.lax.scan(one, (p, rule.init(p)), length=steps)[1])(start)


@pytest.mark.parametrize("name", BEST)
def test_the_best_settings_have_the_published_rate_which_a_run_has(name):
    make, published = BEST[name]  # Lessard et al. 2016, at a condition number of 100
    best = make(1.0, K)
    assert best.rate == pytest.approx(published, abs=5e-5)
    h = jnp.logspace(0, 2, 200)
    # The two roots of heavy ball coincide at both ends: A has no basis, and its powers are t rho^t.
    assert float(theory.convergence_rate(best.rule, h)) == pytest.approx(best.rate, abs=1e-5)
    size = jnp.linalg.norm(run(best.rule, lambda p: h * p, jnp.asarray(normal(0, 200), float), 800), axis=1)
    # t rho^t gains (800 / 401)^(1 / 399), 0.17 %, on the power alone.
    assert float((size[-1] / size[400]) ** (1 / 399)) == pytest.approx(best.rate, rel=2.5e-3)


@pytest.mark.parametrize("name", BEST)
def test_no_other_settings_are_better(name):
    best = BEST[name][0](1.0, K)
    rate = lambda rule: float(theory.convergence_rate(rule, jnp.logspace(0, 2, 200)))  # noqa: E731
    for factor in (0.97, 1.03):
        assert rate(dataclasses.replace(best.rule, learning_rate=best.rule.learning_rate * factor)) > best.rate
        if name != "gradient descent":
            assert rate(dataclasses.replace(best.rule, momentum=best.rule.momentum * factor)) > best.rate


def test_the_rate_is_read_off_any_rule():
    h = jnp.array([1.0, 4.0])
    assert float(theory.convergence_rate(optax.sgd(0.3), h)) == pytest.approx(0.7, rel=1e-9)
    assert float(theory.convergence_rate(rules.SGD(0.3), 4.0)) == pytest.approx(0.2, rel=1e-9)
    slope = jax.grad(lambda eta: theory.convergence_rate(rules.SGD(eta), h))(0.3)
    assert float(slope) == pytest.approx(-1.0, rel=1e-6)


def test_hubers_function_is_gradient_descents_worst():
    steps, smoothness, distance = 10, 3.0, 2.0
    tau = distance / (2 * steps + 1)
    slope = lambda p: smoothness * jnp.clip(p, -tau, tau)  # noqa: E731
    x = run(rules.SGD(1 / smoothness), slope, jnp.array(distance), steps)[-1]
    worst = smoothness * (tau * abs(x) - tau**2 / 2)
    assert float(worst) == pytest.approx(theory.gradient_descent_bound(smoothness, distance, steps), rel=1e-12)


def test_nesterovs_worst_function_lies_between_the_bounds():
    n, steps = 201, 100
    hessian = (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)) / 4  # L = 1
    first = np.zeros(n)
    first[0] = 0.25
    minimum = np.linalg.solve(hessian, first)
    loss = lambda x: x @ hessian @ x / 2 - first @ x  # noqa: E731
    x, y, theta = np.zeros(n), np.zeros(n), 1.0
    for t in range(1, steps + 1):
        after, larger = y - (hessian @ y - first), (1 + math.sqrt(1 + 4 * theta**2)) / 2
        x, y, theta = after, after + (theta - 1) / larger * (after - x), larger
        left = loss(x) - loss(minimum)
        distance = np.linalg.norm(minimum)
        assert left <= theory.nesterov_bound(1.0, distance, t)
    assert left >= theory.first_order_lower_bound(1.0, distance, steps)  # of 2 steps + 1 dimensions


def test_steepest_descent_keeps_its_worst_factor_at_every_step():
    h = np.array([1.0, 10.0])
    x = np.array([10.0, 1.0])
    for _ in range(5):
        g = h * x
        before, x = h @ x**2, x - (g @ g) / (g @ (h * g)) * g
        assert h @ x**2 / before == pytest.approx(theory.steepest_descent_factor(10.0), rel=1e-9)


def test_conjugate_gradients_keep_their_bound():
    h = np.geomspace(1, 1000, 20)
    x = np.asarray(normal(0, 20), np.float64)
    start, r = h @ x**2, -h * x
    d = r
    for t in range(1, 16):
        step = (r @ r) / (d @ (h * d))
        x, after = x + step * d, r - step * h * d
        d, r = after + (after @ after) / (r @ r) * d, after
        assert math.sqrt(h @ x**2 / start) <= theory.conjugate_gradient_bound(1000.0, t)
    assert theory.conjugate_gradient_bound(4.0, 2) == pytest.approx(2 / 9)


@pytest.mark.parametrize("b", [0.0, 0.5, 0.9])
def test_the_stationary_variance_is_the_formulas(b):
    eta, h, s2 = 0.1, 2.0, 3.0
    heavy = eta * (1 + b) * s2 / (h * (1 - b) * (2 * (1 + b) - eta * h))
    rule = rules.SGD(eta) if b == 0 else rules.HeavyBall(eta, b)
    assert float(theory.stationary_variance(rule, h, s2)) == pytest.approx(heavy, rel=1e-9)


@pytest.mark.parametrize("rule", [rules.SGD(0.3, momentum=0.8, nesterov=True), optax.adam(0.1, b1=0.7)])
def test_noisy_runs_keep_that_variance(rule):
    # Adam's preconditioner is held at 1 in theory: so it is here, by squares that are averaged for ever.
    held = rule if isinstance(rule, rules.SGD) else optax.chain(optax.ema(0.7, debias=False), optax.scale(-0.1))
    h, chains, steps = 1.5, 2000, 600
    noise = jnp.asarray(normal(0, steps, chains), float)

    def one(carry, e):
        p, state = carry
        updates, state = held.update(h * p + e, state, p)
        return (apply_updates(p, updates), state), jnp.mean(p**2)

    p = jnp.zeros(chains)
    seen = jnp.mean(jax.jit(lambda p: jax.lax.scan(one, (p, held.init(p)), noise)[1])(p)[100:])
    # Some 2000 x 500 / 10 independent looks at a square: a hundredth and less.
    assert float(theory.stationary_variance(rule, h, 1.0)) == pytest.approx(float(seen), rel=0.02)


def test_beyond_the_limit_there_is_none():
    assert float(theory.stationary_variance(rules.SGD(1.1), 2.0, 1.0)) == math.inf
    assert float(theory.stationary_variance(rules.SGD(0.9), 2.0, 0.0)) == 0


def test_half_of_the_best_step_at_the_noise_scale():
    assert theory.batch_efficiency(20, 20.0) == 0.5
    assert theory.batch_efficiency(4, 34.6809) == pytest.approx(0.10341, abs=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: theory.best_heavy_ball(0.0, 1.0), "best_heavy_ball needs smallest > 0"),
        (lambda: theory.best_nesterov(2.0, 1.0), "best_nesterov needs largest >= 2"),
        (lambda: theory.gradient_descent_bound(-1.0, 1.0, 1), "smoothness > 0"),
        (lambda: theory.nesterov_bound(1.0, 1.0, -1), "steps >= 0"),
        (lambda: theory.conjugate_gradient_bound(0.5, 1), "condition >= 1"),
        (lambda: theory.steepest_descent_factor(math.nan), "condition >= 1"),
        (lambda: theory.batch_efficiency(0, 1.0), "batch > 0"),
        (lambda: theory.stationary_variance(rules.SGD(0.1), -1.0, 1.0), "curvature > 0"),
        (lambda: theory.stationary_variance(rules.SGD(0.1), 1.0, -1.0), "noise_variance >= 0"),
        (lambda: theory.convergence_rate(rules.SGD, 1.0), "convergence_rate needs a rule"),
        (lambda: theory.convergence_rate(rules.LBFGS(), 1.0), "convergence_rate needs a rule of gradients"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
