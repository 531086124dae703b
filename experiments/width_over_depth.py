"""Depth over width sets how much one random ReLU network's gradient differs from another's (Hanin 2018; Hanin & Nica 2020), and
orthogonal weights with an almost linear activation are an isometry, where independent ones never are (Pennington et al. 2017).

--mutate draws orthogonal weights where independent ones are predicted, and the other way round.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc import theory
from gdfunc.report import COLOURS, Lab, figure, run_experiment

HANIN, PENNINGTON = "Hanin & Nica 2020", "Pennington 2017"


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


def isometry(lab):
    """Squared singular values of the Jacobian, over their mean: the variance of all of them."""
    n, draw, seen = 200 if lab.quick else 400, np.random.default_rng(lab.seed), {}
    cases = {
        "relu, orthogonal, 8 layers": ("relu", 1.0, 8, True),
        "relu, independent, 8 layers": ("relu", 1.0, 8, False),
        "tanh at q 1/64, orthogonal, 64 layers": ("tanh", 1 / 64, 64, True),
        "tanh at q 1/4, orthogonal, 16 layers": ("tanh", 0.25, 16, True),
    }
    for name, (activation, q, depth, orthogonal) in cases.items():
        lab.say(name)
        weights = 1 / float(theory.chi(activation, q, 1.0))
        biases = max(q - float(theory.length_map(activation, q, weights)), 0.0)
        phi = np.tanh if activation == "tanh" else lambda z: np.maximum(z, 0)
        slope = (lambda z: 1 - np.tanh(z) ** 2) if activation == "tanh" else lambda z: (z > 0) * 1.0
        values = []
        for _ in range(4):
            h, jacobian = draw.standard_normal(n), np.eye(n)
            h *= (q / np.mean(h**2)) ** 0.5
            for _ in range(depth):
                w = draw.standard_normal((n, n))
                if orthogonal != lab.mutate:
                    turn, triangle = np.linalg.qr(w)
                    w = turn * np.sign(np.diag(triangle))
                else:
                    w /= n**0.5
                w *= weights**0.5
                jacobian = w @ (slope(h)[:, None] * jacobian)
                h = w @ phi(h) + biases**0.5 * draw.standard_normal(n)
            values.append(np.linalg.svd(jacobian, compute_uv=False) ** 2)
        values = np.concatenate(values)
        values /= values.mean()
        predicted = theory.jacobian_spectrum(activation, q, weights, depth, orthogonal)
        lab.claim(
            f"{name}: variance",
            predicted=predicted.variance / predicted.mean**2,
            measured=values.var(),
            tolerance=0.15,
            source=PENNINGTON,
        )
        seen[name] = np.sort(values)[::-1]
    return seen


def main(lab: Lab):
    growth, spectra = spread_of_gradients(lab), isometry(lab)
    made, (left, right) = figure(1, 2, width=5.6, height=3.8)
    bins = np.linspace(-10, 6, 81)
    for (name, (logs, (mean, variance))), colour in zip(growth.items(), COLOURS, strict=False):
        left.hist(logs, bins, density=True, color=colour, alpha=0.3)
        left.plot(
            bins,
            np.exp(-((bins - mean) ** 2) / 2 / variance) / (2 * np.pi * variance) ** 0.5,
            color=colour,
            label=f"{name} wide",
        )
    left.set(xlabel=r"$\log |\partial L / \partial z_1|^2$, relative to the last", ylabel="share of networks")
    left.set_title("Networks drawn alike: bars measured, lines predicted")
    left.legend()
    for (name, values), colour in zip(spectra.items(), COLOURS, strict=False):
        right.plot(np.arange(1, len(values) + 1) / len(values), np.maximum(values, 1e-8), color=colour, label=name)
    right.set(
        xlabel="share of directions", ylabel="squared singular value over the mean", yscale="log", ylim=(1e-6, 1e3)
    )
    right.set_title("What a small change becomes, direction by direction")
    right.legend(loc="upper right")
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
