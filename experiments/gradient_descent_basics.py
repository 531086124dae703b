"""Gradient descent, as far as one can check it by hand: slopes, a walk to a minimum, the exact speed on a quadratic, and
what changes when a gradient is taken from one example, some of them, or all.
"""

import itertools
import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, DASHES, Lab, figure, run_experiment
from gdfunc.rules import SGD, Adam

BLUE, RED, GREEN, *_, BLACK, GREY = COLOURS
EXACT = {"tolerance": 1e-12, "kind": "absolute"}  # float64, after some hundred operations
LOGS = {"xscale": "log", "yscale": "log"}
N = 1024


def descend(loss, start, rule, steps, examples=None, **options):
    """Where descent stood before each step, (steps, ...), and the gradients that it was given there."""
    both = lambda params, grads, updates, batch: {"at": params, "slope": grads}  # noqa: E731
    seen = gd.train(loss, start, examples, rule, steps=steps, measure=both, **options).history.measured
    return seen["at"], seen["slope"]


def finish(axes, title, place, **labels):
    axes.set(**labels)
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(loc=place, fontsize=8, frameon=False)


def derivatives(lab):
    """A derivative is a slope, a gradient one slope for each variable, and both are exact."""
    lab.claim("5x^2 at 1: slope", predicted=10, measured=jax.grad(lambda x: 5 * x**2)(1.0), source="by hand: 10x")
    found = jax.grad(lambda at: 2 * at[0] ** 2 + 6 * at[1] ** 2 + 7 * at[2] ** 3)(jnp.ones(3))
    for letter, slope, measured in zip("xzm", (4, 12, 21), found, strict=True):
        what = f"2x^2 + 6z^2 + 7m^3 at (1, 1, 1): slope along {letter}"
        lab.claim(what, predicted=slope, measured=measured, source="by hand: 4x, 12z, 21m^2")
    # For a classifier the same chain rule leaves what it said, p, less what is so, y.
    z, labels = np.random.default_rng(lab.seed).normal(size=(5, 7)), np.arange(5)
    ours = jax.grad(lambda z: gd.losses.softmax_cross_entropy(z, labels).sum())(jnp.asarray(z))
    error = np.abs(ours - (np.exp(z) / np.exp(z).sum(1, keepdims=True) - np.eye(7)[labels])).max()
    lab.claim("softmax cross-entropy: gradient - (p - y)", predicted=0, measured=error, source="Bridle 1990", **EXACT)


def bracketing(lab, axes):
    """Walk against the slope's sign: 1, 0.7, 0.4, 0.1, and at -0.2 it has turned, so the minimum lies between the two."""
    f = lambda x: 5 * x**2  # noqa: E731
    found = gd.bracket(f, 1.0, step=0.3)
    names = ("steps until the slope turns", "slope at -0.2, the left end", "slope at 0.1, the right end")
    for name, hand, seen in zip(names, (4, -2, 1), (found.steps, found.slope_low, found.slope_high), strict=True):
        lab.claim(f"5x^2 from 1: {name}", predicted=hand, measured=seen, source="by hand: 10x", **EXACT)
    halved = abs(gd.bracket(f, 1.0, step=0.3, tolerance=1e-6).minimum)
    what = "5x^2 from 1: distance from 0, halved to 1e-6"
    lab.claim(what, predicted=1e-6, measured=halved, kind="at_most", source="Bolzano 1817")
    axes.axvspan(found.low, found.high, color=GREY, alpha=0.35, lw=0, label="the bracket")
    axes.plot(np.linspace(-0.5, 1.15), f(np.linspace(-0.5, 1.15)), color=BLUE, label="y = 5x$^2$")
    for i, at in enumerate(found.path[: int(found.steps) + 1]):
        run = np.array([-0.24, 0.24]) / np.hypot(1, 3 * at)  # slopes of about one length on the page
        axes.plot(at + run, f(at) + 10 * at * run, color=RED if at > 0 else GREEN, lw=2)
        axes.plot(at, f(at), "o", color=BLACK, ms=4)
        axes.annotate(i, (at, f(at)), (9, -5) if at > 0 else (-12, -7), textcoords="offset points", fontsize=8)
    finish(axes, "walking on until the slope changes its sign", "upper left", xlabel="x", ylabel="y", ylim=(-0.9, 6.8))


