"""Instruments: what a network's layers carry, forward and backward, for any JAX loss without a change to the model."""
