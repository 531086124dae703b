"""A run stays near a plane of the space of its parameters, which can be drawn; and how sharp a minimum looks in random directions
means something only where the directions are scaled as the network's filters are (Li et al. 2018).

--mutate leaves the scaling of the filters out.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import gdfunc as gd
from gdfunc.instruments import landscape_plane, principal_directions, random_directions
from gdfunc.report import Lab, landscape, run_experiment

LI = "Li 2018"
digits = gd.data.load("digits")
x, y = jnp.asarray(digits.x_train[:500]), jnp.asarray(digits.y_train[:500])
x = (x - x.mean(0)) / x.std()
model = gd.models.mlp((64, 32, 10), "relu")


def loss_fn(params, batch):
    return gd.losses.softmax_cross_entropy(model.apply(params, batch[0]), batch[1]).mean()


def plain_directions(key, params):
    """Gaussian directions as long as the parameters, and no filter like its own."""
    flat, unravel = ravel_pytree(params)
    drawn = jax.random.normal(key, (2, flat.size))
    return [unravel(d * jnp.linalg.norm(flat) / jnp.linalg.norm(d)) for d in drawn]


def scaled(params, c):
    """The same function: relu(c z) / c = relu(z) for c > 0."""
    first, last = params["first"], params["last"]
    return {
        "first": {name: c * value for name, value in first.items()},
        "last": {"weight": last["weight"] / c, "bias": last["bias"]},
    }


def main(lab: Lab):
    steps, side = (100, 15) if lab.quick else (300, 41)
    params, data = model.init(jax.random.key(lab.seed)), (x, y)
    rule = gd.rules.SGD(0.05, momentum=0.9)
    path_of = lambda params, *_: params  # noqa: E731
    run = gd.train(loss_fn, params, data, rule, steps=steps, batch_size=100, key=lab.seed, measure=path_of)
    path = jax.tree.unflatten(jax.tree.structure(params), run.history.measured.values())
    found = principal_directions(path, run.params)
    share = float(found.shares.sum())
    # Two directions hold 6 / pi^2 + 6 / (4 pi^2) of a random walk's variance: 76 %.
    lab.claim(
        "SGD with momentum: share of the path's variance in its plane, over a random walk's",
        predicted=7.5 / np.pi**2,
        measured=share,
        kind="at_least",
        source="Antognini 2018",
    )

    directions = plain_directions if lab.mutate else random_directions
    grid = np.linspace(-1, 1, side), np.linspace(-1, 1, side)

    def picture(params, directions):
        return landscape_plane(loss_fn, params, data, *directions(jax.random.key(lab.seed + 1), params), grid)

    before = picture(run.params, directions)
    same = scaled(run.params, 8.0)
    apart = lambda a, b: np.max(np.abs(np.log(np.asarray(a.loss / b.loss))))  # noqa: E731
    lab.claim(
        "a layer times 8, the next over 8, filters scaled: largest change of log loss",
        predicted=0,
        measured=apart(picture(same, directions), before),
        tolerance=1e-3,
        kind="absolute",
        source=f"{LI}, section 4",
    )
    plain = apart(picture(same, plain_directions), picture(run.params, plain_directions))
    lab.claim(
        "the same, filters as drawn: likewise",
        predicted=0.5,
        measured=plain,
        kind="at_least",
        source=f"{LI}, section 3",
    )
    lab.keep(shares=found.shares, path=found.path)
    around = landscape_plane(loss_fn, run.params, data, found.x, found.y, found.grid(side))
    lab.figure(landscape(around, found, "The run's own plane"))
    lab.figure(landscape(before, title="Around its end, filters scaled"), f"{lab.name}_random")


if __name__ == "__main__":
    sys.exit(run_experiment(main))
