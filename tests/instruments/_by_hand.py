"""What `instruments.layers` should find, from a loss written by hand with every value named.

A loss of (tap, params, batch) calls `tap(name, value)` at each place and goes on with what that gives. The gradient at a
place is `jax.grad` with respect to zeros added there.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np

PLACES = ("input", "output", "activation")


class Tap:
    """Adds what is given to each value, and keeps it."""

    def __init__(self, added=None):
        self.added, self.values = added or {}, {}

    def __call__(self, name, value):
        self.values[name] = value + self.added.get(name, 0)
        return self.values[name]


def by_hand(loss, params, batch):
    """({name: value}, {name: the loss's gradient with respect to it})."""
    tap = Tap()
    loss(tap, params, batch)
    zeros = jax.tree.map(jnp.zeros_like, tap.values)
    return tap.values, jax.grad(lambda added: loss(Tap(added), params, batch))(zeros)


def assert_close(found, wanted, what, ulps=100):
    """Finite, of the same shape, and apart by some roundings of the largest entry: sums are taken in another order."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    chex.assert_tree_all_finite(found)
    assert found.shape == wanted.shape, what
    assert np.any(wanted != 0), f"{what}: all zeros compare with nothing"
    atol = ulps * np.finfo(np.float32).eps * np.max(np.abs(wanted))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=atol, err_msg=what)


def assert_found(layers, loss, params, batch, shared=None):
    """Every place that the hand-written loss names `(layer, place)` is as `layers` found it; no layer is left over.

    Args:
        layers: what was found.
        loss: (tap, params, batch) -> loss.
        params: the parameters.
        batch: the batch.
        shared: layer -> the layer by whose name a common input was tapped.
    """
    values, gradients = by_hand(loss, params, batch)
    assert [layer.name for layer in layers] == list(dict.fromkeys(name for name, place in values if place == "output"))
    for layer in layers:
        for place in PLACES:
            name = (shared or {}).get(layer.name, layer.name) if place == "input" else layer.name
            if (name, place) not in values:
                assert place == "activation", f"{name}: {place} is not written out"
                continue
            what = f"{layer.name} {place}"
            assert_close(getattr(layer, place), values[name, place], what)
            assert_close(getattr(layer, f"{place}_gradient"), gradients[name, place], f"gradient of {what}")
