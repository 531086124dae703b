"""How sharp a minimum may be for an update rule to stay in it."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.core import eval_context

from ..core import Rule, Transformation, call_update

_LATE = 2**15  # steps: corrections of a start at zero have passed
_DECADES = (-4, 4)  # of curvature times the first-order limit, searched for the end of stability
_POINTS = 161


def stability_limit(rule: Any, step: Any = 0) -> Array:
    r"""The largest curvature along which a rule does not leave a minimum (Cohen et al. 2021, ICLR, <https://arxiv.org/abs/2103.00065>).

    On $L = \tfrac12 h\, p^2$ a rule that is linear in its gradients is a linear map of the parameter and its memory, and
    stays bounded while that map's spectral radius is at most 1:

    $$h_{\max} = \sup \{ h : \rho(A(h')) \le 1 \text{ for all } h' \le h \} \qquad
    \begin{pmatrix} p_{t+1} \\ m_{t+1} \end{pmatrix} = A(h) \begin{pmatrix} p_t \\ m_t \end{pmatrix}$$

    2 / eta for gradient descent, 2 (1 + mu) / eta with momentum, 2 (1 + mu) / ((1 + 2 mu) eta) with Nesterov's. An
    adaptive rule is such a map of the gradients over its preconditioner, once that is held: the limit is of $P^{-1} H$
    (Cohen et al. 2022, <https://arxiv.org/abs/2207.14484>), 38 / eta for Adam with beta_1 = 0.9. The map is read off the
    rule's own update, so that no rule has to be known here, ours or Optax's.

    Args:
        rule: anything with `init` and `update` that needs no more than gradients and parameters.
        step: the step at which schedules are read, 0 for the first.

    Returns:
        h_max, (), in units of g / p, or of 1 / p for an adaptive rule; NaN where no curvature is stable, or none is too
        large: a sign's step does not shrink with the gradient. Differentiable in the rule's numbers.

    Raises:
        ValueError: where it is no rule, or needs more than gradients and parameters.
    """
    if not isinstance(rule, Transformation) or isinstance(rule, type):
        raise ValueError(f"stability_limit needs a rule (an object with init and update), and was given {rule!r}")
    if needs := set(getattr(rule, "needs", ())) - {"params"}:
        raise ValueError(
            f"stability_limit needs a rule of gradients and parameters alone, and {rule!r} needs {sorted(needs)}"
        )
    has_fields = lambda x: isinstance(x, Rule) and bool(x._fields)  # noqa: E731
    now = jax.tree.map(lambda x: x.at(step) if has_fields(x) else x, rule, is_leaf=has_fields)  # the parts of a chain
    odd = _turns(now)
    held, structure = jax.tree.flatten(_rest(now, odd))

    def move(x: Array, h: Any) -> Array:
        moving = iter(x[1:])
        state = structure.unflatten([next(moving) if turns else y for y, turns in zip(held, odd, strict=True)])
        u, after = call_update(now, h * x[0], state, x[0], {})
        return jnp.stack([x[0] + u, *(y for y, turns in zip(jax.tree.leaves(after), odd, strict=True) if turns)])

    rest = jnp.zeros(1 + sum(odd))
    grows = lambda h: _log_radius(jax.jacobian(move)(rest, h))  # noqa: E731
    unit = jnp.abs(jax.jacobian(lambda h: jax.jacobian(move)(rest, h)[0, 0])(0.0))  # of a gradient on the parameter
    logs = jnp.linspace(*_DECADES, _POINTS) - jnp.log10(unit)
    over = jax.vmap(lambda log: grows(10**log))(logs) > 1e-6
    first = jnp.argmax(over)
    low, high = logs[jnp.maximum(first - 1, 0)], logs[first]

    def halve(_, ends):
        middle = (ends[0] + ends[1]) / 2
        yes = grows(10**middle) > 0
        return jnp.where(yes, ends[0], middle), jnp.where(yes, middle, ends[1])

    h = lax.stop_gradient(10 ** lax.fori_loop(0, 50, halve, (low, high))[1])
    h = h - grows(h) / lax.stop_gradient(jax.grad(grows)(h))  # the implicit function's derivative
    return jnp.where(jnp.any(over) & (first > 0), h, jnp.nan)


def _turns(rule: Any) -> list[bool]:
    """Which parts of a rule's memory change sign with the gradient."""
    rule = jax.tree.map(lambda x: x if callable(x) else 0.5, rule)
    with eval_context():
        up, down = (jax.tree.leaves(_after(rule, rule.init(jnp.zeros(())), g)) for g in (1.0, -1.0))
        return [bool(x != y) for x, y in zip(up, down, strict=True)]


def _rest(rule: Any, odd: list[bool]) -> Any:
    """A rule's state at rest in a minimum, late in the run: momentum at 0, clocks run down, averages of squares held at 1."""
    late = lax.fori_loop(0, _LATE, lambda _, state: _after(rule, state, 0.0), rule.init(jnp.zeros(())))
    seen, structure = jax.tree.flatten(_after(rule, late, 1.0))
    clocks = jax.tree.leaves(_after(rule, late, 0.0))
    held = [
        jnp.zeros_like(x) if turns else jnp.where(x == y, x, 1) for x, y, turns in zip(seen, clocks, odd, strict=True)
    ]
    held = [x.astype(y.dtype) for x, y in zip(held, seen, strict=True)]
    # An average that forgets a share of itself is held where the update leaves it at 1.
    left = jax.tree.leaves(_after(rule, structure.unflatten(held), 0.0))
    average = [
        (x != y) & ~jnp.asarray(turns) & (z != 0) for x, y, z, turns in zip(seen, clocks, left, odd, strict=True)
    ]
    return structure.unflatten(
        [
            jnp.where(is_one, x / jnp.where(is_one, y, 1), x).astype(x.dtype)
            for x, y, is_one in zip(held, left, average, strict=True)
        ]
    )


def _after(rule: Any, state: Any, g: Any) -> Any:
    return call_update(rule, jnp.asarray(g, jnp.zeros(()).dtype), state, jnp.zeros(()), {})[1]


def _log_radius(a: Array) -> Array:
    r"""$\log \rho(A) = \lim \log \lVert A^n \rVert / n$, at n = 2**24, by squaring."""

    def square(carry: tuple[Array, Array], weight: Array) -> tuple[tuple[Array, Array], None]:
        a, total = carry
        size = jnp.linalg.norm(a)
        a = a / size
        return (a @ a, total + weight * jnp.log(size)), None

    (_, total), _ = lax.scan(square, (a, jnp.zeros(())), 0.5 ** jnp.arange(24.0))
    return total
