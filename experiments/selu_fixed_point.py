"""SELU's two constants are those with which mean 0 and variance 1 come out as they go in, and what strays from there comes back,
layer by layer, without any normalisation (Klambauer et al. 2017).

--mutate makes alpha a tenth larger.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.core import gaussian_mean
from gdfunc.report import COLOURS, Lab, figure, run_experiment

KLAMBAUER = "Klambauer 2017"
STARTS = (0.25, 0.6, 2.0, 4.0)
DEPTH = 24


@jax.jit
def solved():
    """(lambda, alpha) with which a standard normal number keeps its mean and variance."""
    below = lambda power: gaussian_mean(lambda z: jnp.where(z <= 0, jnp.expm1(jnp.minimum(z, 0)), 0) ** power, 1.0)  # noqa: E731
    above = lambda power: gaussian_mean(lambda z: jax.nn.relu(z) ** power, 1.0)  # noqa: E731
    alpha = -above(1) / below(1)  # the mean: E z 1[z > 0] + alpha E (e^z - 1) 1[z < 0] = 0
    return 1 / jnp.sqrt(above(2) + alpha**2 * below(2)), alpha


def after_a_layer(phi, mean, variance, omega=0.0, tau=1.0):
    """Mean and variance after weights whose sum is omega and whose squares add up to tau, and the activation (eq 3)."""
    moment = lambda power: gaussian_mean(lambda z: phi(z) ** power, variance * tau, mean * omega)  # noqa: E731
    return jnp.stack([moment(1), moment(2) - moment(1) ** 2])


def constants(lab, phi):
    scale, alpha = solved()
    for name, found, printed, ours in (
        ("lambda", scale, 1.0507009873554805, phi(jnp.ones(()))),
        ("alpha", alpha, 1.6732632423543772, -phi(-50 * jnp.ones(())) / phi(jnp.ones(()))),
    ):
        lab.claim(f"{name}, from the equations", predicted=printed, measured=found, tolerance=1e-10, kind="absolute",
                  source=f"{KLAMBAUER}, eq 14")  # fmt: skip
        lab.claim(f"{name}, of the activation", predicted=found, measured=ours, tolerance=1e-10, kind="absolute",
                  source="the line above")  # fmt: skip


def attraction(lab, phi):
    """The map at its fixed point, and the fixed points of weights that are a little off."""
    layer = lambda *numbers: after_a_layer(phi, *numbers)  # noqa: E731
    mean, variance = jax.jit(layer)(0.0, 1.0)
    lab.claim(
        "mean after a layer, from 0 and 1",
        predicted=0,
        measured=mean,
        tolerance=1e-10,
        kind="absolute",
        source=KLAMBAUER,
    )
    lab.claim("variance after a layer", predicted=1, measured=variance, tolerance=1e-10, source=KLAMBAUER)
    jacobian = np.stack(jax.jit(jax.jacobian(layer, (0, 1)))(0.0, 1.0), axis=1)
    for what, printed, seen in (
        ("d mean / d variance", 0.088834, jacobian[0, 1]),
        ("d variance / d variance", 0.782648, jacobian[1, 1]),
        ("the Jacobian's norm, below 1", 0.7877, np.linalg.norm(jacobian, 2)),
    ):
        lab.claim(what, predicted=printed, measured=seen, tolerance=1e-4, source=f"{KLAMBAUER}, eq 6")
    # Theorem 1: weights may be a little off, and so may mean and variance; a layer takes none of these out of what they are in.
    box = np.meshgrid(*(np.linspace(*ends, 5) for ends in ((-0.1, 0.1), (0.8, 1.5), (-0.1, 0.1), (0.95, 1.1))))
    means, variances = np.asarray(jax.jit(jax.vmap(layer))(*(axis.ravel() for axis in box))).T
    digits = {"tolerance": 5e-6, "kind": "absolute", "source": f"{KLAMBAUER}, theorem 1"}
    lab.claim("any such layer: least mean", predicted=-0.03106, measured=means.min(), **digits)
    lab.claim("any such layer: greatest mean", predicted=0.06773, measured=means.max(), **digits)
    for what, kind, bound, seen in (
        ("least", "at_least", 0.80009, variances.min()),
        ("greatest", "at_most", 1.48617, variances.max()),
    ):
        lab.claim(
            f"any such layer: {what} variance", predicted=bound, measured=seen, kind=kind, source=digits["source"]
        )
    return jacobian[1, 1]


def networks(lab, phi, nets):
    """{mean square of the first layer: those of all layers}, over random networks with LeCun's weights."""
    width = 300
    model = gd.models.mlp((width, *[width] * DEPTH), phi, gd.init.lecun_normal(), bias=False)
    # Inputs of no correlation, which SELU keeps so: their lengths stray from 1 by themselves, a fifth in one, a hundredth in all.
    x = np.random.default_rng(lab.seed).standard_normal((8, len(STARTS), width), np.float32)
    x *= np.sqrt(np.float32(STARTS)[:, None] / np.mean(x**2, axis=2, keepdims=True))

    def look(key):
        _, signals = model.trace_layers(model.init(key), x)
        z = {block: pre_activations for block, (pre_activations, _) in signals.items()}
        stack = jnp.concatenate([z["first"][None], z["hidden"], z["last"][None]])
        return jnp.mean(stack**2, axis=(1, 3))

    seen = jax.jit(lambda keys: jax.lax.map(look, keys))(jax.random.split(jax.random.key(lab.seed), nets))
    return dict(zip(STARTS, np.asarray(seen, np.float64).mean(0).T, strict=True))


