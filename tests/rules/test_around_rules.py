"""What rules around rules, and the parts of chains, do where a stream of fixed parameters does not show it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from _numbers import normal

import gdfunc as gd
from gdfunc import rules
from gdfunc.core import apply_updates, tree_norm, tree_scale
from gdfunc.rules import evaluation_params

START = {"w": jnp.array([3.0, -2.0, 0.5]), "b": jnp.array(1.5)}
CURVATURE = {"w": jnp.array([1.0, 0.3, 2.0]), "b": jnp.array(0.7)}


def loss(p):
    return sum(jnp.sum(h * x**2) / 2 for h, x in zip(jax.tree.leaves(CURVATURE), jax.tree.leaves(p), strict=True))


def closed_loop(rule, steps, params=START, every=lambda params, state: params, **extra):
    """What `every` sees after each step of training on the quadratic."""
    state, seen = rule.init(params), []
    for _ in range(steps):
        updates, state = rule.update(jax.grad(loss)(params), state, params, **extra)
        params = apply_updates(params, updates)
        seen.append(every(params, state))
    return seen


def assert_near(a, b, rtol=1e-5):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.all(np.isfinite(x))
        np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-7)


# ------------------------------------------------------------------------------------------------ averages


def test_lookahead_trains_as_optax_does_with_its_pair_of_parameters():
    ours = rules.Lookahead(rules.SGD(0.1), sync_period=4, slow_step_size=0.3)
    theirs = optax.lookahead(optax.sgd(0.1), 4, 0.3)
    pair = optax.LookaheadParams.init_synced(START)
    state = theirs.init(pair)
    for fast, slow in closed_loop(ours, 18, every=lambda p, s: (p, evaluation_params(ours, s, p))):
        updates, state = theirs.update(jax.grad(loss)(pair.fast), state, pair)
        pair = optax.apply_updates(pair, updates)
        assert_near(fast, pair.fast)
        assert_near(slow, pair.slow)


def test_schedule_free_trains_and_averages_as_optax_does():
    ours, theirs = rules.ScheduleFreeSGD(0.5), optax.contrib.schedule_free_sgd(0.5)
    params, state = START, theirs.init(START)
    for y, x in closed_loop(ours, 30, every=lambda p, s: (p, evaluation_params(ours, s, p))):
        updates, state = theirs.update(jax.grad(loss)(params), state, params)
        params = optax.apply_updates(params, updates)
        assert_near(y, params, rtol=1e-4)
        assert_near(x, optax.contrib.schedule_free_eval_params(state, params), rtol=1e-4)


def test_at_a_constant_rate_schedule_free_tests_with_the_mean_of_the_rules_own_path():
    rule = rules.ScheduleFree(rules.SGD(0.5))
    seen = closed_loop(rule, 12, every=lambda p, s: (s.memory.z, evaluation_params(rule, s, p)))
    for t, (_, x) in enumerate(seen, 1):
        path = [z for z, _ in seen[:t]]
        assert_near(x, jax.tree.map(lambda *zs: sum(zs) / len(zs), *path), rtol=1e-4)


HUMP = gd.schedules.Warmup(gd.schedules.Exponential(0.5, 0.8, 1), steps=5, start=0.1)


def test_schedule_free_weighs_its_path_by_the_squares_of_the_rates():
    rule = rules.ScheduleFree(rules.SGD(HUMP), rate=HUMP)
    seen = closed_loop(rule, 12, every=lambda p, s: (s.memory.z, evaluation_params(rule, s, p)))
    w = [float(HUMP(t)) ** 2 for t in range(12)]
    for t, (_, x) in enumerate(seen, 1):
        mean = lambda *zs, t=t: sum(a * z for a, z in zip(w, zs, strict=False)) / sum(w[:t])  # noqa: E731
        assert_near(x, jax.tree.map(mean, *[z for z, _ in seen[:t]]), rtol=1e-4)


def test_with_its_weights_read_one_step_ahead_it_is_optax_at_any_schedule():
    theirs = optax.contrib.schedule_free(optax.sgd(HUMP), HUMP)
    make = lambda rate: rules.ScheduleFree(rules.SGD(HUMP), rate=rate, weights="largest_rate")  # noqa: E731
    assert gd.parity.compare(make(lambda step: HUMP(step + 1)), theirs, precision="float64", tolerance=100).agrees
    assert not gd.parity.compare(make(HUMP), theirs, precision="float64", tolerance=1e6).agrees, "mended: #1744"


@pytest.mark.parametrize(
    ("ready_made", "around"),
    [
        (rules.ScheduleFreeSGD(0.5, b1=0.8), rules.ScheduleFree(rules.SGD(0.5), b1=0.8)),
        (
            rules.ScheduleFreeAdamW(0.1, weight_decay=0.1, debias_at="average"),
            rules.ScheduleFree(rules.AdamW(0.1, b1=0.0, weight_decay=0.1, decay="rate")),
        ),
    ],
    ids=["sgd", "adamw"],
)
def test_the_ready_made_schedule_free_rules_are_the_wrapper_around_their_rule(ready_made, around):
    assert_near(closed_loop(ready_made, 15), closed_loop(around, 15), rtol=1e-4)


def test_the_average_of_the_parameters_is_what_optax_makes_of_them():
    rule = gd.chain(rules.SGD(0.1), rules.EMAParams(0.9))
    theirs = optax.ema(0.9, debias=True)
    state = theirs.init(START)
    for params, average in closed_loop(rule, 10, every=lambda p, s: (p, evaluation_params(rule, s, p))):
        wanted, state = theirs.update(params, state)
        assert_near(average, wanted)


def test_an_average_that_begins_at_the_first_parameters_is_the_incremental_update():
    rule = gd.chain(rules.SGD(0.1), rules.EMAParams(0.9, debias=False))
    wanted = START
    for params, average in closed_loop(rule, 10, every=lambda p, s: (p, evaluation_params(rule, s, p))):
        wanted = optax.incremental_update(params, wanted, 0.1)
        assert_near(average, wanted)


def test_in_16_bits_the_average_still_moves():
    # Its steps are 1e-3 of the way, which bfloat16 with its three digits would round away.
    rule, p = rules.EMAParams(0.999, debias=False), jnp.ones(3, jnp.bfloat16)
    state = rule.init(p)
    for _ in range(200):
        state = rule.update(jnp.zeros_like(p), state, 2 * p)[1]
    assert evaluation_params(rule, state, p).dtype == jnp.bfloat16
    np.testing.assert_allclose(state.memory.average, 2 - 0.999**200, rtol=1e-5)


def test_before_the_first_update_the_average_is_the_parameters():
    rule = rules.EMAParams()
    assert_near(evaluation_params(rule, rule.init(START), START), START)


def test_evaluation_params_looks_into_chains_and_wrappers_and_else_returns_the_parameters():
    plain = gd.chain(rules.Scale(0.5), rules.Adam(0.1))
    assert evaluation_params(plain, plain.init(START), START) is START
    assert evaluation_params(optax.adam(0.1), optax.adam(0.1).init(START), START) is START
    inside = rules.SkipLarge(gd.chain(rules.Scale(0.5), rules.Lookahead(rules.SGD(0.5))), max_norm=100.0)
    alone = gd.chain(rules.Scale(0.5), rules.Lookahead(rules.SGD(0.5)))
    seen = [closed_loop(r, 7, every=lambda p, s, r=r: evaluation_params(r, s, p)) for r in (inside, alone)]
    assert_near(*seen)
    assert not np.array_equal(seen[0][-1]["w"], START["w"])


# ------------------------------------------------------------------------------------------------ steps left out


def test_accumulate_makes_the_update_of_the_large_batch_and_stands_still_between():
    inner = rules.Adam(gd.schedules.Exponential(0.1, 0.5, 1))
    rule, gs = rules.Accumulate(inner, every=3), [{"x": jnp.array([float(i), 1.0])} for i in range(6)]
    p = {"x": jnp.zeros(2)}
    state, large = rule.init(p), inner.init(p)
    for t, g in enumerate(gs):
        before = state.inner
        u, state = rule.update(g, state, p)
        if t % 3 < 2:
            assert not np.any(u["x"])
            assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (before, state.inner)), strict=True))
        else:
            mean = {"x": sum(g["x"] for g in gs[t - 2 : t + 1]) / 3}
            wanted, large = inner.update(mean, large, p)
            assert_near(u, wanted)
    assert state.inner.step == 2


def test_accumulate_sums_16_bits_in_32():
    rule, p = rules.Accumulate(rules.SGD(1.0), every=1000), jnp.zeros((), jnp.bfloat16)
    state = rule.init(p)
    update = jax.jit(rule.update)
    for _ in range(999):  # in bfloat16 the sum would stop growing at 256
        _, state = update(jnp.ones_like(p), state, p)
    assert float(state.memory.total) == 999.0


@pytest.mark.parametrize("bad", [100.0, jnp.nan, jnp.inf])
def test_skip_large_skips_what_is_large_or_not_finite_and_leaves_the_rule_inside_as_it_was(bad):
    rule, p = rules.SkipLarge(rules.Adam(0.1), max_norm=5.0), {"x": jnp.zeros(2)}
    _, state = rule.update({"x": jnp.array([1.0, 2.0])}, rule.init(p), p)
    u, after = rule.update({"x": jnp.array([bad, 1.0])}, state, p)
    assert not np.any(u["x"])
    assert after.memory.skipped == 1
    assert all(np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (state.inner, after.inner)), strict=True))
    kept, _ = rule.update({"x": jnp.array([3.0, 4.0])}, after, p)
    assert np.all(kept["x"] != 0)


def test_the_derivative_through_a_skipped_update_is_finite():
    def end(bound):
        rule, p = rules.SkipLarge(rules.Adam(0.1), max_norm=bound), jnp.ones(2)
        u, _ = rule.update(jnp.array([jnp.inf, 1.0]), rule.init(p), p)
        return jnp.sum(p + u)

    assert jax.grad(end)(5.0) == 0
    assert np.all(jax.vmap(jax.grad(end))(jnp.array([1.0, 5.0])) == 0)


# ------------------------------------------------------------------------------------------------ directions


def test_a_cautious_update_never_points_against_the_gradient_where_momentum_does():
    p = jnp.zeros(4)
    gs = [jnp.array([1.0, 1.0, -1.0, 1.0]), jnp.array([-0.1, 1.0, 0.1, 0.0])]
    for make, against in ((lambda r: r, 2), (rules.Cautious, 0)):
        rule = make(rules.SGD(0.1, momentum=0.9))
        state = rule.init(p)
        for g in gs:
            u, state = rule.update(g, state, p)
        assert int(jnp.sum(u * gs[-1] > 0)) == against
    # One entry of four is left, and grows by 4 / (1 + 1).
    np.testing.assert_allclose(u, [0, -0.1 * 1.9 * 2, 0, 0], rtol=1e-6)


def test_sam_takes_the_gradient_at_distance_rho_uphill():
    seen = []

    def grad_fn(q):
        seen.append(q)
        return jax.grad(loss)(q)

    rule, g = rules.SAM(rules.SGD(0.1), rho=0.3), jax.grad(loss)(START)
    rule.update(g, rule.init(START), START, grad_fn=grad_fn)
    step = jax.tree.map(jnp.subtract, seen[0], START)
    np.testing.assert_allclose(tree_norm(step), 0.3, rtol=1e-6)
    assert loss(seen[0]) > loss(START)
    assert_near(jax.tree.map(lambda e: e / 0.3, step), jax.tree.map(lambda x: x / tree_norm(g), g), rtol=1e-4)


def test_a_short_gradient_is_normalized_to_length_1_and_sam_climbs_as_far_along_it():
    g, seen = {"x": jnp.array([3e-3, 4e-3])}, []
    normalize, sam = rules.Normalize(), rules.SAM(rules.SGD(0.1), rho=0.3)
    np.testing.assert_allclose(tree_norm(normalize.update(g, normalize.init(g))[0]), 1, rtol=1e-6)
    sam.update(g, sam.init(g), tree_scale(0, g), grad_fn=lambda q: (seen.append(q), g)[1])
    np.testing.assert_allclose(tree_norm(seen[0]), 0.3, rtol=1e-6)


def test_asam_does_not_see_how_the_weights_are_scaled():
    # f(p) = h(s p) is the same loss in other units: the step uphill is the same point.
    scales = jnp.array([1.0, 10.0, 0.1])
    rule = rules.ASAM(rules.SGD(0.1), rho=0.5, eta=0.0)
    seen = []
    for s in (jnp.ones(3), scales):
        p = jnp.array([1.0, -2.0, 3.0]) / s
        h = lambda q, s=s: jnp.sum(jnp.cos(s * q))  # noqa: E731
        grad_fn = lambda q, h=h, s=s: (seen.append(s * q), jax.grad(h)(q))[1]  # noqa: E731
        rule.update(jax.grad(h)(p), rule.init(p), p, grad_fn=grad_fn)
    np.testing.assert_allclose(seen[0], seen[1], rtol=1e-5)


def test_at_a_zero_gradient_optax_normalize_gives_nan_and_ours_zero():
    zero = {"x": jnp.zeros(3)}
    for theirs in (optax.contrib.normalize(), optax.normalize_by_update_norm(eps=0.0)):
        assert np.all(np.isnan(theirs.update(zero, theirs.init(zero))[0]["x"])), "mended: make it a twin of normalize"
    ours = rules.Normalize()
    assert np.all(ours.update(zero, ours.init(zero))[0]["x"] == 0)
    g = {"x": jnp.array([3.0, 4.0, 12.0])}
    np.testing.assert_allclose(tree_norm(ours.update(g, ours.init(g))[0]), 1, rtol=1e-6)


def test_before_a_rule_scale_minus_one_climbs():
    down, up = (closed_loop(gd.chain(*parts, rules.SGD(0.1)), 1)[0] for parts in ((), (rules.Scale(-1.0),)))
    assert loss(down) < loss(START) < loss(up)


def test_centralize_keeps_what_each_output_of_a_flax_kernel_sums_to():
    kernel, g = jnp.zeros((3, 3, 2, 5)), normal(0, 3, 3, 2, 5)
    rule = rules.Centralize()
    seen = rule.update(g, rule.init(kernel))[0]
    np.testing.assert_allclose(jnp.sum(seen, axis=(0, 1, 2)), 0, atol=1e-5)
    turned = rules.Centralize(unit_axis="first")
    np.testing.assert_allclose(
        jnp.moveaxis(turned.update(jnp.moveaxis(g, -1, 0), turned.init(jnp.moveaxis(g, -1, 0)))[0], 0, -1),
        seen,
        atol=1e-6,
    )


def test_mechanic_finds_the_rate_of_a_rule_whose_own_is_far_off():
    # At 1e-4 plain descent has gone 1 % of the way after 100 steps.
    slow = closed_loop(rules.SGD(1e-4), 100)[-1]
    tuned = closed_loop(rules.Mechanic(rules.SGD(1e-4)), 100)[-1]
    assert loss(slow) > 0.97 * loss(START)
    assert loss(tuned) < 0.1 * loss(START)
    # Recovered from the parameters, in float32, the path is lost.
    assert loss(closed_loop(rules.Mechanic(rules.SGD(1e-4), delta="recovered"), 100)[-1]) == loss(START)


# ------------------------------------------------------------------------------------------------ the loss and noise


def test_reduce_on_plateau_waits_for_its_patience_and_then_out_the_cooldown():
    rule, g = rules.ReduceOnPlateau(factor=0.5, patience=2, cooldown=3), jnp.ones(())
    state, scales = rule.init(g), []
    for value in [2.0, 1.0, *[1.0] * 9]:
        u, state = rule.update(g, state, value=jnp.array(value))
        scales.append(float(u))
    # Two bad values, three ignored, two bad values.
    assert scales == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]


def test_no_example_moves_dpsgd_by_more_than_its_bound():
    rule = rules.DPSGD(learning_rate=0.5, max_norm=2.0, noise_multiplier=1.0)
    examples = normal(1, 8, 5)
    p, key = jnp.zeros(5), jax.random.key(2)
    update = lambda e: rule.update(p, rule.init(p), per_example_grads=e, key=key)[0]  # noqa: E731
    other = examples.at[3].set(1e6)
    assert float(jnp.linalg.norm(update(other) - update(examples))) <= 2 * 0.5 * 2.0 / 8 * (1 + 1e-5)


def test_the_noise_of_dpsgd_and_of_add_noise_has_the_width_that_they_say():
    n, p = 4, jnp.zeros(40_000)
    private = rules.DPSGD(learning_rate=0.5, max_norm=2.0, noise_multiplier=3.0)
    u, _ = private.update(p, private.init(p), per_example_grads=jnp.zeros((n, *p.shape)), key=jax.random.key(0))
    noisy, state = rules.AddNoise(eta=0.3, gamma=0.55), None
    state = noisy.init(p)
    for t in (1, 2, 3):
        g, state = noisy.update(p, state, key=jax.random.key(t))
        # Of 40,000 the standard deviation is known to 0.35 %; 2 % is more than five of them.
        np.testing.assert_allclose(jnp.std(g), np.sqrt(0.3 / t**0.55), rtol=0.02)
    np.testing.assert_allclose(jnp.std(u), 0.5 * 3.0 * 2.0 / n, rtol=0.02)


def test_each_leaf_is_given_its_own_noise():
    p, rule = {"a": jnp.zeros(5), "b": jnp.zeros(5)}, rules.AddNoise(eta=1.0)
    g, _ = rule.update(p, rule.init(p), key=jax.random.key(0))
    assert not np.any(g["a"] == g["b"])


@pytest.mark.parametrize(
    "rule",
    [
        rules.SAM(rules.SGD(0.1)),
        rules.DPSGD(0.1, max_norm=1.0, noise_multiplier=0.1),
        gd.chain(rules.AddNoise(0.01), rules.ScheduleFree(rules.SGD(0.1))),
        gd.chain(rules.Adam(0.05), rules.ReduceOnPlateau(patience=5)),
        rules.Accumulate(rules.SAM(rules.SGD(0.1)), every=2),
    ],
    ids=repr,
)
def test_train_gives_each_what_it_needs(rule):
    x = jax.random.normal(jax.random.key(0), (32, 3))
    fit = lambda p, batch: jnp.mean((batch @ p - batch @ jnp.array([1.0, -1.0, 0.5])) ** 2)  # noqa: E731
    run = gd.train(fit, jnp.zeros(3), x, rule, steps=60, batch_size=8)
    assert run.history.loss[-1] < 0.3 * run.history.loss[0]


def test_a_count_below_one_is_refused_by_name():
    for make, name in (
        (lambda **k: rules.Lookahead(rules.SGD(0.1), **k), "sync_period"),
        (lambda **k: rules.Accumulate(rules.SGD(0.1), **k), "every"),
        (lambda **k: rules.Mechanic(rules.SGD(0.1), **k), "num_betas"),
        (rules.ReduceOnPlateau, "patience"),
        (rules.ReduceOnPlateau, "accumulation_size"),
    ):
        with pytest.raises(ValueError, match=rf"needs {name} >= 1, and was given {name}=0"):
            make(**{name: 0})
    with pytest.raises(ValueError, match=r"needs cooldown >= 0, and was given cooldown=-1"):
        rules.ReduceOnPlateau(cooldown=-1)
    with pytest.raises(ValueError, match=r"Lookahead needs rules \(objects with init and update\)"):
        rules.Lookahead(0.1)
