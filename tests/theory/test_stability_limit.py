"""The largest curvature that a rule bears: against papers' formulas, and against the rule itself on a parabola."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc import rules, schedules
from gdfunc.theory import stability_limit

ETA, MU = 0.1, 0.9


@pytest.fixture(autouse=True)
def double():
    with jax.enable_x64(True):
        yield


# Cohen et al. 2021 and 2022; optimistic gradient descent: Daskalakis et al. 2018; schedule-free: Defazio et al. 2024.
FORMULAS = {
    "gradient descent": (rules.SGD(ETA), 2 / ETA),
    "momentum": (rules.SGD(ETA, MU), 2 * (1 + MU) / ETA),
    "dampened": (rules.SGD(ETA, MU, dampening=0.5), 2 * (1 + MU) / (0.5 * ETA)),
    "Nesterov": (rules.SGD(ETA, MU, nesterov=True), 2 * (1 + MU) / ((1 + 2 * MU) * ETA)),
    "heavy ball": (rules.HeavyBall(ETA, MU), 2 * (1 + MU) / ETA),
    "optimistic": (rules.OptimisticGradientDescent(ETA), 2 / (3 * ETA)),
    "Adam": (rules.Adam(ETA), 2 * 1.9 / (0.1 * ETA)),
    "Adam, b1 = 0.5": (rules.Adam(ETA, b1=0.5), 2 * 1.5 / (0.5 * ETA)),
    "AMSGrad": (rules.AMSGrad(ETA), 2 * 1.9 / (0.1 * ETA)),
    "RAdam": (rules.RAdam(ETA), 2 * 1.9 / (0.1 * ETA)),
    "RMSprop": (rules.RMSprop(ETA), 2 / ETA),
    "Adagrad": (rules.Adagrad(ETA), 2 / ETA),
    "Optax's momentum": (optax.sgd(ETA, MU), 2 * (1 + MU) / ETA),
    "Optax's Nesterov": (optax.sgd(ETA, MU, nesterov=True), 2 * (1 + MU) / ((1 + 2 * MU) * ETA)),
    "Optax's Adam": (optax.adam(ETA), 2 * 1.9 / (0.1 * ETA)),
    "behind clipping": (gd.chain(gd.clipping.ClipByGlobalNorm(1.0), rules.SGD(ETA, MU)), 2 * (1 + MU) / ETA),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_limit_is_the_formulas(name):
    rule, limit = FORMULAS[name]
    # Adam's eps is 1e-8 of the root of its average; the radius is searched to 1e-7.
    np.testing.assert_allclose(stability_limit(rule), limit, rtol=2e-7)


LINEAR = {
    "decay": gd.chain(rules.AddDecayedWeights(0.3), rules.SGD(ETA, MU)),
    "quasi-hyperbolic": rules.QHM(ETA),
    "averaged": rules.ScheduleFreeSGD(ETA),
    "dampened Nesterov": rules.SGD(ETA, 0.7, 0.2, nesterov=True),
    "Lookahead": rules.Lookahead(rules.SGD(ETA), sync_period=1),
}


@pytest.mark.parametrize("name", LINEAR)
def test_the_rule_itself_comes_back_below_the_limit_and_leaves_above_it(name):
    rule = LINEAR[name]
    limit = float(stability_limit(rule))

    @jax.jit
    def far(h):
        def step(carry, _):
            p, state = carry
            u, state = rule.update(h * p, state, p)
            return (p + u, state), None

        return abs(jax.lax.scan(step, (jnp.asarray(1e-6), rule.init(jnp.asarray(1e-6))), length=20_000)[0][0])

    assert far(0.99 * limit) < 1e-6
    assert not far(1.01 * limit) < 1.0


def test_it_is_differentiable_maps_and_reads_schedules():
    rate = jax.grad(lambda eta: stability_limit(rules.SGD(eta, MU)))(ETA)
    np.testing.assert_allclose(rate, -2 * (1 + MU) / ETA**2, rtol=1e-6)
    np.testing.assert_allclose(jax.grad(lambda mu: stability_limit(rules.SGD(ETA, mu)))(MU), 2 / ETA, rtol=1e-5)
    etas = jnp.array([0.1, 0.2])
    np.testing.assert_allclose(
        jax.jit(jax.vmap(lambda eta: stability_limit(rules.Adam(eta))))(etas), 38 / etas, rtol=2e-7
    )
    scheduled = rules.SGD(schedules.Exponential(0.2, 0.5, 1))
    chained = gd.chain(gd.clipping.ClipByGlobalNorm(1.0), scheduled)
    for rule in (scheduled, chained):
        np.testing.assert_allclose([stability_limit(rule, t) for t in (0, 1)], [10, 20], rtol=1e-7)


def test_a_rule_without_a_limit_has_none():
    assert np.isnan(stability_limit(rules.SignSGD(ETA)))
    assert np.isnan(stability_limit(rules.Lion(ETA)))
    assert np.isnan(stability_limit(rules.Scale(ETA)))  # uphill: no minimum holds it
    with pytest.raises(
        ValueError, match=r"stability_limit needs a rule \(an object with init and update\), and was given 'sgd'"
    ):
        stability_limit("sgd")
    with pytest.raises(ValueError, match="needs a rule of gradients and parameters alone, and PolyakSGD"):
        stability_limit(rules.PolyakSGD())
