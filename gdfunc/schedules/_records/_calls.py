"""How the schedules and their twins are called at the parity runs' steps."""

import numpy as np


def steps_to_try(rng, dtype):
    """The steps of the parity runs: around every boundary of the settings below, and well after the end."""
    return (np.arange(26, dtype=np.int32),)


def in_optax(twin, at, /, **arguments):
    """An Optax schedule's values; some of its schedules take one step at a time.

    The steps are made floats: with x64 on, Optax's quotients of its own int32 count are float32 (0.2.8), off by 5e8
    rounding errors of float64.
    """
    import jax
    import jax.numpy as jnp

    return jax.vmap(twin(**arguments))(jnp.asarray(at, float))


def in_torch(twin, at, /, base, last=None, **arguments):
    """The rates of a PyTorch scheduler around an optimizer whose rate is `base`; from step `last` on it stays put."""
    import torch  # pyright: ignore[reportMissingImports]

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    scheduler = twin(optimizer, **arguments)
    rates = []
    for step in range(int(max(at)) + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if last is None or step < last:
            scheduler.step()
    return torch.tensor([rates[int(step)] for step in at], dtype=torch.float64)


def each(formula):
    """A plain formula of one step as a function of the array of steps."""

    def transcription(at, /, **settings):
        return np.array([formula(int(s), **settings) for s in np.asarray(at)], np.float64)

    return transcription
