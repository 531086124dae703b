"""The wider a network is, the more one step changes it, and the smaller the rates that it bears: both go with the width, where
weights are drawn as usual. In the maximal update parametrisation neither does (Yang, Hu et al. 2021, Tensor Programs V).

--mutate leaves the parametrisation its weights, and every leaf the same rate.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from gdfunc import apply_updates, by_path, models, rules
from gdfunc.report import COLOURS, Lab, figure, run_experiment

SOURCE = "Yang 2021, section 5 and table 3"
INPUTS, OUTPUTS, ROWS, STEPS = 16, 3, 16, 10
BASE = 1  # at which the two parametrisations are one: so that at all widths here the output starts near 0
RULES = {"gradient descent": ("sgd", rules.SGD, 0.01), "Adam": ("adam", rules.Adam, 1e-3)}


def network(kind, width, base):
    sizes = (INPUTS, width, width, OUTPUTS)
    return models.mlp(sizes) if kind == "standard" else models.mup(sizes, base_width=base)


def see(model, rule, factors, rate, keys):
    """(change of the output by one step at that rate, the largest rate that a run bears), of each network."""

    def of(key):
        x_key, y_key, start_key = jax.random.split(key, 3)
        x, y = jax.random.normal(x_key, (ROWS, INPUTS)), jax.random.normal(y_key, (ROWS, OUTPUTS))
        start = model.init(start_key)
        loss = lambda p: jnp.mean((model.apply(p, x) - y) ** 2)  # noqa: E731

        def trained(rate, steps):
            made = by_path({leaf: rule(rate * factor) for leaf, factor in factors.items()})

            def step(carry, _):
                p, state = carry
                updates, state = made.update(jax.grad(loss)(p), state, p)
                return (apply_updates(p, updates), state), None

            return jax.lax.scan(step, (start, made.init(start)), length=steps)[0][0]

        change = jnp.sqrt(jnp.mean((model.apply(trained(rate, 1), x) - model.apply(start, x)) ** 2))

        def halve(_, ends):
            low, high = ends
            middle = (low + high) / 2
            bears = loss(trained(jnp.exp(middle), STEPS)) < loss(start)  # not where it is NaN
            return jnp.where(bears, middle, low), jnp.where(bears, high, middle)

        low, _ = jax.lax.fori_loop(0, 8, halve, (jnp.log(rate) - 4, jnp.log(rate) + 8))
        return change, jnp.exp(low)

    return jax.jit(lambda keys: jax.lax.map(of, keys))(keys)


def main(lab: Lab):
    widths = (64, 256) if lab.quick else (64, 128, 256, 512)
    keys = jax.random.split(jax.random.key(lab.seed), 12 if lab.quick else 24)
    made, axes = figure(1, 2, width=9, height=3.6)
    for row, (name, (family, rule, rate)) in enumerate(RULES.items()):
        for kind in ("standard", "muP"):
            found = []
            for width in widths:
                lab.say(f"{name}, {kind}, {width} wide")
                model = network(kind, width, BASE)
                factors = models.mup_factors(model, family, BASE)
                if kind == "standard" or lab.mutate:
                    factors = dict.fromkeys(factors, 1.0)
                found.append([np.mean(np.log(each)) for each in see(model, rule, factors, rate, keys)])
            changes, rates = np.array(found).T
            slope = lambda y: np.polyfit(np.log(widths), y, 1)[0]  # noqa: E731
            # A network's logarithm strays by 0.3: of twelve at either end, a factor of 4 apart, the power by 0.09. At the
            # narrowest 0.1 is lost to the output that it starts with, and terms in 1 / width.
            for what, power in (("one step's change", slope(changes)), ("1 / the largest rate", -slope(rates))):
                words = f"{name}, {kind}: power of the width in {what}"
                if kind == "muP":
                    lab.claim(words, predicted=0, measured=power, tolerance=0.25, kind="absolute", source=SOURCE)
                else:
                    lab.claim(words, predicted=0.5, measured=power, kind="at_least", source=SOURCE)
            style = {"color": COLOURS[row], "ls": "-" if kind == "muP" else "--", "label": f"{name}, {kind}"}
            axes[0].plot(widths, np.exp(changes - changes[0]), "o", **style)
            axes[1].plot(widths, np.exp(rates - rates[0]), "o", **style)
    for ax, title in zip(axes, ("Change of the output by one step", "Largest rate"), strict=True):
        ax.set(xlabel="width", xscale="log", yscale="log", title=f"{title}, over the narrowest's")
        ax.set_xticks(widths, [str(width) for width in widths], minor=False)
        ax.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes[0].legend()
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
