"""Instruments: what a network's layers carry, forward and backward, for any JAX loss without a change to the model."""

from ._layers import Layer as Layer, layers as layers, look_at as look_at
from ._nonfinite import NonFinite as NonFinite, find_nonfinite as find_nonfinite
