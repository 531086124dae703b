"""What Optax 0.2.8 and PyTorch 2.13.0 do otherwise than their papers, and no certificate shows.

A test that fails here tells that one of them is mended. PyTorch's run where it is installed.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gdfunc import losses, rules
from gdfunc.parity import MODES, build, compare
from gdfunc.parity._twins import load, settings_of
from gdfunc.report import certified, deviations

UNCERTIFIED = [known for known in deviations() if certified(known) is None]
SHOWN = []
STEPS = np.arange(12)


def shows(*twins, what):
    """Gives a test the records' deviations of these twins that have these words, under the twins' names."""
    found = [known for known in UNCERTIFIED if known.deviation.twin in twins and what in known.deviation.what]
    assert sorted(known.deviation.twin for known in found) == sorted(twins)
    SHOWN.extend(found)
    return pytest.mark.parametrize("known", [pytest.param(known, id=known.deviation.twin) for known in found])


def mended(known):
    return f"{known.deviation.twin} has mended this, take it out of the record of {known.name}: {known.deviation.what}"


def our_half(known):
    return known.record.make(**{**known.record.settings[0], **known.deviation.settings})


def pair(known):
    """Ours and theirs at the settings of the deviation."""
    ours = our_half(known)
    twin = next(twin for twin in known.record.twins if twin.name == known.deviation.twin)
    return ours, load(twin.name)(**twin.arguments(**settings_of(known.record.make, vars(ours))))


def updates(rule, gradients, params=None):
    """The updates on gradients one after the other."""
    params = jnp.ones_like(gradients[0]) if params is None else params
    state, found = rule.init(params), []
    for g in gradients:
        u, state = rule.update(g, state, params)
        found.append(np.asarray(u))
    return np.stack(found)


def finite(x):
    return bool(np.all(np.isfinite(x)))


def slope_at_zero(rule):
    """The derivatives of the first update by the gradient, where that is zero."""
    p = jnp.ones((3, 3))
    return jax.jacrev(lambda g: rule.update(g, rule.init(p), p)[0])(jnp.zeros((3, 3)))


# ------------------------------------------------------------------------------------------------ rules


@shows("optax.adadelta", what="it climbs")
def test_optax_adadelta_climbs_with_its_default_learning_rate_and_ours_descends(known):
    first_update = lambda rule: float(updates(rule, [jnp.ones(())])[0])  # noqa: E731
    assert first_update(optax.adadelta()) > 0, mended(known)
    assert first_update(optax.adadelta(learning_rate=1.0, rho=0.95)) < 0
    assert first_update(rules.Adadelta()) == first_update(optax.adadelta(learning_rate=1.0, rho=0.95))


@shows("optax.radam", what="hyper-gradients are NaN")
def test_optax_radam_has_nan_hypergradients_from_the_third_step_on_and_ours_are_finite(known):
    def slope(make, steps):
        def end(b2):
            rule = make(learning_rate=0.1, b2=b2, threshold=5.0)
            p, state = jnp.ones(()), rule.init(jnp.ones(()))
            for _ in range(steps):
                u, state = rule.update(p, state, p)
                p = p + u
            return p

        return float(jax.grad(end)(0.999))

    assert [finite(slope(optax.radam, steps)) for steps in (2, 3, 4, 6)] == [True, False, False, False], mended(known)
    assert all(finite(slope(rules.RAdam, steps)) for steps in (2, 3, 4, 6))


@shows("optax.yogi", what="always been zero")
def test_optax_yogi_moves_parameters_whose_gradient_has_always_been_zero_and_ours_does_not(known):
    ours, theirs = pair(known)
    zeros = [jnp.zeros(3)] * 3
    assert np.any(updates(theirs, zeros)), mended(known)
    assert np.any(updates(ours, zeros))  # as told to
    assert not np.any(updates(rules.Yogi(0.5), zeros))


@shows("optax.adam", what="derivatives")
@pytest.mark.parametrize("name", ["adam", "adamw", "nadam", "nadamw", "amsgrad", "radam", "lamb"])
def test_derivatives_of_optax_adam_and_its_kin_are_nan_at_a_zero_gradient_and_ours_are_finite(known, name):
    def first_update(make):
        return lambda b2: jnp.sum(make(0.1, b2=b2).update(zero, make(0.1, b2=b2).init(zero), zero)[0])

    zero, theirs, ours = jnp.zeros(3), getattr(optax, name), rules.record(name).make
    assert not finite(slope_at_zero(theirs(0.1))), mended(known)
    assert not finite(jax.grad(first_update(theirs))(0.999)), mended(known)
    assert finite(slope_at_zero(ours(0.1)))
    assert finite(jax.grad(first_update(ours))(0.999))


SAME_ROOT = {
    "optax.adam": (
        *(
            "adamw",
            "nadam",
            "nadamw",
            "amsgrad",
            "adabelief",
            "optimistic_adam_v2",
            "contrib.acprop",
            "contrib.ademamix",
        ),
        *("contrib.dadapt_adamw", "contrib.prodigy", "contrib.schedule_free_adamw", "contrib.simplified_ademamix"),
    ),
    "optax.adamax": ("adamaxw",),
}


@shows(
    *("optax.adam", "optax.adamax", "optax.adan", "optax.novograd", "optax.rmsprop", "optax.adafactor"),
    *("optax.contrib.muon", "optax.contrib.dog", "optax.contrib.cocob", "optax.normalize_by_update_norm"),
    what="in float16",
)
def test_a_zero_gradient_in_float16_gives_nan_in_optax_and_none_in_ours(known):
    pairs = {known.deviation.twin: pair(known)}
    for name in SAME_ROOT.get(known.deviation.twin, ()):
        ours = rules.get(name.removeprefix("contrib.").removesuffix("_v2"), learning_rate=0.5)
        pairs[f"optax.{name}"] = ours, load(f"optax.{name}")(0.5)
    for name, (ours, theirs) in pairs.items():
        zeros = [jnp.zeros((3, 3), jnp.float16)] * 3
        assert not finite(updates(theirs, zeros)), f"{name}: {mended(known)}"
        assert finite(updates(ours, zeros)), name


@shows("optax.amsgrad", what="none of its flags")
def test_none_of_optax_amsgrads_flags_gives_pytorchs_form(known):
    ours = rules.AMSGrad(0.5, correction="after_max")
    for mu in (False, True):
        for nu in (False, True):
            theirs = optax.amsgrad(0.5, bias_correction_mu=mu, bias_correction_nu=nu)
            assert compare(ours, theirs, explain=False).error > 1e4, mended(known)


@shows("optax.contrib.muon", what="Nesterov's mix")
def test_optax_muons_second_step_is_off_by_nine_per_cent_where_its_average_is_corrected(known):
    gradients = list(jnp.asarray(np.random.default_rng(0).standard_normal((2, 4, 4)), jnp.float32))
    ours = updates(our_half(known), gradients)
    theirs = updates(optax.contrib.muon(0.5, weight_decay=0.0), gradients)
    off = np.abs(theirs - ours).max(axis=(1, 2)) / np.abs(ours).max(axis=(1, 2))
    assert off[0] < 1e-4
    assert 0.04 < off[1] < 0.12, mended(known)


@shows("optax.sm3", what="IndexError")
def test_optax_sm3_takes_no_parameter_of_shape_one_number_and_ours_does(known):
    ours, theirs = pair(known)
    assert updates(ours, [jnp.ones(())])[0] < 0
    try:
        updates(theirs, [jnp.ones(())])
    except IndexError:
        return
    pytest.fail(mended(known))


@shows("optax.centralize", what="over the outputs")
def test_optax_centralize_takes_the_mean_over_the_outputs_and_ours_over_a_units_inputs(known):
    kernel = jnp.asarray([[0.0, 1.0, 5.0], [3.0, 4.0, 8.0]])  # (in, out)
    ours, theirs = (updates(rule, [kernel])[0] for rule in (rules.Centralize(), optax.centralize()))
    assert np.allclose(theirs, kernel - kernel.mean(axis=1, keepdims=True)), mended(known)
    assert np.allclose(ours, kernel - kernel.mean(axis=0))


@shows("optax.contrib.sam", what="normalize()")
def test_optax_sams_own_ascent_is_nan_at_a_zero_gradient_and_ours_stands_still(known):
    uphill = optax.chain(optax.contrib.normalize(), optax.sgd(0.05))
    theirs = optax.contrib.sam(optax.sgd(0.5), uphill, sync_period=2, opaque_mode=True)
    p, ours = jnp.zeros(3), rules.SAM(rules.SGD(0.5))
    u, _ = theirs.update(p, theirs.init(p), p, grad_fn=lambda q, i: 2 * q)
    assert not finite(u), mended(known)
    u, _ = ours.update(p, ours.init(p), p, grad_fn=lambda q: 2 * q)
    assert not np.any(u)


@shows("optax.contrib.acprop", what="evaluated literally")
def test_the_difference_of_a_literal_power_is_of_the_size_in_the_record(known):
    ours = our_half(known)
    theirs = build(known.record.twin("optax"), ours)
    for mode in MODES:
        least, most = known.deviation.sizes.get(mode.name, (0, 8))
        error = compare(ours, theirs, precision=mode.name, explain=False).error
        assert error >= least, mended(known)
        assert error <= most


# ------------------------------------------------------------------------------------------------ clipping


@shows(
    "optax.clip_by_global_norm", "optax.clip_by_block_rms", "optax.adaptive_grad_clip", "optax.normalize_by_update_norm",
    what="its derivative is",
)  # fmt: skip
def test_the_derivative_of_optax_clipping_is_not_finite_at_a_zero_gradient_and_ours_is(known):
    ours, theirs = pair(known)
    assert not finite(slope_at_zero(theirs)), mended(known)
    assert finite(slope_at_zero(ours))


@shows("optax.clip_by_global_norm", what="where max_norm is 0")
def test_optax_clips_a_zero_gradient_to_a_norm_of_zero_as_nan_and_ours_as_zero(known):
    ours, theirs = pair(known)
    assert not finite(updates(theirs, [jnp.zeros(3)])), mended(known)
    assert not np.any(updates(ours, [jnp.zeros(3)]))


@shows("optax.apply_if_finite", what="lets every further one through")
def test_optax_apply_if_finite_lets_everything_through_once_it_has_given_up_and_ours_nothing(known):
    broken = [jnp.asarray([np.nan, 1.0])] * 5
    through = [not finite(u) for u in updates(optax.apply_if_finite(optax.sgd(1.0), 2), broken)]
    assert through[:3] == [False, False, True]
    assert through[3:] == [True, True], mended(known)
    assert not np.any(updates(known.record.make(rules.SGD(1.0)), broken))


# ------------------------------------------------------------------------------------------------ schedules, losses


@shows("optax.schedules.cosine_onecycle_schedule", "optax.schedules.linear_onecycle_schedule", what="rounded down")
def test_optax_one_cycle_peaks_early_where_the_rise_is_no_whole_number_of_steps(known):
    settings = {**known.record.settings[0], **known.deviation.settings}
    paper = known.record.transcription(STEPS, **settings)
    ours, theirs = pair(known)
    assert np.abs(np.asarray([theirs(step) for step in STEPS]) - paper).max() > 0.05, mended(known)
    assert np.abs(np.asarray(ours(STEPS)) - paper).max() < 1e-6
    # A rise of less than a step is none: it starts at the peak.
    short = {"transition_steps": 10, "peak_value": 1.0, "pct_start": 0.05}
    assert load(known.deviation.twin)(**short)(0) == 1, mended(known)


@shows("optax.schedules.polynomial_schedule", "optax.schedules.exponential_decay", what="float32 at an int32 step")
def test_optax_schedules_are_float32_at_their_own_count_even_where_float64_is_enabled(known):
    with jax.enable_x64(True):
        ours, theirs = pair(known)
        least, most = known.deviation.sizes["float64"]
        exact, theirs, ours = (float(x) for x in (theirs(np.float64(3)), theirs(jnp.int32(3)), ours(jnp.int32(3))))
        error, mine = (abs(x - exact) / (np.finfo(np.float64).eps * exact) for x in (theirs, ours))
        assert error >= least, mended(known)
        assert error <= most
        assert mine <= 8


@shows("optax.losses.log_cosh", what="7 % off")
def test_optax_log_cosh_loses_small_errors_in_float32_and_ours_keeps_them(known):
    errors, zeros = jnp.asarray([1e-3, 3e-4], jnp.float32), jnp.zeros(2)
    exact = np.asarray(errors, np.float64) ** 2 / 2
    off = np.abs(optax.losses.log_cosh(errors, zeros) - exact) / exact
    assert off[0] > 0.05, mended(known)
    assert off[1] > 0.99, mended(known)
    assert np.allclose(losses.log_cosh(errors[:, None], zeros[:, None]), exact, rtol=1e-5, atol=0)


# ------------------------------------------------------------------------------------------------ PyTorch


def torch_updates(make, gradients, start=0.0, dtype="float32"):
    """What an optimizer of PyTorch adds to a parameter at each step."""
    torch = pytest.importorskip("torch")
    assert torch.get_default_dtype() == torch.float32
    p = torch.full((1,), start, dtype=getattr(torch, dtype), requires_grad=True)
    optimizer, found = make(torch.optim)([p]), []
    for g in gradients:
        before, p.grad = p.detach().clone(), torch.full_like(p, g)
        optimizer.step()
        found.append((p.detach() - before).item())
    return np.asarray(found)


@shows("torch.optim.SGD", what="ignores dampening")
def test_pytorch_sgd_ignores_dampening_without_momentum(known):
    theirs = torch_updates(lambda optim: lambda ps: optim.SGD(ps, lr=0.1, momentum=0, dampening=0.5), [1.0] * 3)
    ours = updates(rules.SGD(0.1, momentum=0.0, dampening=0.5, first_step="copied"), [jnp.ones(1)] * 3)
    assert np.allclose(theirs, -0.1), mended(known)
    assert np.allclose(ours[:, 0], [-0.1, -0.05, -0.05])


@shows("torch.optim.Rprop", what="clips the first step")
def test_pytorch_rprop_clips_the_first_step(known):
    theirs = torch_updates(lambda optim: lambda ps: optim.Rprop(ps, lr=0.1, step_sizes=(1e-6, 0.05)), [1.0])
    assert np.allclose(theirs, -0.05), mended(known)
    assert np.allclose(updates(rules.Rprop(0.1, max_step_size=0.05, on_sign_change="hold"), [jnp.ones(1)]), -0.1)


@shows("torch.optim.NAdam", what="mu_product")
def test_pytorch_nadam_keeps_its_product_of_momenta_in_float32(known):
    theirs = torch_updates(lambda optim: lambda ps: optim.NAdam(ps, lr=0.5), [1.0, -2.0, 3.0], dtype="float64")
    with jax.enable_x64(True):
        ours = updates(our_half(known), [jnp.asarray([g], float) for g in (1.0, -2.0, 3.0)])[:, 0]
    error = np.abs(theirs - ours).max() / (np.finfo(np.float64).eps * np.abs(ours).max())
    least, most = known.deviation.sizes["float64"]
    assert error >= least, mended(known)
    assert error <= most


@shows("torch.optim.AdamW", what="multiplied by 1 - eta lambda")
def test_pytorch_adamws_decay_drifts_in_float32(known):
    theirs = torch_updates(
        lambda optim: lambda ps: optim.AdamW(ps, lr=1e-2, weight_decay=1e-2), [0.0] * 1000, start=1.0
    )
    exact = (1 - 1e-4) ** 1000
    error = abs(1 + theirs.sum() - exact) / (np.finfo(np.float32).eps * exact)
    least, most = known.deviation.sizes["float32"]
    assert error >= least, mended(known)
    assert error <= most


def test_every_deviation_that_no_certificate_shows_has_a_test_here():
    names = lambda found: sorted((known.deviation.twin, known.deviation.what) for known in found)  # noqa: E731
    assert names(SHOWN) == names(UNCERTIFIED)
