"""Defects of Optax 0.2.8 that the records warn of. A test that fails here tells that Optax has mended one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from gdfunc import rules


def test_optax_adadelta_climbs_with_its_default_learning_rate_and_ours_descends():
    def first_update(rule):
        p = jnp.ones(())
        return float(rule.update(jnp.ones(()), rule.init(p), p)[0])

    assert first_update(optax.adadelta()) > 0, "optax.adadelta() descends now: mend its note in the record"
    assert first_update(optax.adadelta(learning_rate=1.0, rho=0.95)) < 0
    assert first_update(rules.Adadelta()) == first_update(optax.adadelta(learning_rate=1.0, rho=0.95))


def test_optax_radam_has_nan_hypergradients_through_steps_3_and_4_and_ours_are_finite():
    def slope(make, steps):
        def end(b2):
            rule = make(learning_rate=0.1, b2=b2, threshold=5.0)
            p, state = jnp.ones(()), rule.init(jnp.ones(()))
            for _ in range(steps):
                u, state = rule.update(p, state, p)
                p = p + u
            return p

        return float(jax.grad(end)(0.999))

    assert [bool(np.isnan(slope(optax.radam, steps))) for steps in (2, 3, 4, 6)] == [False, True, True, True], (
        "optax.radam's hyper-gradients have changed: mend the note in the record"
    )
    assert all(np.isfinite(slope(rules.RAdam, steps)) for steps in (2, 3, 4, 6))
