"""Records of the losses for classes: a score or logit a class, or one for a yes or no."""

import numpy as np

from ...core import Paper, Record, Twin
from .. import focal, hinge, multiclass_hinge, sigmoid_cross_entropy, softmax_cross_entropy

_LIN = Paper(
    "Lin, Goyal, Girshick, He & Dollar",
    2017,
    "Focal Loss for Dense Object Detection",
    "ICCV",
    "https://arxiv.org/abs/1708.02002",
)


def _classes(rng, dtype):
    """Logits of five classes and integer labels: zeros, ties, and large logits at the right and at the wrong class."""
    logits = 2 * rng.normal(size=(8, 5))
    logits[0] = 0
    logits[1] = [3, 3, 1, 1, 0]
    logits[2, 0], logits[3, 0] = 60, 60
    logits[4] -= 40
    return logits.astype(dtype), np.array([2, 0, 0, 1, 3, 4, 2, 1], np.int32)


def _yes_or_no(low):
    def example(rng, dtype):
        """Logits or scores and labels: zeros, margins of exactly 1, large ones on either side."""
        scores = np.concatenate([[0, 0, 1, -1, 1, -1, 40, 40, -40, -40], 3 * rng.normal(size=6)])
        labels = np.array([low, 1, 1, low, low, 1, 1, low, low, 1, low, 1, low, 1, low, 1])
        return scores.reshape(4, 4).astype(dtype), labels.reshape(4, 4).astype(dtype)

    return example


def _plain_softmax(logits, labels, smoothing=0.0):
    losses = []
    for z, y in zip(np.asarray(logits, np.float64), labels, strict=True):
        log_p = z - z.max() - np.log(np.sum(np.exp(z - z.max())))
        q = np.full(len(z), smoothing / len(z))
        q[y] += 1 - smoothing
        losses.append(-np.sum(q * log_p))
    return np.array(losses)


def _plain_log_loss(logits, labels):
    z, y = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    return np.where(y == 1, np.log1p(np.exp(-z)), np.log1p(np.exp(z)))


def _plain_focal(logits, labels, alpha=0.25, gamma=2.0):
    z, y = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    p = 1 / (1 + np.exp(-z))
    p_t = np.where(y == 1, p, 1 - p)
    weight = 1.0 if alpha is None else np.where(y == 1, alpha, 1 - alpha)
    return weight * (1 - p_t) ** gamma * _plain_log_loss(z, y)


def _plain_hinges(scores, labels, form="crammer_singer"):
    losses = []
    for s, y in zip(np.asarray(scores, np.float64), labels, strict=True):
        short = [max(0.0, 1 + s[k] - s[y]) for k in range(len(s)) if k != y]
        losses.append(max(short) if form == "crammer_singer" else sum(short))
    return np.array(losses)


def _optax_distributions(twin, logits, labels, /, smoothing):
    import jax

    return twin(logits, (1 - smoothing) * jax.nn.one_hot(labels, logits.shape[-1]) + smoothing / logits.shape[-1])


