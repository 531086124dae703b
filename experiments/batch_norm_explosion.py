"""Batch normalisation makes gradients explode in deep networks without skip connections, by a factor that the batch's size alone
sets (Yang et al. 2019).

--mutate leaves out of the gradient that the batch's mean and variance depend on the activations.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, Lab, figure, run_experiment

WIDTH, DEPTH = 512, 30


def log_gradients(phi, batch, key, held):
    """log |dL/dz_l|^2 of one random network, (depth,)."""
    key_x, key_w, key_y = jax.random.split(key, 3)

    def layer(h, of):
        key, shift = of
        z = h @ (jax.random.normal(key, (WIDTH, WIDTH)) / WIDTH**0.5) + shift
        mean, std = jnp.mean(z, axis=0), jnp.std(z, axis=0)
        if held:
            mean, std = jax.lax.stop_gradient((mean, std))
        return phi((z - mean) / std), None

    def loss(shifts):
        h, _ = jax.lax.scan(layer, jax.random.normal(key_x, (batch, WIDTH)), (jax.random.split(key_w, DEPTH), shifts))
        return jnp.sum(h * jax.random.normal(key_y, h.shape))

    return jnp.log(jnp.sum(jax.grad(loss)(jnp.zeros((DEPTH, batch, WIDTH))) ** 2, axis=(1, 2)))


def main(lab: Lab):
    nets = 4 if lab.quick else 12
    keys = jax.random.split(jax.random.key(lab.seed), nets)
    curves = {}
    for activation, batch, theorem in (
        ("relu", 8, 8),
        ("relu", 32, 8),
        ("relu", 128, 8),
        ("identity", 8, 9),
        ("identity", 32, 9),
    ):
        if lab.quick and batch == 128:
            continue
        lab.say(f"{activation}, batches of {batch}")
        one = lambda key, a=activation, b=batch: log_gradients(gd.core.activation(a), b, key, lab.mutate)  # noqa: E731
        seen = np.asarray(jax.jit(lambda keys, one=one: jax.lax.map(one, keys))(keys)).mean(0)
        # Between the first layers, whose inputs are not yet alike, and the last, which the loss's own gradient reaches first.
        low, high = 8, DEPTH - 6
        growth = np.exp((seen[low] - seen[high]) / (high - low))
        predicted = gd.theory.batch_norm_gradient_growth(batch, activation)
        lab.claim(f"{activation}, batches of {batch}: growth of |g|^2 a layer", predicted=predicted, measured=growth,
                  tolerance=0.02, source=f"Yang 2019, theorem {theorem}")  # fmt: skip
        curves[activation, batch] = seen, predicted
    made, axes = figure(width=6.2, height=4.0)
    layer = np.arange(1, DEPTH + 1)
    for ((activation, batch), (seen, predicted)), colour in zip(curves.items(), COLOURS, strict=False):
        axes.plot(layer, np.exp(seen - seen[-1]), "o", ms=3.5, color=colour, label=f"{activation}, batches of {batch}")
        axes.plot(layer, np.exp(seen[-6] - seen[-1]) * predicted ** (DEPTH - 5.0 - layer), "--", lw=1, color=colour)
    axes.set(xlabel="layer", ylabel=r"$|\partial L / \partial z_l|^2$, relative to the last", yscale="log")
    axes.set_title("Going back, gradients grow: dots measured, dashes predicted")
    axes.legend()
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
