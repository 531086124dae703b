"""Instruments: what a network's layers carry, forward and backward, for any JAX loss without a change to the model."""

from ._layers import Layer as Layer, layers as layers
