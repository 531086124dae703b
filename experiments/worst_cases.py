"""The worst functions that there are: on them gradient descent, Nesterov's method and steepest descent are exactly as slow as their
theorems allow, or nearly.

--mutate gives gradient descent nine tenths of its rate.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np

import gdfunc as gd
from gdfunc import theory
from gdfunc.report import COLOURS, Lab, figure, positive, run_experiment


def path(rule, grad, start, steps):
    def step(carry, _):
        p, state = carry
        updates, state = rule.update(grad(p), state, p)
        return (p := gd.apply_updates(p, updates), state), p

    return jax.jit(lambda: jax.lax.scan(step, (start, rule.init(start)), length=steps)[1])()


def hubers(lab, rate):
    """For each number of steps the Huber function whose knee is where that many steps end."""
    seen = {}
    for steps in (1, 5, 10, 50, 200):
        knee = 1 / (2 * steps + 1)
        end = float(path(gd.rules.SGD(rate), lambda p, k=knee: jnp.clip(p, -k, k), jnp.array(1.0), steps)[-1])
        loss = knee * abs(end) - knee**2 / 2
        bound = theory.gradient_descent_bound(1.0, 1.0, steps)
        lab.claim(
            f"Huber's function after {steps} steps",
            predicted=bound,
            measured=loss,
            tolerance=1e-9,
            source="Drori & Teboulle 2014",
        )
        seen[steps] = loss
    return seen


def nesterovs(lab):
    """The chain of 201 springs: what a gradient tells of it moves on by one link a step."""
    n, steps = 201, 100
    hessian = (2 * jnp.eye(n) - jnp.eye(n, k=1) - jnp.eye(n, k=-1)) / 4
    pull = jnp.zeros(n).at[0].set(0.25)
    minimum = jnp.linalg.solve(hessian, pull)
    grad = lambda p: hessian @ p - pull  # noqa: E731
    above = jax.vmap(lambda p: (p - minimum) @ hessian @ (p - minimum) / 2)
    distance = float(jnp.linalg.norm(minimum))

    def accelerate(carry, _):
        x, y, theta = carry
        larger = (1 + jnp.sqrt(1 + 4 * theta**2)) / 2
        after = y - grad(y)
        return (after, after + (theta - 1) / larger * (after - x), larger), after

    zero = jnp.zeros(n)
    fast = above(jax.jit(lambda: jax.lax.scan(accelerate, (zero, zero, jnp.ones(())), length=steps)[1])())
    slow = above(path(gd.rules.SGD(1.0), grad, zero, steps))
    k = np.arange(1, steps + 1)
    upper = np.array([theory.nesterov_bound(1.0, distance, t) for t in k])
    lower = theory.first_order_lower_bound(1.0, distance, steps)  # of 2 steps + 1 springs
    lab.claim(
        "Nesterov: loss over its bound, at most",
        predicted=1,
        measured=np.max(fast / upper),
        kind="at_most",
        source="Nesterov 1983",
    )
    for name, losses in (("Nesterov", fast), ("gradient descent", slow)):
        lab.claim(
            f"{name}, 100 steps: loss over what no method gets below",
            predicted=1,
            measured=losses[-1] / lower,
            kind="at_least",
            source="Nesterov 2004, theorem 2.1.7",
        )
    lab.claim(
        "Nesterov over gradient descent, 100 steps",
        predicted=0.5,
        measured=fast[-1] / slow[-1],
        kind="at_most",
        source="the same function",
    )
    return k, np.asarray(fast), np.asarray(slow), upper, lower


def kantorovichs(lab):
    """Steepest descent with exact line search from (kappa, 1) zigzags."""
    seen = {}
    for condition in (10.0, 100.0):
        h, p, ratios = np.array([1.0, condition]), np.array([condition, 1.0]), []
        for _ in range(20):
            g = np.asarray(jax.grad(lambda p, h=h: jnp.sum(h * p**2) / 2)(jnp.asarray(p)))
            before, p = h @ p**2, p - (g @ g) / (g @ (h * g)) * g
            ratios.append(h @ p**2 / before)
        lab.claim(f"steepest descent, condition {condition:g}: what each step leaves", predicted=theory.steepest_descent_factor(condition),
                  measured=np.max(np.abs(ratios)), tolerance=1e-9, source="Kantorovich 1948; Akaike 1959")  # fmt: skip
        seen[condition] = ratios
    return seen


def main(lab: Lab):
    with jax.enable_x64(True):
        huber, (k, fast, slow, upper, lower), _ = (
            hubers(lab, 0.9 if lab.mutate else 1.0),
            nesterovs(lab),
            kantorovichs(lab),
        )
    made, (left, right) = figure(1, 2, width=5.2, height=3.6)
    steps = np.arange(1, 201)
    left.plot(
        steps,
        [theory.gradient_descent_bound(1.0, 1.0, n) for n in steps],
        color=COLOURS[0],
        label=r"$L R^2 / (4 N + 2)$",
    )
    left.plot(list(huber), list(huber.values()), "o", color=COLOURS[1], label="gradient descent on Huber's function")
    left.set(xlabel="steps N", ylabel="loss above the minimum", xscale="log", yscale="log")
    left.set_title("As slow as it can be")
    left.legend()
    for name, losses, look in (
        ("gradient descent", slow, "-"),
        ("Nesterov", fast, "-"),
        ("Nesterov's bound", upper, ":"),
    ):
        right.plot(k, positive(losses), look, label=name)
    right.plot(k[-1], lower, "v", color="black", label="no method gets below, in 100 steps")
    right.set(xlabel="steps", ylabel="loss above the minimum", xscale="log", yscale="log")
    right.set_title("A chain of 201 springs, pulled at its end")
    right.legend()
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
