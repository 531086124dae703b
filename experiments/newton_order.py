"""Newton's method doubles its digits in every step, the secant method multiplies them by 1.618, gradient descent adds as many as
before; and L-BFGS with exact line searches takes the steps of conjugate gradients (Nazareth 1979; Hestenes & Stiefel 1952).

--mutate lets Newton's method keep its first curvature, and L-BFGS take steps of 1.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc.report import COLOURS, DASHES, Lab, figure, positive, run_experiment

NOCEDAL = "Nocedal & Wright 2006"
RATE = 0.3


def valley(p):
    """Curvature e^p + 1, third derivative e^p: no quadratic, as Newton's method would be there in one step."""
    return jnp.exp(p) - 2 * p + p**2 / 2


slope, curvature = jax.jit(jax.grad(valley)), jax.jit(jax.grad(jax.grad(valley)))


def newton(p, keep):
    first = curvature(p)
    while True:
        yield p
        p = p - slope(p) / (first if keep else curvature(p))


def secant(p, before):
    yield before
    while True:
        yield p
        p, before = p - slope(p) * (p - before) / (slope(p) - slope(before)), p


def descent(p):
    rule = gd.rules.SGD(RATE)
    state = rule.init(p)
    while True:
        yield p
        updates, state = rule.update(slope(p), state, p)
        p = gd.apply_updates(p, updates)


def orders(lab):
    """{method: distances to the minimum}, until rounding."""
    start = jnp.asarray(np.random.default_rng(lab.seed).uniform(1.0, 1.5))
    minimum = jnp.asarray(0.44)
    for _ in range(10):
        minimum = minimum - slope(minimum) / curvature(minimum)
    # Near it Newton's error is C e^2, the secant method's C e e_before.
    c = float(jnp.exp(minimum) / (2 * curvature(minimum)))
    seen = {}
    for name, method in (
        ("Newton", newton(start, lab.mutate)),
        ("secant", secant(start - 0.2, start)),
        ("gradient descent", descent(start)),
    ):
        found = []
        for p in method:
            found.append(abs(float(p - minimum)))
            if found[-1] < 1e-12 or len(found) == 40:  # below 1e-13 there are too few digits
                break
        seen[name] = np.array(found)
    e = seen["Newton"]
    # In units of 1 / C, where an error is its power of the one before, without a factor.
    order = lambda e: np.log(c * e[-2]) / np.log(c * e[-3])  # noqa: E731
    lab.claim("Newton: order", predicted=2, measured=order(e), tolerance=0.02, source=f"{NOCEDAL}, theorem 3.5")
    lab.claim(
        "Newton: error over the last one's square",
        predicted=c,
        measured=e[-2] / e[-3] ** 2,
        tolerance=0.05,
        source="f''' / (2 f'')",
    )
    e = seen["secant"]
    golden = (1 + 5**0.5) / 2
    lab.claim("secant: order", predicted=golden, measured=order(e), tolerance=0.05, source="Ostrowski 1966")
    lab.claim(
        "secant: error over the last two's product",
        predicted=c,
        measured=e[-2] / (e[-3] * e[-4]),
        tolerance=0.05,
        source="f''' / (2 f'')",
    )
    e = seen["gradient descent"]
    lab.claim(
        "gradient descent: order",
        predicted=1,
        measured=np.log(e[-1] / e[-2]) / np.log(e[-2] / e[-3]),
        tolerance=0.01,
        source=NOCEDAL,
    )
    lab.claim(
        "gradient descent: what a step leaves",
        predicted=1 - RATE * curvature(minimum),
        measured=e[-1] / e[-2],
        tolerance=0.01,
        source="1 - rate f''",
    )
    return seen


