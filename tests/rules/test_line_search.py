"""L-BFGS and its line searches: the conditions that a step must meet, and what happens where none does."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc.rules import LBFGS
from gdfunc.rules._line_search import Point, backtracking, strong_wolfe

C1, C2 = 1e-4, 0.9  # the defaults


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def rosenbrock(p):
    return 100 * (p["y"] - p["x"] ** 2) ** 2 + (1 - p["x"]) ** 2


START = {"x": jnp.float32(-1.2), "y": jnp.float32(1.0)}  # the usual start


def descend(rule, f, params, steps):
    """Parameters before each step, the updates, and the last parameters, of gradient descent on f by any rule."""
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), params)

    def one(carry, _):
        p, state = carry
        value, grads = jax.value_and_grad(f)(p)
        # Optax's searches refuse what they do not know.
        more = {"grad_fn": jax.grad(f)} if isinstance(rule, LBFGS) else {"grad": grads}
        u, state = rule.update(grads, state, p, value=value, value_fn=f, **more)
        return (gd.apply_updates(p, u), state), (p, u)

    (last, _), (before, updates) = jax.jit(lambda p: jax.lax.scan(one, (p, rule.init(p)), length=steps))(params)
    return before, updates, last


def along(f, before, updates):
    """Of each step: the loss before and after, and the slope along the step before and after."""
    dot = lambda a, b: sum(jax.tree.leaves(jax.tree.map(lambda x, y: jnp.sum(x * y), a, b)))  # noqa: E731

    def one(p, u):
        q = gd.apply_updates(p, u)
        return f(p), f(q), dot(jax.grad(f)(p), u), dot(jax.grad(f)(q), u)

    return map(np.asarray, jax.vmap(one)(before, updates))


# ----------------------------------------------------------------------------------------------------- closed loops


@pytest.mark.parametrize(("wolfe", "steps"), [(0.9, 45), (0.1, 40)])
def test_it_finds_rosenbrocks_minimum(wolfe, steps):
    last = descend(LBFGS(wolfe=wolfe), rosenbrock, START, steps)[2]
    assert rosenbrock(last) < 1e-20
    # Gradient descent at the largest rate that does not diverge is nowhere near.
    assert rosenbrock(descend(optax.sgd(1e-3), rosenbrock, START, steps)[2]) > 1


@pytest.mark.parametrize("wolfe", [0.9, 0.1])
def test_each_step_meets_the_strong_wolfe_conditions(wolfe):
    before, updates, _ = descend(LBFGS(wolfe=wolfe), rosenbrock, START, 20)
    f0, f1, s0, s1 = along(rosenbrock, before, updates)
    assert np.all(s0 < 0)
    assert np.all(f1 <= f0 + C1 * s0)
    assert np.all(np.abs(s1) <= wolfe * np.abs(s0))


def test_each_backtracked_step_falls_enough_and_the_one_before_it_did_not():
    rule = LBFGS(line_search="backtracking", armijo=0.3, shrink=0.5)
    before, updates, last = descend(rule, rosenbrock, START, 20)
    f0, f1, s0, _ = along(rosenbrock, before, updates)
    assert np.all(f1 <= f0 + 0.3 * s0)
    twice = jax.tree.map(lambda u: 2 * u, updates)
    _, f2, s2, _ = along(rosenbrock, before, twice)
    too_far = f2 > f0 + 0.3 * s2
    newton = descend(LBFGS(line_search="fixed"), rosenbrock, START, 1)[1]
    assert too_far.any()
    assert not too_far.all()
    # A step that might have been twice as long is the first that was tried.
    assert np.all(np.abs(np.asarray(newton["x"])) > np.abs(np.asarray(updates["x"][0])))
    assert rosenbrock(last) < rosenbrock(START)


def test_on_a_quadratic_it_ends_after_as_many_steps_as_there_are_parameters():
    n, random = 6, np.random.default_rng(0)
    A = random.normal(size=(n, n))
    A = jnp.asarray(A @ A.T + 0.1 * np.eye(n))
    f = lambda p: 0.5 * p @ A @ p  # noqa: E731
    start = jnp.asarray(random.normal(size=n))
    # A cubic through two points of a parabola finds its minimum: the search is exact (Nazareth 1979: conjugate gradients).
    rule = LBFGS(memory_size=n, wolfe=1e-6, armijo=1e-8)
    norm = lambda steps: float(jnp.linalg.norm(jax.grad(f)(descend(rule, f, start, steps)[2])))  # noqa: E731
    assert norm(n) < 1e-9 * norm(1)
    assert norm(n - 1) > 1e-4 * norm(1)


def test_a_longer_memory_needs_fewer_steps():
    f = lambda p: jnp.sum(jnp.logspace(0, 3, 50) * p**2) / 2  # noqa: E731
    loss = lambda m: float(f(descend(LBFGS(memory_size=m), f, jnp.ones(50), 60)[2]))  # noqa: E731
    assert loss(20) < 0.1 * loss(1)


# ---------------------------------------------------------------------------------------------- beside optax.lbfgs


def test_with_optax_s_backtracking_the_trajectories_are_the_same_until_a_pair_of_negative_curvature():
    # An increase factor without end starts each of its searches at the largest rate, as ours do.
    search = optax.scale_by_backtracking_linesearch(
        30, slope_rtol=0.3, decrease_factor=0.5, increase_factor=1e30, max_learning_rate=1.0
    )
    theirs, _, theirs_last = descend(optax.lbfgs(memory_size=5, linesearch=search), rosenbrock, START, 60)
    ours, updates, last = descend(LBFGS(line_search="backtracking", armijo=0.3, trials=31), rosenbrock, START, 60)
    _, _, before, after = along(rosenbrock, ours, updates)
    same = int(np.argmax(after < before)) + 1  # <s, y> is the slope's rise along the step
    assert 5 < same < 60
    for name in ("x", "y"):
        np.testing.assert_allclose(ours[name][: same + 1], theirs[name][: same + 1], rtol=1e-9)
    # Its direction then ascends, and it stands still; ours leaves out the pair.
    assert rosenbrock(theirs_last) > 1
    assert rosenbrock(last) < 1e-12


def test_with_optax_s_zoom_both_reach_the_minimum_and_agree_until_either_interpolates():
    search = optax.scale_by_zoom_linesearch(20, approx_dec_rtol=None, initial_guess_strategy="one")
    # In this bowl the first trial is accepted from the second step on, and doubled in the first.
    bowl = lambda p: jnp.log(jnp.cosh(p["x"])) + 2 * jnp.log(jnp.cosh(p["y"] - 0.3 * p["x"]))  # noqa: E731
    theirs = descend(optax.lbfgs(memory_size=5, linesearch=search), bowl, START, 8)[0]
    ours = descend(LBFGS(), bowl, START, 8)[0]
    np.testing.assert_allclose(ours["x"], theirs["x"], rtol=1e-9, atol=1e-12)
    far = descend(optax.lbfgs(memory_size=5, linesearch=search), rosenbrock, START, 60)[2]
    assert rosenbrock(far) < 1e-20


# -------------------------------------------------------------------------------- the searches by themselves, on a line

# Moré & Thuente 1994, section 5, and lines that are hard for interpolation; all fall at 0.
LINES = {
    "parabola": lambda a: (a - 1) ** 2,
    "rational": lambda a: -a / (a**2 + 2),
    "quintic": lambda a: (a + 0.1) ** 5 - 2 * (a + 0.1) ** 4,
    "cosine": lambda a: -jnp.sin(a) + 0.01 * a**2,
    "steep wall": lambda a: -a + jnp.exp(20 * (a - 3)),
    "quartic": lambda a: (a - 5) ** 4,
}


def on_line(phi, first, armijo, wolfe, trials=30):
    slope = jax.grad(phi)
    zero = jnp.zeros(())
    start = Point(zero, jnp.asarray(phi(zero)), slope(zero))
    step = jax.jit(lambda first: strong_wolfe(lambda a: (phi(a), slope(a)), start, first, armijo, wolfe, trials))(first)
    return float(step), start


@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("name", LINES)
def test_a_step_with_both_conditions_is_found_from_any_first_trial(name, first):
    phi = LINES[name]
    for armijo, wolfe in [(1e-4, 0.9), (1e-4, 0.1), (1e-3, 0.01)]:
        step, start = on_line(phi, first, armijo, wolfe)
        assert step > 0
        assert phi(step) <= start.value + armijo * step * start.slope
        assert abs(jax.grad(phi)(step)) <= wolfe * abs(start.slope)


def test_a_line_that_falls_for_ever_is_followed_as_far_as_the_trials_allow():
    assert on_line(lambda a: -a, 1.0, C1, C2, trials=10)[0] == 2**9


@pytest.mark.parametrize("wall", [jnp.nan, jnp.inf, -jnp.inf])
@pytest.mark.parametrize("search", ["wolfe", "backtracking"])
def test_where_the_loss_is_not_finite_the_step_is_shortened(wall, search):
    f = lambda p: jnp.where(p > 0.25, wall, (p - 0.2) ** 2)  # noqa: E731
    last = descend(LBFGS(line_search=search, scaled=False, learning_rate=10.0), f, jnp.asarray(-3.0), 12)[2]
    assert abs(last - 0.2) < 1e-3


@pytest.mark.parametrize("search", ["wolfe", "backtracking"])
def test_where_no_trial_falls_it_stands_still_and_stays_finite(search):
    rule, p = LBFGS(line_search=search), jnp.asarray([1.0, 2.0])
    for value_fn in (lambda q: jnp.asarray(10.0), lambda q: jnp.asarray(jnp.nan)):
        state = rule.init(p)
        for _ in range(3):
            u, state = rule.update(p, state, p, value=jnp.asarray(1.0), value_fn=value_fn, grad_fn=lambda q: q)
            assert np.all(u == 0)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(state))


def test_backtracking_tries_so_many_steps_and_no_more():
    tried = []

    def value_at(step):
        jax.debug.callback(lambda a: tried.append(float(a)), step)
        return jnp.asarray(jnp.inf)

    start = Point(jnp.asarray(0.0), jnp.asarray(0.0), jnp.asarray(-1.0))
    assert backtracking(value_at, start, 1.0, 0.5, C1, 5) == 0
    jax.effects_barrier()
    assert tried == [1, 0.5, 0.25, 0.125, 0.0625]


def test_a_search_stops_evaluating_when_it_has_found_its_step():
    tried = []

    def point_at(step):
        jax.debug.callback(lambda a: tried.append(float(a)), step)
        return (step - 1) ** 2, 2 * (step - 1)

    start = Point(jnp.asarray(0.0), jnp.asarray(1.0), jnp.asarray(-2.0))
    assert strong_wolfe(point_at, start, 0.25, C1, 0.1, 20) == 1
    jax.effects_barrier()
    assert tried == [0.25, 0.5, 1.0]


# ---------------------------------------------------------------------------------------------------- the pairs


def test_it_descends_also_where_the_curvature_is_negative():
    saddle = lambda p: p["x"] ** 2 - p["y"] ** 2 + p["y"] ** 4  # noqa: E731
    for pairs in ("positive", "all"):
        before, updates, last = descend(LBFGS(pairs=pairs), saddle, {"x": 1.0, "y": 1e-3}, 30)
        assert np.all(np.asarray(list(along(saddle, before, updates))[2]) <= 0)
        assert abs(saddle(last) + 0.25) < 1e-10


def test_a_short_gradient_is_the_first_step_and_the_second_goes_along_it_where_the_secant_ascends():
    hill = lambda p: -(p**2) / 2  # noqa: E731
    rule, p = LBFGS(line_search="backtracking", pairs="all"), jnp.asarray(0.1)
    state = rule.init(p)
    for step in (0.1, 0.2):
        given = {"value": hill(p), "value_fn": hill, "grad_fn": jax.grad(hill)}
        u, state = rule.update(jax.grad(hill)(p), state, p, **given)
        np.testing.assert_allclose(u, step, rtol=1e-6)
        p = p + u


def test_a_pair_of_negative_curvature_is_not_kept_unless_asked_for():
    p, g = jnp.asarray([1.0, 2.0]), jnp.asarray([1.0, -1.0])
    for pairs, kept in (("positive", 0), ("all", 1)):
        rule = LBFGS(line_search="fixed", pairs=pairs)
        state = rule.update(g, rule.init(p), p)[1]
        state = rule.update(-g, state, p + g)[1]
        assert int(state.memory.count) == kept


def test_hypergradients_go_through_the_searches():
    def final(rate, search):
        rule = LBFGS(rate, line_search=search)
        return rosenbrock(descend(rule, rosenbrock, START, 3)[2])

    for search in ("fixed", "wolfe", "backtracking"):
        for rate in (0.3,):
            slope = jax.grad(final)(rate, search)
            quotient = (final(rate + 1e-6, search) - final(rate - 1e-6, search)) / 2e-6
            np.testing.assert_allclose(slope, quotient, rtol=1e-4, atol=1e-6)


def test_under_vmap_each_first_trial_searches_for_itself():
    last = lambda rate: descend(LBFGS(rate), rosenbrock, START, 10)[2]["x"]  # noqa: E731
    rates = [0.5, 1.0, 2.0]
    np.testing.assert_allclose(jax.vmap(last)(jnp.asarray(rates)), [last(rate) for rate in rates], rtol=1e-6)
