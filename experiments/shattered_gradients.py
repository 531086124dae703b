"""The deeper a plain network, the less the gradient at one input says about the gradient at another: it shatters. Paths around
the layers keep it together for longer (Balduzzi et al. 2017).

--mutate takes the paths around out of the residual blocks.
"""

import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gdfunc.report import COLOURS, Lab, figure, run_experiment

WIDTH, BATCH = 400, 64
BALDUZZI = "Balduzzi 2017, theorem"


class Kind(NamedTuple):
    """A network of blocks h + W relu(z), or W relu(z) alone; z is h, or h less its batch's mean and over its spread."""

    residual: bool
    normalised: bool
    depths: tuple[int, ...]


KINDS = {
    "plain": Kind(False, False, (1, 2, 4, 8, 16)),
    "plain, normalised": Kind(False, True, (1, 2, 3, 4, 6)),
    "residual": Kind(True, False, (1, 2, 4, 8, 16, 32)),
    "residual, normalised": Kind(True, True, (1, 2, 4, 8, 16, 32, 64)),
}


def block(h, w, kind):
    z = h
    if (
        kind.normalised
    ):  # held, as in evaluation: what an input does to the batch's statistics is no part of its gradient
        mean, std = jax.lax.stop_gradient((jnp.mean(h, axis=0), jnp.std(h, axis=0)))
        z = (h - mean) / std
    z = jax.nn.relu(z) @ w
    return h + z if kind.residual else z


forward = jax.jit(block, static_argnums=2)
backward = jax.jit(lambda h, w, g, kind: jax.vjp(lambda h: block(h, w, kind), h)[1](g)[0], static_argnums=3)


def gradients(kind, draw, h, depths):
    """{depth: dL/dh_0, one row an input}, of networks with the same first blocks, and L the sum over inputs of v^T h."""
    weights = draw.standard_normal((max(depths), WIDTH, WIDTH), np.float32) * (2 / WIDTH) ** 0.5
    taken = [h]
    for w in weights:
        taken.append(forward(taken[-1], w, kind))
    found = {}
    for depth in depths:
        g = np.tile(draw.standard_normal(WIDTH, np.float32), (len(h), 1))
        for h, w in zip(taken[:depth][::-1], weights[:depth][::-1], strict=True):
            g = backward(h, w, g, kind)
        found[depth] = np.asarray(g, np.float64)
    return found


def correlation(g):
    """The mean product of two inputs' gradients, over that of one with itself."""
    own = np.sum(g**2)
    return (np.sum(g.sum(0) ** 2) - own) / (len(g) - 1) / own


def predicted(kind, depth, c=0.0):
    """Of infinitely wide networks. `c` is the correlation of two inputs' z, and half the batch is let through by each unit.

    A gradient comes back through both inputs' open units: the share 1 - theta / pi of one's that are the other's too, where
    theta = arccos c (Cho & Saul 2009). Balduzzi's theorems say 1/2 for it in every layer. Plain layers make inputs alike, so
    that gradients of networks without normalisation in truth do better; normalisation takes what inputs have in common away.
    """
    product, spread = 1.0, 1.0
    for _ in range(depth):
        if kind.normalised:
            c = -1 / (BATCH - 1)  # of numbers that add up to 0
        theta = np.arccos(c)
        alike = (np.sin(theta) + (np.pi - theta) * c) / np.pi  # the product of two inputs' relu(z), times 2
        # 1 / variance of so many numbers is on average more than 1 over the variance.
        branch = BATCH / (BATCH - 3) / spread if kind.normalised else 1.0
        product *= (kind.residual + branch * (1 - theta / np.pi)) / (kind.residual + branch)
        spread = kind.residual * spread + 1 - alike
        if not kind.normalised:
            c = (kind.residual * c + alike) / (kind.residual + 1)
    return product


def measure(lab, kind, nets):
    """{depth: correlation}, over all networks."""
    draw = np.random.default_rng(lab.seed)
    broken = kind._replace(residual=kind.residual and not lab.mutate)
    seen = {depth: [] for depth in kind.depths}
    for _ in range(nets):
        x = draw.standard_normal((BATCH, WIDTH), np.float32)
        for depth, g in gradients(broken, draw, x, kind.depths).items():
            seen[depth].append(correlation(g))
    return {depth: np.mean(each) for depth, each in seen.items()}


