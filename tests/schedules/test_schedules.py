import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc import schedules
from gdfunc.core import in_axes
from gdfunc.rules import Adam
from gdfunc.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    InverseSqrt,
    Join,
    Linear,
    OneCycle,
    Piecewise,
    Polynomial,
    Step,
    Warmup,
    WarmupStableDecay,
    noam,
    warmup_cosine,
)


def close(actual, desired, eps=4.0):
    """Finite, and within `eps` rounding errors of the largest value."""
    desired = np.asarray(desired, np.asarray(actual).dtype)
    chex.assert_tree_all_finite((actual, desired))
    tolerance = eps * np.finfo(desired.dtype).eps * np.abs(desired).max()
    np.testing.assert_allclose(actual, desired, rtol=0, atol=tolerance, strict=True)


# With 4 steps: update 0 sees the start, update 4 the end, and the last of 4 updates (number 3) a quarter short of it.


def test_a_line_of_four_steps_by_hand():
    close(Linear(1.0, 0.0, 4)(jnp.arange(6)), [1, 0.75, 0.5, 0.25, 0, 0])


def test_a_cosine_of_four_steps_by_hand():
    close(Cosine(1.0, 4)(jnp.arange(6)), [1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4, 0, 0])


def test_ends_are_exact_and_held_for_ever():
    for schedule in (Linear(0.3, 0.01, 7), Polynomial(0.3, 0.01, 7, 0.9), Cosine(0.3, 7, 0.01)):
        values = schedule(jnp.array([-3, 0, 7, 8, 2**31 - 1]))
        np.testing.assert_array_equal(values, jnp.array([0.3, 0.3, 0.01, 0.01, 0.01]))
    wsd = WarmupStableDecay(0.3, 2, 3, 4, floor=0.01)
    np.testing.assert_array_equal(wsd(jnp.array([2, 5, 9, 10**6])), jnp.array([0.3, 0.3, 0.01, 0.01]))


def test_a_stair_begins_exactly_at_every_multiple():
    # In float32 s * (1 / n), which is what compiled division by a constant becomes, is below s / n for many of these.
    for every in (3, 41, 47, 55, 61, 82, 97):
        steps = every * jnp.arange(1, 40)
        np.testing.assert_array_equal(
            jax.jit(Step(1.0, every, 0.5))(steps) * 2, jax.jit(Step(1.0, every, 0.5))(steps - 1), strict=True
        )


def test_restarts_begin_exactly_where_the_cycles_add_up():
    for steps, multiplier in [(1, 1), (3, 1), (41, 1), (1, 2), (3, 2), (10, 2), (7, 3), (1000, 2)]:
        schedule = CosineRestarts(1.0, steps, multiplier, floor=0.25)
        begin, length = 0, steps
        while begin < 2**20 and length < 2**20:
            at = schedule(jnp.array([begin, begin + length - 1, begin + length]))
            last = 0.25 + 0.375 * (1 + np.cos(np.pi * (length - 1) / length))
            # The float32 quotient of the last step is off by one rounding error of the phase.
            close(at, [1.0, last, 1.0], eps=8)
            begin, length = begin + length, length * multiplier
            if begin > 50 * steps and multiplier == 1:
                break


def test_the_rate_is_largest_after_warm_up_and_then_falls_with_the_root_of_time():
    close(InverseSqrt(0.1, 4)(jnp.array([0, 1, 3, 15, 63])), [0.025, 0.05, 0.1, 0.05, 0.025])
    close(InverseSqrt(0.1)(jnp.array([0, 3, 24])), [0.1, 0.05, 0.02])


def test_noam_is_the_transformers_formula():
    t = np.array([1.0, 100, 4000, 100_000])
    paper = 512**-0.5 * np.minimum(t**-0.5, t * 4000**-1.5)
    close(noam(512, 4000)(t.astype(np.int32) - 1), paper)
    close(schedules.get("noam", width=512, warmup_steps=4000, scale=2.0)(t.astype(np.int32) - 1), 2 * paper)


def test_one_cycle_rises_returns_and_ends_where_it_should():
    two = OneCycle(1.0, 20, rise=0.25, initial_divisor=10, final_divisor=100)
    close(two(jnp.array([0, 5, 20, 99])), [0.1, 1.0, 0.001, 0.001])
    three = OneCycle(1.0, 20, 0.25, 10, 100, return_at=0.5, shape="linear")
    close(three(jnp.array([0, 1, 5, 6, 10, 15, 20, 21])), [0.1, 0.28, 1.0, 0.82, 0.1, 0.0505, 0.001, 0.001])


