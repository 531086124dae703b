"""How a deep linear network learns, exactly."""

from typing import Any

import jax.numpy as jnp

from ._checks import check_range


def learning_curve(time: Any, strength: Any, start: Any) -> Any:
    r"""What a linear network with one hidden layer has learned of one mode of its data (Saxe, McClelland & Ganguli 2014, ICLR, <https://arxiv.org/abs/1312.6120>, eq 8).

    $$u(t) = \frac{s\, e^{2 s t}}{e^{2 s t} - 1 + s / u_0}$$

    for gradient flow on $\tfrac12 \lVert y - W_2 W_1 x \rVert^2$ with whitened inputs, from small balanced weights that are
    aligned to the modes: each singular value s of the input-output correlation is learned by itself, the strong ones first,
    after a plateau. With learning rate eta, t is eta times the number of steps.

    Args:
        time: t >= 0.
        strength: s > 0, the mode's singular value.
        start: u_0 in (0, s), what the product of the weights has of the mode at the start.

    Returns:
        u(t), shaped as the arguments, in units of s.

    Raises:
        ValueError: where a number leaves its range.
    """
    _check("learning_curve", strength, start)
    # Divided by e^{2 s t}, which would overflow.
    gone = jnp.exp(-2 * strength * jnp.asarray(time, float))
    return strength / (1 + gone * (strength / start - 1))


def half_time(strength: Any, start: Any) -> Any:
    r"""When half of a mode is learned (Saxe, McClelland & Ganguli 2014, <https://arxiv.org/abs/1312.6120>).

    $$t_{1/2} = \frac{\ln (s / u_0 - 1)}{2 s}$$

    Args:
        strength: s > 0.
        start: u_0 in (0, s).

    Returns:
        t, in units of 1 / s.

    Raises:
        ValueError: where a number leaves its range.
    """
    _check("half_time", strength, start)
    return jnp.log(strength / start - 1.0) / (2 * strength)


def _check(who: str, strength: Any, start: Any) -> None:
    check_range(who, "strength", strength, above=0)
    check_range(who, "start", start, above=0)
    check_range(who, "start / strength", start / strength, low=0, high=1)
