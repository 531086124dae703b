from typing import Literal, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from ..core import Fraction, Rate, Tree, TreeRule, rule, tree_dot, tree_norm, tree_scale, tree_size, tree_sub
from ._line_search import search
from ._whole_tree import copies, ratio, scalar_like, zeros_like


@rule
class BFGS(TreeRule):
    r"""Newton's method with an inverse Hessian learnt from every step, and a line search (Broyden 1970, Fletcher 1970, Goldfarb 1970 & Shanno 1970, IMA Journal of Applied Mathematics 6(1), <https://doi.org/10.1093/imamat/6.1.76>).

    $$\begin{aligned}
    s_t &= p_{t-1} - p_{t-2} \qquad y_t = g_t - g_{t-1} \qquad \rho_t = 1 / \langle s_t, y_t \rangle \\
    H_t &= (I - \rho_t s_t y_t^\top) H_{t-1} (I - \rho_t y_t s_t^\top) + \rho_t s_t s_t^\top \\
    d_t &= -H_t g_t \qquad u_t = \alpha_t d_t
    \end{aligned}$$

    H is one matrix over the parameters of the whole tree: n of them take n**2 numbers and as much work at each step, so it
    is for a few thousand at most; `LBFGS` keeps a few pairs in its place. A pair with <s, y> <= 0 changes nothing, so that H
    stays positive definite. It is a method for whole batches: between mini-batches y_t is mostly noise.

    Args:
        learning_rate: alpha >= 0, without unit: the first step tried, in lengths of d; 1 is Newton's. With
            line_search="fixed" the step itself.
        line_search: "wolfe" for the strong Wolfe conditions (Nocedal & Wright 2006, algorithms 3.5 and 3.6), which make
            <s, y> positive; "backtracking" shortens the step until the loss falls enough; "fixed" takes learning_rate as
            it is, and needs no more than gradients. The searches need value, value_fn and grad_fn.
        armijo: c_1 in [0, 1], without unit: the share of the fall promised by the slope that a step must bring.
        wolfe: c_2 in [0, 1], above c_1: the share of the first slope that may be left; smaller searches more exactly.
        shrink: in [0, 1], without unit: what a step too long is multiplied by, for "backtracking".
        trials: the most losses that a search evaluates, >= 1.
        scaled: whether H is (<s, y> / norm of y squared) I before its first pair (Nocedal & Wright 2006, eq. 6.20), and
            the first step tried no longer than 1; False begins at I.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where something needed is not given.
    """

    learning_rate: Rate = 1.0
    line_search: Literal["wolfe", "backtracking", "fixed"] = "wolfe"
    armijo: Fraction = 1e-4
    wolfe: Fraction = 0.9
    shrink: Fraction = 0.5
    trials: int = 20
    scaled: bool = True

    class Memory(NamedTuple):
        p: Tree  # the parameters before
        g: Tree  # the gradients before
        H: Array  # (n, n), in units of p per unit of g
        count: Array  # () int32, the pairs that H was made of

    def __post_init__(self):
        super().__post_init__()
        if self.trials < 1:
            raise ValueError(f"BFGS needs trials >= 1, and was given trials={self.trials}")

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("params",) if self.line_search == "fixed" else ("params", "value", "value_fn", "grad_fn")

    def start(self, params):
        H = scalar_like(params, jnp.eye(tree_size(params)))
        return self.Memory(copies(params), zeros_like(params), H, jnp.zeros((), jnp.int32))

    def step(self, grads, memory, params, t, **loss):
        memory = self._remember(memory, params, grads, t)
        d = tree_scale(-1.0, _times(memory.H, grads))
        if self.scaled:
            first = jnp.minimum(1.0, ratio(1.0, tree_norm(grads)))
            d = tree_scale(jnp.where(memory.count > 0, 1.0, first), d)
        if self.line_search == "fixed":
            return tree_scale(self.learning_rate, d), memory
        return tree_scale(search(self, self.learning_rate, d, params, grads, **loss), d), memory

    def _remember(self, memory, params, grads, t):
        """The memory with the newest pair in H."""
        s, y = tree_sub(params, memory.p), tree_sub(grads, memory.g)
        sy = tree_dot(s, y)
        keep = (t > 1) & (sy > 0)
        gamma = jnp.where((memory.count == 0) & self.scaled, ratio(sy, tree_dot(y, y), 1.0), 1.0)
        H = jnp.where(keep, _with_pair(gamma * memory.H, _vector(s), _vector(y), ratio(1.0, sy)), memory.H)
        return self.Memory(params, grads, H.astype(memory.H.dtype), memory.count + keep)


def _with_pair(H: Array, s: Array, y: Array, rho: Array) -> Array:
    """(I - rho s y') H (I - rho y s') + rho s s', one factor after the other: n**2 operations."""
    HV = H - rho * jnp.outer(H @ y, s)
    return HV - rho * jnp.outer(s, y @ HV) + rho * jnp.outer(s, s)


def _vector(tree: Tree) -> Array:
    return ravel_pytree(tree)[0]


def _times(H: Array, grads: Tree) -> Tree:
    """H g as a tree."""
    g, unravel = ravel_pytree(grads)
    return unravel((H @ g).astype(g.dtype))
