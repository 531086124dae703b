from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..core import Fraction, Rate, Tree, TreeRule, rule, tree_dot, tree_map, tree_norm, tree_scale, tree_sub
from ._line_search import search
from ._whole_tree import copies, ratio, scalar_like, zeros_like


@rule
class LBFGS(TreeRule):
    r"""Newton's method with a Hessian made of the last few steps, and a line search (Liu & Nocedal 1989, Mathematical Programming 45, <https://doi.org/10.1007/BF01589116>, Algorithm 2.1).

    $$\begin{aligned}
    s_t &= p_{t-1} - p_{t-2} \qquad y_t = g_t - g_{t-1} \qquad \rho_t = 1 / \langle s_t, y_t \rangle \\
    H &\leftarrow (I - \rho_i s_i y_i^\top) H (I - \rho_i y_i s_i^\top) + \rho_i s_i s_i^\top
        \quad \text{for the last pairs } i, \text{ from } H = \gamma_t I,\ \gamma_t = \langle s_t, y_t \rangle / \lVert y_t \rVert^2 \\
    d_t &= -H g_t \qquad u_t = \alpha_t d_t
    \end{aligned}$$

    Products are those of the whole tree. Before there is a pair, gamma is min(1, 1 / norm of g), so that the first step
    tried is no longer than 1. A search that finds no step that falls enough, as at a minimum to rounding, does not move.
    It is a method for whole batches: between mini-batches y_t is mostly noise.

    Args:
        learning_rate: alpha >= 0, without unit: the first step tried, in lengths of d; 1 is Newton's. With
            line_search="fixed" the step itself.
        memory_size: how many pairs are kept, >= 1; the paper takes 3 to 9 and tabulates 5.
        line_search: "wolfe" for the strong Wolfe conditions (Nocedal & Wright 2006, algorithms 3.5 and 3.6);
            "backtracking" halves the step until the loss falls enough; "fixed" takes learning_rate as it is, and needs
            no more than gradients. The searches need value, value_fn and grad_fn, and go along -g where d ascends.
        armijo: c_1 in [0, 1], without unit: the share of the fall promised by the slope that a step must bring.
        wolfe: c_2 in [0, 1], above c_1: the share of the first slope that may be left; smaller searches more exactly.
        shrink: in [0, 1], without unit: what a step too long is multiplied by, for "backtracking".
        trials: the most losses that a search evaluates, >= 1.
        pairs: "positive" keeps only pairs with <s, y> > 0, without which H need not be positive definite; "all" keeps
            each, as the paper, whose search makes them positive, and Optax.
        scaled: whether H begins at gamma I; False begins at I.

    Raises:
        ValueError: where a hyperparameter leaves its range, and from `update` where something needed is not given.
    """

    learning_rate: Rate = 1.0
    memory_size: int = 5
    line_search: Literal["wolfe", "backtracking", "fixed"] = "wolfe"
    armijo: Fraction = 1e-4
    wolfe: Fraction = 0.9
    shrink: Fraction = 0.5
    trials: int = 20
    pairs: Literal["positive", "all"] = "positive"
    scaled: bool = True

    class Memory(NamedTuple):
        p: Tree  # the parameters before
        g: Tree  # the gradients before
        s: Tree  # each leaf (memory_size, ...): the last differences of parameters, in a ring
        y: Tree  # likewise of gradients
        rho: Array  # (memory_size,), 1 / <s, y>; 0 where there is no pair yet
        gamma: Array  # (), in units of p per unit of g
        count: Array  # () int32, the pairs kept so far

    def __post_init__(self):
        super().__post_init__()
        for name in ("memory_size", "trials"):
            if getattr(self, name) < 1:
                raise ValueError(f"LBFGS needs {name} >= 1, and was given {name}={getattr(self, name)}")

    @property
    def needs(self):  # pyright: ignore[reportIncompatibleVariableOverride]
        return ("params",) if self.line_search == "fixed" else ("params", "value", "value_fn", "grad_fn")

    def start(self, params):
        ring = lambda: jax.tree.map(lambda p: jnp.zeros((self.memory_size, *jnp.shape(p)), jnp.result_type(p)), params)  # noqa: E731
        rho = scalar_like(params, jnp.zeros(self.memory_size))
        gamma, count = scalar_like(params, 1.0), jnp.zeros((), jnp.int32)
        return self.Memory(copies(params), zeros_like(params), ring(), ring(), rho, gamma, count)

    def step(self, grads, memory, params, t, **loss):
        memory = self._remember(memory, params, grads, t)
        first = jnp.minimum(1.0, ratio(1.0, tree_norm(grads), 1.0))
        gamma = jnp.where(memory.count > 0, memory.gamma, first) if self.scaled else 1.0
        d = tree_scale(-1.0, _times_inverse_hessian(grads, memory, gamma))
        if self.line_search == "fixed":
            return tree_scale(self.learning_rate, d), memory
        descends = tree_dot(grads, d) < 0
        d = tree_map(lambda d, g: jnp.where(descends, d, -g), d, grads)
        return tree_scale(search(self, self.learning_rate, d, params, grads, **loss), d), memory

    def _remember(self, memory, params, grads, t):
        """The memory with the newest pair."""
        s, y = tree_sub(params, memory.p), tree_sub(grads, memory.g)
        sy, yy = tree_dot(s, y), tree_dot(y, y)
        keep = (t > 1) & ((sy > 0) | (self.pairs == "all"))
        # A place beyond the ring's end: nothing is stored.
        place = jnp.where(keep, memory.count % self.memory_size, self.memory_size)
        store = lambda ring, new: ring.at[place].set(new, mode="drop")  # noqa: E731
        return self.Memory(
            p=params,
            g=grads,
            s=jax.tree.map(store, memory.s, s),
            y=jax.tree.map(store, memory.y, y),
            rho=store(memory.rho, ratio(1.0, sy)),
            gamma=jnp.where(keep, ratio(sy, yy, 1.0), memory.gamma),
            count=memory.count + keep,
        )


def _times_inverse_hessian(grads: Tree, memory: LBFGS.Memory, gamma: Any) -> Tree:
    """H g by the two loops of Nocedal 1980, without ever forming H."""
    size = len(memory.rho)
    pair = lambda i: (jax.tree.map(lambda x: x[i], memory.s), jax.tree.map(lambda x: x[i], memory.y), memory.rho[i])  # noqa: E731

    def back(q, i):
        s, y, rho = pair(i)
        a = rho * tree_dot(s, q)
        return tree_map(lambda q, y: (q - a * y).astype(q.dtype), q, y), a

    def forth(r, now):
        i, a = now
        s, y, rho = pair(i)
        b = rho * tree_dot(y, r)
        return tree_map(lambda r, s: (r + (a - b) * s).astype(r.dtype), r, s), None

    oldest_first = (memory.count + jnp.arange(size)) % size
    q, a = lax.scan(back, grads, oldest_first, reverse=True)
    return lax.scan(forth, tree_scale(gamma, q), (oldest_first, a))[0]
