"""Gradients, shown, multiplied, checked and counted; derivatives of solutions; kinks."""

from ._backward import Backward as Backward, Derivative as Derivative, Sum as Sum
from ._check import assert_gradients as assert_gradients, check as check
from ._compared import CheckedLeaf as CheckedLeaf, Compared as Compared, GradientCheck as GradientCheck
from ._cost import Cost as Cost, cost as cost
from ._examples import (
    empirical_fisher_vector_product as empirical_fisher_vector_product,
    per_example_gradients as per_example_gradients,
)
from ._finite_difference import FiniteDifference as FiniteDifference, finite_difference as finite_difference
from ._forward import Forward as Forward, Value as Value
from ._graph import Edge as Edge, Node as Node, graph as graph
from ._higher import directional_derivatives as directional_derivatives, hessian_block as hessian_block
from ._implicit import Solution as Solution
from ._kinks import Kinks as Kinks, kinks as kinks
from ._numbers import in_numbers as in_numbers
from ._products import (
    gauss_newton_vector_product as gauss_newton_vector_product,
    hessian_vector_product as hessian_vector_product,
    jacobian_vector_product as jacobian_vector_product,
    vector_jacobian_product as vector_jacobian_product,
)
from ._solutions import argmin as argmin, fixed_point as fixed_point, root as root
from ._table import Row as Row
from ._trace import Trace as Trace, trace as trace
