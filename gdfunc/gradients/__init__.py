"""Gradients shown: the forward and backward pass of any loss, every step in numbers."""

from ._backward import Backward as Backward, Derivative as Derivative, Sum as Sum
from ._forward import Forward as Forward, Value as Value
from ._graph import Edge as Edge, Node as Node, graph as graph
from ._numbers import in_numbers as in_numbers
from ._table import Row as Row
from ._trace import Trace as Trace, trace as trace