def conjugate_gradients(hessian, pull, steps):
    """From 0: the points of Hestenes & Stiefel, which need as many steps as there are different curvatures."""
    p, path = np.zeros(len(pull)), []
    r = d = pull
    for _ in range(steps):
        step = r @ r / (d @ hessian @ d)
        p, before, r = p + step * d, r, r - step * hessian @ d
        d = r + (r @ r) / (before @ before) * d
        path.append(p)
    return np.array(path)


def lbfgs(hessian, pull, steps, memory_size, exact):
    """From 0 along our rule's directions, as far as the loss falls; or as far as the rule itself says."""
    rule = gd.rules.LBFGS(memory_size=memory_size, line_search="fixed")

    def step(carry, _):
        p, state = carry
        g = hessian @ p - pull
        d, state = rule.update(g, state, p)
        far = -(g @ d) / (d @ hessian @ d) if exact else 1.0
        return (p := p + far * d, state), p

    p = jnp.zeros(len(pull))
    return np.asarray(jax.jit(lambda: jax.lax.scan(step, (p, rule.init(p)), length=steps)[1])())


def quadratics(lab):
    draw = np.random.default_rng(lab.seed)
    turn, pull = np.linalg.qr(draw.standard_normal((20, 20)))[0], draw.standard_normal(20)
    away = {}
    for what, eigenvalues, steps in (
        ("curvatures 1 to 1000", np.geomspace(1, 1000, 20), 30),
        ("three curvatures", np.repeat([1.0, 5.0, 100.0], (7, 7, 6)), 3),
    ):
        hessian = turn @ np.diag(eigenvalues) @ turn.T
        minimum = np.linalg.solve(hessian, pull)
        theirs = conjugate_gradients(hessian, pull, steps)
        for memory_size in (1, 5):
            ours = lbfgs(hessian, pull, steps, memory_size, exact=not lab.mutate)
            apart = np.max((np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1))[:10])
            # Rounding grows with the condition, 1000, and with the steps: some 1e-11 after ten. (After twenty both should be
            # there, and are not.)
            lab.claim(f"{what}, L-BFGS that keeps {memory_size}: farthest from conjugate gradients", predicted=0, measured=apart,
                      tolerance=1e-8, kind="absolute", source="Nazareth 1979")  # fmt: skip
        left = np.linalg.norm(ours - minimum, axis=1) / np.linalg.norm(minimum)
        if steps == 3:
            lab.claim("three curvatures, L-BFGS: what is left after three steps", predicted=0, measured=left[-1],
                      tolerance=1e-10, kind="absolute", source="Hestenes & Stiefel 1952")  # fmt: skip
            lab.claim("and after two", predicted=1e-3, measured=left[-2], kind="at_least", source="control")
        away[what] = left, np.linalg.norm(theirs - minimum, axis=1) / np.linalg.norm(minimum)
    return away


def main(lab: Lab):
    with jax.enable_x64(True):
        seen, away = orders(lab), quadratics(lab)
    lab.keep(distances=seen)
    made, (digits, steps) = figure(1, 2, width=5.2, height=3.6)
    for (name, e), colour in zip(seen.items(), COLOURS, strict=False):
        digits.plot(positive(e), "o-", ms=4, color=colour, label=name)
    digits.set(xlabel="step", ylabel="distance to the minimum", yscale="log", xlim=(-0.5, 20), ylim=(1e-17, 3))
    digits.set_title("Digits: doubled, times 1.618, so many more")
    digits.legend(loc="upper right")
    for (what, (ours, theirs)), colour in zip(away.items(), COLOURS, strict=False):
        steps.plot(np.arange(1, len(ours) + 1), positive(ours), "o", color=colour, label=f"L-BFGS, {what}")
        steps.plot(
            np.arange(1, len(ours) + 1), positive(theirs), DASHES[1], color=colour, lw=1, label="conjugate gradients"
        )
    steps.set(xlabel="step", ylabel="distance to the minimum, of the start's", yscale="log")
    steps.set_title("Quadratics of 20 variables")
    steps.legend(loc="lower right")
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
