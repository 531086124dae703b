"""What the matrix rules share: shapes, full precision, and matrix functions whose derivatives stay finite."""

from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from ..core import ArrayRule, safe_norm, wide

Layout = Literal["in_out", "out_in"]


class MatrixRule(ArrayRule):
    """An `ArrayRule` whose matrices keep their digits: memory has at least 32 bits, products are taken with all of them.

    GPUs and TPUs otherwise multiply float32 with 8 to 11 bits, and a square preconditioner beside a parameter of its own
    shape would be stored in that parameter's 16.
    """

    def init(self, params):
        state = super().init(params)
        return state._replace(memory=jax.tree.map(wide, state.memory))

    def update(self, grads, state, params=None, **extra):
        with jax.default_matmul_precision("highest"):
            return super().update(grads, state, params, **extra)


def need_at_least_one(rule: Any, *names: str) -> None:
    """Raises ValueError where one of these whole numbers is below 1."""
    for name in names:
        if getattr(rule, name) < 1:
            raise ValueError(f"{type(rule).__name__} needs {name} >= 1, and was given {name}={getattr(rule, name)}")


def as_matrix(x: Array) -> Array:
    """A scalar or vector as one column; of three axes and more all but the last together, as in a convolution's (h, w, in, out)."""
    return x.reshape(-1, x.shape[-1]) if x.ndim > 1 else x.reshape(-1, 1)


def fans(shape: tuple[int, ...], layout: Layout) -> tuple[int, int]:
    """(fan_in, fan_out) of a matrix: "in_out" is JAX's x @ W, "out_in" is PyTorch's W @ x."""
    rows, columns = shape
    return (rows, columns) if layout == "in_out" else (columns, rows)


def newton_schulz(X: Array, coefficients: tuple[Any, Any, Any], steps: int, eps: Any) -> Array:
    r"""About $U V^\top$ for $X = U \Sigma V^\top$, by products alone: every step maps each singular value $s$ to $a s + b s^3 + c s^5$.

    Args:
        X: a matrix.
        coefficients: (a, b, c).
        steps: how many steps.
        eps: added to the Frobenius norm that X is divided by first, so that all singular values are at most 1.

    Returns:
        A matrix shaped as X; zero for X = 0.
    """
    a, b, c = coefficients
    wide_shape = X.shape[0] <= X.shape[1]
    X = X if wide_shape else X.T  # the smaller of the two Gram matrices
    X = X / (safe_norm(X) + eps)
    for _ in range(steps):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return X if wide_shape else X.T


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def inverse_root(A: Array, eps: Any, order: int) -> Array:
    r"""$(A + \epsilon I)^{-1/k}$ of a symmetric A without negative eigenvalues.

    The derivative goes around the eigenvectors, whose own is infinite wherever two eigenvalues are equal.

    Args:
        A: a symmetric matrix; eigenvalues that rounding makes negative count as 0.
        eps: epsilon > 0.
        order: k.

    Returns:
        A symmetric matrix.
    """
    Q, s = _eigen_root(A, eps, order)
    return (Q / s) @ Q.T


@inverse_root.defjvp
def _inverse_root_jvp(order, primals, tangents):
    (A, eps), (dA, deps) = primals, tangents
    Q, s = _eigen_root(A, eps, order)
    # (1/a - 1/b) / (a**k - b**k) = -1 / (a b (a**(k-1) + a**(k-2) b + ... + b**(k-1))): no difference is left to cancel.
    a, b = s[:, None], s[None, :]
    slope = -1 / (a * b * sum(a**i * b ** (order - 1 - i) for i in range(order)))
    inner = Q.T @ dA @ Q + deps * jnp.eye(len(s), dtype=A.dtype)
    return (Q / s) @ Q.T, Q @ (slope * inner) @ Q.T


def _eigen_root(A: Array, eps: Any, order: int) -> tuple[Array, Array]:
    """Eigenvectors of A, and (eigenvalues + eps)**(1 / order)."""
    eigenvalues, Q = jnp.linalg.eigh(A)
    return Q, (jnp.maximum(eigenvalues, 0) + eps) ** (1 / order)


def eigenvectors(A: Array) -> Array:
    """Columns: the eigenvectors of a symmetric A, that of the largest eigenvalue first; a constant to derivatives."""
    return jnp.linalg.eigh(jax.lax.stop_gradient(A))[1][:, ::-1]


@jax.custom_jvp
def orthonormal(S: Array) -> Array:
    """The Q of S = QR; where a column of S depends on those before it, its derivative is taken as 0, not infinite."""
    return jnp.linalg.qr(S)[0]


@orthonormal.defjvp
def _orthonormal_jvp(primals, tangents):
    (S,), (dS,) = primals, tangents
    Q, R = jnp.linalg.qr(S)
    size = jnp.abs(jnp.diag(R))
    firm = size > len(R) * jnp.finfo(R.dtype).eps * jnp.max(size)
    R = jnp.where(firm, R, jnp.eye(len(R), dtype=R.dtype))
    X = jnp.where(firm, jax.scipy.linalg.solve_triangular(R, (Q.T @ dS).T, trans="T").T, 0)
    turn = jnp.tril(X, -1)
    return Q, Q @ (turn - turn.T)
