"""What derivatives cost, counted in the compiled programs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array

from ..core import Tree, check_params
from ._given import scalar
from ._products import hessian_vector_product


class Cost(NamedTuple):
    """Floating-point operations, without transcendental functions; a loop's body is counted once.

    Attributes:
        function: of f.
        gradient: of its gradient alone.
        product: of one product with its Hessian.
    """

    function: float
    gradient: float
    product: float

    @property
    def gradient_ratio(self) -> float:
        """The gradient's over the function's."""
        return self.gradient / self.function

    @property
    def product_ratio(self) -> float:
        """The product's over the gradient's."""
        return self.product / self.gradient


def cost(f: Callable[..., Array], params: Tree, *args: Any) -> Cost:
    r"""The operations of f, of its gradient and of a product with its Hessian, in the programs that XLA makes of them.

    $$\frac{\text{ops}(\nabla f)}{\text{ops}(f)} \lesssim 4 \qquad \frac{\text{ops}(H v)}{\text{ops}(\nabla f)} \lesssim 3$$

    The cheap gradient: however many parameters there are, all derivatives together cost but a few times the function (Baur &
    Strassen 1983, Theor. Comput. Sci. 22(3), <https://doi.org/10.1016/0304-3975(83)90110-X>; Griewank & Walther 2008,
    Evaluating Derivatives, <https://doi.org/10.1137/1.9780898717761>). Of L equal layers f takes L products of matrices, and
    the gradient 3 L - 1: three for each, but none for the gradient by the data.

    Args:
        f: (params, *args) -> (), as a loss (params, batch) -> ().
        params: a pytree of real floating-point arrays.
        *args: what else f takes, arrays only: the batch.

    Returns:
        A `Cost`.

    Raises:
        ValueError: where a leaf is no real floating-point array, f is no real scalar, or the device counts nothing.
    """
    check_params(params, "cost")
    one = scalar("cost", f)
    product = lambda params, v, *args: hessian_vector_product(one, params, v, *args)  # noqa: E731
    return Cost(
        _operations(one, params, *args),
        _operations(jax.grad(one), params, *args),
        _operations(product, params, params, *args),
    )


def _operations(f: Callable, *args: Any) -> float:
    found: Any = jax.jit(f).lower(*args).compile().cost_analysis()
    if not found or "flops" not in found:
        raise ValueError("cost needs a device whose compiler counts operations, and this one's does not")
    return float(found["flops"])
