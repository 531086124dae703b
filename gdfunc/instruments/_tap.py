from jax import Array
from jax.ad_checkpoint import checkpoint_name


def tap(name: str, x: Array) -> Array:
    """`x` under a name: instruments then show it, and the loss's gradient with respect to it, beside the layers.

        h = gd.tap("residual stream", h)

    It is `jax.ad_checkpoint.checkpoint_name`, whose tags are seen too; it changes nothing else.

    Args:
        name: any word.
        x: any array inside the loss.

    Returns:
        `x`.
    """
    return checkpoint_name(x, name)