@pytest.mark.parametrize("rise", [0.0, 0.19848356535253986, 1.0])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_one_cycle_of_few_steps_is_finite_with_its_derivatives(rise, steps):
    # optax.cosine_onecycle_schedule gave NaN where rise * steps < 1 (google-deepmind/optax#1403).
    for return_at in (None, 1.0) if rise < 1 else (None,):
        schedule = OneCycle(0.0367, steps, rise, return_at=return_at)
        values = schedule(jnp.arange(5))
        slopes = jax.jacrev(lambda schedule: schedule(jnp.arange(5)))(schedule)
        chex.assert_tree_all_finite((values, jax.tree.leaves(slopes)))
        assert float(values.max()) <= 0.0367 * (1 + 1e-6)


def test_a_cycle_without_a_rise_begins_at_its_peak():
    assert float(OneCycle(0.5, 10, rise=0.0)(0)) == 0.5


def test_a_warm_up_of_no_steps_is_the_schedule_itself_with_finite_derivatives():
    steps = jnp.arange(20)
    np.testing.assert_array_equal(Warmup(Cosine(0.3, 10), 0)(steps), Cosine(0.3, 10)(steps))
    zero = WarmupStableDecay(0.3, 0, 0, 10, shape="cosine")
    np.testing.assert_array_equal(zero(steps), Cosine(0.3, 10)(steps))
    for schedule in (Warmup(Cosine(0.3, 10), 0), zero, InverseSqrt(0.3, 0)):
        slopes = jax.jacrev(lambda schedule: schedule(steps))(schedule)
        chex.assert_tree_all_finite(jax.tree.leaves(slopes))


def test_the_schedule_after_a_warm_up_counts_from_zero():
    close(Warmup(Linear(1.0, 0.0, 2), 4, start=0.2)(jnp.arange(8)), [0.2, 0.4, 0.6, 0.8, 1, 0.5, 0, 0])
    close(warmup_cosine(1.0, 4, 8)(jnp.arange(10)), Warmup(Cosine(1.0, 4), 4)(jnp.arange(10)))


def test_a_plain_function_can_be_warmed_up_joined_and_traced():
    schedule = Warmup(lambda s: 1 / (1 + s), 2)
    close(jax.jit(lambda schedule, s: schedule(s))(schedule, jnp.arange(4)), [0, 0.5, 1, 0.5])
    joined = Join((lambda s: 1.0 + s, Constant(5.0)), (2,))
    close(joined(jnp.arange(4)), [1, 2, 5, 5])


def test_a_schedule_that_overflows_later_spoils_no_derivative_of_a_join():
    schedule = Join((Exponential(1.0, 10.0), Constant(2.0)), (3,))
    slopes = jax.grad(lambda schedule: schedule(1000))(schedule)
    chex.assert_tree_all_finite(jax.tree.leaves(slopes))
    close(schedule(jnp.array([2, 3, 1000])), [100, 2, 2])


def test_pieces_change_at_their_boundaries():
    close(Piecewise([3, 2, 1], [2, 5])(jnp.array([0, 1, 2, 4, 5, 9])), [3, 3, 2, 2, 1, 1])


def test_derivatives_by_hand():
    # d/dS of a (1 - s / S) is a s / S**2.
    slope = jax.grad(lambda schedule: schedule(2))(Linear(0.5, 0.0, 4))
    close(jnp.stack([slope.start, slope.end, slope.steps]), [0.5, 0.5, 0.0625])
    slope = jax.grad(lambda schedule: schedule(3))(Piecewise((3.0, 2.0), (2,)))
    assert (*slope.values, *slope.boundaries) == (0.0, 1.0, 0.0)


def test_schedules_can_be_mapped_over():
    schedule = Warmup(Cosine(jnp.array([0.1, 0.2, 0.3]), 10), 5)
    values = jax.vmap(lambda schedule: schedule(jnp.arange(15)), in_axes=(in_axes(schedule),))(schedule)
    for peak, row in zip((0.1, 0.2, 0.3), values, strict=True):
        close(row, Warmup(Cosine(peak, 10), 5)(jnp.arange(15)))


