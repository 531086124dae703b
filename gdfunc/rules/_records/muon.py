import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._muon import Muon
from ._common import one_minus_power, zero_gradient_in_float16

BLOG = Paper(
    "Jordan et al.",
    2024,
    "Muon: An optimizer for hidden layers in neural networks",
    "blog",
    "https://kellerjordan.github.io/posts/muon/",
)
MOONLIGHT = Paper("Liu et al.", 2025, "Muon is Scalable for LLM Training", "arXiv", "https://arxiv.org/abs/2502.16982")


def optax(
    learning_rate, momentum, nesterov, weight_decay, eps, ns_steps, ns_a, ns_b, ns_c, rms, layout, debias,
    adam_learning_rate, adam_b1, adam_b2, adam_eps, adam_weight_decay, adam_nesterov,
):  # fmt: skip
    if debias == "none":
        return "optax.contrib.muon always corrects its averages"
    if layout != "in_out":
        return "optax.contrib.muon takes the first axis as n_in"
    if adam_nesterov != nesterov:
        return "optax.contrib.muon looks ahead in both parts or in none"
    if adam_eps != eps:
        return "optax.contrib.muon has one eps for both parts"
    return {
        "learning_rate": learning_rate,
        "ns_coeffs": (ns_a, ns_b, ns_c),
        "ns_steps": ns_steps,
        "beta": momentum,
        "eps": eps,
        "weight_decay": weight_decay,
        "nesterov": nesterov,
        "adam_b1": adam_b1,
        "adam_b2": adam_b2,
        "adam_weight_decay": adam_weight_decay,
        "adam_learning_rate": adam_learning_rate,
        "consistent_rms": rms,
    }


def torch(
    learning_rate, momentum, nesterov, weight_decay, eps, ns_steps, ns_a, ns_b, ns_c, rms, layout, debias,
    adam_learning_rate, adam_b1, adam_b2, adam_eps, adam_weight_decay, adam_nesterov,
):  # fmt: skip
    if layout != "out_in":
        return "torch.optim.Muon takes the first axis as n_out"
    if debias != "none":
        return "torch.optim.Muon does not correct its average"
    if rms not in (None, 0.2):
        return "torch.optim.Muon knows no root mean square but 0.2"
    return {
        "lr": learning_rate,
        "weight_decay": weight_decay,
        "momentum": momentum,
        "nesterov": nesterov,
        "ns_coefficients": (ns_a, ns_b, ns_c),
        "eps": eps,
        "ns_steps": ns_steps,
        "adjust_lr_fn": None if rms is None else "match_rms_adamw",
    }


def paper(
    gradients, params, learning_rate, momentum, nesterov, weight_decay, eps, ns_steps, ns_a, ns_b, ns_c, rms, layout,
    adam_learning_rate, adam_b1, adam_b2, adam_eps, adam_weight_decay,
):  # fmt: skip
    if gradients[0].ndim != 2:
        rate = learning_rate if adam_learning_rate is None else adam_learning_rate
        return adamw(gradients, params, rate, adam_b1, adam_b2, adam_eps, adam_weight_decay)
    rows, columns = gradients[0].shape
    n_in, n_out = (rows, columns) if layout == "in_out" else (columns, rows)
    factor = np.sqrt(max(1, n_out / n_in)) if rms is None else rms * np.sqrt(max(n_in, n_out))
    B, updates = np.zeros((rows, columns)), []
    for G, W in zip(gradients, params, strict=True):
        B = momentum * B + G
        D = momentum * B + G if nesterov else B
        # The scale of the buffer matters beside eps alone; the author's code averages.
        X = (1 - momentum) * D
        X = X / (np.linalg.norm(X) + eps)
        # An odd polynomial of X acts on the singular values.
        U, s, Vt = np.linalg.svd(X, full_matrices=False)
        for _ in range(ns_steps):
            s = ns_a * s + ns_b * s**3 + ns_c * s**5
        updates.append(-learning_rate * (factor * U @ np.diag(s) @ Vt + weight_decay * W))
    return np.stack(updates)


def adamw(gradients, params, rate, b1, b2, eps, weight_decay):
    m, v, updates = np.zeros_like(gradients[0]), np.zeros_like(gradients[0]), []
    for t, (g, p) in enumerate(zip(gradients, params, strict=True), 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        m_hat, v_hat = m / one_minus_power(b1, t), v / one_minus_power(b2, t)
        updates.append(-rate * (m_hat / (np.sqrt(v_hat) + eps) + weight_decay * p))
    return np.stack(updates)


RECORD = Record(
    name="muon",
    family="matrix",
    papers=(BLOG, MOONLIGHT),
    make=Muon,
    twins=(
        Twin(
            "optax.contrib.muon",
            optax,
            note="Its defaults are debias='power', adam_nesterov=True and eps=1e-8; consistent_rms is rms.",
        ),
        Twin(
            "torch.optim.Muon",
            torch,
            takes=lambda shape: len(shape) == 2,
            note="It takes matrices only, has weight_decay=0.1 by default and layout='out_in', and computes the "
            "Newton-Schulz steps in bfloat16; adjust_lr_fn='match_rms_adamw' is rms=0.2.",
        ),
    ),
    settings=(
        {"learning_rate": 0.02},
        {"learning_rate": 0.02, "eps": 1e-8, "debias": "power", "adam_nesterov": True},
        {
            "learning_rate": 0.05,
            "momentum": 0.8,
            "nesterov": False,
            "eps": 1e-3,
            "ns_a": 2.0,
            "ns_b": -1.5,
            "ns_c": 0.5,
            "rms": 0.3,
            "debias": "power",
            "adam_b1": 0.8,
            "adam_b2": 0.9,
            "adam_eps": 1e-3,
        },
        {
            "learning_rate": 0.02,
            "momentum": 0.9,
            "ns_steps": 3,
            "weight_decay": 0.1,
            "layout": "out_in",
            "adam_learning_rate": 1e-3,
            "adam_weight_decay": 0.01,
        },
        {
            "learning_rate": 0.02,
            "nesterov": False,
            "ns_a": 2.0,
            "ns_b": -1.5,
            "ns_c": 0.5,
            "rms": 0.2,
            "layout": "out_in",
        },
    ),
    transcription=paper,
    deviations=(
        Deviation(
            twin="optax.contrib.muon",
            since="optax 0.2.8",
            what="it corrects the average inside Nesterov's mix, which the authors' code does not: its second step is up to 9 % off",
            settings={"learning_rate": 0.5, "eps": 1e-8, "adam_nesterov": True},
        ),
        zero_gradient_in_float16(
            "optax.contrib.muon", "eps is rounded to 0", learning_rate=0.5, eps=1e-8, debias="power", adam_nesterov=True
        ),
        Deviation(
            twin="torch.optim.Muon",
            since="torch 2.13.0",
            what="it computes the Newton-Schulz steps in bfloat16: its updates are 1 to 4 % off",
            sizes={"float32": (5e3, 5.2e4), "float32 (x64)": (5e3, 5.2e4), "float64": (2.3e12, 2.8e13)},
        ),
    ),
    zero_gradient_moves=lambda weight_decay, adam_weight_decay, **_: bool(weight_decay or adam_weight_decay),
    ill_conditioned="the Newton-Schulz steps multiply small singular values, and rounding in them, by up to a**K = 485",
)
