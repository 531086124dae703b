"""A sigmoid neuron that is badly wrong learns slowly with the square of its error, e times as slowly with every unit that it is
farther off, and with cross-entropy at a steady pace (Nielsen 2015, chapter 3).

--mutate multiplies cross-entropy's gradient by the sigmoid's slope.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, Lab, figure, run_experiment

NIELSEN = "Nielsen 2015, chapter 3"
RATE = 0.15  # the book's; weight and bias together move z by twice that
STARTS = np.arange(1.0, 10.0)  # z = w + b; the neuron is to say 0 to the input 1


def square(p):
    return gd.losses.squared_error(jax.nn.sigmoid(p[0] + p[1]), 0.0) / 2


def cross_entropy(p):
    return gd.losses.sigmoid_cross_entropy(p[0] + p[1], jnp.zeros(()))


def outputs(loss, starts, epochs, damped):
    """What neurons from these z say before each epoch, (starts, epochs)."""
    rule = gd.rules.SGD(RATE)

    def learn(z):
        def epoch(carry, _):
            p, state = carry
            slope = jax.grad(loss)(p)
            if damped:
                slope = slope * jax.grad(jax.nn.sigmoid)(p[0] + p[1])
            updates, state = rule.update(slope, state, p)
            return (gd.apply_updates(p, updates), state), jax.nn.sigmoid(p[0] + p[1])

        p = jnp.array([z, z]) / 2
        return jax.lax.scan(epoch, (p, rule.init(p)), length=epochs)[1]

    return np.asarray(jax.jit(jax.vmap(learn))(starts))


def to_the_middle(z, loss):
    r"""Epochs from z to 0, where the neuron is undecided, in the limit of small steps: dz/dt = -2 rate dL/dz.

    dL/dz is a for cross-entropy and a^2 (1 - a) for the square, a the neuron's output.
    """
    integral = {
        "cross-entropy": lambda z: z - np.exp(-z),  # of 1 / a = 1 + e^-z
        "square": lambda z: np.exp(z) + 3 * z - 3 * np.exp(-z) - np.exp(-2 * z) / 2,  # of (1 + e^-z)^3 e^z
    }[loss]
    return (integral(z) - integral(0.0)) / (2 * RATE)


def main(lab: Lab):
    taken, curves = {}, {}
    with jax.enable_x64(True):
        for name, loss in (("square", square), ("cross-entropy", cross_entropy)):
            damped = lab.mutate and name == "cross-entropy"
            said = curves[name] = outputs(loss, jnp.asarray(STARTS), 30_000, damped)
            taken[name] = np.argmax(said < 0.5, axis=1)
            for i in (1, 3, 5):
                # A step is up to a twentieth of the way, and counts whole.
                lab.claim(f"{name}, from z = {STARTS[i]:g}: epochs until it is undecided", predicted=to_the_middle(STARTS[i], name),
                          measured=taken[name][i], tolerance=0.03 if name == "square" else 0.1, source="derived")  # fmt: skip
            for start in (0.82, 0.98):  # the book's neurons, w + b = 1.5 and 4
                z = {0.82: 1.5, 0.98: 4.0}[start]
                ratio = jax.grad(lambda z, loss=loss: loss(jnp.array([z, 0.0])))(z)
                a = 1 / (1 + np.exp(-z))
                predicted = a if name == "cross-entropy" else a**2 * (1 - a)
                lab.claim(f"{name}: slope in z where it says {start}", predicted=predicted, measured=ratio, tolerance=1e-9, source=f"{NIELSEN}, eq 55 and 61")  # fmt: skip
    growth = taken["square"][-1] / taken["square"][-2]
    lab.claim(
        "square: times as many epochs a unit of z, from 8 to 9",
        predicted=np.e,
        measured=growth,
        tolerance=0.01,
        source="derived",
    )
    more = taken["cross-entropy"][-1] - taken["cross-entropy"][-2]
    lab.claim(
        "cross-entropy: more epochs a unit of z",
        predicted=1 / (2 * RATE),
        measured=more,
        tolerance=1,
        kind="absolute",
        source="derived",
    )
    made, (learning, epochs) = figure(1, 2, width=5.2, height=3.6)
    for (name, said), colour in zip(curves.items(), COLOURS, strict=False):
        for start, look in ((1, "-"), (3, "--"), (5, ":")):
            learning.plot(said[start, :600], look, color=colour, label=f"{name}, z = {STARTS[start]:g}")
        epochs.plot(STARTS, taken[name], "o", color=colour, label=name)
        line = np.linspace(1, 9, 100)
        epochs.plot(line, to_the_middle(line, name), "--", lw=1, color=colour)
    learning.set(xlabel="epoch", ylabel="output; it is to be 0")
    learning.set_title("The more wrong, the slower, with the square")
    learning.legend()
    epochs.set(xlabel="z at the start", ylabel="epochs until it is undecided", yscale="log")
    epochs.set_title("Dots measured, dashes predicted")
    epochs.legend()
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
