"""What the docstrings say of rules beside other rules, and of what a rule keeps: found out by running both."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc.rules import (
    ADOPT,
    ASGD,
    COCOB,
    MADGRAD,
    QHM,
    SGD,
    ACProp,
    Adafactor,
    Adam,
    AdamAtan2,
    AdamMini,
    AdEMAMix,
    Beta3Warmup,
    GrokfastEMA,
    HeavyBall,
    LaProp,
    QHAdam,
    SimplifiedAdEMAMix,
    StableAdamW,
)
from gdfunc.rules._galore import _aligned, _singular_vectors
from gdfunc.schedules import Linear

EPS = float(np.finfo(np.float64).eps)
GRADIENTS = np.random.default_rng(0).standard_normal((30, 3, 4))


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def trace(rule, gradients=GRADIENTS, closed=False):
    """(updates, memories) of all steps; `closed`: the parameters follow the updates, and begin at 0."""
    p = jnp.zeros(gradients.shape[1:])
    state, updates, memories = rule.init(p), [], []
    for g in gradients:
        u, state = rule.update(jnp.asarray(g), state, p)
        p = p + u if closed else p
        updates.append(np.asarray(u))
        memories.append(getattr(state, "memory", None))
    return np.stack(updates), memories


def assert_close(seen, wanted, errors=16):
    """Within so many rounding errors of the largest wanted number."""
    assert np.all(np.isfinite(seen))
    np.testing.assert_allclose(seen, wanted, rtol=0, atol=errors * EPS * np.max(np.abs(wanted)), strict=True)


def test_the_heavy_ball_is_sgd_with_momentum_after_the_rate_and_under_a_schedule_not_before_it():
    rate = Linear(0.1, 0.01, 20)
    ball, _ = trace(HeavyBall(rate, momentum=0.8))
    assert_close(ball, trace(SGD(rate, momentum=0.8))[0])
    before, _ = trace(SGD(rate, momentum=0.8, momentum_at="before_rate"))
    assert np.max(np.abs(ball - before)) > 0.1 * np.max(np.abs(ball))


def test_the_heavy_ball_repeats_its_path_minus_the_gradient():
    updates, _ = trace(HeavyBall(0.1, momentum=0.8), closed=True)
    path = np.concatenate([np.zeros((2, 3, 4)), np.cumsum(updates, axis=0)])
    wanted = path[1:-1] - 0.1 * GRADIENTS + 0.8 * (path[1:-1] - path[:-2])
    assert_close(path[2:], wanted, errors=64)


def test_adafactor_factors_the_last_two_axes_of_an_array_of_three():
    g = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 4, 5)))
    rule = Adafactor(0.1, relative=False, clipping_threshold=None)

    def updates(g):
        p = jnp.zeros(g.shape[1:], g.dtype)
        step = lambda state, g: rule.update(g, state, p)[::-1]  # noqa: E731
        return jax.lax.scan(step, rule.init(p), g)[1]

    assert_close(updates(g), np.stack([updates(g[:, i]) for i in range(2)], axis=1))


def test_galore_turns_a_new_direction_to_the_side_of_the_one_that_it_replaces():
    G = jnp.asarray(GRADIENTS[0])
    P = _singular_vectors(G, jnp.zeros((3, 2)))
    turned = P * jnp.array([-1.0, 1.0])
    assert_close(_aligned(G, turned), turned)


def test_asgd_keeps_the_mean_of_the_iterates_from_where_the_average_begins():
    updates, memories = trace(ASGD(0.1, decay=0.5, average_from=10.0), closed=True)
    path = np.cumsum(updates, axis=0)
    assert_close(np.asarray(memories[11].average), path[11])
    assert_close(np.asarray(memories[-1].average), np.mean(path[11:], axis=0))


def test_without_decay_asgd_is_plain_descent():
    assert_close(trace(ASGD(0.1, decay=0.0))[0], trace(SGD(0.1))[0])


def test_qhm_at_nu_0_is_descent_at_nu_1_momentum_and_at_nu_beta_nesterovs():
    assert_close(trace(QHM(0.1, beta=0.9, nu=0.0))[0], trace(SGD(0.1))[0])
    assert_close(trace(QHM(0.1, beta=0.9, nu=1.0))[0], trace(SGD(0.1, momentum=0.9, dampening=0.9))[0])
    assert_close(trace(QHM(0.1, beta=0.9, nu=0.9))[0], trace(SGD(0.01, momentum=0.9, nesterov=True))[0])


def test_qhadam_with_all_its_weight_on_memory_is_adam():
    assert_close(trace(QHAdam(0.1, b1=0.9, nu1=1.0, nu2=1.0))[0], trace(Adam(0.1))[0])


def test_adam_atan2_with_large_constants_is_adam_and_its_first_step_is_the_rate_at_4_over_pi():
    # atan2(x, b y) b = x / y (1 - (x / (b y))**2 / 3): at b = 1e4 eight digits
    np.testing.assert_allclose(trace(AdamAtan2(0.1, a=1e4, b=1e4))[0], trace(Adam(0.1, eps=0.0))[0], rtol=1e-7)
    first = trace(AdamAtan2(0.1, a=4 / math.pi))[0][0]
    assert_close(first, -0.1 * np.sign(GRADIENTS[0]))


def test_adam_atan2_does_not_see_the_gradients_scale():
    assert_close(trace(AdamAtan2(0.1), 1e-30 * GRADIENTS)[0], trace(AdamAtan2(0.1))[0])


def test_stable_adamw_without_decay_is_adam_times_the_clipping():
    stable, _ = trace(StableAdamW(0.1, b1=0.9, b2=0.99, weight_decay=0.0))
    adam, memories = trace(Adam(0.1, b2=0.99, eps=1e-6))
    for t, (g, memory) in enumerate(zip(GRADIENTS, memories, strict=True), 1):
        rms = np.sqrt(np.mean(g**2 / np.asarray(memory.v) * (1 - 0.99**t)))
        np.testing.assert_allclose(stable[t - 1], adam[t - 1] / max(1, rms), rtol=1e-10)  # 1 - 0.99**t loses digits
    assert np.max(np.abs(stable - adam)) > 0.01


def test_laprop_without_momentum_is_adam_without_momentum():
    assert_close(trace(LaProp(0.1, b1=0.0, eps=1e-8))[0], trace(Adam(0.1, b1=0.0))[0])


def test_adam_mini_with_one_entry_a_block_is_adam_and_holds_one_number_a_block():
    column = GRADIENTS[:, :, :1]
    assert_close(trace(AdamMini(0.1, block="row"), column)[0], trace(Adam(0.1), column)[0])
    assert trace(AdamMini(0.1, block="array"))[1][-1].v.shape == (1, 1)
    assert trace(AdamMini(0.1, block="row"))[1][-1].v.shape == (3, 1)
    assert trace(AdamMini(0.1, block="column"))[1][-1].v.shape == (1, 4)


def test_adam_mini_holds_its_few_second_moments_in_32_bits():
    assert AdamMini(0.1).init(jnp.zeros((3, 4), jnp.bfloat16)).memory.v.dtype == jnp.float32


def test_simplified_ademamix_at_alpha_0_is_adam_at_another_rate_but_for_the_correction():
    seen, _ = trace(SimplifiedAdEMAMix(0.1, b1=0.9, b2=0.95, alpha=0.0))
    adam, _ = trace(Adam(0.1 / (1 - 0.9), b2=0.95))
    correction = 1 - 0.9 ** np.arange(1, 31).reshape(-1, 1, 1)
    assert_close(seen, adam * correction, errors=64)


def test_ademamix_without_its_old_average_is_adam():
    assert_close(trace(AdEMAMix(0.1, alpha=0.0))[0], trace(Adam(0.1))[0])


def test_the_half_life_of_beta_3_grows_in_a_straight_line():
    warmup = Beta3Warmup(steps=1000, start=0.9, end=0.9999)
    half_life = math.log(0.5) / np.log(np.asarray(warmup(np.arange(0, 1001, 250))))
    np.testing.assert_allclose(half_life, np.linspace(half_life[0], half_life[-1], 5), rtol=1e-9)
    np.testing.assert_allclose(warmup(np.array([0, 1000, 5000])), [0.9, 0.9999, 0.9999], rtol=1e-14)


def test_ademamix_and_optax_take_the_same_warm_ups():
    warm = {"b3": Beta3Warmup(steps=20), "alpha": Linear(0.0, 5.0, 20)}
    ours, _ = trace(AdEMAMix(0.1, debias="power", **warm))
    theirs, _ = trace(optax.contrib.ademamix(0.1, **warm))
    assert_close(ours, theirs)
    assert np.max(np.abs(ours - trace(AdEMAMix(0.1, debias="power"))[0])) > 0.01


def test_grokfast_amplifies_a_constant_gradient_and_leaves_an_alternating_one():
    rule = GrokfastEMA(decay=0.5, strength=2.0)
    constant = trace(rule, np.ones((60, 1)))[0]
    assert_close(constant[-1], np.array([3.0]))
    alternating = trace(dataclasses.replace(rule, decay=0.98), np.tile([[1.0], [-1.0]], (300, 1)))[0]
    assert np.max(np.abs(np.abs(alternating[-2:]) - 1)) < 0.03  # 2 (1 - 0.98) / (1 + 0.98)


def test_grokfast_is_a_part_for_a_chain():
    chained, _ = trace(gd.chain(GrokfastEMA(), SGD(0.1)))
    assert_close(chained, -0.1 * trace(GrokfastEMA())[0])


def test_adopts_first_gradient_moves_nothing_and_its_second_step_at_most_a_tenth_of_the_rate():
    clipped, _ = trace(ADOPT(0.1))
    free, _ = trace(ADOPT(0.1, clipping=False))
    assert np.all(clipped[0] == 0)
    assert np.all(free[0] == 0)
    assert np.max(np.abs(clipped[1])) <= 0.01 * (1 + 4 * EPS)  # (1 - b1) c_2 with c_2 = 1
    assert np.max(np.abs(free[1])) > 0.02


def test_acprop_centred_on_the_old_mean_makes_steps_b1_times_as_long():
    new, _ = trace(ACProp(0.1, b1=0.8, eps=0.0, eps_root=0.0))
    old, _ = trace(ACProp(0.1, b1=0.8, eps=0.0, eps_root=0.0, centred_on="old_mean"))
    assert_close(old[0], new[0])
    assert_close(old[1:], 0.8 * new[1:])


def test_cocobs_first_step_is_1_over_alpha_whatever_the_gradients_scale():
    updates, _ = trace(COCOB(alpha=50.0), closed=True)
    assert_close(updates[0], -np.sign(GRADIENTS[0]) / 50)
    assert_close(trace(COCOB(alpha=50.0), 1e3 * GRADIENTS, closed=True)[0], updates)


def test_madgrads_first_z_is_eta_to_the_two_thirds_times_the_cube_root_of_the_gradient_away():
    first = trace(MADGRAD(0.1, momentum=0.0, eps=1e-30))[0][0]
    assert_close(first, -np.cbrt(0.1**2 * GRADIENTS[0]))


@pytest.mark.parametrize("rule", [COCOB(), MADGRAD(0.1)], ids=["cocob", "madgrad"])
def test_a_rule_that_remembers_where_it_began_takes_back_a_move_that_was_not_its_own(rule):
    p = jnp.ones(3)
    state = rule.init(p)
    u, _ = rule.update(jnp.zeros(3), state, p + 1)
    share = 1 - getattr(rule, "momentum", 0.0)
    assert_close(np.asarray(u), np.full(3, -share))
