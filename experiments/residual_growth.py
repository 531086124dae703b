"""Residual blocks never let a gradient vanish, and without normalisation make it grow: twofold a block with He's relu, e-fold in
all with branches of 1 / sqrt(L), and with tanh only as exp(c sqrt(L)) (Yang & Schoenholz 2017; De & Smith 2020).

--mutate draws He's weights without their 2.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc import theory
from gdfunc.report import COLOURS, Lab, figure, run_experiment

YANG, DE = "Yang & Schoenholz 2017", "De & Smith 2020"
ROWS = 16  # inputs of one network
SLOPE = 8 / (3 * (2 * np.pi) ** 0.5)  # of log |g|^2 in sqrt(L): see `tanh`


def squares(phi, weights, depth, width, keys):
    """Mean squares of x_l and of dL/dx_l, l = 0 ... depth, (networks, depth + 1) each, at any scale of the branches."""
    phi = gd.core.activation(phi)

    def network(key, scale):
        key_x, key_w, key_v = jax.random.split(key, 3)

        def block(x, of):
            key, shift = of
            w = jax.random.normal(key, (width, width)) * (weights / width) ** 0.5
            x = x + scale * (phi(x) @ w) + shift
            return x, jnp.mean(x**2)

        def loss(shifts):
            x = jax.random.normal(key_x, (ROWS, width)) + shifts[0]
            y, q = jax.lax.scan(block, x, (jax.random.split(key_w, depth), shifts[1:]))
            return jnp.sum(y * jax.random.normal(key_v, y.shape)), jnp.append(jnp.mean(x**2), q)

        g, q = jax.grad(loss, has_aux=True)(jnp.zeros((depth + 1, ROWS, width)))
        return q, jnp.mean(g**2, axis=(1, 2))

    compiled = jax.jit(lambda scale: jax.lax.map(lambda key: network(key, scale), keys))
    return lambda scale: [np.asarray(each, np.float64) for each in compiled(scale)]


def relu(lab, nets):
    """He's weights: a branch has the mean square of its input, at every width and on average.

    A network of this width strays by 8 % over its 64 blocks; of 24 the mean is known to 1.6 %.
    """
    depth, curves = 64, {}
    see = squares("relu", 1.0 if lab.mutate else 2.0, depth, 200, jax.random.split(jax.random.key(lab.seed), nets))
    for name, scale, over, tolerance, source in (
        ("relu", 1.0, 1, 0.02, DE),
        ("relu, branches / 8", 1 / 8, depth, 0.06, "derived"),  # (1 + 1 / L)^L, all but e
    ):
        q, g = see(scale)
        growth = 1 + scale**2
        for way, factors in (("forward", q[:, 1:] / q[:, :-1]), ("back", g[:, :-1] / g[:, 1:])):
            what = f"{name}: growth over {over} block{'s' * (over > 1)}, {way}"
            lab.claim(what, predicted=growth**over, measured=factors.mean() ** over, tolerance=tolerance, source=source)
        curves[name] = q, g, growth ** np.arange(depth + 1), growth ** np.arange(depth, -1, -1.0)
    return curves


def course(blocks):
    """What theory has for tanh, sigma_w^2 = 1: (q_l, log of the factor on |g|^2 in the block above), l = 0 ... blocks - 1."""

    def block(q, _):
        return theory.residual_length_map("tanh", q, 1.0), (q, jnp.log(theory.residual_chi("tanh", q, 1.0)))

    return [np.asarray(each) for each in jax.jit(lambda: jax.lax.scan(block, jnp.ones(()), length=blocks)[1])()]


def tanh(lab, nets):
    """Where q is large a branch adds all but 1 to it, whatever q is: it grows as l. Of the units only those near 0 have a slope:
    E tanh'^2 is the density there, 1 / sqrt(2 pi q), times the integral of sech^4, 4 / 3; summed over q = l: SLOPE sqrt(l).
    """
    depth = 200
    q, g = squares("tanh", 1.0, depth, 200, jax.random.split(jax.random.key(lab.seed + 1), nets))(1.0)
    with jax.enable_x64(True):
        length, factors = course(4096)
    lab.claim(
        f"tanh: q after {depth} blocks", predicted=length[depth], measured=q[:, -1].mean(), tolerance=0.03, source=YANG
    )
    grown = np.log(g[:, 0] / g[:, -1]).mean()
    lab.claim(
        f"tanh: log of |g|^2's growth over {depth} blocks",
        predicted=factors[:depth].sum(),
        measured=grown,
        tolerance=0.03,
        source=YANG,
    )
    total = np.cumsum(factors)
    power = np.log(total[4095] / total[1023]) / np.log(4)
    lab.claim(
        "tanh, theory: power of L in log |g|^2",
        predicted=0.5,
        measured=power,
        tolerance=0.02,
        source=YANG,
    )
    slope = (total[4095] - total[1023]) / 32
    lab.claim("tanh, theory: log |g|^2 a sqrt(L)", predicted=SLOPE, measured=slope, tolerance=0.02, source="derived")
    lab.claim(
        "tanh, theory: q a block",
        predicted=1,
        measured=(length[4095] - length[1023]) / 3072,
        tolerance=0.05,
        source=YANG,
    )
    back = np.exp(factors[:depth].sum() - np.append(0, np.cumsum(factors[:depth])))
    return {"tanh": (q, g, length[: depth + 1], back)}


def main(lab: Lab):
    nets = 24 if lab.quick else 96
    curves = {**relu(lab, nets), **tanh(lab, nets)}
    made, panels = figure(1, 2, width=5.2, height=3.8)
    for (name, seen), colour in zip(curves.items(), COLOURS, strict=False):
        for axes, measured, predicted in zip(panels, seen[:2], seen[2:], strict=True):
            blocks = np.arange(measured.shape[1])
            typical = np.exp(np.log(measured / (measured[:, -1:] if axes is panels[1] else 1)).mean(0))
            axes.plot(blocks[::4], typical[::4], "o", ms=3.5, color=colour, label=name)
            axes.plot(blocks, predicted, "--", lw=1, color=colour)
    for axes, title in zip(
        panels, ("Signals: dots measured, dashes predicted", "Gradients, over the last block's"), strict=True
    ):
        axes.set(xlabel="block", yscale="log", ylim=(0.5, 1e8))
        axes.set_title(title)
        axes.legend(loc="upper right")
    panels[0].set_ylabel("mean square of $x_l$")
    panels[1].set_ylabel(r"mean square of $\partial L / \partial x_l$")
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
