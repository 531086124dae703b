"""Why deep networks need the right initialisation: mean squares of signals and gradients, layer by layer, on real digits,
beside what He, Glorot and Poole predict; and whether 30 layers then train.

--mutate takes the 2 out of He's 2 / n.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, Lab, figure, run_experiment

WIDTH, DEPTH = 100, 30
SIZES = (64, *[WIDTH] * (DEPTH - 1), 10)
LN_10 = float(np.log(10))  # the loss of a network that answers "one in ten" to everything
digits = gd.data.load("digits")
x, y = jnp.asarray(digits.x_train), jnp.asarray(digits.y_train)


def network(activation, sizes=SIZES, weights=None):
    """Without biases, which start at 0 in every paper here: all that passes a layer passes its weights."""
    return gd.models.mlp(sizes, activation, weights, bias=False)


def error(output, labels):
    return gd.losses.mean(gd.losses.softmax_cross_entropy(output, labels))


def draw(inits, keys, sizes=SIZES):
    """Parameters from each initialisation and the same keys, as one program: drawing takes longer to compile than to run."""
    starts = {name: network("relu", sizes, weights).init for name, weights in inits.items()}
    return jax.jit(lambda keys: {name: jax.vmap(init)(keys) for name, init in starts.items()})(keys)


def look(model):
    """Compiles a look into many networks: mean squares of z_l and of dL/dz_l, each (networks, layers)."""
    see = lambda params, x, y: gd.models.layer_signals(model, params, x, lambda output: error(output, y))  # noqa: E731
    compiled = jax.jit(lambda *networks: jax.vmap(see)(*networks)[0:3:2])
    return lambda *networks: [np.asarray(squares, np.float64) for squares in compiled(*networks)]


def train(model, rules, params, keys, steps):
    """Losses (..., rates, steps) and last parameters: every rate from every start, all as one program."""

    def one(rule, params, key):
        def step(carry, key):
            params, state = carry
            rows = jax.random.randint(key, (64,), 0, len(x))
            loss, grads = jax.value_and_grad(lambda p: error(model.apply(p, x[rows]), y[rows]))(params)
            updates, state = rule.update(grads, state, params)
            return (gd.apply_updates(params, updates), state), loss

        (params, _), losses = jax.lax.scan(step, (params, rule.init(params)), jax.random.split(key, steps))
        return losses, params

    # A rule's numbers are its leaves: mapping over an SGD with three rates is the sweep.
    rates = jax.vmap(one, in_axes=(gd.in_axes(rules), None, None))
    seeds = jax.vmap(rates, in_axes=(None, 0, 0))
    losses, params = jax.jit(jax.vmap(seeds, in_axes=(None, 0, None)))(rules, params, keys)
    return np.asarray(losses), params


def claim(lab, what, predicted, measured, how, source):
    """How is the relative tolerance, or "at_most", or "at_least"."""
    terms = {"kind": how} if isinstance(how, str) else {"tolerance": how}
    lab.claim(what, predicted=predicted, measured=np.mean(measured), source=source, **terms)


def main(lab: Lab):
    inits = {
        "He": gd.init.variance_scaling(1.0, "in") if lab.mutate else gd.init.he_normal("relu"),
        "Xavier": gd.init.xavier_normal(),
        "standard": gd.init.variance_scaling(3**-0.5, "in", "uniform"),  # on +-1 / sqrt(n), the habit before Glorot
    }
    keys = jax.random.split(jax.random.key(lab.seed), nets := 100 if lab.quick else 200)

    # 1. A layer multiplies the mean square of its input by n Var(w), times the share that the activation lets through; the
    # gradient going back, likewise. Thirty factors in a row leave a signal only if each of them is 1. The signs of a layer's
    # weights are a coin's, so relu passes half of the squares ON AVERAGE, at any width and for any input: hence the factors
    # below are means over layers and networks. (Not the ratio of the ends: a few freak networks make up its mean.)
    # Sigmoid: Var z = E phi(z)^2 has a fixed point, and there a layer multiplies the gradient's by E phi'(z)^2.
    slope = gd.theory.chi("sigmoid", gd.theory.fixed_length("sigmoid", 1.0), 1.0)
    cases = {  # (activation, initialisation): factor forward (None: not claimed) and back, where from
        ("relu", "He"): (1.0, 1.0, "He 2015, eq 10 and 14"),
        ("relu", "Xavier"): (0.5, 0.5, "He 2015, section 2.2"),
        ("identity", "Xavier"): (1.0, 1.0, "Glorot 2010, eq 5-12"),
        ("identity", "standard"): (1 / 3, 1 / 3, "Glorot 2010, eq 15"),
        ("sigmoid", "Xavier"): (None, slope, "Schoenholz 2017, chi_1"),
    }
    lab.say(f"drawing {3 * nets} networks")
    starts = draw(inits, keys)
    looks = {activation: look(network(activation)) for activation in ("relu", "identity", "sigmoid")}
    seen = {}
    one_digit_each = x[:nets, None], y[:nets, None]
    for (activation, start), (forward, back, source) in cases.items():
        z, g = seen[activation, start] = looks[activation](starts[start], *one_digit_each)
        if forward is not None:
            claim(lab, f"{activation}, {start}: signal, factor a layer", forward, z[:, 1:-1] / z[:, :-2], 0.01, source)
        top = g[:, 15:-1] if activation == "sigmoid" else g[:, :-1]  # 0.056**30 is below what a float32 holds
        claim(lab, f"{activation}, {start}: gradient, factor a layer", back, top[:, :-1] / top[:, 1:], 0.01, source)
    claim(lab, "sigmoid, Xavier: at most max phi'^2", 1 / 16, lab.claims[-1].measured, "at_most", "Hochreiter 1991")

    # The network that one actually draws does worse than the mean: a factor with variance 5 / n has a logarithm with mean
    # -2.5 / n. At width 100 He's typical network keeps 97.5 % a layer, and half of the mean square after 30.
    he, xavier = (np.log(z[:, 1:-1] / z[:, :-2]).mean() for z, _ in (seen["relu", "He"], seen["relu", "Xavier"]))
    claim(lab, "relu, He: factor of the typical network", np.exp(-2.5 / WIDTH), np.exp(he), 0.01, "Hanin & Nica 2019")
    # He's own words are of standard deviations. The two started from the same keys, so chance cancels.
    lost = (xavier - he) / 2 * (DEPTH - 1) / np.log(2)
    claim(lab, "Xavier / He after 30 layers, log2 of the std", -14.5, lost, 1e-3, "He 2015, section 2.2")

    # 2. Which n? With equal widths nobody can tell. Where they differ, fan in keeps the signal, fan out the gradient.
    lab.say("fan in, fan out")
    widths = (64, 100, 400, 10)
    many = jax.random.split(keys[0], 600)  # as a factor's variance is now 5 / 100 and there is but one layer
    fans = draw({fan: gd.init.he_normal("relu", fan=fan) for fan in ("in", "out")}, many, widths)
    see = look(network("relu", widths))
    for fan, forward, back in (("in", 1.0, 4.0), ("out", 0.25, 1.0)):
        z, g = see(fans[fan], x[:600, None], y[:600, None])
        claim(lab, f"100 to 400 wide, fan {fan}: signal", forward, z[:, 1] / z[:, 0], 0.03, "He 2015, eq 10")
        claim(lab, f"100 to 400 wide, fan {fan}: gradient", back, g[:, 0] / g[:, 1], 0.03, "He 2015, eq 14")

    # 3. Does it matter? With Xavier, what 30 ReLU layers put out is 2**-14.5 of what it should be, whatever the digit, and so
    # is the gradient: the loss stays at ln 10. The rule, fixed beforehand: of these rates, the one whose loss at the end (its
    # last 50 steps) is least on average over the seeds; one that is not finite counts as infinite, and no run is left out.
    # What does not carry over: He's 22-layer convolutional network learns from Xavier's start too, only later (figure 2).
    # Ours, fully connected and 100 wide, is still at ln 10 when He's is done (last panel): it takes less depth to stop it.
    steps, depths, seeds = (250, (DEPTH,), 2) if lab.quick else (600, (10, 22, DEPTH), 3)
    rates = np.array([0.001, 0.003] if lab.quick else [0.001, 0.003, 0.01], np.float32)
    runs = {}
    for depth in depths:
        lab.say(f"training {depth} layers, {steps} steps")
        count = seeds if depth == DEPTH else 1
        pair = jax.tree.map(lambda *p, n=count: jnp.stack(p)[:, :n], starts["He"], starts["Xavier"])
        pair["hidden"]["weight"] = pair["hidden"]["weight"][:, :, : depth - 2]  # the first of the deep one's layers
        model = network("relu", (*SIZES[:depth], 10))
        losses, params = train(model, gd.rules.SGD(rates, momentum=0.9), pair, keys[:count], steps)
        ends = losses[..., -50:].mean(-1)  # (start, seed, rate)
        best = np.where(np.isfinite(ends), ends, np.inf).mean(1).argmin(-1)
        for i, name in enumerate(("He", "Xavier")):
            runs[name, depth] = losses[i, :, best[i]], jax.tree.map(lambda p, i=i, k=best[i]: p[i, :, k], params)
    farthest = ends[1].flat[np.abs(ends[1] - LN_10).argmax()]
    claim(lab, "30 layers, Xavier: every run's last loss", LN_10, farthest, 4e-5, "He 2015, figure 3")
    middle, limit = np.median(ends[0, :, best[0]]), 0.5 if lab.quick else 0.1
    claim(lab, "30 layers, He: the median seed's last loss", limit, middle, "at_most", "He 2015, figure 3")

    batch = [jnp.stack([a[:100]] * seeds) for a in (x, y)]
    after = {name: looks["relu"](runs[name, DEPTH][1], *batch)[1] for name in ("He", "Xavier")}
    lab.keep(signal={f"{a}, {i}": z.mean(0) for (a, i), (z, _) in seen.items()})
    lab.keep(gradient={f"{a}, {i}": g.mean(0) for (a, i), (_, g) in seen.items()})
    lab.keep(gradient_after=after, final={f"{k} {d}": loss[:, -50:].mean(1) for (k, d), (loss, _) in runs.items()})
    picture(lab, cases, seen, after, {key: losses for key, (losses, _) in runs.items()})


def picture(lab, cases, seen, after, runs):
    made, ((signal, gradient), (curves, ends)) = figure(2, 2, width=5.4, height=4.0)
    layer = np.arange(1, DEPTH)  # the last layer, 100 to 10, is another kind
    for (case, (forward, back, _)), colour in zip(cases.items(), COLOURS, strict=False):
        z, g = (each[:, :-1] for each in seen[case])
        dots = {"ls": "", "marker": "o", "ms": 3.5, "color": colour, "label": ", ".join(case)}
        signal.plot(layer, z.mean(0), **dots)
        signal.fill_between(layer, *np.quantile(z, (0.1, 0.9), axis=0), color=colour, alpha=0.15, lw=0)
        if forward is not None:
            signal.plot(layer, z.mean(0)[0] * forward ** (layer - 1.0), "--", color=colour, lw=1)
        gradient.plot(layer, g.mean(0) / g.mean(0)[-1], **{**dots, "label": None})
        gradient.plot(layer, back ** (layer[-1] - layer.astype(float)), "--", color=colour, lw=1)
    for (name, g), colour in zip(after.items(), COLOURS, strict=False):
        label = f"relu, {name}, after training"
        gradient.plot(layer, (g[:, :-1] / g[:, -2:-1]).mean(0), "-", color=colour, lw=3, alpha=0.4, label=label)
    for i, name in enumerate(("He", "Xavier")):
        final = {depth: losses[:, -50:].mean(1) for (start, depth), losses in runs.items() if start == name}
        ends.plot(final.keys(), [np.median(each) for each in final.values()], color=COLOURS[i], alpha=0.4)
        for depth, each in final.items():
            ends.plot([depth] * len(each), each, "o", ms=6, color=COLOURS[i], label=name if depth == DEPTH else None)
        smooth = runs[name, DEPTH].reshape(len(final[DEPTH]), -1, 10).mean(-1)
        labels = [f"{name}, each seed", *[None] * (len(smooth) - 1)]
        curves.plot(np.arange(smooth.shape[1]) * 10 + 5, smooth.T, color=COLOURS[i], lw=1.2, label=labels)
    for axes in (curves, ends):
        axes.axhline(LN_10, color="black", ls=":", lw=1.2, label="ln 10: one in ten, whatever the digit")
    titles = {
        signal: "Signal: dots measured, dashes predicted, bands 80 % of nets",
        gradient: "Gradient, going back: dots at the start, dashes predicted",
        curves: f"{DEPTH} ReLU layers learning digits, each start at its best rate",
        ends: "Loss at the end, by depth",
    }
    for axes, title in titles.items():
        axes.set_title(title, loc="left", fontsize=10)
        axes.set(yscale="log", ylim=(1e-19, 1e6) if axes in (signal, gradient) else (1e-5, 6))
        axes.legend(loc="lower right" if axes is ends else "lower left", fontsize=8, frameon=False)
    signal.set(xlabel="layer", ylabel="mean square of $z_l$")
    gradient.set(xlabel="layer", ylabel=r"mean square of $\partial L / \partial z_l$, relative to the top")
    curves.set(xlabel="step", ylabel="loss, mean of 10 steps", ylim=(1e-2, 6))
    ends.set(xlabel="layers", ylabel="loss, mean of the last 50 steps")
    ends.set_xticks([depth for _, depth in runs])
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