def test_whole_numbers_are_differentiable_too():
    schedule = Cosine(1, 10)
    assert jax.grad(lambda schedule: schedule(5))(schedule).steps != 0
    assert schedule == Cosine(1.0, 10.0)
    assert hash(schedule) == hash(Cosine(1.0, 10.0))


def test_small_and_unsigned_steps_do_not_overflow():
    for dtype in (jnp.int8, jnp.uint8, jnp.int16, jnp.uint32):
        close(Warmup(Linear(1.0, 0.0, 1000), 100)(jnp.array([0, 50, 100], dtype)), [0, 0.5, 1])
    assert float(Linear(1.0, 0.0, 2**33)(2**32)) == 0.5


def test_a_rule_takes_a_schedule_for_any_number():
    params = {"w": jnp.ones(3)}
    rule = Adam(Linear(0.1, 0.0, 2), b1=Constant(0.9))
    state, sizes = rule.init(params), []
    for _ in range(4):
        updates, state = rule.update({"w": jnp.ones(3)}, state, params)
        sizes.append(-updates["w"][0])
    close(jnp.stack(sizes), [0.1, 0.05, 0.0, 0.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Cosine(0.1, 0), "Cosine needs steps > 0, and was given steps=0"),
        (lambda: Linear(jnp.nan, 0.0, 5), "Linear needs start to be finite"),
        (lambda: Linear(0.1, 0.0, "5"), "Linear needs steps to be a real number"),
        (lambda: Linear(0.1, 0.0, True), "Linear needs steps to be a real number"),
        (lambda: Cosine(Constant(0.1), 10), r"Cosine needs peak to be a number, and was given Constant"),
        (lambda: CosineRestarts(0.1, 10, 1.5), "multiplier to be a whole number >= 1, and was given multiplier=1.5"),
        (lambda: OneCycle(0.1, 10, rise=1.5), "OneCycle needs 0 <= rise <= 1, and was given rise=1.5"),
        (lambda: OneCycle(0.1, 10, rise=0.5, return_at=0.4), "needs return_at > rise, and was given return_at=0.4"),
        (lambda: OneCycle(0.1, 10, shape="square"), "needs shape to be 'cosine' or 'linear'"),
        (lambda: Piecewise((1, 2), (1, 2)), "one boundary fewer than values, and was given 2 for 2 values"),
        (lambda: Piecewise((1, 2, 3), (5, 5)), r"boundaries that rise from above 0, and was given boundaries=\(5, 5\)"),
        (lambda: Piecewise((1, 2), (0,)), r"rise from above 0, and was given boundaries=\(0,\)"),
        (lambda: Piecewise((1, "x"), (1,)), r"finite numbers as values, and was given values\[1\]='x'"),
        (lambda: Piecewise(1.0, (1,)), "values to be a sequence of numbers, and was given values=1.0"),
        (lambda: Join((Constant(1.0), 2.0), (1,)), "Join needs schedules to be functions of the step"),
        (lambda: Join((Constant(1.0), Constant(2.0)), ()), "one boundary fewer than schedules"),
        (lambda: Warmup(0.1, 5), r"Warmup needs schedule to be a function .* write Constant\(value\)"),
        (lambda: warmup_cosine(0.1, 10, 10), "needs 0 <= warmup_steps < steps"),
        (lambda: noam(0, 4000), "noam needs width > 0, and was given width=0"),
        (lambda: Cosine(0.1, 10)("3"), "Cosine needs step to be a number or an array of numbers, and was given '3'"),
        (lambda: Cosine(jnp.ones(3), 10)(3), r"Cosine needs peak to be one number, and was given shape \(3,\)"),
        (lambda: schedules.get("cosin"), "schedules.get knows no 'cosin'. Did you mean 'cosine'"),
        (lambda: schedules.get("cosine", peek=1.0, steps=5), r"schedules.get\('cosine'\): missing a required argument"),
        (lambda: schedules.get("cosine", peak=1.0, steps=5, flor=0), "unexpected keyword argument 'flor'"),
    ],
)
def test_bad_input_is_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_get_finds_schedules_by_name_and_more_than_once():
    assert schedules.get("cosine", peak=0.1, steps=10) == Cosine(0.1, 10)
    assert schedules.get("wsd", peak=0.1, warmup_steps=1, stable_steps=2, decay_steps=3).shape == "1-sqrt"
    assert list(schedules.records()) == list(schedules.records())
