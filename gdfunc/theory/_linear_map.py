"""What an update rule does near a minimum: a linear map of the parameter and the rule's memory, read off its own update."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.core import eval_context

from ..core import Rule, Transformation, call_update

_LATE = 2**15  # steps: corrections of a start at zero have passed


class LinearMap(NamedTuple):
    """A rule on one parameter p with its memory m held where it does not turn with the gradient."""

    move: Callable[[Array, Any], Array]  # ((p, m...), gradient) -> the same a step later
    size: int

    def on_parabola(self, curvature: Any) -> Array:
        r"""$A(h)$ with $(p, m)_{t+1} = A(h) (p, m)_t$ on $L = h p^2 / 2$: (size, size)."""
        return jax.jacobian(lambda x: self.move(x, curvature * x[0]))(jnp.zeros(self.size))

    def of_gradient(self) -> Array:
        """What a gradient of 1 does: (size,)."""
        return jax.jacobian(lambda g: self.move(jnp.zeros(self.size), g))(0.0)


def linear_map(who: str, rule: Any, step: Any) -> LinearMap:
    """The rule's map late in a run, averages of squares held at 1; `who` names the asker in errors."""
    if not isinstance(rule, Transformation) or isinstance(rule, type):
        raise ValueError(f"{who} needs a rule (an object with init and update), and was given {rule!r}")
    if needs := set(getattr(rule, "needs", ())) - {"params"}:
        raise ValueError(f"{who} needs a rule of gradients and parameters alone, and {rule!r} needs {sorted(needs)}")
    has_fields = lambda x: isinstance(x, Rule) and bool(x._fields)  # noqa: E731
    now = jax.tree.map(lambda x: x.at(step) if has_fields(x) else x, rule, is_leaf=has_fields)  # the parts of a chain
    odd = _turns(now)
    held, structure = jax.tree.flatten(_rest(now, odd))

    def move(x: Array, g: Any) -> Array:
        moving = iter(x[1:])
        state = structure.unflatten([next(moving) if turns else y for y, turns in zip(held, odd, strict=True)])
        u, after = call_update(now, g, state, x[0], {})
        return jnp.stack([x[0] + u, *(y for y, turns in zip(jax.tree.leaves(after), odd, strict=True) if turns)])

    return LinearMap(move, 1 + sum(odd))


def log_radius(a: Array) -> Array:
    r"""$\log \rho(A) = \lim \log \lVert A^n \rVert / n$, at n = 2**24, by squaring."""

    def square(carry: tuple[Array, Array], weight: Array) -> tuple[tuple[Array, Array], None]:
        a, total = carry
        size = jnp.linalg.norm(a)
        a = a / size
        return (a @ a, total + weight * jnp.log(size)), None

    (_, total), _ = lax.scan(square, (a, jnp.zeros(())), 0.5 ** jnp.arange(24.0))
    return total


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