def main(lab: Lab):
    with jax.enable_x64(True):
        scale, alpha = (float(number) for number in solved())
        phi = gd.core.selu
        if lab.mutate:
            phi = lambda z: jnp.where(z > 0, scale * z, 1.1 * scale * alpha * jnp.expm1(jnp.minimum(z, 0)))  # noqa: E731
        constants(lab, phi)
        rate = attraction(lab, phi)
    nets = 40 if lab.quick else 160
    seen = networks(lab, phi, nets)
    lengths = jax.jit(jax.vmap(lambda q: gd.theory.length_map("selu", q, 1.0)))
    course = [np.array(STARTS, np.float32)]
    for _ in range(DEPTH - 1):
        course.append(np.asarray(lengths(course[-1])))
    expected = dict(zip(STARTS, np.stack(course, axis=1), strict=True))
    for start in STARTS:
        lab.claim(f"{DEPTH} layers from {start:g}: mean square of z", predicted=1, measured=seen[start][-8:].mean(),
                  tolerance=0.05, source=KLAMBAUER)  # fmt: skip
        worst = np.max(np.abs(seen[start] / expected[start] - 1))
        lab.claim(f"from {start:g}: farthest from the map, in any layer", predicted=0, measured=worst, tolerance=0.1,
                  kind="absolute", source="Poole 2016, eq 3")  # fmt: skip
    lab.keep(mean_squares=seen, expected=expected, contraction=rate)
    picture(lab, seen, expected)


def picture(lab, seen, expected):
    made, (one, layers) = figure(1, 2, width=5.2, height=3.8)
    q = np.linspace(0.01, 4.2, 100, dtype=np.float32)
    for (name, weights), colour in zip((("selu", 1.0), ("relu", 2.0), ("tanh", 1.0)), COLOURS, strict=False):
        after = jax.jit(jax.vmap(lambda q, name=name, w=weights: gd.theory.length_map(name, q, w)))(q)
        one.plot(q, after, color=colour, lw=2, label=name)
    for path in expected.values():
        one.plot(np.repeat(path, 2)[:-1], np.repeat(path, 2)[1:], color=COLOURS[0], lw=0.7)
    one.plot(1, 1, "o", color="black", label="the fixed point")
    one.set(xlabel="mean square of $z_l$", ylabel="mean square of $z_{l+1}$")
    one.set_title("One layer: relu keeps what it is given, tanh nothing")
    one.legend(loc="upper left")
    for (start, q), colour in zip(seen.items(), COLOURS, strict=False):
        layer = np.arange(1, len(q) + 1)
        layers.plot(layer, q, "o", ms=3.5, color=colour, label=f"from {start:g}")
        layers.plot(layer, expected[start], "--", lw=1, color=colour)
    layers.set(xlabel="layer", ylabel="mean square of $z_l$")
    layers.set_title("Networks with selu: dots measured, dashes the map")
    layers.legend()
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
