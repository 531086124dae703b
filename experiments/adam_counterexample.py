"""Adam goes to the worst point of an interval, and AMSGrad to the best (Reddi, Kale & Kumar 2018); how large beta_2 must be
for Adam to go there too.

--mutate takes AMSGrad's maximum out: it is then Adam.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, Lab, figure, run_experiment

# Both without bias correction, as in the paper's section 3, and with steps of 0.5 / sqrt(t).
RATE = 0.5
LOOKS = 200


def losses(period, high, low):
    """The gradient at step t = 1, 2, ...: `high` once in a period, `low` at its other steps; their sum is above 0."""
    return lambda t: jnp.where(t % period == 1, high, low)


def play(rule, gradient, steps, start=0.0):
    """The point of [-1, 1] after each of `LOOKS` equal stretches of the game."""

    def step(carry, _):
        p, state, t = carry
        updates, state = rule.update(gradient(t), state, p)
        return (jnp.clip(p + updates / jnp.sqrt(t), -1, 1), state, t + 1), ()

    def look(carry, _):
        carry, _ = jax.lax.scan(step, carry, length=steps // LOOKS)
        return carry, carry[0]

    p = jnp.asarray(start, float)
    return jax.lax.scan(look, (p, rule.init(p), jnp.ones((), jnp.int32)), length=LOOKS)[1]


def boundary(c, steps):
    """The least b2 with which Adam without momentum leaves the worst point, on gradients c, -1, -1 over and over."""
    game = losses(3, c, -1.0)

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2
        rule = gd.rules.Adam(RATE, b1=0.0, b2=middle, eps=1e-12, debias="none")
        worst = play(rule, game, steps)[-1] > 0
        return jnp.where(worst, middle, ends[0]), jnp.where(worst, ends[1], middle)

    return jax.lax.fori_loop(0, 12, halve, (jnp.zeros(()), jnp.ones(())))[0]


def predicted_boundary(c):
    """Where the steps of a period add up to 0 at v's own period: c / sqrt(v_1) = 1 / sqrt(v_2) + 1 / sqrt(v_3)."""

    def drift(b):
        # v after the gradient c, then after each -1.
        v1 = (1 - b) * (c**2 + b * b + b) / (1 - b**3)
        v2 = b * v1 + 1 - b
        v3 = b * v2 + 1 - b
        return c / np.sqrt(v1) - 1 / np.sqrt(v2) - 1 / np.sqrt(v3)

    low, high = 1e-6, 1 - 1e-6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if drift(middle) < 0 else (low, middle)
    return low


def main(lab: Lab):
    steps = 200_000 if lab.quick else 5_000_000
    make = {
        "Adam": lambda **settings: gd.rules.Adam(RATE, eps=1e-12, debias="none", **settings),
        "AMSGrad": lambda **settings: (gd.rules.Adam if lab.mutate else gd.rules.AMSGrad)(
            RATE, eps=1e-12, debias="none", **settings
        ),
    }
    games = {
        "theorem 1, C = 3": (losses(3, 3.0, -1.0), {"b1": 0.0, "b2": 1 / (1 + 3.0**2)}, "Reddi 2018, theorem 1"),
        "section 5, 1010 x": (losses(101, 1010.0, -10.0), {"b1": 0.9, "b2": 0.99}, "Reddi 2018, section 5"),
    }
    paths = {}
    with jax.enable_x64(True):
        for game, (gradient, settings, source) in games.items():
            for name, end in (("Adam", 1.0), ("AMSGrad", -1.0)):
                lab.say(f"{game}: {name}")
                # The long game has 50 times as long a period; a tenth of the paper's time is enough to see where it goes.
                long = steps * (10 if lab.quick and "1010" in game else 1)
                seen = np.asarray(jax.jit(lambda r=make[name](**settings), g=gradient, n=long: play(r, g, n))())
                # Within a step of 0.5 / sqrt(t), times what Adam's largest is, of the end of the interval.
                lab.claim(
                    f"{game}: {name} ends at",
                    predicted=end,
                    measured=seen[-1],
                    tolerance=0.02,
                    kind="absolute",
                    source=source,
                )
                paths[game, name] = seen, long
        c = np.array([3.0, 5.0, 10.0])
        seen = np.asarray(jax.jit(jax.vmap(lambda c: boundary(c, 60_000)))(jnp.asarray(c)))
        for each, measured in zip(c, seen, strict=True):
            what = f"gradients {each:g}, -1, -1: least b2 that is cured"
            lab.claim(what, predicted=predicted_boundary(each), measured=measured, tolerance=0.015, source="derived")
            lab.claim(
                f"and Reddi's 1 / (1 + {each:g}^2) is below it",
                predicted=measured,
                measured=1 / (1 + each**2),
                kind="at_most",
                source="Reddi 2018, theorem 1",
            )
    made, axes = figure(1, 2, width=5.2, height=3.4)
    for axis, game in zip(axes, games, strict=True):
        for name, colour in zip(("Adam", "AMSGrad"), COLOURS, strict=False):
            seen, long = paths[game, name]
            axis.plot(long / LOOKS * np.arange(1, LOOKS + 1), seen, color=colour, label=name)
        axis.axhline(-1, color="black", ls=":", lw=1)
        axis.set(xlabel="step", ylabel="p", xscale="log", ylim=(-1.1, 1.1))
        axis.set_title(f"{game}: the best point is -1")
        axis.legend(loc="center left")
    lab.keep(boundary={f"{each:g}": value for each, value in zip(c, seen, strict=False)})
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