def quadratics(lab, factor):
    """Each step multiplies the distance from the minimum along an eigenvector of the Hessian by 1 - rate * lambda."""

    def distances(rate, kappa=100):
        problem = gd.data.problem("quadratic", condition_number=kappa, seed=lab.seed)  # the largest of ten lambda is 1
        path = descend(lambda x, _: factor * problem.f(x), jnp.asarray(problem.start), SGD(rate), 9)[0]
        eigenvalues, vectors = np.linalg.eigh(problem.hessian)
        return np.abs((path - problem.minimiser) @ vectors), eigenvalues

    for rate, verb in ((1.9, "shrinks"), (2.1, "grows")):  # the limit is 2 / lambda
        away, eigenvalues = distances(rate)
        error = np.abs(away - np.abs(1 - rate * eigenvalues) ** np.arange(9)[:, None]).max()
        what, source = f"quadratic, rate {rate}", "|1 - rate * lambda|"
        lab.claim(f"{what}: ten distances - prediction", predicted=0, measured=error, source=source, **EXACT)
        measured = away[8, -1] / away[7, -1]
        lab.claim(f"{what}: the steepest {verb} by", predicted=rate - 1, measured=measured, source=source, **EXACT)
    # The best rate makes the flattest direction as slow as the steepest: 1 - rate * m = rate * L - 1.
    for kappa in (10, 100, 1000):
        away, _ = distances(2 / (1 + 1 / kappa), kappa)
        what, source = f"quadratic, kappa {kappa}: slowest factor at 2 / (m + L)", "(k - 1) / (k + 1), Polyak 1964"
        lab.claim(what, predicted=(kappa - 1) / (kappa + 1), measured=(away[1] / away[0]).max(), source=source, **EXACT)


def valley(axes):
    """Where the curvature differs by direction, one rate is too much for one and too little for the other."""
    problem = gd.data.problem("rosenbrock")
    u, v = np.meshgrid(np.linspace(-1.6, 1.5, 200), np.linspace(-0.7, 2.1, 200))
    height = jax.vmap(problem.f)(np.stack([u.ravel(), v.ravel()], 1)).reshape(u.shape)
    axes.contour(u, v, height, np.geomspace(0.1, 1000, 13), colors=GREY, linewidths=0.6)
    rules = {"gradient descent": SGD(0.0012), "momentum 0.9": SGD(0.0012, momentum=0.9), "Adam": Adam(0.05)}
    for (name, rule), colour, width in zip(rules.items(), (BLUE, RED, GREEN), (4, 1.5, 1.5), strict=True):
        path = descend(lambda x, _: problem.f(x), jnp.asarray(problem.start), rule, 500)[0]
        axes.plot(*path.T, color=colour, lw=width, label=name)
        axes.plot(*path[-1], "o", color=colour, ms=6)
    axes.plot(*problem.minimiser, "*", color=BLACK, ms=10)
    finish(axes, "Rosenbrock's valley, 500 steps", "lower left", xlabel="$x_1$", ylabel="$x_2$")


