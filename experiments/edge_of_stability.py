"""Full-batch training makes the loss sharper until the rule can bear no more, and stays there: at 2 / eta for gradient descent,
at every other rule's own limit, which is read off its update (Cohen et al. 2021, 2022).

--mutate trains with an average of gradients (a dampened velocity) where the limit is that of the undamped one.
"""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, Lab, figure, run_experiment

EVERY = 50  # steps between two looks at the sharpness
digits = gd.data.load("digits")
x = jnp.asarray(digits.x_train[:300])
x = (x - x.mean(0)) / x.std()
y = jax.nn.one_hot(jnp.asarray(digits.y_train[:300]), 10)
uniform = gd.init.variance_scaling(3**-0.5, "in", "uniform")
model = gd.models.mlp((64, 50, 50, 10), "tanh", uniform)


def loss_fn(params, _=None):
    return jnp.mean(jnp.sum((model.apply(params, x) - y) ** 2, axis=1)) / 2


@partial(jax.jit, static_argnums=2)
def sharpening(rule, keys, looks):
    """Sharpness, of P^-1 H for Adam, and loss at every look, each (networks, looks); rules of a kind are one program."""
    return jax.vmap(lambda key: _sharpening(rule, model.init(key), looks))(keys)


def _sharpening(rule, params, looks):
    def step(carry, _):
        params, state = carry
        updates, state = rule.update(jax.grad(loss_fn)(params), state, params)
        return (gd.apply_updates(params, updates), state), ()

    def look(carry, _):
        params, state, vector = carry
        (params, state), _ = jax.lax.scan(step, (params, state), length=EVERY)
        held = gd.instruments.adam_preconditioner(rule, state) if isinstance(rule, gd.rules.Adam) else None
        top = gd.instruments.top_eigenvalue(loss_fn, params, None, vector, 30, 1e-3, held)
        return (params, state, top.vector), (top.value, loss_fn(params))

    return jax.lax.scan(look, (params, rule.init(params), params), length=looks)[1]


def main(lab: Lab):
    # The rates put each limit below the sharpness that training comes to by itself, about 11 on this problem: a rule that could
    # bear more would never meet its limit. Steps: well beyond some 700, after which the sharpness has settled.
    rules = {
        "gradient descent, 0.25": (gd.rules.SGD(0.25), 3000, 0.03, "Cohen 2021"),
        "gradient descent, 0.4": (gd.rules.SGD(0.4), 2000, 0.03, "Cohen 2021"),
        "heavy ball, 0.5": (gd.rules.HeavyBall(0.4, momentum=0.5), 2000, 0.03, "Cohen 2021"),
        "Nesterov, 0.9": (gd.rules.SGD(0.15, momentum=0.9, nesterov=True), 1500, 0.03, "Cohen 2021"),
        # With b1 = 0.9 the preconditioner moves on before the sharpness is there (Cohen 2022): hence the wider tolerance.
        "Adam, b1 0.5": (gd.rules.Adam(1e-3, b1=0.5, eps=1e-7), 2000, 0.03, "Cohen 2022"),
        "Adam, b1 0.9": (gd.rules.Adam(2e-3, eps=1e-7), 1200, 0.1, "Cohen 2022"),
    }
    seeds = jax.random.split(jax.random.key(lab.seed), 1 if lab.quick else 3)
    curves = {}
    for name, (rule, steps, tolerance, source) in rules.items():
        lab.say(name)
        steps = min(steps, 1500) if lab.quick else steps
        trained = rule
        if lab.mutate and name.startswith("heavy"):
            trained = gd.rules.SGD(0.4, momentum=0.5, dampening=0.5)
        value, losses = (np.asarray(each) for each in sharpening(trained, seeds, steps // EVERY))
        limit = float(gd.theory.stability_limit(rule))
        late = value[:, value.shape[1] // 2 :].mean()
        what = f"{name}: sharpness, second half"
        lab.claim(what, predicted=limit, measured=late, tolerance=tolerance, source=source)
        curves[name] = value / limit, losses
    # The control: where the limit lies above what training comes to, the sharpness stays below it.
    value, _ = sharpening(gd.rules.SGD(0.1), seeds, 30 if lab.quick else 40)
    what = "gradient descent, 0.1: never at its limit"
    lab.claim(what, predicted=0.9 * 20, measured=jnp.max(value), kind="at_most", source="control")
    # Losses go up and down from there on, and yet down (Cohen 2021, section 3.2).
    _, losses = curves["gradient descent, 0.4"]
    half = losses.shape[1] // 2
    fallen = np.max(losses[:, -1] / losses[:, half])
    lab.claim(
        "and yet the loss falls: end over half-way", predicted=0.9, measured=fallen, kind="at_most", source="Cohen 2021"
    )
    lab.keep(sharpness_over_limit={name: value for name, (value, _) in curves.items()})
    picture(lab, curves)


def picture(lab, curves):
    made, (sharp, loss) = figure(1, 2, width=5.6, height=3.8)
    for (name, (value, losses)), colour in zip(curves.items(), COLOURS, strict=False):
        step = EVERY * np.arange(1, value.shape[1] + 1)
        sharp.plot(step, value.T, color=colour, lw=1.2, label=[name, *[None] * (len(value) - 1)])
        loss.plot(step, losses.T, color=colour, lw=1.2)
    sharp.axhline(1, color="black", ls=":", lw=1.2)
    sharp.set(xlabel="step", ylabel="sharpness over the rule's limit", ylim=(0, 1.6))
    sharp.set_title("Up to the limit, and no further")
    sharp.legend(loc="lower right")
    loss.set(xlabel="step", ylabel="loss", yscale="log")
    loss.set_title("Meanwhile the loss falls")
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
