"""Records of the regression losses."""

import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .. import absolute_error, huber, log_cosh, squared_error


def _example(rng, dtype):
    """Predictions and targets: errors of 0, of exactly +-1 and +-0.5 (Huber's kinks), small ones and large ones."""
    prediction, target = rng.normal(size=(7, 5)), rng.normal(size=(7, 5))
    prediction[1] = target[1]
    target[2], prediction[2] = 0.25, 0.25 + np.array([1.0, -1.0, 0.5, -0.5, 0.0])
    prediction[3] = target[3] + 1e-4
    prediction[4] *= 30
    return prediction.astype(dtype), target.astype(dtype)


def _over_features(twin, prediction, target, /, axis, **arguments):
    each = twin(prediction, target, **arguments)
    return each if axis is None else each.mean(axis)


def _mean(h):
    """A plain formula of one error as a function of predictions and targets."""

    def transcription(prediction, target, axis=-1, **settings):
        error = np.asarray(prediction, np.float64) - np.asarray(target, np.float64)
        each = np.vectorize(lambda e: h(e, **settings))(error)
        return each if axis is None else each.sum(axis) / each.shape[axis]

    return transcription


def _huber(e, delta=1.0):
    return 0.5 * e * e if abs(e) <= delta else delta * abs(e) - 0.5 * delta * delta


RECORDS = (
    Record(
        name="squared_error",
        family="regression",
        papers=(
            Paper(
                "Stigler",
                1981,
                "Gauss and the Invention of Least Squares",
                "Annals of Statistics",
                "https://doi.org/10.1214/aos/1176345451",
            ),
        ),
        make=squared_error,
        twins=(
            Twin(
                "optax.losses.squared_error",
                lambda axis: {"axis": axis},
                call=_over_features,
                note="It averages over nothing; l2_loss is half of it.",
            ),
            Twin(
                "torch.nn.functional.mse_loss",
                lambda axis: {"axis": axis, "reduction": "none"},
                call=_over_features,
                note="Its default also averages over the batch.",
            ),
        ),
        settings=({}, {"axis": None}, {"axis": 0}),
        example=_example,
        transcription=_mean(lambda e: e * e),
    ),
    Record(
        name="absolute_error",
        family="regression",
        papers=(
            Paper(
                "Koenker & Bassett",
                1978,
                "Regression Quantiles",
                "Econometrica",
                "https://doi.org/10.2307/1913643",
            ),
        ),
        make=absolute_error,
        twins=(
            Twin(
                "torch.nn.functional.l1_loss",
                lambda axis: {"axis": axis, "reduction": "none"},
                call=_over_features,
                note="Its default also averages over the batch.",
            ),
        ),
        no_twin={"optax": "it has none (0.2.8)"},
        settings=({}, {"axis": None}),
        example=_example,
        transcription=_mean(abs),
    ),
    Record(
        name="huber",
        family="regression",
        papers=(
            Paper(
                "Huber",
                1964,
                "Robust Estimation of a Location Parameter",
                "Annals of Mathematical Statistics",
                "https://doi.org/10.1214/aoms/1177703732",
            ),
        ),
        make=huber,
        twins=(
            Twin(
                "optax.losses.huber_loss",
                lambda delta, axis: {"delta": delta, "axis": axis},
                call=_over_features,
                note="It averages over nothing.",
            ),
            Twin(
                "torch.nn.functional.huber_loss",
                lambda delta, axis: {"delta": delta, "axis": axis, "reduction": "none"},
                call=_over_features,
                note="smooth_l1_loss(beta=delta) is this one divided by delta.",
            ),
        ),
        settings=({}, {"delta": 0.5}, {"axis": None, "delta": 20.0}),
        example=_example,
        transcription=_mean(_huber),
    ),
    Record(
        name="log_cosh",
        family="regression",
        papers=(
            Paper(
                "Saleh & Saleh",
                2022,
                "Statistical Properties of the log-cosh Loss Function Used in Machine Learning",
                "arXiv",
                "https://arxiv.org/abs/2208.04564",
            ),
        ),
        make=log_cosh,
        twins=(
            Twin(
                "optax.losses.log_cosh",
                lambda axis: {"axis": axis},
                call=_over_features,
                note="In float32 it is 7 % off at an error of 1e-3, and 0 at one of 3e-4: the square is lost beside log 2.",
            ),
        ),
        no_twin={"torch": "it has none (2.13)"},
        settings=({}, {"axis": None}),
        example=_example,
        transcription=_mean(lambda e: np.log(np.cosh(e))),
        deviations=(
            Deviation(
                twin="optax.losses.log_cosh",
                since="optax 0.2.8",
                what="in float32 it is 7 % off at an error of 1e-3, and next to 0 at one of 3e-4: the square is lost beside log 2",
            ),
        ),
    ),
)
