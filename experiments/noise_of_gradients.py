"""What noisy gradients do: how far from the minimum they keep a parameter under any rule, and what a batch's size buys (Mandt,
Hoffman & Blei 2017; McCandlish et al. 2018).

--mutate measures the noise scale without taking its own noise off the gradient's squared length.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc import theory
from gdfunc.report import COLOURS, Lab, figure, run_experiment

MANDT, MCCANDLISH = "Mandt 2017", "McCandlish 2018"


def stationary(rule, h, key, chains, steps):
    """p^2 over many parameters at each step, from the minimum on."""

    def step(carry, key):
        p, state = carry
        updates, state = rule.update(h * p + jax.random.normal(key, p.shape), state, p)
        return (p := gd.apply_updates(p, updates), state), jnp.mean(p**2)

    p = jnp.zeros(chains)
    return jax.lax.scan(step, (p, rule.init(p)), jax.random.split(key, steps))[1]


def aims(lab):
    h, steps = 1.5, 1500
    rules = {
        "gradient descent, rate 0.4": gd.rules.SGD(0.4),
        "gradient descent, rate 0.1": gd.rules.SGD(0.1),
        "heavy ball, 0.9, rate 0.1": gd.rules.HeavyBall(0.1, momentum=0.9),
        "Nesterov, 0.9, rate 0.1": gd.rules.SGD(0.1, momentum=0.9, nesterov=True),
        "averaged gradients, 0.9, rate 1": gd.rules.SGD(1.0, momentum=0.9, dampening=0.9),
    }
    seen = {}
    for i, (name, rule) in enumerate(rules.items()):
        key = jax.random.key(1000 * lab.seed + i)
        curve = np.asarray(jax.jit(lambda key, r=rule: stationary(r, h, key, 4000, steps))(key))
        variance = theory.stationary_variance(rule, h, 1.0)
        lab.claim(
            f"{name}: variance about the minimum",
            predicted=variance,
            measured=curve[steps // 3 :].mean(),
            tolerance=0.02,
            source=MANDT,
        )
        seen[name] = curve / float(variance)
    return seen


def batches(lab):
    """Linear regression far from its minimum: the gradient's noise is known."""
    draw = np.random.default_rng(lab.seed)
    data, size = draw.standard_normal((20_000, 20)) * np.linspace(0.3, 1.5, 20), 20_000
    residual = data @ draw.standard_normal(20) * 0.5 + draw.standard_normal(size)
    each = residual[:, None] * data  # every example's gradient
    mean, hessian = each.mean(0), data.T @ data / size
    trace = np.trace(hessian_of_noise := np.cov(each.T))
    scale = trace / (mean @ mean)
    # McCandlish's two batches, of 8 and 256, many times over; their estimates are averaged before they are divided.
    repeats = 2000 if lab.quick else 8000
    signal, noise = [], []
    for _ in range(repeats):
        rows = draw.integers(0, size, 256)
        g = each[rows].mean(0)
        squares = np.sum(each[rows] ** 2, axis=1)
        found = gd.instruments.noise_scale(squares, g)
        signal.append(float(g @ g) if lab.mutate else float(found.signal))
        noise.append(float(found.trace))
    lab.claim(
        "noise scale from batches of 256, in examples",
        predicted=scale,
        measured=np.mean(noise) / np.mean(signal),
        tolerance=0.03,
        source=f"{MCCANDLISH}, appendix A.1",
    )
    # Where the Hessian is the identity times a number, the best rate falls as 1 / (1 + B_noise / B), and with it the progress.
    weighted = np.trace(hessian_of_noise @ hessian) / (mean @ hessian @ mean)
    seen = {}
    for batch in (4, 16, 64, 256):
        g = each[draw.integers(0, size, (repeats * 4, batch))].mean(1)
        along, bend = g @ mean, np.einsum("ri,ij,rj->r", g, hessian, g)
        best = along.mean() / bend.mean()  # the rate that takes the most off the loss, on average
        whole = (mean @ mean) / (mean @ hessian @ mean)
        predicted = theory.batch_efficiency(batch, weighted)
        lab.claim(
            f"batches of {batch}: best rate over the best for all data",
            predicted=predicted,
            measured=best / whole,
            tolerance=0.03,
            source=f"{MCCANDLISH}, eq 2.6",
        )
        seen[batch] = best / whole
    return seen, weighted


def main(lab: Lab):
    curves, (efficiency, scale) = aims(lab), batches(lab)
    made, (left, right) = figure(1, 2, width=5.4, height=3.6)
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=False):
        left.plot(np.arange(1, len(curve) + 1), curve, color=colour, lw=1, label=name)
    left.axhline(1, color="black", ls=":", lw=1)
    left.set(xlabel="step", ylabel="variance over the predicted", xscale="log", ylim=(0, 1.3))
    left.set_title("From the minimum out: where noise takes a parameter")
    left.legend()
    sizes = np.geomspace(1, 1000, 100)
    right.plot(sizes, theory.batch_efficiency(sizes, scale), color=COLOURS[0], label=r"$1 / (1 + \mathcal{B} / B)$")
    right.plot(list(efficiency), list(efficiency.values()), "o", color=COLOURS[1], label="measured")
    right.axvline(scale, color="black", ls=":", lw=1, label="the noise scale")
    right.set(xlabel="batch, in examples", ylabel="best rate over the best for all data", xscale="log")
    right.set_title("What a batch is good for")
    right.legend()
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
