"""Are our update rules Optax's? The textbook's rules beside their Optax twins: on one recorded stream of gradients, where
an exact answer is possible, and training a network, where a rule parts even from itself.
"""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

import gdfunc as gd
from gdfunc.report import COLOURS, DASHES, Lab, figure, number, positive, run_experiment

OURS, OPTAX, APART, ITSELF = COLOURS[0], COLOURS[4], COLOURS[1], COLOURS[7]
RULES = (
    *("adadelta", "adagrad", "adam", "adamax", "adamw", "amsgrad", "lion"),
    *("nadam", "radam", "rmsprop", "rprop", "sgd", "signsgd", "signum"),
)
EPS = float(np.finfo(np.float32).eps)

# A small network on 500 digits, all of them in every step: Rprop needs the whole batch, as noise would flip signs.
digits = gd.data.load("digits")
x, y = digits.x_train[:500], digits.y_train[:500]
model = gd.models.mlp((64, 24, 10), "tanh")
# As one vector: these rules treat every number alike, and one leaf compiles faster than four.
_, as_layers = ravel_pytree(model.init(jax.random.key(0)))


def loss(params):
    return gd.losses.mean(gd.losses.softmax_cross_entropy(model.apply(as_layers(params), x), y))


def descend(rule, params, steps):
    """The losses on the way down. One loop serves ours and Optax's: both are a pair of `init` and `update`."""

    def step(carry, _):
        params, state = carry
        value, grads = jax.value_and_grad(loss)(params)
        updates, state = rule.update(grads, state, params)
        return (gd.apply_updates(params, updates), state), value

    return jax.lax.scan(step, (params, rule.init(params)), length=steps)[1]


def pair(record):
    """Our rule at its record's first setting that Optax can follow, Optax's, the (least, most) error to expect, and why."""
    twin = record.twin("optax")
    for settings in record.settings:
        ours = record.make(**settings)
        fields = {field.name: getattr(ours, field.name) for field in dataclasses.fields(ours)}
        arguments = twin.arguments(**fields)
        if isinstance(arguments, dict):  # otherwise it is a sentence: why Optax cannot
            break
    known = [d for d in record.deviations if d.twin == twin.name and d.settings.items() <= fields.items()]
    expected, why = (0.0, gd.parity.TOLERANCE), "the formula"
    for deviation in known:
        if "float32" in deviation.sizes:
            expected, why = deviation.sizes["float32"], deviation.thread.rpartition("deepmind/")[2] or deviation.since
    return ours, getattr(optax, twin.name.removeprefix("optax."))(**arguments), expected, why


def starts(seed, count=7):
    """A start, and `count` more in each of which one parameter is moved to the next float32."""
    start, _ = ravel_pytree(model.init(jax.random.key(seed)))
    rows = np.tile(np.asarray(start), (count + 1, 1))
    for row, entry in zip(rows[1:], np.linspace(0, start.size - 1, count).astype(int), strict=True):
        row[entry] = np.nextafter(row[entry], np.float32(np.inf))
    return jnp.asarray(rows)


