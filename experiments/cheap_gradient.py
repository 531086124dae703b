"""A gradient costs at most five times its function however many inputs there are (Baur & Strassen 1983; Griewank 1989), and finite
differences cost one function an input for about half of the digits (Squire & Trapp 1998).

--mutate takes central differences to one side only.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

from gdfunc.report import COLOURS, Lab, figure, positive, run_experiment

GRIEWANK, SQUIRE = "Griewank 1989", "Squire & Trapp 1998"
EPS = float(np.finfo(np.float64).eps)


def squire_and_trapp(x, xp=np):
    return xp.exp(x) / xp.sqrt(xp.sin(x) ** 3 + xp.cos(x) ** 3)


def differences(lab):
    """{method: errors of the slope at each step h}, the root mean square over many points; relative."""
    exact = jax.jit(jax.vmap(jax.grad(lambda x: squire_and_trapp(x, jnp))))
    lab.claim("e^x / sqrt(sin^3 x + cos^3 x): slope at 1.5", predicted=4.05342789389862, measured=exact(jnp.array([1.5]))[0],
              tolerance=1e-14, source=SQUIRE)  # fmt: skip
    x = np.random.default_rng(lab.seed).uniform(1.4, 1.6, 500)[:, None]
    true, f, h = np.asarray(exact(jnp.asarray(x[:, 0])))[:, None], squire_and_trapp, np.logspace(-16, -1, 121)
    behind = 0.0 if lab.mutate else 1.0
    ways = {
        "forward": (f(x + h) - f(x)) / h,
        "central": (f(x + h) - f(x - behind * h)) / ((1 + behind) * h),
        "complex": f(x + 1j * h).imag / h,
    }
    errors = {name: np.sqrt(np.mean((slope / true - 1) ** 2, axis=0)) for name, slope in ways.items()}
    # Cutting Taylor's series off costs h^order, rounding eps / h: together least at eps^(1 / (order + 1)). What stands before
    # these powers, derivatives of f, is between 1/5 and 5 here, and so is its root in h.
    for name, order, high in (("forward", 1, 1e-3), ("central", 2, 1e-2), ("complex", 2, 1e-2)):
        cut = (h > high / 30) & (h < high)
        slope = np.polyfit(np.log(h[cut]), np.log(errors[name][cut]), 1)[0]
        lab.claim(f"{name}: order of the error in h", predicted=order, measured=slope, tolerance=0.02, source="Taylor")
        if name == "complex":  # there is no difference, and so nothing cancels
            lab.claim(
                "complex, h = 1e-16: error in eps",
                predicted=4,
                measured=errors[name][0] / EPS,
                kind="at_most",
                source=SQUIRE,
            )
            continue
        rounding = (h > 1e-14) & (h < h[np.argmin(errors[name])] / 30)
        slope = np.polyfit(np.log(h[rounding]), np.log(errors[name][rounding]), 1)[0]
        lab.claim(f"{name}: order where rounding rules", predicted=-1, measured=slope, tolerance=0.05, source="eps / h")
        digits = -np.log10(EPS)
        factor_5 = {"tolerance": np.log10(5), "kind": "absolute"}
        lab.claim(f"{name}: best h is eps^(1/{order + 1}), log10", predicted=-digits / (order + 1),
                  measured=np.log10(h[np.argmin(errors[name])]), source="derived", **factor_5)  # fmt: skip
        lab.claim(f"{name}: least error is eps^({order}/{order + 1}), log10", predicted=-digits * order / (order + 1),
                  measured=np.log10(errors[name].min()), source="derived", **factor_5)  # fmt: skip
    return h, errors


def work(f, x):
    """Additions and multiplications of the compiled program."""
    cost = jax.jit(f).lower(x).compile().cost_analysis()
    return (cost[0] if isinstance(cost, list) else cost)["flops"]


def network(layers, width=256, batch=256):
    """A loss of all weights; layer by layer, as a loop's body would be counted once."""
    inputs = jnp.ones((batch, width))

    def loss(weights):
        h = inputs
        for i in range(layers):
            h = jnp.tanh(h @ weights[i])
        return jnp.sum(h**2)

    return loss, jnp.ones((layers, width, width))