def main(lab: Lab):
    # One network's correlation strays from the mean by 3 % a plain layer, 1 % a block: 10 % are four standard errors or more
    # of that many networks in these depths. The deeper ones are drawn; there a width of 400 is not infinite, either.
    nets, curves = 20 if lab.quick else 80, {}
    for name, kind in KINDS.items():
        lab.say(f"{nets} networks, {name}")
        seen = curves[name] = measure(lab, kind, nets)
        # In the first block no two inputs are alike yet, and normalised layers keep it so: there the theorems are exact.
        theorem, law = (2, 3 / 4) if kind.residual else (1, 1 / 2)
        for depth in (1, 2) if name == "plain, normalised" else (1,) if name != "residual, normalised" else ():
            lab.claim(f"{name}, {depth} deep: correlation", predicted=law**depth, measured=seen[depth], tolerance=0.1,
                      source=f"{BALDUZZI} {theorem}")  # fmt: skip
        for depth in kind.depths[1:]:
            if depth <= 4 or (kind.residual and depth <= 8):
                what = f"{name}, {depth} deep: over that of infinite width"
                lab.claim(
                    what, predicted=1, measured=seen[depth] / predicted(kind, depth), tolerance=0.1, source="derived"
                )
    above = curves["plain"][8] * 2**8
    lab.claim("plain, 8 deep: over 2^-8", predicted=8, measured=above, kind="at_least", source="inputs grow alike")
    # Balduzzi's third theorem has 1 / sqrt(depth), of inputs that normalisation takes nothing in common from.
    slope = lambda of: np.polyfit(np.log([8, 16, 32, 64]), np.log([abs(of(d)) for d in (8, 16, 32, 64)]), 1)[0]  # noqa: E731
    kind, seen = KINDS["residual, normalised"], curves["residual, normalised"]
    lab.claim("residual, normalised: power of the depth", predicted=slope(lambda d: predicted(kind, d)),
              measured=slope(seen.get), tolerance=0.1, source="derived")  # fmt: skip
    lab.keep(correlations=curves)
    picture(lab, curves)


def along_a_line(lab):
    """Inputs on a line, and the slope along it: the paper's figure 1."""
    draw = np.random.default_rng(lab.seed)
    x = np.linspace(-2, 2, 256, dtype=np.float32)
    direction, start = draw.standard_normal((2, 1, WIDTH), np.float32)
    for label, name, depth in (
        ("1 layer", "plain", 1), ("24 layers", "plain", 24), ("24 layers, normalised", "plain, normalised", 24),
        ("50 residual blocks, normalised", "residual, normalised", 50),
    ):  # fmt: skip
        g = gradients(KINDS[name], draw, x[:, None] * direction + start, (depth,))[depth] @ direction[0]
        yield label, x, (g - g.mean()) / g.std()


def picture(lab, curves):
    made, (line, decay) = figure(1, 2, width=5.4, height=4.0)
    for i, (label, x, g) in enumerate(along_a_line(lab)):
        line.plot(x, g - 7 * i, lw=0.8, color=COLOURS[i])
        line.text(-2, 2.9 - 7 * i, label, fontsize=8, color=COLOURS[i])
    line.set(xlabel="input", ylabel="slope of the output, each over its spread", yticks=[], ylim=(-25, 5))
    line.set_title("Slopes along a line of inputs")
    for (name, kind), colour in zip(KINDS.items(), COLOURS, strict=False):
        depth = np.arange(1, max(kind.depths) + 1)
        decay.plot(list(curves[name]), list(curves[name].values()), "o", ms=4, color=colour, label=name)
        decay.plot(depth, [predicted(kind, d) for d in depth], "--", lw=1, color=colour)
    decay.set(xlabel="layers or blocks", ylabel="correlation of two inputs' gradients", xscale="log", yscale="log")
    decay.set_title("Gradients shatter: dots measured, dashes predicted")
    decay.legend(loc="lower left")
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
