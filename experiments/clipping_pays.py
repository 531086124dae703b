"""Where the curvature grows with the gradient, gradient descent's rate must suit the steepest place that it meets, and clipped
descent's need not (Zhang, He, Sra & Jadbabaie 2020): on x^4 / 4 the one takes x_0^2 as many steps, the other x_0 more.

--mutate scales gradients to the limit always, also those below it.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, Lab, figure, run_experiment

SOURCE = "derived, after Zhang 2020"
ENOUGH = 1e-3  # the slope at which a run has arrived


def steps_taken(rule, start, most):
    """How many updates until |x^3| is below `ENOUGH`; `most` where it is not by then."""

    def goes_on(carry):
        p, _, t = carry
        return (jnp.abs(p**3) >= ENOUGH) & (t < most)

    def step(carry):
        p, state, t = carry
        updates, state = rule.update(p**3, state, p)
        return gd.apply_updates(p, updates), state, t + 1

    return jax.lax.while_loop(goes_on, step, (start, rule.init(start), jnp.zeros((), jnp.int32)))[2]


def largest_rate(start):
    """By bisection: beyond it the first step lands farther out than it began."""

    def leaves(rate):
        rule = gd.rules.SGD(rate)
        updates, _ = rule.update(start**3, rule.init(start), start)
        return jnp.abs(start + updates) > start

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2
        return jnp.where(leaves(middle), ends[0], middle), jnp.where(leaves(middle), middle, ends[1])

    return jax.lax.fori_loop(0, 60, halve, (jnp.zeros(()), jnp.ones(())))[0]


def main(lab: Lab):
    starts = np.array([10.3, 30.3, 100.3])  # from which no whole number of half steps leads to 0
    most = 2_000_000
    with jax.enable_x64(True):
        plain, clipped = [], []
        for start in starts:
            p = jnp.asarray(start)
            lab.claim(
                f"from {start:g}: largest rate of gradient descent",
                predicted=2 / start**2,
                measured=jax.jit(largest_rate)(p),
                tolerance=1e-9,
                source="derived",
            )
            # At 0.95 / x_0^2 the slope is 1 / (2 rate t) all but from the start: t = (0.95 / x_0^2)^-1 / (2 x^2) at x = 0.1.
            count = jax.jit(lambda p, rate: steps_taken(gd.rules.SGD(rate), p, most))
            plain.append(int(count(p, 0.95 / start**2)))
            lab.claim(
                f"from {start:g}: steps of gradient descent",
                predicted=50 * start**2 / 0.95,
                measured=plain[-1],
                tolerance=0.05,
                source=SOURCE,
            )
            # Steps of 1/2 while the slope is clipped, down to x = 1; from there to x = 0.1 as without: (1 / 0.1^2 - 1) / (2 rate).
            limit = gd.rules.Normalize() if lab.mutate else gd.clipping.ClipByGlobalNorm(1.0)
            rule = gd.chain(limit, gd.rules.SGD(0.5))
            clipped.append(int(jax.jit(lambda p, r=rule: steps_taken(r, p, most))(p)))
            predicted = 99 + 2 * (start - 1)
            lab.claim(
                f"from {start:g}: steps with clipping at 1, rate 1/2",
                predicted=predicted,
                measured=clipped[-1],
                tolerance=0.05,
                source=SOURCE,
            )
        power = np.polyfit(np.log(starts), np.log(plain), 1)[0]
        lab.claim(
            "gradient descent: power of x_0 in its steps", predicted=2, measured=power, tolerance=0.02, source=SOURCE
        )
    made, axes = figure(width=5.6, height=3.8)
    line = np.geomspace(10, 100, 50)
    axes.plot(line, 50 * line**2 / 0.95, "--", color=COLOURS[0], lw=1)
    axes.plot(starts, plain, "o", color=COLOURS[0], label="gradient descent, at its best rate")
    axes.plot(line, 99 + 2 * (line - 1), "--", color=COLOURS[1], lw=1)
    axes.plot(starts, clipped, "s", color=COLOURS[1], label="clipped at 1")
    axes.set(xlabel="start", ylabel="steps to a slope of 0.001", xscale="log", yscale="log")
    axes.set_title("x^4 / 4: dots measured, dashes predicted")
    axes.legend()
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
