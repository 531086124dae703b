"""Depth over width sets how much one random ReLU network's gradient differs from another's (Hanin 2018; Hanin & Nica 2020).

--mutate draws orthogonal weights where independent ones are predicted.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, Lab, figure, run_experiment

HANIN = "Hanin & Nica 2020"


def exact_moments(draw, widths):
    """Mean and variance of log |J u|^2 of He's ReLU networks: each layer's factor is 2 / n chi^2 with Binomial(n, 1/2) of freedom."""
    mean = variance = 0.0
    for n in widths:
        active = draw.binomial(n, 0.5, 400_000)
        factor = np.log(2 / n * draw.chisquare(active[active > 0]))
        mean, variance = mean + factor.mean(), variance + factor.var()
    return mean, variance


def log_growth(lab, widths, weights, nets):
    """log |dL/dz_1|^2 over the last layer's, of many networks."""
    n = widths[0]
    model = gd.models.mlp((n, *widths, n), "relu", weights)
    x = jax.random.normal(jax.random.key(lab.seed), (1, n))
    look = lambda key: gd.models.layer_signals(model, model.init(key), x, jnp.sum).pre_activation_gradient  # noqa: E731
    keys = jax.random.split(jax.random.key(lab.seed + 1), nets)
    g = np.asarray(jax.jit(lambda keys: jax.lax.map(look, keys, batch_size=50))(keys), np.float64)
    g = g * np.array([*widths, n])  # norms, not means
    return np.log(g[:, 0] / g[:, -1])


def spread_of_gradients(lab):
    nets = 2000 if lab.quick else 6000
    draw = np.random.default_rng(lab.seed)
    independent, turns = gd.init.he_normal("relu"), gd.init.orthogonal(2**0.5)
    seen = {}
    for widths in ([20] * 10, [50] * 10, [50] * 25, [10, 30] * 5):
        lab.say(f"{nets} networks of {len(widths)} layers, {widths[0]} and {widths[1]} wide")
        logs = log_growth(lab, widths, turns if lab.mutate else independent, nets)
        alive = np.isfinite(logs)  # of the narrowest, one in some hundreds passes nothing
        mean, variance = exact_moments(draw, widths)
        name = f"{len(widths)} layers, {widths[0]}" + (f" and {widths[1]}" if widths[1] != widths[0] else "")
        # Of 2000 networks a variance is known to 3 %; a log-normal's tails are not in a logarithm's.
        lab.claim(
            f"{name} wide: variance of log |g|^2",
            predicted=variance,
            measured=logs[alive].var(),
            tolerance=0.1,
            source=HANIN,
        )
        lab.claim(f"{name} wide: its mean", predicted=mean, measured=logs[alive].mean(), tolerance=0.15, source=HANIN)
        seen[name] = logs[alive], (mean, variance)
    return seen


def main(lab: Lab):
    growth = spread_of_gradients(lab)
    made, axes = figure(width=6.4, height=4.0)
    bins = np.linspace(-10, 6, 81)
    for (name, (logs, (mean, variance))), colour in zip(growth.items(), COLOURS, strict=False):
        axes.hist(logs, bins, density=True, color=colour, alpha=0.3)
        axes.plot(
            bins,
            np.exp(-((bins - mean) ** 2) / 2 / variance) / (2 * np.pi * variance) ** 0.5,
            color=colour,
            label=f"{name} wide",
        )
    axes.set(xlabel=r"$\log |\partial L / \partial z_1|^2$, relative to the last", ylabel="share of networks")
    axes.set_title("Networks drawn alike: bars measured, lines predicted")
    axes.legend()
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