def attention(weights):
    """One head over 32 tokens of 16 numbers."""
    x = jnp.ones((32, 16))
    query, key, value = (x @ w for w in weights)
    return jnp.sum((jax.nn.softmax(query @ key.T) @ value) ** 2)


def gradients(lab):
    """{inputs: (work of the reverse gradient, of the forward one)}, each over the function's."""
    rosenbrock = lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)  # noqa: E731
    for layers in (4, 8):
        # Forward a product of matrices a layer; back two, but one in the first, whose inputs have no gradient.
        loss, weights = network(layers)
        ratio = work(jax.value_and_grad(loss), weights) / work(loss, weights)
        lab.claim(f"network of {layers} layers: gradient over function", predicted=(3 * layers - 1) / layers, measured=ratio,
                  tolerance=0.02, source="derived")  # fmt: skip
    for name, f, x in (
        ("attention", attention, jnp.ones((3, 16, 16))),
        ("Rosenbrock's function", rosenbrock, jnp.ones(1000)),
    ):
        ratio = work(jax.value_and_grad(f), x) / work(f, x)
        lab.claim(
            f"{name}, {x.size} inputs: gradient over function",
            predicted=5,
            measured=ratio,
            kind="at_most",
            source=GRIEWANK,
        )
    seen = {}
    for n in (4, 16, 64, 256):
        matrix = jnp.ones((256, n))
        f, x = lambda x, a=matrix: jnp.sum(jnp.tanh(a @ x) ** 2), jnp.ones(n)
        one = work(f, x)
        seen[n] = work(jax.value_and_grad(f), x) / one, work(jax.jacfwd(f), x) / one
    lab.claim("256 inputs: gradient over function", predicted=5, measured=seen[256][0], kind="at_most", source=GRIEWANK)
    more = (seen[256][1] - seen[64][1]) / (256 - 64)
    lab.claim(
        "forward mode: functions an input",
        predicted=1,
        measured=more,
        tolerance=0.02,
        source="one derivative at a time",
    )
    return seen


def main(lab: Lab):
    with jax.enable_x64(True):
        h, errors = differences(lab)
    seen = gradients(lab)
    made, (accuracy, costs) = figure(1, 2, width=5.2, height=3.8)
    for (name, error), colour in zip(errors.items(), COLOURS, strict=False):
        accuracy.plot(
            h, positive(error), color=colour, label=f"{name} difference" if name != "complex" else "complex step"
        )
    for order, colour in ((1, COLOURS[0]), (2, COLOURS[1])):
        accuracy.axvline(
            EPS ** (1 / (order + 1)), color=colour, ls=":", lw=1, label=rf"$h = \epsilon^{{1/{order + 1}}}$"
        )
    accuracy.set(xlabel="step h", ylabel="relative error of the slope", xscale="log", yscale="log", ylim=(1e-17, 10))
    accuracy.set_title("Shorter is better, until digits cancel")
    accuracy.legend(loc="lower right")
    inputs = list(seen)
    costs.plot(inputs, [n + 1 for n in inputs], "s-", color=COLOURS[0], label="forward differences: inputs + 1")
    costs.plot(inputs, [each[1] for each in seen.values()], "o-", color=COLOURS[1], label="forward mode")
    costs.plot(inputs, [each[0] for each in seen.values()], "o-", color=COLOURS[2], label="gradient by reverse mode")
    costs.axhline(5, color="black", ls=":", lw=1, label="5 functions")
    costs.set(xlabel="inputs", ylabel="work, over the function's", xscale="log", yscale="log")
    costs.set_title("What all derivatives cost")
    costs.legend(loc="upper left")
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
