"""Between order and chaos: a wide random tanh network's lengths, correlations and gradients against mean field theory, and how
deep a network trains where (Poole et al. 2016; Schoenholz et al. 2017).

--mutate forgets the biases' variance in the prediction.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc import theory
from gdfunc.report import COLOURS, Lab, figure, run_experiment

BIASES = 0.05  # sigma_b^2, as in the paper's figures: the edge is then at sigma_w^2 = 1.76
POOLE, SCHOENHOLZ = "Poole 2016, eq 3", "Schoenholz 2017"
digits = gd.data.load("digits")


def network(sizes):
    """A model, and how its parameters are drawn at a given sigma_w^2: one program for all of them."""
    model = gd.models.mlp(sizes, "tanh", gd.init.variance_scaling(1.0), gd.init.normal(BIASES**0.5))

    def init(key, weights):
        return {k: {**v, "weight": v["weight"] * jnp.sqrt(weights)} for k, v in model.init(key).items()}

    return model, init


def wide(lab, variances, depth=24, n=500):
    """{sigma_w^2: mean squares and correlations of two inputs' z_l, and the gradients'}, over several networks."""
    model, init = network((n, *[n] * depth))
    nets = 24  # with 6 the slope of one seed in three is off by a fiftieth

    def look(key, weights):
        key, key_x, key_y = jax.random.split(key, 3)
        x = jax.random.normal(key_x, (2, n))
        x = jnp.stack([x[0], 0.6 * x[0] + 0.8 * x[1]])
        aim = jax.random.normal(key_y, (2, n))
        seen = gd.models.layer_arrays(model, init(key, weights), x, lambda y: jnp.sum(y * aim))
        stack = lambda blocks: jnp.concatenate([blocks["first"][None], blocks["hidden"]])  # noqa: E731
        z, g = stack(seen.pre_activation), stack(seen.pre_activation_gradient)
        q = jnp.mean(z**2, axis=-1)
        return (
            q.mean(1),
            jnp.mean(z[:, 0] * z[:, 1], axis=-1) / jnp.sqrt(q[:, 0] * q[:, 1]),
            jnp.mean(g**2, axis=(1, 2)),
        )

    keys = jax.random.split(jax.random.key(lab.seed), nets)
    many = jax.jit(lambda weights: jax.lax.map(lambda key: look(key, weights), keys))
    for weights in variances:
        lab.say(f"wide networks at sigma_w^2 = {weights}")
        q, c, g = (np.asarray(each) for each in many(weights))
        yield weights, (q.mean(0), c.mean(0), np.exp(np.log(g).mean(0)))


def correlations(c, q, weights, biases, count):
    """The maps' own course from the first layer's correlation and length."""
    course = [c]
    for _ in range(count - 1):
        course.append(float(theory.correlation_map("tanh", min(course[-1], 1.0), q, weights, biases)))
        q = float(theory.length_map("tanh", q, weights, biases))
    return np.array(course)


def trained(lab, weights, depths, steps):
    """The share of the training digits that networks of these depths get right."""
    x, y = jnp.asarray(digits.x_train), jnp.asarray(digits.y_train)
    x = (x - x.mean(0)) / x.std()
    rule = gd.rules.SGD(1e-3, momentum=0.8)

    def run(weights, depth):
        model, init = network((64, *[128] * (depth - 1), 10))
        key_p, key_s = jax.random.split(jax.random.key(lab.seed + depth))
        params = init(key_p, weights)
        loss = lambda p, rows: gd.losses.mean(gd.losses.softmax_cross_entropy(model.apply(p, x[rows]), y[rows]))  # noqa: E731

        def step(carry, key):
            params, state = carry
            grads = jax.grad(loss)(params, jax.random.randint(key, (64,), 0, len(x)))
            updates, state = rule.update(grads, state, params)
            return (gd.apply_updates(params, updates), state), ()

        (params, _), _ = jax.lax.scan(step, (params, rule.init(params)), jax.random.split(key_s, steps))
        return jnp.mean(jnp.argmax(model.apply(params, x), axis=-1) == y)

    found = []
    for depth in depths:  # each depth is a program of its own; all weights run in it
        lab.say(f"training {depth} layers with {len(weights)} different weights")
        found.append(
            np.asarray(jax.jit(lambda w, d=depth: jax.lax.map(lambda each: run(each, d), w))(jnp.asarray(weights)))
        )
    return np.array(found)


def main(lab: Lab):
    believed = 0.0 if lab.mutate else BIASES
    edge = theory.critical_point("tanh", believed).weight_variance
    lab.claim(
        "the edge, biases of 0.05: sigma_w^2",
        predicted=1.76,
        measured=edge,
        tolerance=1e-3,
        source=f"{SCHOENHOLZ}, figure 5",
    )
    seen = dict(wide(lab, (1.3, 1.76, 2.5) if lab.quick else (1.3, 1.76, 2.5, 4.0)))
    for weights, (q, c, g) in seen.items():
        star = float(theory.fixed_length("tanh", weights, believed))
        chi = float(theory.chi("tanh", star, weights)) if star > 0 else np.nan
        # Of width 500, and some networks: a length strays by a per cent.
        lab.claim(f"{weights}: q*", predicted=star, measured=q[8:].mean(), tolerance=0.02, source=POOLE)
        growth = np.exp(np.polyfit(np.arange(8, 20), np.log(g[8:20]), 1)[0])
        lab.claim(
            f"{weights}: |g|^2 a layer, going back",
            predicted=chi,
            measured=1 / growth,
            tolerance=0.02,
            source=f"{SCHOENHOLZ}, chi_1",
        )
        curve = correlations(c[0], weights + BIASES, weights, believed, len(c))
        worst = np.max(np.abs(np.array(curve) - c))
        lab.claim(
            f"{weights}: correlation, farthest from its map",
            predicted=0,
            measured=worst,
            tolerance=0.06,
            kind="absolute",
            source="Poole 2016, eq 5",
        )
    # The paper's figure 5: which depths train, by sigma_w^2; the line is 6 xi_c. Rate, steps and width fixed beforehand.
    weights = np.array([1.0, 1.76, 4.0] if lab.quick else [1.0, 1.3, 1.76, 2.5, 4.0])
    depths = (10, 60) if lab.quick else (10, 20, 40, 60, 100)
    right = trained(lab, weights, depths, 300 if lab.quick else 1000)
    reach = np.array([float(theory.trainable_depth("tanh", w, believed)) for w in weights])
    deep = list(depths).index(60)
    lab.claim(
        "60 layers on the edge: share right",
        predicted=0.8,
        measured=right[deep, list(weights).index(1.76)],
        kind="at_least",
        source=f"{SCHOENHOLZ}, figure 5",
    )
    for i in (0, -1):
        lab.claim(
            f"60 layers at {weights[i]:g}, beyond 6 xi_c: share right",
            predicted=0.3,
            measured=right[deep, i],
            kind="at_most",
            source=f"{SCHOENHOLZ}, figure 5",
        )
    lab.keep(share_right=right, depths=depths, weights=weights, reach=reach)
    picture(lab, seen, believed, weights, depths, right)


def picture(lab, seen, believed, weights, depths, right):
    made, (gradient, correlation, map_) = figure(1, 3, width=4.4, height=3.6)
    for (w, (_, c, g)), colour in zip(seen.items(), COLOURS, strict=False):
        layer = np.arange(1, len(g) + 1)
        gradient.plot(layer, g / g[-1], "o", ms=3, color=colour, label=f"$\\sigma_w^2$ = {w:g}")
        correlation.plot(layer, c, "o", ms=3, color=colour)
        star = float(theory.fixed_length("tanh", w, believed))
        if star > 0:
            chi = float(theory.chi("tanh", star, w))
            gradient.plot(layer, chi ** (layer[-1] - layer.astype(float)), "--", lw=1, color=colour)
            correlation.plot(layer, correlations(c[0], w + BIASES, w, believed, len(c)), "--", lw=1, color=colour)
    gradient.set(xlabel="layer", ylabel=r"$|\partial L / \partial z_l|^2$, relative to the last", yscale="log")
    gradient.set_title("Gradients: dots measured, dashes theory")
    gradient.legend()
    correlation.set(xlabel="layer", ylabel="correlation of two inputs", ylim=(0, 1.02))
    correlation.set_title("Order makes inputs alike, chaos parts them")
    mesh = map_.pcolormesh(
        np.arange(len(weights) + 1), np.arange(len(depths) + 1), right, cmap="viridis", vmin=0, vmax=1
    )
    map_.set_xticks(np.arange(len(weights)) + 0.5, [f"{w:g}" for w in weights])
    map_.set_yticks(np.arange(len(depths)) + 0.5, [str(d) for d in depths])
    for i, depth in enumerate(depths):
        for j, w in enumerate(weights):
            inside = depth <= float(theory.trainable_depth("tanh", w, believed))
            map_.text(
                j + 0.5,
                i + 0.5,
                f"{right[i, j]:.2f}\n{'within' if inside else 'beyond'}",
                ha="center",
                va="center",
                color="black" if right[i, j] > 0.5 else "white",
                fontsize=8,
            )
    map_.grid(False)
    map_.set(xlabel=r"$\sigma_w^2$", ylabel="layers")
    map_.set_title(r"Digits right after training; within $6\,\xi_c$ or beyond")
    made.colorbar(mesh, ax=map_)
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
