"""What is proved of methods that see curvature: exact on quadratics, fast near a minimum, and never upwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc.rules import BFGS, LBFGS, Newton, NonlinearCG, TrustRegionNewton

EPS = float(np.finfo(np.float64).eps)


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def path(rule, f, p, steps):
    """The parameters before each step, and the last, of gradient descent on f."""

    def one(carry, _):
        p, state = carry
        value, g = jax.value_and_grad(f)(p)
        u, state = rule.update(g, state, p, value=value, value_fn=f, grad_fn=jax.grad(f))
        return (gd.apply_updates(p, u), state), p

    (last, _), before = jax.jit(lambda p: jax.lax.scan(one, (p, rule.init(p)), length=steps))(p)
    return jax.tree.map(lambda many, end: np.concatenate([many, end[None]]), before, last)


def random_quadratic(n):
    """A positive definite matrix with curvatures from 0.1 to 10, and where it is least."""
    random = np.random.default_rng(0)
    Q = np.linalg.qr(random.normal(size=(n, n)))[0]
    return jnp.asarray(Q @ np.diag(np.logspace(-1, 1, n)) @ Q.T), jnp.asarray(random.normal(size=n))


def quadratic(n):
    A, minimum = random_quadratic(n)
    return lambda p: (p - minimum) @ A @ (p - minimum) / 2


# ------------------------------------------------------------------------------------------------------------- Newton


def test_newtons_first_step_ends_at_the_minimum_of_a_quadratic_after_as_many_products_as_parameters():
    n = 6
    A, minimum = random_quadratic(n)
    # Conjugate gradients end at a residual of eps^(3/4) of the gradient; over the least curvature that is a distance.
    left = EPS**0.75 * np.linalg.norm(A @ (1 - minimum)) / np.min(np.linalg.eigvalsh(A))

    def error(k):
        end = path(Newton(tolerance=0.0, cg_steps=k), quadratic(n), jnp.ones(n), 1)[1]
        return float(np.max(np.abs(end - minimum)))

    assert error(n) < left < 1e-9
    assert error(n - 1) > 1e-4


def test_newtons_damped_step_is_the_dense_solution():
    n, damping = 5, 0.7
    A, minimum = random_quadratic(n)
    p = path(Newton(0.5, damping, tolerance=0.0), quadratic(n), jnp.ones(n), 1)
    wanted = -0.5 * np.linalg.solve(A + damping * np.eye(n), A @ (1 - minimum))
    np.testing.assert_allclose(p[1] - p[0], wanted, rtol=1e-12)


def errors(power, make=Newton):
    """Distances from the minimum of a convex function that is no quadratic, close to it."""
    A, _ = random_quadratic(8)
    f = lambda p: p @ A @ p / 2 + jnp.sum(p**3) / 3  # noqa: E731
    return np.linalg.norm(path(make(tolerance=0.5, power=power), f, jnp.full(8, 0.02), 14), axis=1)


@pytest.mark.parametrize(("make", "power"), [(Newton, 0.5), (Newton, 1.0), (TrustRegionNewton, 1.0)])
def test_newton_converges_with_the_order_that_its_forcing_promises(make, power):
    e = errors(power, make)
    near = (e[:-1] < 3e-2) & (e[1:] > 1e-14)
    assert near.sum() >= 3
    ratios = e[1:][near] / e[:-1][near] ** (1 + power)
    # Dembo, Eisenstat & Steihaug, theorem 3.3: the ratio stays bounded. Of a higher order it grows without bound.
    assert np.all(ratios < 100)


def test_newton_with_a_forcing_that_does_not_shrink_converges_linearly():
    e = errors(0.0)
    assert np.all(e[1:] < e[:-1])
    assert np.max(e[1:] / e[:-1] ** 1.5) > 1e3
    assert e[-1] > 1e-12
    assert errors(1.0)[-1] < 1e-14


def test_newton_goes_along_the_gradient_where_its_first_curvature_is_negative():
    f = lambda p: -(p["x"] ** 2) - 3 * p["y"] ** 2  # noqa: E731
    p = {"x": jnp.asarray(1.0), "y": jnp.asarray(0.5)}
    after = path(Newton(), f, p, 1)
    np.testing.assert_allclose([after["x"][1], after["y"][1]], [3.0, 3.5])


def test_newton_stays_at_a_minimum():
    p = path(Newton(), quadratic(4), random_quadratic(4)[1], 2)
    np.testing.assert_array_equal(p[2], p[0])


def test_newton_trains_and_refuses_what_is_not_whole():
    x = jnp.linspace(-1, 1, 16).reshape(8, 2)
    loss = lambda p, batch: jnp.mean((batch @ p["w"] - 1.0) ** 2) + jnp.sum(p["w"] ** 2)  # noqa: E731
    run = gd.train(loss, {"w": jnp.ones(2)}, x, Newton(tolerance=0.0), steps=2)
    np.testing.assert_allclose(jax.grad(loss)(run.params, x)["w"], 0, atol=1e-12)
    with pytest.raises(ValueError, match="Newton needs cg_steps >= 1"):
        Newton(cg_steps=0)
    with pytest.raises(ValueError, match="needs grad_fn"):
        Newton().update(jnp.ones(2), Newton().init(jnp.ones(2)), jnp.ones(2))


# ---------------------------------------------------------------------------------------------- within a trust region


def rosenbrock(p):
    return 100 * (p[1] - p[0] ** 2) ** 2 + (1 - p[0]) ** 2


def saddle(p):
    return p[0] ** 2 - p[1] ** 2 + p[1] ** 4 / 2 + 0.5


ROSENBROCKS_START = jnp.array([-1.2, 1.0])


def test_within_its_radius_newtons_method_never_climbs_and_is_quadratic_at_the_end():
    p = path(TrustRegionNewton(), rosenbrock, ROSENBROCKS_START, 40)
    losses = np.asarray(jax.vmap(rosenbrock)(p))
    assert np.all(np.diff(losses) <= 0)
    assert losses[-1] < 1e-25
    e = np.linalg.norm(p - 1, axis=1)
    last = np.flatnonzero(e > 1e-12)[-1]
    assert e[last] < 1e3 * e[last - 1] ** 2 < 1e-2
    # Newton's own steps climb from here.
    plain = np.asarray(jax.vmap(rosenbrock)(path(Newton(tolerance=0.0), rosenbrock, ROSENBROCKS_START, 2)))
    assert plain[2] > 100 * plain[1]


def test_it_leaves_a_saddle_that_newtons_method_converges_to():
    start = jnp.array([1.0, 1e-3])
    p = path(TrustRegionNewton(), saddle, start, 20)
    assert np.all(np.diff(jax.vmap(saddle)(p)) <= 0)
    np.testing.assert_allclose(np.abs(p[-1]), [0, 1], atol=1e-10)
    newton = np.asarray(start)
    for _ in range(5):
        newton = newton - np.linalg.solve(jax.hessian(saddle)(newton), jax.grad(saddle)(newton))
    np.testing.assert_allclose(newton, [0, 0], atol=1e-10)


def test_a_step_at_the_edge_is_as_long_as_the_radius_also_where_the_first_directions_stay_inside():
    n = 6
    A, minimum = random_quadratic(n)
    g = A @ jnp.ones(n)
    cauchy = -(g @ g / (g @ A @ g)) * g
    radius = float((jnp.linalg.norm(cauchy) + n**0.5) / 2)  # between the first direction's minimum and the last's
    p = path(TrustRegionNewton(radius, tolerance=0.0), quadratic(n), minimum + 1.0, 1)
    np.testing.assert_allclose(np.linalg.norm(p[1] - p[0]), radius, rtol=1e-12)
    # Steihaug 1983, theorem 2.1: every direction brings the model lower.
    assert quadratic(n)(p[1]) < quadratic(n)(minimum + 1.0 + cauchy)


def test_the_radius_follows_how_much_of_the_predicted_fall_came():
    rule, p, g = TrustRegionNewton(2.0, max_radius=3.0, accept=0.1), jnp.zeros(2), jnp.array([3.0, 4.0])
    # A slope of 5 without curvature foretells a fall of 10 at the edge.
    table = [(0.05, 0, 0.5), (0.2, 1, 0.5), (0.5, 1, 2.0), (0.9, 1, 3.0), (-1.0, 0, 0.5), (np.nan, 0, 0.5)]
    for came, moves, radius in table:
        given = {"value": jnp.asarray(7.0), "value_fn": lambda q, came=came: 7.0 - 10 * came, "grad_fn": lambda q: g}
        u, state = rule.update(g, rule.init(p), p, **given)
        np.testing.assert_allclose(u, -moves * np.array([1.2, 1.6]), rtol=1e-14)
        np.testing.assert_allclose(state.memory.radius, radius)


def test_a_good_step_within_the_radius_leaves_it_and_a_zero_gradient_too():
    rule, p, f = TrustRegionNewton(50.0), jnp.array([1.0, 2.0]), lambda q: q @ q / 2
    for start, wanted in ((p, -p), (jnp.zeros(2), jnp.zeros(2))):
        given = {"value": f(start), "value_fn": f, "grad_fn": jax.grad(f)}
        u, state = rule.update(jax.grad(f)(start), rule.init(p), start, **given)
        np.testing.assert_allclose(u, wanted)
        assert state.memory.radius == 50


# ------------------------------------------------------------------------------------------------ conjugate gradients

BETAS = ("polak_ribiere", "fletcher_reeves", "hager_zhang")
NEAR_0 = 1e-8  # what may be left of the slope: a cubic through two points of a parabola finds its minimum


def linear_cg(A, p, minimum):
    """Hestenes & Stiefel 1952."""
    points, r = [np.asarray(p)], np.asarray(A @ (minimum - p))
    d = r
    for _ in p:
        step = (r @ r) / (d @ A @ d)
        points.append(points[-1] + step * d)
        new = r - step * (A @ d)
        d, r = new + (new @ new) / (r @ r) * d, new
    return np.array(points)


@pytest.mark.parametrize("beta", BETAS)
def test_on_a_quadratic_each_beta_makes_the_steps_of_linear_conjugate_gradients_and_ends_after_as_many(beta):
    n = 6
    A, minimum = random_quadratic(n)
    p = path(NonlinearCG(beta=beta, armijo=NEAR_0, wolfe=NEAR_0), quadratic(n), jnp.ones(n), n)
    np.testing.assert_allclose(p, linear_cg(A, jnp.ones(n), minimum), atol=1e-6)
    assert np.linalg.norm(p[n] - minimum) < 1e-6
    assert np.linalg.norm(p[n - 1] - minimum) > 1e-3


@pytest.mark.parametrize("beta", BETAS)
def test_each_beta_finds_rosenbrocks_minimum_and_never_climbs(beta):
    losses = np.asarray(jax.vmap(rosenbrock)(path(NonlinearCG(beta=beta), rosenbrock, ROSENBROCKS_START, 120)))
    assert np.all(np.diff(losses) <= 0)
    assert losses[-1] < 1e-8


def direction(beta, g, before, d):
    """The direction at g, after another."""
    rule = NonlinearCG(beta=beta, eta=0.9)
    state = rule.init(g)
    state = state._replace(memory=rule.Memory(before, d, jnp.asarray(-1.0)))
    value_fn = lambda q: q @ g  # noqa: E731
    return rule.update(g, state, g, value=g @ g, value_fn=value_fn, grad_fn=jax.grad(value_fn))[1].memory.d


def test_hager_and_zhangs_direction_always_descends_by_seven_eighths_of_the_squared_gradient():
    random, falls = np.random.default_rng(1), []
    for _ in range(12):
        g, before, d = (jnp.asarray(x) for x in random.normal(size=(3, 4)))
        if d @ (g - before) > 0:  # as Wolfe's condition has it
            falls.append(float(g @ direction("hager_zhang", g, before, d) / (g @ g)))
    assert len(falls) >= 4
    assert max(falls) <= -7 / 8
    # Their theorem 1.1 is sharp: here y is nearly along g.
    fall = direction("hager_zhang", jnp.array([1.0, 0.0]), jnp.array([0.0, -0.01]), jnp.array([1.0, 300.0]))[0]
    np.testing.assert_allclose(fall, -7 / 8, rtol=1e-3)


def test_where_the_direction_would_ascend_it_is_steepest_descent():
    g, before = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    np.testing.assert_array_equal(direction("fletcher_reeves", g, before, jnp.array([1.5, 5.0])), -g)
    np.testing.assert_array_equal(direction("fletcher_reeves", g, before, jnp.array([0.5, 5.0])), [-0.5, 5.0])


def test_polak_and_ribiere_begin_anew_where_the_gradient_barely_turned():
    before, d = jnp.array([1.0, 1.0]), jnp.array([-1.0, 0.5])
    np.testing.assert_array_equal(direction("polak_ribiere", 0.9 * before, before, d), -0.9 * before)


# -------------------------------------------------------------------------------------------------------------- BFGS


def test_on_a_quadratic_bfgs_with_exact_searches_is_conjugate_gradients_and_learns_the_inverse_hessian():
    n = 6
    A, minimum = random_quadratic(n)
    rule, f = BFGS(armijo=NEAR_0, wolfe=NEAR_0, scaled=False), quadratic(n)
    # Nocedal & Wright 2006, theorem 6.4, from H = I.
    p = path(rule, f, jnp.ones(n), n + 1)
    np.testing.assert_allclose(p[: n + 1], linear_cg(A, jnp.ones(n), minimum), atol=1e-6)
    state = rule.init(p[0])
    for q in p[: n + 1]:
        given = {"value": f(q), "value_fn": f, "grad_fn": jax.grad(f)}
        state = rule.update(jax.grad(f)(q), state, jnp.asarray(q), **given)[1]
    np.testing.assert_allclose(state.memory.H, np.linalg.inv(A), atol=1e-4)


def test_bfgs_converges_superlinearly_on_rosenbrock_to_scipys_minimum():
    p = path(BFGS(), rosenbrock, ROSENBROCKS_START, 45)
    assert np.all(np.diff(jax.vmap(rosenbrock)(p)) <= 0)
    e = np.linalg.norm(p - 1, axis=1)
    last = np.flatnonzero(e > 1e-9)[-3:]
    shares = e[last + 1] / e[last]
    assert np.all(shares < 0.2)
    assert shares[-1] < 1e-2
    optimize = pytest.importorskip("scipy.optimize")
    f, g = jax.jit(rosenbrock), jax.jit(jax.grad(rosenbrock))
    theirs = optimize.minimize(f, np.asarray(ROSENBROCKS_START), jac=g, method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(p[-1], theirs.x, atol=1e-8)
    assert abs(len(e[e > 1e-8]) - theirs.nit) <= 10  # 33 steps there


def test_bfgs_is_l_bfgs_with_room_for_every_pair_from_the_identity():
    f = lambda p: jnp.sum(jnp.cosh(p["x"] - p["y"])) + jnp.sum(p["y"] ** 4) + p["x"] ** 2  # noqa: E731
    start = {"x": jnp.asarray(2.0), "y": jnp.array([1.0, -0.5])}
    dense, few = (path(rule, f, start, 10) for rule in (BFGS(scaled=False), LBFGS(memory_size=10, scaled=False)))
    for leaf in start:
        np.testing.assert_allclose(dense[leaf], few[leaf], rtol=1e-8, atol=1e-10)


def test_a_pair_of_negative_curvature_leaves_bfgs_as_it_was():
    p, g, rule = jnp.array([1.0, 2.0]), jnp.array([1.0, -1.0]), BFGS(line_search="fixed")
    state = rule.update(g, rule.init(p), p)[1]
    after = rule.update(-g, state, p + g)[1].memory
    np.testing.assert_array_equal(after.H, state.memory.H)
    assert int(after.count) == 0
    learnt = rule.update(2 * g, state, p + g)[1].memory
    np.testing.assert_allclose(learnt.H @ g, g)  # the secant equation, H y = s
    assert int(learnt.count) == 1


def test_before_its_first_pair_bfgs_goes_along_the_gradient_and_no_farther_than_1():
    rule, p = BFGS(line_search="fixed"), jnp.zeros(2)
    for g, wanted in (([0.3, 0.4], [-0.3, -0.4]), ([3.0, 4.0], [-0.6, -0.8]), ([0.0, 0.0], [0.0, 0.0])):
        u = rule.update(jnp.array(g), rule.init(p), p)[0]
        np.testing.assert_allclose(u, wanted, rtol=1e-14)


def test_where_the_hessian_is_singular_newtons_step_is_the_shortest_of_the_solutions():
    A, target = jnp.array([[1.0, 2.0, 0.5], [0.1, -0.1, 0.3]]), jnp.array([1.0, 2.0])
    p = path(Newton(tolerance=0.0), lambda p: jnp.sum((A @ p - target) ** 2), jnp.zeros(3), 1)
    np.testing.assert_allclose(p[1], np.linalg.pinv(A) @ target, rtol=1e-6)
