"""Records of what concerns whole distributions over classes."""

import numpy as np

from ...core import Paper, Record, Twin
from .. import kl_divergence, smooth_labels


def _targets(rng, dtype):
    """Distributions over five classes: with zeros, one-hot, uniform."""
    q = rng.dirichlet(np.ones(5), size=7)
    q[0] = [0.5, 0.5, 0, 0, 0]
    q[1] = [0, 0, 1, 0, 0]
    q[2] = 0.2
    return q.astype(dtype)


def _logits_and_targets(rng, dtype):
    """Logits, among them those of the target itself and large ones, and targets."""
    q = _targets(rng, dtype)
    logits = 2 * rng.normal(size=q.shape)
    logits[3] = np.log(q[3])
    logits[4, 0] = 50
    return logits.astype(dtype), q


def _optax_kl(twin, logits, target, /):
    import jax

    return twin(jax.nn.log_softmax(logits), target)


def _torch_kl(twin, logits, target, /):
    return twin(logits.log_softmax(-1), target, reduction="none").sum(-1)


def _plain_kl(logits, target):
    divergences = []
    for z, q in zip(np.asarray(logits, np.float64), np.asarray(target, np.float64), strict=True):
        p = np.exp(z - z.max()) / np.sum(np.exp(z - z.max()))
        divergences.append(sum(q[k] * np.log(q[k] / p[k]) for k in range(len(q)) if q[k] > 0))
    return np.array(divergences)


RECORDS = (
    Record(
        name="kl_divergence",
        family="distributions",
        papers=(
            Paper(
                "Kullback & Leibler",
                1951,
                "On Information and Sufficiency",
                "Annals of Mathematical Statistics",
                "https://doi.org/10.1214/aoms/1177729694",
            ),
        ),
        make=kl_divergence,
        twins=(
            Twin(
                "optax.losses.kl_divergence",
                dict,
                call=_optax_kl,
                note="It takes log-probabilities and does not normalise them.",
            ),
            Twin(
                "torch.nn.functional.kl_div",
                dict,
                call=_torch_kl,
                note="It takes log-probabilities and averages over batch and classes alike by default.",
            ),
        ),
        example=_logits_and_targets,
        transcription=_plain_kl,
    ),
    Record(
        name="smooth_labels",
        family="targets",
        papers=(
            Paper(
                "Szegedy et al.",
                2016,
                "Rethinking the Inception Architecture for Computer Vision",
                "CVPR",
                "https://arxiv.org/abs/1512.00567",
            ),
        ),
        make=smooth_labels,
        twins=(Twin("optax.losses.smooth_labels", lambda alpha: {"alpha": alpha}),),
        no_twin={"torch": "label_smoothing is an argument of its cross_entropy"},
        settings=({}, {"alpha": 0.3}),
        example=lambda rng, dtype: (_targets(rng, dtype),),
        transcription=lambda labels, alpha=0.1: np.asarray(labels, np.float64) * (1 - alpha) + alpha / 5,
    ),
)