def regression(lab, factor, curves, noise):
    """One example, some, or all: the same gradient on average, for B / N of the work and with about 1 / B of the variance."""
    data = gd.data.load("linear_regression", n_train=N, condition_number=4, noise=0.3, dtype="float64", seed=lab.seed)
    x, y = data.x_train, data.y_train
    loss = lambda w, batch: factor * gd.losses.squared_error(batch[0] @ w, batch[1]).mean() / 2  # noqa: E731
    spread = lambda gradients: ((gradients - gradients.mean(0)) ** 2).sum((1, 2)).mean()  # noqa: E731
    law = lambda b, n: (n - b) / (b * (n - 1))  # noqa: E731  of the mean of b out of n numbers, against that of one
    start, source = jnp.zeros((10, 1)), "(N - B) / (B (N - 1)), without replacement"
    each = np.asarray(jax.vmap(jax.grad(loss), (None, 0))(start, (x, y)))
    for b in (1, 3, 6, 11):  # all the batches that twelve examples have
        every = np.stack([each[list(rows)].mean(0) for rows in itertools.combinations(range(12), b)])
        what, ratio = f"all {len(every)} batches of {b} out of 12", spread(every) / spread(each[:12]) / law(b, 12)
        lab.claim(f"{what}: variance / law", predicted=1, measured=ratio, source=source, **EXACT)
    for b in (1, 4, 16, 64, 256):  # the batches that `train` draws: at rate 0 it stays where it is
        drawn = descend(loss, start, SGD(0.0), 2048 if lab.quick else 8192, (x, y), batch_size=b, key=lab.seed)[1]
        what, seen = f"`train`, {b} of {N} examples: variance / that of 1", spread(drawn) / spread(each)
        lab.claim(what, predicted=law(b, N), measured=seen, tolerance=0.1, source=source)
        noise.plot(b, seen, "o", color=BLUE, label="batches that `train` draws" if b == 1 else None)
    bias = np.abs(drawn[: N // b].mean(0) - each.mean(0)).max()
    lab.claim("`train`, one epoch: mean - full gradient", predicted=0, measured=bias, source="unbiased", **EXACT)
    b = np.geomspace(1, 1000, 200)
    noise.plot(b, law(b, N), color=RED, ls=DASHES[1], label="(N - B) / (B (N - 1))")
    noise.plot(b, 1 / b, color=GREY, ls=DASHES[3], label="1 / B, with replacement")
    labels = {"xlabel": f"batch size B, of N = {N}", "ylabel": "variance / that of one example"}
    finish(noise, "a batch's gradient is noisy, and right on average", "lower left", ylim=(1e-4, 2), **LOGS, **labels)

    rate, best = 0.05, np.linalg.lstsq(x, y)[0]
    h, vectors = np.linalg.eigh(x.T @ x / N)
    for name, b, colour in ((f"all {N}", N, BLUE), ("32", 32, GREEN), ("1", 1, RED)):
        steps, how = (5 if lab.quick else 20) * N // b, {} if b == N else {"batch_size": b, "order": "replace"}
        t = np.unique(np.geomspace(1, steps - 1, 300).astype(int))
        path = descend(loss, start, SGD(rate), steps, (x, y), key=lab.seed, **how)[0][t]
        curves.plot(t * b / N, ((x @ (path - best)) ** 2).mean((1, 2)) / 2, color=colour, label=f"batch: {name}")
        # Predicted: what is left of the start along each eigenvector, and the floor of which `noise_floor` below speaks.
        left, s2 = (1 - rate * h) ** (2 * t[:, None]), h * np.mean((x @ best - y) ** 2) * (b < N) / b
        square = left * (vectors.T @ best)[:, 0] ** 2 + (1 - left) * rate * s2 / (h * (2 - rate * h))
        curves.plot(t * b / N, square @ h / 2, color=BLACK, ls=DASHES[1], lw=1)
    labels = {"xlabel": "passes through the data", "ylabel": "loss above its minimum"}
    finish(curves, f"linear regression, rate {rate}; dashed: predicted", "lower left", **LOGS, **labels)


def noise_floor(lab, factor):
    """With single examples the rate sets how near one gets: a variance of rate s^2 / (h (2 - rate h)), s that of the gradient."""
    h, rate = jnp.array([0.5, 1.0, 2.0])[:, None], 0.3
    z = np.random.default_rng(lab.seed).normal(size=(4096, 1, 8))  # eight runs at once
    z = (z - z.mean(0)) / z.std(0)
    loss = lambda x, z: factor * (h * (x - z / h) ** 2).sum((1, 2)).mean() / 2  # noqa: E731
    path = descend(loss, jnp.zeros((3, 8)), SGD(rate), 20_000, z, batch_size=1, order="replace", key=lab.seed)[0]
    for h, seen in zip((0.5, 1.0, 2.0), (path[1000:] ** 2).mean((0, 2)), strict=True):
        what, predicted = f"one by one, curvature {h}: variance at rest", rate / (h * (2 - rate * h))
        lab.claim(what, predicted=predicted, measured=seen, tolerance=0.03, source="Mandt et al. 2017")


def neuron(lab, factor):
    """A sigmoid neuron that is to say 0 and says 1 learns slowly where it is most wrong: its slope there is a (1 - a)."""
    output = lambda weight_and_bias: 1 / (1 + jnp.exp(-weight_and_bias.sum(-1)))  # noqa: E731
    start = jnp.array([[0.6, 0.9], [2.0, 2.0]])
    path = descend(lambda p, _: factor * (output(p) ** 2).sum() / 2, start, SGD(0.15), 301)[0]
    names = ("(0.6, 0.9): at first", "(2, 2): at first", "(0.6, 0.9): after 300 epochs", "(2, 2): after 300 epochs")
    for name, printed, seen in zip(names, (0.82, 0.98, 0.09, 0.20), output(path[[0, -1]]).ravel(), strict=True):
        half_digit = {"tolerance": 0.005, "kind": "absolute", "source": "Nielsen 2015, chapter 3"}
        lab.claim(f"a neuron from {name}", predicted=printed, measured=seen, **half_digit)


def main(lab: Lab):
    factor = 2.0 if lab.mutate else 1.0  # 2: squares without their 1/2
    made, panels = figure(2, 2, width=4.8, height=3.5)
    with jax.enable_x64(True):
        derivatives(lab)
        bracketing(lab, panels[0, 1])
        quadratics(lab, factor)
        valley(panels[0, 0])
        regression(lab, factor, *panels[1])
        noise_floor(lab, factor)
        neuron(lab, factor)
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
