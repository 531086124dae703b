"""A deep linear network learns one mode of its data after the other, along curves that are known exactly; and how long it takes
does not grow with depth where its weights start orthogonal (Saxe, McClelland & Ganguli 2014).

--mutate trains on twice the loss.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc import theory
from gdfunc.report import COLOURS, Lab, figure, run_experiment

SAXE = "Saxe 2014, eq 8"
STRENGTHS, START, RATE = np.array([4.0, 3.0, 2.0, 1.0]), 1e-3, 1e-3


def one_hidden_layer(factor):
    """What the product of the weights has of each mode, at every step, (steps, modes)."""
    model = gd.models.deep_linear((4, 4, 4))
    x = jnp.eye(4)  # whitened inputs
    rule = gd.rules.SGD(RATE)

    def step(carry, _):
        params, state = carry
        loss = lambda p: factor * jnp.sum((x * STRENGTHS - model.apply(p, x)) ** 2) / 2  # noqa: E731
        updates, state = rule.update(jax.grad(loss)(params), state, params)
        return (gd.apply_updates(params, updates), state), jnp.diag(model.apply(params, x))

    params = jax.tree.map(lambda p: jnp.eye(4) * START**0.5, model.init(jax.random.key(0)))
    return np.asarray(jax.jit(lambda: jax.lax.scan(step, (params, rule.init(params)), length=4500)[1])())


digits, WIDTH = gd.data.load("digits"), 32
x, y = digits.x_train[:200], np.eye(10, dtype=np.float32)[digits.y_train[:200]]
# The 32 principal components of 200 digits. Of these a linear network knows x^T x and x^T y alone: so 32 rows with the same ones do.
left, sizes, _ = np.linalg.svd((x - x.mean(0)) / x.std(), full_matrices=False)
x, y = np.diag(sizes[:WIDTH]), left[:, :WIDTH].T @ y
first = np.sum(y**2) / 400  # the loss of a network of zeros, above what no linear network gets below


def steps_needed(depth, steps):
    """A function of parameters: steps that take off nine tenths of what can be, at the best of many rates; `steps` if none does."""
    model = gd.models.deep_linear((WIDTH,) * depth + (10,))
    loss_fn = lambda p: jnp.sum((model.apply(p, x) - y) ** 2) / 400  # noqa: E731

    def run(params, rate):
        def step(params, _):
            loss, grads = jax.value_and_grad(loss_fn)(params)
            return jax.tree.map(lambda p, g: p - rate * g, params, grads), loss

        there = jax.lax.scan(step, params, length=steps)[1] < first / 10
        return jnp.where(jnp.any(there), jnp.argmax(there), steps)

    best = lambda params: jnp.min(jax.vmap(run, (None, 0))(params, jnp.geomspace(1e-3, 1, 10)))  # noqa: E731
    return jax.jit(lambda params: jax.lax.map(best, params))


def part(params, depth):
    """The networks of that many layers that deeper ones begin and end with."""
    hidden = jax.tree.map(lambda stack: stack[:, : depth - 2], params["hidden"])
    return {**params, "hidden": hidden} if depth > 2 else {k: v for k, v in params.items() if k != "hidden"}


def main(lab: Lab):
    with jax.enable_x64(True):
        seen = one_hidden_layer(2.0 if lab.mutate else 1.0)
        time = RATE * np.arange(len(seen))
        exact = np.asarray(theory.learning_curve(time[:, None], STRENGTHS, START))
        for i, s in enumerate(STRENGTHS):
            half = time[np.argmax(seen[:, i] > s / 2)]
            lab.claim(
                f"strength {s:g}: half learned at",
                predicted=theory.half_time(s, START),
                measured=half,
                tolerance=5e-3,
                source=SAXE,
            )
        worst = np.max(np.abs(seen - exact) / STRENGTHS)
        lab.claim(
            "the whole curves, farthest from the formula",
            predicted=0,
            measured=worst,
            tolerance=0.01,
            kind="absolute",
            source=SAXE,
        )
    depths, steps = ((2, 8, 32) if lab.quick else (2, 4, 8, 16, 32, 64)), 160 if lab.quick else 1000
    needed = {depth: steps_needed(depth, steps) for depth in depths}
    keys = jax.random.split(jax.random.key(lab.seed), 3)
    taken = {}
    for name, weights in (("orthogonal", gd.init.orthogonal()), ("independent", gd.init.lecun_normal())):
        lab.say(f"deep linear networks, {name} weights")
        init = gd.models.deep_linear((WIDTH,) * depths[-1] + (10,), weights).init
        deepest = jax.jit(jax.vmap(init))(
            keys
        )  # of which the others are parts: drawing takes longer to compile than to run
        taken[name] = [np.asarray(needed[depth](part(deepest, depth))) for depth in depths]
    ratios = {name: np.mean(counts[depths.index(32)]) / np.mean(counts[0]) for name, counts in taken.items()}
    for name, factor, kind in (("orthogonal", 2.0, "at_most"), ("independent", 5.0, "at_least")):
        what = f"{name} weights, 32 layers: steps over 2 layers', mean of three"
        lab.claim(what, predicted=factor, measured=ratios[name], kind=kind, source="Saxe 2014, section 3")
    lab.keep(steps_taken=taken, depths=depths)
    made, (left, right) = figure(1, 2, width=5.0, height=3.5)
    for i, (s, colour) in enumerate(zip(STRENGTHS, COLOURS, strict=False)):
        left.plot(time, seen[:, i], color=colour, lw=3, alpha=0.4, label=f"strength {s:g}")
        left.plot(time, exact[:, i], "--", color=colour, lw=1)
    left.set(xlabel="time: rate times steps", ylabel="what is learned of a mode")
    left.set_title("Strong modes first: measured (broad), exact (dashes)")
    left.legend()
    for (name, counts), colour in zip(taken.items(), COLOURS, strict=False):
        right.plot(depths, np.mean(counts, axis=1), color=colour, label=f"{name} weights, mean")
        right.plot(depths, counts, "o", ms=4, color=colour, alpha=0.5)
    right.axhline(steps, color="black", ls=":", lw=1, label="not by then")
    right.set(
        xlabel="layers",
        ylabel="steps to a tenth of the loss, at the best rate",
        xscale="log",
        yscale="log",
        ylim=(10, 3 * steps),
    )
    right.set_xticks(depths, depths)
    right.set_xticks([], minor=True)
    right.set_title("Deep linear networks")
    right.legend()
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