def main(lab: Lab):
    t = np.arange(1, (40 if lab.quick else 200) + 1)
    many = starts(lab.seed)
    made, grid = figure(4, 4, width=3.1, height=2.35)
    results = {}

    for axes, name in zip(grid.flat, RULES, strict=False):
        record = gd.rules.record(name)
        lab.say(name)
        ours, theirs, (least, most), why = pair(record)
        if lab.mutate and name == "adam":
            ours = dataclasses.replace(ours, debias="none")  # leaves out section 3 of Kingma & Ba

        # 1. Both are given the same gradients, so that nothing feeds back. The same formula in another order of operations
        # is then off by a few rounding errors of the leaf's largest update, and 8 are granted. More is either a deviation
        # that the rule's record knows, and of the size that it knows, or a defect on one of the two sides.
        seen = gd.parity.compare(ours, theirs, explain=False)
        at_most = {"predicted": most, "kind": "at_most"}
        within = {"predicted": (least + most) / 2, "tolerance": (most - least) / 2, "kind": "absolute"}
        expected = within if least else at_most
        lab.claim(f"{name}: parity, in rounding errors", measured=seen.error, source=why, **expected)
        if seen.late:
            lab.claim(f"{name}: steps by which Optax's is late", predicted=1, measured=seen.late, source=why)

        # 2. In training, rounding feeds back: each step's error is in the next gradient. "Equal to 1e-6 after 200 steps"
        # would hold for a calm rule and fail for a lively one, whatever their formulas. So each rule sets its own unit: how
        # far its losses come from themselves where ONE parameter starts one ulp away (the largest of seven such runs). A
        # twin that is off by E rounding errors may end up to E units away: 8, unless the record knows of more.
        run = jax.jit(lambda p, both=(ours, theirs): [jax.vmap(lambda q, r=r: descend(r, q, t.size))(p) for r in both])
        mine, optaxs = (np.asarray(losses, np.float64) for losses in run(many))
        itself = np.maximum.accumulate(np.abs(mine[1:] - mine[0]).max(0))
        apart = np.maximum.accumulate(np.abs(optaxs[0] - mine[0]))
        ratio = apart[-1] / max(itself[-1], EPS * mine[0, 0])
        # A step too late is no matter of rounding: it is another algorithm, and must show as one.
        bound = {"predicted": 1e3, "kind": "at_least"} if seen.late else at_most
        lab.claim(f"{name}: losses apart, in units of its own parting", measured=ratio, source=why, **bound)
        allowed = {"parity": (least, most), "parting": (1e3, 1e8) if seen.late else (0.0, most)}
        results[name] = {"parity": seen.error, "parting": ratio, "allowed": allowed}

        axes.fill_between(t, 1e-10, positive(itself), color=ITSELF, alpha=0.4, lw=0, label="itself, 1 ulp away")
        axes.plot(t, positive(apart), color=APART, lw=1.2, label="ours - Optax's")
        axes.plot(t, positive(mine[0]), color=OURS, lw=3, label="loss: ours")
        axes.plot(t, positive(optaxs[0]), color=OPTAX, ls=DASHES[1], label="loss: Optax's")
        axes.set(yscale="log", ylim=(1e-9, 30), xlim=(0, t.size))
        axes.set_title(f"{name}: {number(seen.error, 2)} eps{', known' if least else ''}", loc="left", fontsize=10)

    # 3. Whence Adam's 83 rounding errors: its first update is the rate itself, whatever the gradient (section 2.1). In
    # float32, Optax's literal 1 - 0.999**1 is off by 1.3e-5, and half of that is in the update.
    def first_update(rule):
        return jax.jit(lambda g: -rule.update(g, rule.init(g), g)[0])(jnp.ones(()))

    adam = gd.rules.get("adam", learning_rate=0.1, debias="none" if lab.mutate else "exact")
    digit = {"tolerance": 1e-8, "kind": "absolute"}  # of the number in the text; one ulp is 7.5e-9
    what, why = "adam: its first update at rate 0.1 is 0.1", "Kingma & Ba 2015, section 2.1"
    lab.claim(what, predicted=0.1, measured=first_update(adam), source=why, **digit)
    what, why = "adam: Optax's is 0.09999934", "optax/issues/1532"
    lab.claim(what, predicted=0.09999934, measured=first_update(optax.adam(0.1)), source=why, **digit)

    grid.flat[0].legend(loc="center right", fontsize=7.5, frameon=False, labelspacing=0.2)
    made.supylabel("loss, and the largest difference of losses so far", fontsize=9)
    for axes in grid[-1, :2]:
        axes.set_xlabel("step")
    summary(grid.flat[14:], results)
    lab.keep(rules=results, steps=t.size)
    lab.figure(made)


def summary(panels, results):
    """All rules at a glance: dots are measured, bars are what is allowed."""
    units = {"parity": "parity, in rounding errors (eps)", "parting": "parting, in units of its own"}
    for axes, (key, title) in zip(panels, units.items(), strict=True):
        for i, result in enumerate(results.values()):
            least, most = result["allowed"][key]
            axes.barh(i, most - least, left=least, color=ITSELF, alpha=0.4)
            axes.plot(result[key], i, "o", color=APART, ms=4, clip_on=False)
        axes.set_xscale("symlog", linthresh=1, linscale=0.5)
        axes.set(xlim=(0, 1e8), xticks=[0, 1, 1e2, 1e4, 1e6, 1e8], ylim=(len(results) - 0.5, -0.5))
        axes.set_yticks(range(len(results)), results, fontsize=6.5)
        axes.set_title(title, loc="left", fontsize=10)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
