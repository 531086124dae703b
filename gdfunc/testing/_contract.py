from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import Rule, Transformation, Tree, call_update, leaf_paths
from ..parity._modes import Mode
from ..parity._run import rows
from ..parity._stream import extras, stream

PRECISIONS = (Mode("float32", False), Mode("bfloat16", False), Mode("float64", True))
STEPS = 8


def assert_rule_contract(rule: Any) -> None:
    """Asserts what every caller of a rule counts on, in float32, bfloat16 and float64.

    Updates have the structure, shapes and dtypes of the gradients. The state keeps its own from the first update on, so
    that nothing is compiled twice and a scan can carry it, and no two of its arrays share a buffer, so that it can be
    donated. Updates are finite, also where gradients are zero from the start. And where the rule is one of gdfunc's kind,
    the derivatives of its updates with respect to its numbers are finite, at zero gradients too.

    Args:
        rule: a rule, or any object with `init` and `update`.

    Raises:
        AssertionError: naming what does not hold, the leaf and the precision.
        ValueError: where it is not a transformation.
    """
    if not isinstance(rule, Transformation) or isinstance(rule, type):
        raise ValueError(f"assert_rule_contract needs a rule (an object with init and update), and was given {rule!r}")
    for at in PRECISIONS:
        with at():
            inputs = rows(stream().first(STEPS), at)
            zeros = (inputs[0], jax.tree.map(jnp.zeros_like, inputs[1]), *inputs[2:])
            _types(rule, inputs, at.dtype)
            for kind, given in (("updates", inputs), ("updates of zero gradients", zeros)):
                _finite(kind, jax.jit(partial(_updates, rule))(given), at.dtype)
            if isinstance(rule, Rule) and jax.tree.leaves(rule):
                numbers = jax.tree.map(partial(jnp.asarray, dtype=jnp.promote_types(at.dtype, jnp.float32)), rule)
                for kind, given in (("gradients", inputs), ("zero gradients", zeros)):
                    slopes = jax.jit(jax.grad(_total))(numbers, given)
                    _finite(f"derivatives with respect to the hyperparameters at {kind}", slopes, at.dtype)


def _step(rule: Any, state: Any, row: tuple) -> tuple[Any, Tree]:
    _, g, p, *_ = row
    updates, state = call_update(rule, g, state, p, extras(*row))
    return state, updates


def _first_params(inputs: tuple) -> Tree:
    return jax.tree.map(lambda x: x[0], inputs[2])


def _updates(rule: Any, inputs: tuple) -> Tree:
    return jax.lax.scan(partial(_step, rule), rule.init(_first_params(inputs)), inputs)[1]


def _total(rule: Any, inputs: tuple) -> Any:
    return sum(jnp.sum(u.astype(jnp.float32)) for u in jax.tree.leaves(_updates(rule, inputs)))


def _types(rule: Any, inputs: tuple, dtype: str) -> None:
    row = jax.tree.map(lambda x: x[0], inputs)
    state = rule.init(_first_params(inputs))
    buffers: dict[int, str] = {}
    for path, leaf in zip(leaf_paths(state), jax.tree.leaves(state), strict=True):
        if not isinstance(leaf, jax.Array):
            raise AssertionError(f"the state must hold JAX arrays, and at {path!r} holds a {type(leaf).__name__}")
        if leaf.weak_type:
            raise AssertionError(
                f"the state must not be weakly typed, and at {path!r} is ({leaf.dtype}, {dtype} parameters)"
            )
        other = buffers.setdefault(leaf.unsafe_buffer_pointer(), path) if leaf.size else path
        if other != path:
            raise AssertionError(f"no two arrays of the state may share a buffer, and {other!r} and {path!r} do")
    shapes = jax.eval_shape(lambda: state)
    after, updates = jax.eval_shape(partial(_step, rule), state, row)
    _alike("updates", "gradients", updates, jax.eval_shape(lambda: row[1]), dtype)
    _alike("the state after an update", "the first", after, shapes, dtype)


def _alike(what: str, model: str, new: Any, old: Any, dtype: str) -> None:
    if jax.tree.structure(new) != jax.tree.structure(old):
        raise AssertionError(
            f"{what} must be structured as {model}, {jax.tree.structure(old)}, and are {jax.tree.structure(new)}"
        )
    for path, a, b in zip(leaf_paths(old), jax.tree.leaves(new), jax.tree.leaves(old), strict=True):
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            raise AssertionError(
                f"{what} must be typed as {model}, {b.dtype}{list(b.shape)} at {path!r}, and came out as "
                f"{a.dtype}{list(a.shape)} for {dtype} parameters"
            )


def _finite(what: str, tree: Tree, dtype: str) -> None:
    for path, leaf in zip(leaf_paths(tree), jax.tree.leaves(tree), strict=True):
        if not np.all(np.isfinite(np.asarray(leaf, np.float64))):
            raise AssertionError(f"{what} must be finite, and at {path!r} in {dtype} are not")
