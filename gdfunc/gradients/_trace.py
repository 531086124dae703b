"""The forward and backward pass of any loss, step by step in numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..core import Tree, trace_loss
from ._backward import Backward, backward
from ._forward import Forward, Value, forward, run
from ._local import quotient
from ._names import is_number, name_values
from ._program import Use, as_input, read_program
from ._table import Row, table
from ._text import as_text


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """What `trace` found. `str()` of it is what a teacher writes on the board.

    Attributes:
        loss: (), the loss.
        loss_name: its name in the steps, "L".
        table: one row a parameter leaf, in the order in which the loss takes them.
        values: name -> value, of the inputs and of what every step gives, each with the loss's gradient by it.
        forward: the steps that lead to the loss, in the order of the program.
        backward: the same steps from the loss back to the parameters, with the chain rule at each.
        gradients: of the loss by the parameters, a tree alike.
    """

    loss: Array
    loss_name: str
    table: tuple[Row, ...]
    values: dict[str, Value]
    forward: tuple[Forward, ...]
    backward: tuple[Backward, ...]
    gradients: Tree

    def __str__(self) -> str:
        return as_text(self)

    __repr__ = __str__


def trace(loss_fn: Callable[..., Any], params: Tree, batch: Tree, has_aux: bool = False) -> Trace:
    r"""Both passes of a loss with every number: reverse-mode differentiation (Linnainmaa 1976, BIT 16, <https://doi.org/10.1007/BF01931367>; Rumelhart, Hinton & Williams 1986, Nature 323, <https://doi.org/10.1038/323533a0>).

    $$\begin{aligned}
    v_i &= f_i(v_j, \ldots) \\
    \frac{\partial L}{\partial v_j} &= \sum_{i \text{ takes } j}
        \frac{\partial L}{\partial v_i} \frac{\partial f_i}{\partial v_j}
    \end{aligned}$$

    The loss is traced to JAX's program for it; each operation of that is run and differentiated by itself. Calls of
    one's own functions are opened; functions of JAX's own (`relu`, `silu`) and loops are one step. For looking at, not
    for training: nothing is compiled as a whole, and every value is kept.

    A parameter is called by its path. The k-th product of weights and data is z_k (u_k where a bias follows, and z_k is
    the sum), its activation a_k, the loss L, everything else v_1, v_2, ...; operations that only add or drop axes of
    length 1 are left out.

    Args:
        loss_fn: (params, batch) -> scalar, or (scalar, aux); any pure function of JAX.
        params: a pytree of floating-point arrays.
        batch: a pytree of arrays; of a pair, the parts are called x and y.
        has_aux: whether `loss_fn` returns (loss, aux).

    Returns:
        A `Trace`. Its gradients are those of `jax.grad`, to rounding.

    Raises:
        ValueError: where the parameters are none or not floating-point, or the loss is no floating-point scalar.
    """
    closed, _ = trace_loss("trace", loss_fn, params, batch, has_aux)
    leaves, structure = jax.tree.flatten(params)
    program = read_program(closed, len(leaves))
    mine, names = program.inputs[: len(leaves)], name_values(program, params, batch)
    inputs = zip([*leaves, *jax.tree.leaves(batch)], closed.in_avals, strict=True)
    numbers = run(program, [as_input(leaf, aval) for leaf, aval in inputs])
    loss = program.loss if isinstance(program.loss, Use) else None
    loss_name = names[loss.ref] if loss else "L"
    grads, steps = backward(program, numbers, names, partial(quotient, loss_name))
    kinds = dict.fromkeys(numbers, "step") | dict.fromkeys(program.constants, "constant")
    kinds |= dict.fromkeys(program.inputs, "batch") | dict.fromkeys(mine, "parameter")
    values = {ref: Value(names[ref], kinds[ref], numbers[ref], grads.get(ref)) for ref in numbers}
    gradients = [grads[ref] if ref in grads else jnp.zeros_like(numbers[ref]) for ref in mine]
    return Trace(
        loss=loss(numbers[loss.ref]) if loss else jnp.asarray(closed.jaxpr.outvars[0].val),
        loss_name=loss_name,
        table=table(program, values, mine, gradients),
        values={value.name: value for ref, value in values.items() if not is_number(program, ref)},
        forward=forward(program, numbers, names),
        backward=steps,
        gradients=jax.tree.unflatten(structure, gradients),
    )
