"""How fast gradient descent, Nesterov's method and the heavy ball are on quadratics, at which rate they diverge, ours and
Optax's, and a smooth convex function on which the heavy ball goes in circles (Polyak 1964; Lessard, Recht & Packard 2016).

--mutate gives Nesterov's method the heavy ball's momentum.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import gdfunc as gd
from gdfunc import theory
from gdfunc.report import COLOURS, Lab, figure, positive, run_experiment

LESSARD = "Lessard 2016, proposition 1"


def path(rule, grad, start, steps):
    """The parameters after every step, (steps, ...)."""

    def step(carry, _):
        p, state = carry
        updates, state = rule.update(grad(p), state, p)
        return (p := gd.apply_updates(p, updates), state), p

    return jax.lax.scan(step, (start, rule.init(start)), length=steps)[1]


def largest_rate(make, low, high):
    """Where a parabola of curvature 1 begins to be left, by bisection over the learning rate."""

    def leaves(rate):
        return ~(jnp.abs(path(make(rate), lambda p: p, jnp.ones(()), 4000)[-1]) <= 1)  # what overflows has left too

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2
        yes = leaves(middle)
        return jnp.where(yes, ends[0], middle), jnp.where(yes, middle, ends[1])

    return float(jax.jit(lambda: jax.lax.fori_loop(0, 40, halve, (low, high))[0])())


def main(lab: Lab):
    with jax.enable_x64(True):
        curves = rates(lab)
        limits(lab)
        cycle = circles(lab)
    picture(lab, curves, cycle)


def rates(lab):
    best = {
        "gradient descent": theory.best_gradient_descent,
        "Nesterov": theory.best_nesterov,
        "heavy ball": theory.best_heavy_ball,
    }
    start = jax.random.normal(jax.random.key(lab.seed), (200,))
    curves = {}
    for condition, steps, tolerance in ((100, 1000, 3e-3), (1000, 4000, 1e-3)):
        h = jnp.logspace(0, np.log10(condition), 200)
        for name, make in best.items():
            rule, rate = make(1.0, float(condition))
            if lab.mutate and name == "Nesterov":
                rule = gd.rules.SGD(rule.learning_rate, momentum=best["heavy ball"](1.0, float(condition)).rate ** 2)
            found = jax.jit(lambda rule, h=h, n=steps: path(rule, lambda p: h * p, start, n))(rule)
            sizes = np.asarray(jnp.linalg.norm(found, axis=1))
            # Over the second half: before, directions that die out have a share. The minimum is at 0, so no rounding stops it.
            measured = (sizes[-1] / sizes[steps // 2]) ** (1 / (steps - 1 - steps // 2))
            what = f"{name}, condition {condition}: factor a step"
            lab.claim(what, predicted=rate, measured=measured, tolerance=tolerance, source=LESSARD)
            curves[name, condition] = sizes, rate
    return curves


def limits(lab):
    b = 0.9
    rules = {
        "momentum": (lambda eta: gd.rules.SGD(eta, momentum=b), lambda eta: optax.sgd(eta, b), 3.8),
        "Nesterov": (lambda eta: gd.rules.SGD(eta, momentum=b, nesterov=True), lambda eta: optax.sgd(eta, b, nesterov=True), 3.8 / 2.8),
        "averaged gradients": (
            lambda eta: gd.rules.SGD(eta, momentum=b, dampening=b),
            lambda eta: optax.chain(optax.ema(b, debias=False), optax.scale(-eta)),
            38.0,
        ),
    }  # fmt: skip
    for name, (ours, theirs, limit) in rules.items():
        lab.claim(f"{name}: the limit that theory reads off", predicted=limit, measured=theory.stability_limit(ours(1.0)),
                  tolerance=1e-6, source="Cohen 2021")  # fmt: skip
        for whose, make in (("ours", ours), ("Optax's", theirs)):
            seen = largest_rate(make, 0.0, 100.0)
            lab.claim(
                f"{name}, {whose}: largest rate", predicted=limit, measured=seen, tolerance=2e-3, source="Cohen 2021"
            )


def circles(lab):
    """f' = 25 p below 1, p + 24 up to 2, 25 p - 24 beyond: curvatures from 1 to 25, and the settings that are best for these."""
    slope = lambda p: jnp.where(p < 1, 25 * p, jnp.where(p < 2, p + 24, 25 * p - 24))  # noqa: E731
    rule, _ = theory.best_heavy_ball(1.0, 25.0)
    lab.claim(
        "heavy ball, 1 to 25: learning rate",
        predicted=1 / 9,
        measured=rule.learning_rate,
        tolerance=1e-12,
        source="Lessard 2016, section 4.6",
    )
    starts = jnp.linspace(3.0, 3.6, 601)
    ends = jax.jit(jax.vmap(lambda p: path(rule, slope, p, 600)))(starts)
    in_circles = np.asarray(jnp.abs(ends[:, -1] - ends[:, -4]) < 1e-9) & np.asarray(jnp.abs(ends[:, -1]) > 0.1)
    seen = np.sort(np.asarray(ends[300, -3:]))  # from 3.3
    for value, printed in zip(seen, (-1.802449, 0.646531, 2.115918), strict=True):
        lab.claim(
            "heavy ball: a point of its circle of three",
            predicted=printed,
            measured=value,
            tolerance=1e-6,
            source="derived from Lessard 2016, 4.11",
        )
    for what, end, at in (("least", 3.07, np.min(starts[in_circles])), ("greatest", 3.46, np.max(starts[in_circles]))):
        lab.claim(
            f"heavy ball: {what} start that never arrives",
            predicted=end,
            measured=at,
            tolerance=0.01,
            source="Lessard 2016, section 4.6",
        )
    arrives = theory.best_gradient_descent(1.0, 25.0).rule
    end = jax.jit(lambda: path(arrives, slope, jnp.array(3.3), 600)[-1])()
    lab.claim(
        "gradient descent arrives from there",
        predicted=0,
        measured=end,
        tolerance=1e-9,
        kind="absolute",
        source="Lessard 2016, section 4.5",
    )
    return np.concatenate([[3.3], np.asarray(ends[300, :40])])


def picture(lab, curves, cycle):
    made, (left, right) = figure(1, 2, width=5.4, height=3.6)
    for name, colour in zip(("gradient descent", "Nesterov", "heavy ball"), COLOURS, strict=False):
        sizes, rate = curves[name, 100]
        left.plot(positive(sizes), color=colour, label=name)
        left.plot(positive(sizes[0] * rate ** np.arange(len(sizes))), ":", color=colour, lw=1)
    left.set(xlabel="step", ylabel="distance to the minimum", yscale="log", ylim=(1e-13, 1e3))
    left.set_title("Condition 100: measured, and the rate (dotted)")
    left.legend()
    right.plot(cycle, "o-", ms=3, lw=0.8, color=COLOURS[2])
    right.set(xlabel="step", ylabel="p")
    right.set_title("The heavy ball going in circles about the minimum at 0")
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
