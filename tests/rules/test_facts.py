"""What the papers say of their rules, computed by hand or proved there, and held against ours."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc.core import RuleState
from gdfunc.rules import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    Lion,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    SignSGD,
    Signum,
)
from gdfunc.rules._radam import average_length

EPS = float(np.finfo(np.float32).eps)


def run(rule, gradients, params=None):
    """The updates of a rule on the gradients of one parameter, which does not move."""
    gradients = [jnp.asarray(g, jnp.result_type(float)) for g in gradients]
    p = jnp.zeros_like(gradients[0]) if params is None else jnp.asarray(params, gradients[0].dtype)
    state, updates = rule.init(p), []
    for g in gradients:
        u, state = rule.update(g, state, p)
        updates.append(np.asarray(u))
    return np.stack(updates)


def descend(rule, gradient, start, steps, project=lambda x: x):
    """The parameters at all steps of gradient descent with a rule."""
    start = jnp.asarray(start, jnp.result_type(float))

    def step(carry, t):
        x, state = carry
        u, state = rule.update(gradient(x, t), state, x)
        x = project(x + u)
        return (x, state), x

    return jax.lax.scan(step, (start, rule.init(start)), jnp.arange(steps))[1]


# ------------------------------------------------------------------------------------------------ the first step


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_adams_first_step_is_the_learning_rate_at_any_gradient_scale(scale):
    exact = run(Adam(0.1, eps=0.0), [[scale, -scale]])[0]
    np.testing.assert_allclose(exact, [-0.1, 0.1], rtol=2 * EPS)


def test_with_the_literal_bias_correction_adams_first_step_is_56_rounding_errors_off():
    off = abs(run(Adam(0.1, eps=0.0, debias="power"), [1.0])[0] + 0.1) / (0.1 * EPS)
    assert 50 < off < 64


@pytest.mark.parametrize("decay", [0.9, 0.99])
def test_rmsprops_first_step_is_the_rate_over_the_root_of_one_minus_decay(decay):
    first = run(RMSprop(0.01, decay=decay, eps=0.0), [[3.0, -1e-3]])[0]
    np.testing.assert_allclose(first, np.array([-1, 1]) * 0.01 / math.sqrt(1 - decay), rtol=4 * EPS)
    corrected = run(RMSprop(0.01, decay=decay, eps=0.0, debias="exact"), [[3.0, -1e-3]])[0]
    np.testing.assert_allclose(corrected, [-0.01, 0.01], rtol=4 * EPS)


def test_adadeltas_first_step_comes_from_eps_alone():
    g, rho, eps = np.array([2.0, -1e-3]), 0.95, 1e-6
    by_hand = -np.sqrt(eps) / np.sqrt((1 - rho) * g**2 + eps) * g
    np.testing.assert_allclose(run(Adadelta(rho=rho, eps=eps), [g])[0], by_hand, rtol=4 * EPS)


def test_adagrads_steps_fall_as_one_over_the_root_of_t_under_a_constant_gradient():
    steps = run(Adagrad(0.5, eps=0.0), 20 * [[7.0, -0.01]])
    by_hand = np.outer(0.5 / np.sqrt(np.arange(1, 21)), [-1, 1])
    np.testing.assert_allclose(steps, by_hand, rtol=8 * EPS)


def test_adamax_steps_by_the_learning_rate_under_a_constant_gradient():
    np.testing.assert_allclose(run(Adamax(0.1, eps=0.0), 5 * [[2.0, -50.0]]), 5 * [[-0.1, 0.1]], rtol=4 * EPS)


# ------------------------------------------------------------------------------------------------ Adam and its kin


@pytest.mark.parametrize(("b1", "b2"), [(0.9, 0.999), (0.5, 0.99), (0.0, 0.9)])
def test_one_gradient_after_a_long_silence_moves_adam_by_its_bound(b1, b2):
    # Kingma & Ba 2015, section 2.1: |step| <= eta (1 - b1) / sqrt(1 - b2), reached in the case of extreme sparsity.
    rule, zero = Adam(0.1, b1, b2, eps=0.0), jnp.zeros(())
    late = RuleState(jnp.int32(10**6), Adam.Memory(zero, zero))
    u, _ = rule.update(jnp.asarray(5.0), late, zero)
    np.testing.assert_allclose(u, -0.1 * (1 - b1) / math.sqrt(1 - b2), rtol=8 * EPS)


@pytest.mark.parametrize("eps_at", ["outside", "inside", "before_debias"])
def test_adams_second_step_by_hand_wherever_epsilon_stands(eps_at):
    g, eps = (2.0, -3.0), 0.5
    m = 0.9 * 0.1 * g[0] + 0.1 * g[1]
    v = 0.999 * 0.001 * g[0] ** 2 + 0.001 * g[1] ** 2
    m_hat, c = m / (1 - 0.9**2), 1 - 0.999**2
    denominator = {
        "outside": math.sqrt(v / c) + eps,
        "inside": math.sqrt(v / c + eps),
        "before_debias": (math.sqrt(v) + eps) / math.sqrt(c),
    }
    with jax.enable_x64(True):
        second = run(Adam(0.1, eps=eps, eps_at=eps_at), g)[1]
    np.testing.assert_allclose(second, -0.1 * m_hat / denominator[eps_at], rtol=1e-12)


@pytest.mark.parametrize(
    ("big", "period", "b1", "b2", "steps"),
    [(3.0, 3, 0.0, 1 / (1 + 3.0**2), 30_000), (1010.0, 101, 0.9, 0.99, 1_000_000)],
    ids=["theorem 1, C = 3", "section 5"],
)
def test_adam_converges_to_the_worst_point_and_amsgrad_to_the_best(big, period, b1, b2, steps):
    # Reddi, Kale & Kumar 2018: the mean of the losses falls towards x = -1, on the interval [-1, 1].
    small = 1.0 if period == 3 else 10.0
    gradient = lambda x, t: jnp.where(t % period == (0 if period == 3 else 1), big, -small).astype(x.dtype)  # noqa: E731
    rate = lambda step: 0.5 / jnp.sqrt(step + 1.0)  # noqa: E731
    end = {}
    for make, settings in ((Adam, {"debias": "none"}), (AMSGrad, {})):
        rule = make(rate, b1, b2, eps=1e-8, **settings)
        xs = jax.jit(lambda rule=rule: descend(rule, gradient, 0.0, steps, lambda x: jnp.clip(x, -1, 1)))()
        end[make] = float(np.mean(xs[-10 * period :]))
    assert end[Adam] > 0.98
    assert end[AMSGrad] < -0.98


def test_adamw_decays_by_the_schedule_by_the_rate_or_through_the_gradient():
    p, g, wd = np.array([2.0, -4.0]), np.zeros(2), 0.01
    for rate in (0.1, 0.001):
        np.testing.assert_allclose(run(AdamW(rate, weight_decay=wd), [g], p)[0], -wd * p, rtol=4 * EPS)
        halved = AdamW(rate, weight_decay=wd, schedule=0.5)
        np.testing.assert_allclose(run(halved, [g], p)[0], -0.5 * wd * p, rtol=4 * EPS)
        by_rate = AdamW(rate, weight_decay=wd, decay="rate", schedule=0.5)  # which leaves `schedule` alone
        np.testing.assert_allclose(run(by_rate, [g], p)[0], -rate * wd * p, rtol=4 * EPS)
        coupled = AdamW(rate, weight_decay=wd, decay="coupled", eps=0.0)  # Adam on the gradient wd p
        np.testing.assert_allclose(run(coupled, [g], p)[0], -rate * np.sign(p), rtol=4 * EPS)
    with_gradient = run(AdamW(0.1, weight_decay=wd), [[1.0, 1.0], [3.0, -1.0]], p)
    np.testing.assert_allclose(with_gradient - run(Adam(0.1), [[1.0, 1.0], [3.0, -1.0]]), 2 * [-wd * p], rtol=1e-5)


def test_adamws_schedule_is_read_at_the_step():
    falling = AdamW(0.1, weight_decay=0.1, schedule=lambda step: 1 / (1 + step))
    seen = run(falling, 3 * [0.0], 1.0)
    np.testing.assert_allclose(seen, [-0.1, -0.1 / 2, -0.1 / 3], rtol=4 * EPS)


def test_nadams_scheduled_momentum_begins_at_half_of_b1_and_ends_at_b1():
    g = np.random.default_rng(0).normal(size=(6, 4))
    with jax.enable_x64(True):
        begin = NAdam(0.1, 0.8, momentum_decay=0.0)
        end = NAdam(0.1, 0.8, momentum_decay=1e5)
        constant = lambda b1: run(NAdam(0.1, b1, momentum="constant"), g)  # noqa: E731
        np.testing.assert_allclose(run(begin, g), constant(0.4), rtol=1e-12)
        np.testing.assert_allclose(run(end, g), constant(0.8), rtol=1e-12)


def test_nadams_first_step_by_hand():
    mu = [0.9 * (1 - 0.5 * 0.96 ** (0.004 * t)) for t in (1, 2)]
    g, m, product = 3.0, (1 - mu[0]) * 3.0, mu[0]
    m_hat = mu[1] * m / (1 - product * mu[1]) + (1 - mu[0]) * g / (1 - product)
    with jax.enable_x64(True):
        paper = run(NAdam(0.1, eps=0.0), [g])[0]
        dropped = run(NAdam(0.1, eps=0.0, b2_factor=False), [g])[0]
    np.testing.assert_allclose(paper, -0.1 * m_hat / math.sqrt(0.999 * g**2), rtol=1e-12)
    np.testing.assert_allclose(dropped, -0.1 * m_hat / abs(g), rtol=1e-12)


def rho(beta, t):
    """Liu et al. 2020, eq. 4, in rationals."""
    return (1 + beta) / (1 - beta) - 2 * t * beta**t / (1 - beta**t)


def test_radams_first_four_steps_are_plain_momentum_and_the_fifth_is_rectified():
    g, beta = np.random.default_rng(0).normal(size=(5, 3)), Fraction(0.999)
    m, v, by_hand = np.zeros(3), np.zeros(3), []
    for t in range(1, 6):
        m, v = 0.9 * m + 0.1 * g[t - 1], 0.999 * v + 0.001 * g[t - 1] ** 2
        m_hat, v_hat = m / (1 - 0.9**t), v / float(1 - beta**t)
        r = 1.0
        if rho(beta, t) > 4:
            r, end = rho(beta, t), 2 / (1 - beta) - 1
            r = math.sqrt((r - 4) * (r - 2) * end / ((end - 4) * (end - 2) * r))
        by_hand.append(-0.1 * (r * m_hat / np.sqrt(v_hat) if rho(beta, t) > 4 else m_hat))
    assert [rho(beta, t) > 4 for t in range(1, 6)] == [False] * 4 + [True]
    with jax.enable_x64(True):
        np.testing.assert_allclose(run(RAdam(0.1, eps=0.0), g), by_hand, rtol=1e-11)
        # The threshold 5 of the authors' code waits one step more.
        np.testing.assert_allclose(run(RAdam(0.1, eps=0.0, threshold=5.0), g)[4], -0.1 * m_hat, rtol=1e-11)


def test_radam_refuses_a_threshold_below_4():
    with pytest.raises(ValueError, match="RAdam needs threshold >= 4"):
        RAdam(0.1, threshold=3.8)


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("beta", [0.5, 0.9, 0.99, 0.999, 0.9999])
def test_the_length_of_the_average_is_good_to_a_few_rounding_errors(beta, x64):
    with jax.enable_x64(x64):
        ts = np.array([t for t in (1, 2, 3, 4, 5, 6, 10, 20, 100, 1000, 3000) if t * (1 - beta) <= 4])
        wanted = np.array([float(rho(Fraction(beta), int(t))) for t in ts])
        seen = jax.vmap(lambda t: average_length(beta, t, "exact"))(jnp.asarray(ts))
        assert seen.dtype == jnp.result_type(float)
        # Up to t = 1 / (1 - beta) it is t and a little; near its end it is the difference of numbers twice its size.
        np.testing.assert_allclose(seen, wanted, rtol=8 * float(jnp.finfo(seen.dtype).eps))


@pytest.mark.parametrize("beta", [0.5, 0.9, 0.99, 0.999])
def test_the_length_of_the_average_stays_at_its_end_for_ever(beta):
    ts = jnp.array([10**5, 10**6, 10**6 + 1, 10**8, 2**31 - 1])
    seen = jax.vmap(lambda t: average_length(beta, t, "exact"))(ts)
    np.testing.assert_allclose(seen, np.full(5, (1 + beta) / (1 - beta)), rtol=8 * EPS)


def test_the_literal_length_of_the_average_loses_its_digits_in_float32():
    wrong = float(average_length(0.999, jnp.int32(5), "power")) - float(rho(Fraction(0.999), 5))
    assert abs(wrong) > 1e-3


# ------------------------------------------------------------------------------------------------ momentum


def ends(rule_at, rates, steps=4000):
    """|x| after so many steps on x**2 / 2 from x = 1, for every rate."""
    with jax.enable_x64(True):
        rates = jnp.asarray(rates)
        last = jax.vmap(lambda rate: descend(rule_at(rate), lambda x, t: x, 1.0, steps)[-1])
        return np.abs(np.asarray(jax.jit(last)(rates)))


def stability_limit(rule_at):
    """The largest rate that converges, by bisection to a part in 10,000."""
    low, high = 1.0, 5.0
    while high / low > 1 + 1e-4:
        rates = np.linspace(low, high, 34)
        good = ends(rule_at, rates) < 1
        first_bad = int(np.argmin(good))
        assert good[0]
        assert not good[-1]
        low, high = rates[first_bad - 1], rates[first_bad]
    return low


@pytest.mark.parametrize("mu", [0.5, 0.9])
def test_momentum_is_stable_up_to_its_limits_on_a_quadratic(mu):
    # With curvature 1: gradient descent 2, heavy ball 2 + 2 mu, Nesterov (2 + 2 mu) / (1 + 2 mu).
    np.testing.assert_allclose(stability_limit(lambda rate: SGD(rate, mu)), 2 + 2 * mu, rtol=2e-3)
    nesterov = stability_limit(lambda rate: SGD(rate, mu, nesterov=True))
    np.testing.assert_allclose(nesterov, (2 + 2 * mu) / (1 + 2 * mu), rtol=2e-3)


def test_gradient_descent_is_stable_up_to_two_over_the_curvature():
    np.testing.assert_allclose(stability_limit(SGD), 2, rtol=2e-3)


def test_heavy_ball_ends_in_lessards_cycle_of_period_three_and_nesterov_converges():
    # Lessard, Recht & Packard 2016, eq. 4.11: 1-strongly convex, 25-smooth; heavy ball's parameters best for quadratics.
    def gradient(x, t):
        return jnp.where(x < 1, 25 * x, jnp.where(x < 2, x + 24, 25 * x - 24))

    with jax.enable_x64(True):
        heavy = np.asarray(descend(SGD(1 / 9, 4 / 9), gradient, 3.2, 3000))
        cycle = np.sort(heavy[-3:])
        np.testing.assert_allclose(cycle, [-1.802449, 0.646531, 2.115918], atol=1e-6)
        np.testing.assert_allclose(heavy[-9:-6], heavy[-3:], rtol=1e-12)
        nesterov = descend(SGD(1 / 25, 4 / 6, nesterov=True), gradient, 3.2, 300)
    assert abs(float(nesterov[-1])) < 1e-8


def test_nesterovs_form_is_the_papers_in_the_coordinates_of_the_point_ahead():
    # Sutskever et al. 2013, eq. 3-4: v <- mu v - eta f'(theta + mu v), theta <- theta + v.
    mu, eta, theta, v, ahead = 0.9, 0.05, 1.0, 0.0, []
    for _ in range(10):
        v = mu * v - eta * 3 * (theta + mu * v)
        theta = theta + v
        ahead.append(theta + mu * v)
    with jax.enable_x64(True):
        seen = descend(SGD(eta, mu, nesterov=True), lambda x, t: 3 * x, 1.0, 10)
    np.testing.assert_allclose(seen, ahead, rtol=1e-12)


def test_where_the_rate_stands_matters_only_while_it_changes():
    g = [1.0, -2.0, 0.5]
    falling = lambda step: 0.1 / (1 + step)  # noqa: E731
    with jax.enable_x64(True):
        after, before = (run(SGD(0.1, 0.9, momentum_at=at), g) for at in ("after_rate", "before_rate"))
        np.testing.assert_allclose(after, before, rtol=1e-12)
        after, before = (run(SGD(falling, 0.9, momentum_at=at), g) for at in ("after_rate", "before_rate"))
    eta = [0.1, 0.1 / 2, 0.1 / 3]
    b = eta[0] * g[0], 0.9 * eta[0] * g[0] + eta[1] * g[1]
    np.testing.assert_allclose(after, [-b[0], -b[1], -(0.9 * b[1] + eta[2] * g[2])], rtol=1e-12)
    b = g[0], 0.9 * g[0] + g[1]
    np.testing.assert_allclose(before, [-eta[0] * b[0], -eta[1] * b[1], -eta[2] * (0.9 * b[1] + g[2])], rtol=1e-12)


@pytest.mark.parametrize("first_step", ["dampened", "copied"])
def test_dampening_keeps_a_share_of_each_gradient_out_of_the_velocity(first_step):
    g, mu, tau = (1.0, -2.0, 0.5), 0.8, 0.4
    b = [(1 - tau) * g[0] if first_step == "dampened" else g[0]]
    for x in g[1:]:
        b.append(mu * b[-1] + (1 - tau) * x)
    with jax.enable_x64(True):
        seen = run(SGD(0.1, mu, dampening=tau, first_step=first_step), g)
    np.testing.assert_allclose(seen, -0.1 * np.array(b), rtol=1e-12)


# ------------------------------------------------------------------------------------------------ signs


@pytest.mark.parametrize("rule", [SignSGD(0.3), Signum(0.3), Lion(0.3)], ids=["SignSGD", "Signum", "Lion"])
def test_a_sign_rule_moves_every_parameter_by_exactly_the_rate(rule):
    g = np.random.default_rng(0).normal(size=(20, 5)) * 10.0 ** np.arange(-3, 2)
    assert set(np.abs(run(rule, g)).ravel()) == {np.float32(0.3)}


def test_lion_without_decay_needs_no_params_and_with_it_adds_the_parameter_to_the_sign():
    p, g = {"x": jnp.array([2.0, -4.0])}, {"x": jnp.array([1.0, 1.0])}
    none, some = Lion(0.1), Lion(0.1, weight_decay=0.5)
    assert (none.needs, some.needs) == ((), ("params",))
    np.testing.assert_allclose(none.update(g, none.init(p))[0]["x"], [-0.1, -0.1], rtol=EPS)
    np.testing.assert_allclose(some.update(g, some.init(p), p)[0]["x"], [-0.2, 0.1], rtol=2 * EPS)
    with pytest.raises(ValueError, match=r"Lion\.update needs params"):
        some.update(g, some.init(p))


def test_lion_looks_at_the_newest_gradient_twice():
    # m = 0.01 g after the first step; then the sign of 0.9 m + 0.1 g, not of the average that is stored.
    assert run(Lion(1.0), [1.0, -0.08]).tolist() == [-1.0, -1.0]  # 0.9 * 0.01 - 0.008 > 0
    assert run(Lion(1.0), [1.0, -0.10]).tolist() == [-1.0, 1.0]  # 0.9 * 0.01 - 0.010 < 0, while 0.99 m - 0.01 > 0


@pytest.mark.parametrize(
    ("on_sign_change", "by_hand"),
    [
        # Steps 0.1, 0.12; the sign turns: halved to 0.06, and the last step is taken back; then 0.06 as if anew, 0.072.
        ("backtrack", [-0.1, -0.12, 0.12, 0.06, 0.072]),
        ("hold", [-0.1, -0.12, 0.0, 0.06, 0.072]),
        # The sign has turned once, and stays from then on.
        ("step", [-0.1, -0.12, 0.06, 0.072, 0.0864]),
    ],
)
def test_rprop_by_hand_where_the_sign_turns(on_sign_change, by_hand):
    seen = run(Rprop(0.1, on_sign_change=on_sign_change), [5.0, 1e-30, -7.0, -0.1, -3.0])
    np.testing.assert_allclose(seen, by_hand, rtol=4 * EPS)


def test_rprop_keeps_its_step_within_the_limits_and_at_a_zero_gradient():
    grows = run(Rprop(0.1, max_step_size=0.13), [1.0, 1.0, 1.0, 0.0, 1.0])
    np.testing.assert_allclose(grows, [-0.1, -0.12, -0.13, 0.0, -0.13], rtol=4 * EPS)
    shrinks = run(Rprop(0.1, min_step_size=0.04, on_sign_change="step"), [1.0, -1.0, 1.0, -1.0])
    np.testing.assert_allclose(shrinks, [-0.1, 0.05, -0.04, 0.04], rtol=4 * EPS)


def test_rprops_first_step_is_the_rate_also_outside_the_limits_of_later_ones():
    np.testing.assert_allclose(run(Rprop(0.1, max_step_size=0.05), [1.0, 1.0]), [-0.1, -0.05], rtol=4 * EPS)


# ------------------------------------------------------------------------------------------------ RMSprop


@pytest.mark.parametrize("nesterov", [False, True])
def test_rmsprops_velocity_holds_the_rate_or_is_multiplied_by_it(nesterov):
    g, eta, mu = np.array([1.0, -2.0, 0.5]), 0.1 / np.arange(1, 4), 0.8
    v = [0.1 * g[0] ** 2]
    for x in g[1:]:
        v.append(0.9 * v[-1] + 0.1 * x**2)
    d = g / np.sqrt(v)
    falling = lambda step: 0.1 / (1 + step)  # noqa: E731
    for at, x in (("after_rate", eta * d), ("before_rate", d)):
        b = [x[0], mu * x[0] + x[1], mu * (mu * x[0] + x[1]) + x[2]]
        ahead = x + mu * np.array(b) if nesterov else np.array(b)
        with jax.enable_x64(True):
            seen = run(RMSprop(falling, eps=0.0, momentum=mu, nesterov=nesterov, momentum_at=at), g)
        np.testing.assert_allclose(seen, -ahead if at == "after_rate" else -eta * ahead, rtol=1e-12)


def test_rmsprop_centered_divides_by_the_standard_deviation():
    g = [2.0, -1.0]
    v, m = 0.9 * 0.1 * g[0] ** 2 + 0.1 * g[1] ** 2, 0.9 * 0.1 * g[0] + 0.1 * g[1]
    with jax.enable_x64(True):
        seen = run(RMSprop(0.01, centered=True), g)[1]
        constant = run(RMSprop(0.01, centered=True, debias="exact", eps=1e-6), [2.0])[0]
    np.testing.assert_allclose(seen, -0.01 * g[1] / math.sqrt(v - m**2 + 1e-8), rtol=1e-12)
    # One corrected value has no variance: only eps is left in the root.
    np.testing.assert_allclose(constant, -0.01 * 2 / math.sqrt(1e-6), rtol=1e-6)


def test_a_variance_that_rounding_makes_negative_counts_as_none():
    updates = run(RMSprop(0.01, centered=True, debias="exact"), 50 * [[0.1, 1 / 3, 7e-4]])
    assert np.all(np.isfinite(updates))


def test_the_count_of_steps_stops_at_the_largest_integer_and_the_updates_go_on():
    p = jnp.ones(())
    state = Adam(0.1).init(p)._replace(step=jnp.int32(2**31 - 2))
    for _ in range(3):
        u, state = gd.rules.Adam(0.1, eps=0.0).update(p, state, p)
        assert np.isfinite(u)
    assert int(state.step) == 2**31 - 1