RECORDS = (
    Record(
        name="softmax_cross_entropy",
        family="classification",
        papers=(
            Paper(
                "Bridle",
                1990,
                "Probabilistic Interpretation of Feedforward Classification Network Outputs, with Relationships to "
                "Statistical Pattern Recognition",
                "Neurocomputing",
                "https://doi.org/10.1007/978-3-642-76153-9_28",
            ),
            Paper(
                "Szegedy et al.",
                2016,
                "Rethinking the Inception Architecture for Computer Vision",
                "CVPR",
                "https://arxiv.org/abs/1512.00567",
            ),
        ),
        make=softmax_cross_entropy,
        twins=(
            Twin(
                "optax.losses.softmax_cross_entropy_with_integer_labels",
                lambda smoothing: {} if smoothing == 0 else "for smoothed labels it has softmax_cross_entropy",
                note="Labels from -K to -1 count from the last class there: a finite loss. It cannot raise.",
            ),
            Twin(
                "optax.losses.softmax_cross_entropy",
                lambda smoothing: {"smoothing": smoothing},
                call=_optax_distributions,
                note="It takes distributions only.",
            ),
            Twin(
                "torch.nn.functional.cross_entropy",
                lambda smoothing: {"label_smoothing": smoothing, "reduction": "none"},
                call=lambda twin, logits, labels, /, **arguments: twin(logits, labels.long(), **arguments),
                note="It takes classes on axis 1, ignores labels of -100, and averages over the batch by default.",
            ),
        ),
        settings=({}, {"smoothing": 0.1}),
        example=_classes,
        transcription=_plain_softmax,
    ),
    Record(
        name="sigmoid_cross_entropy",
        family="classification",
        papers=(
            Paper(
                "Cox",
                1958,
                "The Regression Analysis of Binary Sequences",
                "Journal of the Royal Statistical Society B",
                "https://doi.org/10.1111/j.2517-6161.1958.tb00292.x",
            ),
        ),
        make=sigmoid_cross_entropy,
        twins=(
            Twin("optax.losses.sigmoid_binary_cross_entropy", dict),
            Twin(
                "torch.nn.functional.binary_cross_entropy_with_logits",
                lambda: {"reduction": "none"},
                call=lambda twin, logits, labels, /, **arguments: twin(logits, labels, **arguments),
                note="Its default averages over everything.",
            ),
        ),
        example=_yes_or_no(0),
        transcription=_plain_log_loss,
    ),
    Record(
        name="focal",
        family="classification",
        papers=(_LIN,),
        make=focal,
        twins=(
            Twin(
                "optax.losses.sigmoid_focal_loss",
                lambda alpha, gamma: {"alpha": alpha, "gamma": gamma},
                note="Its alpha is None by default.",
            ),
        ),
        no_twin={"torch": "it is in torchvision"},
        settings=({}, {"alpha": None, "gamma": 0.5}, {"alpha": 0.6, "gamma": 0.0}),
        example=_yes_or_no(0),
        transcription=_plain_focal,
    ),
    Record(
        name="hinge",
        family="classification",
        papers=(
            Paper(
                "Cortes & Vapnik",
                1995,
                "Support-Vector Networks",
                "Machine Learning",
                "https://doi.org/10.1007/BF00994018",
            ),
        ),
        make=hinge,
        twins=(
            Twin(
                "optax.losses.hinge_loss",
                dict,
                note="At the kink its derivative is half the slope (a maximum's tie); ours is 0. It takes labels of 0.",
            ),
        ),
        no_twin={"torch": "its hinge_embedding_loss is another function (it takes distances)"},
        example=_yes_or_no(-1),
        transcription=lambda scores, labels: np.clip(1 - np.multiply(labels, scores, dtype=np.float64), 0, None),
    ),
    Record(
        name="multiclass_hinge",
        family="classification",
        papers=(
            Paper(
                "Crammer & Singer",
                2001,
                "On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines",
                "JMLR",
                "https://www.jmlr.org/papers/v2/crammer01a.html",
            ),
            Paper(
                "Weston & Watkins",
                1999,
                "Support Vector Machines for Multi-Class Pattern Recognition",
                "ESANN",
                "https://www.esann.org/sites/default/files/proceedings/legacy/es1999-461.pdf",
            ),
        ),
        make=multiclass_hinge,
        twins=(
            Twin(
                "optax.losses.multiclass_hinge_loss",
                lambda form: {} if form == "crammer_singer" else "it has Crammer and Singer's form",
            ),
            Twin(
                "torch.nn.functional.multi_margin_loss",
                lambda form: {} if form == "weston_watkins" else "it has Weston and Watkins's form",
                call=lambda twin, scores, labels, /: scores.shape[-1] * twin(scores, labels.long(), reduction="none"),
                note="It divides by the number of classes.",
            ),
        ),
        settings=({}, {"form": "weston_watkins"}),
        example=_classes,
        transcription=_plain_hinges,
    ),
)
