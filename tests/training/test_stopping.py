"""Where and how a run ends."""

import chex
import jax.numpy as jnp
import numpy as np
import pytest

import gdfunc as gd
from gdfunc.core import ArrayRule, Scalar, rule
from gdfunc.training import GradientNorm, LossChange, Plateau, Target


@rule
class Descent(ArrayRule):
    learning_rate: Scalar

    def step(self, g, memory, p, t):
        return -self.learning_rate * g, ()


def parabola(x, _):
    return 0.5 * x**2


def descend(loss_fn=parabola, x=1.0, rate=0.5, steps=50, **settings):
    return gd.train(loss_fn, x, None, Descent(rate), steps=steps, **settings)


# At learning rate 1/2 the parabola's x is 2**-k after k updates: loss 2**-(2k+1), gradient 2**-k, all exact.
EXACT = {
    "target": (Target(2.0**-7), 4),
    "gradient_norm": (GradientNorm(2.0**-5), 7),  # strictly below: 2**-6
    "loss_change": (LossChange(2.0**-5, patience=2), 5),  # changes 3/8, 3/32, 3/128, 3/512
    "plateau": (Plateau(patience=3, min_delta=0.2), 5),  # best 1/2, then 1/8, then three that are not better by 0.2
}


@pytest.mark.parametrize("chunk", [1, 3, 100])
@pytest.mark.parametrize("code", EXACT)
def test_a_rule_stops_at_the_exact_step_and_leaves_the_parameters_it_judged(code, chunk):
    stop, step = EXACT[code]
    run = descend(stop=[stop], chunk=chunk)
    assert (run.outcome.code, run.outcome.step) == (code, step)
    assert run.step == step - 1
    assert float(run.params) == 2.0 ** -(step - 1)
    assert int(run.state.step) == step - 1
    assert len(run.history) == step
    assert run.history.loss[-1] == float(parabola(run.params, None))
    assert run.outcome.message


def test_the_first_rule_that_fires_names_the_outcome():
    assert descend(stop=[Target(1e-9), GradientNorm(0.1)]).outcome.code == "gradient_norm"
    assert descend(stop=[Target(0.1), GradientNorm(0.5)]).outcome.code == "target"
    assert descend(stop=[GradientNorm(0.3), Target(0.1)]).outcome.code == "gradient_norm"  # both at step 3
    assert descend(stop=Target(0.1)).outcome.code == "target"


def test_a_loss_that_oscillates_is_not_taken_for_one_that_stands_still():
    run = descend(lambda x, _: jnp.abs(x) + 0.25, x=0.25, rate=1.0, steps=20, stop=[LossChange(0.1, patience=2)])
    assert run.outcome.code == "steps"


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_divergence_ends_the_run_with_the_last_finite_parameters_and_a_remedy(chunk):
    run = descend(rate=1e4, steps=100, chunk=chunk)
    assert run.outcome.code == "non_finite"
    assert run.outcome.step == len(run.history) == run.step + 1 < 20
    chex.assert_tree_all_finite((run.params, run.history.param_norm))
    assert np.all(np.isfinite(run.history.loss[:-1]))
    assert "lower learning_rate, or clip" in run.outcome.remedy
    assert "last finite gradient norm" in run.outcome.remedy


def test_an_update_that_leaves_the_dtype_is_not_applied():
    # The loss and the gradient are finite in float16, the parameter after the update is not.
    run = descend(lambda x, _: -x, x=jnp.asarray(60000.0, jnp.float16), rate=10000.0, steps=5)
    assert (run.outcome.code, run.outcome.step) == ("non_finite", 1)
    assert float(run.params) == 60000.0
    assert "parameter norm became infinite" in run.outcome.message


def test_a_nan_at_the_first_step_points_at_the_data_and_not_at_the_rate():
    run = descend(lambda x, _: jnp.log(x), x=-1.0)
    assert (run.outcome.code, run.outcome.step, run.step) == ("non_finite", 1, 0)
    assert "loss became NaN at step 1" in run.outcome.message
    assert "not moved yet" in run.outcome.remedy
    assert float(run.params) == -1.0


def test_a_finite_loss_with_a_nan_gradient_points_at_the_derivative():
    run = descend(lambda x, _: jnp.where(x > 0, jnp.sqrt(x), 0.0) + 1.0, x=0.0)
    assert run.outcome.code == "non_finite"
    assert "derivative" in run.outcome.remedy


def test_a_nan_outranks_every_rule():
    assert descend(lambda x, _: jnp.log(x), x=-1.0, stop=[Plateau(1), LossChange(1.0)]).outcome.code == "non_finite"


def test_a_loss_that_rose_is_said_to_have_risen():
    assert descend(rate=2.1, steps=20).outcome.remedy == "the loss rose: lower learning_rate"
    assert descend(rate=0.1, steps=20).outcome.remedy == ""


def test_rules_that_need_the_loss_are_given_it():
    @rule
    class Polyak(ArrayRule):
        scale: Scalar = 1.0
        needs = ("value",)

        def step(self, g, memory, p, t, value):
            return -self.scale * value / g, ()

    run = gd.train(parabola, 1.0, None, Polyak(), steps=3)
    assert float(run.params) == 0.125  # each step halves x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GradientNorm(0.0), r"GradientNorm needs below > 0"),
        (lambda: Target(np.nan), r"Target needs loss"),
        (lambda: LossChange(-1.0), r"LossChange needs tolerance >= 0"),
        (lambda: LossChange(0.1, patience=0), r"LossChange needs patience to be a whole number >= 1"),
        (lambda: Plateau(patience=2.5), r"Plateau needs patience .* patience=2.5"),
        (lambda: Plateau(3, min_delta=-0.1), r"Plateau needs min_delta >= 0"),
    ],
)
def test_a_stopping_rule_out_of_range_is_a_clear_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()
