"""What an initialiser says of its draws: their mean square, and that their mean is 0."""

import jax
import numpy as np
import pytest

from gdfunc import init

WITH = {
    "normal": init.normal(0.3),
    "truncated normal": init.truncated_normal(0.3),
    "uniform": init.uniform(-0.4, 0.4),
    "He, truncated": init.he_normal("relu", truncated=True),
    "He, fan out": init.he_normal("relu", fan="out"),
    "Xavier": init.xavier_uniform(2.0),
    "critical": init.critical("tanh", 0.05),
    "orthogonal": init.orthogonal(1.5),
    "Fixup": init.fixup(9, 3),
    "muP's output": init.mup_output(64, 2.0),
    "delta-orthogonal": init.delta_orthogonal(1.5),
}
SHAPES = {"delta-orthogonal": [(3, 3, 40, 60)]}


@pytest.mark.parametrize("name", WITH)
def test_the_law_is_that_of_the_draws(name):
    for i, shape in enumerate(SHAPES.get(name, [(300, 400), (3, 3, 40, 20)])):
        w = np.asarray(WITH[name](jax.random.key(i), shape), np.float64)
        n = w.size
        # The spread of a mean square of n numbers: at most 2 / n for these, in squares.
        assert np.mean(w**2) == pytest.approx(WITH[name].law.variance(shape), rel=5 * (2 / n) ** 0.5)
        assert abs(np.mean(w)) <= 5 * (np.mean(w**2) / n) ** 0.5
    assert WITH[name].law.orthogonal == name.endswith("orthogonal")


def test_zeros_have_one_and_what_has_a_mean_or_is_not_drawn_has_none():
    assert init.zeros().law.variance((3, 4)) == 0
    for each in (init.ones(), init.constant(0.1), init.identity(), init.uniform(0.0, 1.0), init.sparse(0.5)):
        assert each.law is None
