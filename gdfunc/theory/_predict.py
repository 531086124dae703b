"""What a network's signals and gradients should be, layer by layer, before it is trained."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.core import Tracer

from ..init import Initialiser, Law
from ..models import Layer, Model
from ._checks import check_range, check_variances
from ._finite_width import Logs, Widths, log_sizes


class Expected(NamedTuple):
    """A mean square in every layer, over random networks: each (depth,).

    Attributes:
        typical: the median.
        log_std: the standard deviation of its natural logarithm, which is about normal.
    """

    typical: Array
    log_std: Array

    @property
    def mean(self) -> Array:
        """The average over networks, which rare large ones may make up."""
        return self.typical * jnp.exp(self.log_std**2 / 2)

    def interval(self, deviations: Any = 2.5) -> tuple[Array, Array]:
        """(low, high): within so many standard deviations of the logarithm; 2.5 hold 98.8 % of a normal's."""
        spread = jnp.exp(deviations * self.log_std)
        return self.typical / spread, self.typical * spread


class Prediction(NamedTuple):
    """What random networks have in each layer, for one input: `Expected`, each (depth,), in depth order."""

    pre_activation: Expected  # of z_l^2, averaged over the layer's units
    activation: Expected  # of a_l^2; of the output for the last layer
    gradient: Expected  # of (dL/dz_l)^2, over that of the last layer


def predict(
    model: Model, weights: Initialiser | None = None, biases: Initialiser | None = None, *, input_square: Any = 1.0
) -> Prediction:
    r"""How large every layer's signals and gradients are in a random network, and how much that differs from one to the next.

    $$\begin{aligned}
    q_{l+1} &= \sigma_w^2\, \mathbb E\, \phi(z)^2 + \sigma_b^2 \qquad
    \overline{(\partial L / \partial z_l)^2} = n_{l+1} \mathbb E w^2\; \mathbb E\, \phi'(z)^2\;
    \overline{(\partial L / \partial z_{l+1})^2} \qquad z \sim \mathcal N(0, q_l) \\
    \log q_{l+1} &= \log F(q_l) + \varepsilon_l \qquad \operatorname{Var} \varepsilon_l = \frac{1}{n_l}
    \frac{\operatorname{Var} \phi(z)^2}{(\mathbb E\, \phi(z)^2)^2} \text{ without biases}
    \end{aligned}$$

    The first line is that of wide networks (Poole et al. 2016, <https://arxiv.org/abs/1606.05340>; Schoenholz et al. 2017,
    <https://arxiv.org/abs/1611.01232>), with each layer's own width. The second is the chance of a finite one, to first order in
    1 / width: given the layer below, a layer's units are independent, so its length strays by an average over n of them. With relu
    after He every layer adds 5 / n to the variance of a logarithm and takes 5 / (2 n) off its mean, forward and back (Hanin &
    Nica 2020, CMP, <https://arxiv.org/abs/1812.05994>): depth over width is what counts. Orthogonal weights stray less: they
    turn vectors and keep their lengths.

    A batch's average over several inputs strays at most as far as one input's.

    Args:
        model: from `models.mlp` without a norm, or `models.deep_linear`.
        weights: an initialiser of `gdfunc.init`, in place of the model's own.
        biases: likewise.
        input_square: the mean square of the input's entries, > 0.

    Returns:
        A `Prediction`. For widths of some ten and more; narrower layers stray farther than this.

    Raises:
        ValueError: on a model of another make, on weights without a known law (constants, sparse ones, a function of
            your own) or all 0, and on an input_square that is not above 0.
    """
    if not getattr(model, "layers", ()):
        raise ValueError(
            "predict needs a model made by mlp (without a norm) or deep_linear, and was given one of another make"
        )
    check_variances("predict", input_square=input_square)
    check_range("predict", "input_square", input_square, above=0)
    layers = [
        each._replace(weights=weights or each.weights, biases=(biases or each.biases) if each.biases else None)
        for each in model.layers
    ]
    laws = [_law("weights", each.weights) for each in layers]
    variances = [law.variance(each.shape) for law, each in zip(laws, layers, strict=True)]
    if any(not isinstance(v, Tracer) and v == 0 for v in variances):
        raise ValueError("predict needs weights that are not all 0: no signal passes them")
    of = lambda numbers: jnp.stack([jnp.asarray(x, float) for x in numbers])  # noqa: E731
    kept = lambda law, a, b: float(law.orthogonal) * min(1.0, a / b)  # noqa: E731
    pairs = list(zip(laws, layers, variances, strict=True))
    widths = Widths(
        units=of(each.shape[1] for each in layers),
        forward=of(each.shape[0] * v for _, each, v in pairs),
        back=of(each.shape[1] * v for _, each, v in pairs),
        biases=of(_bias_variance(each) for each in layers),
        kept_forward=of(kept(law, each.shape[1], each.shape[0]) for law, each, _ in pairs),
        kept_back=of(kept(law, *each.shape) for law, each, _ in pairs),
    )
    phi = layers[0].activation
    return Prediction(*map(_expected, log_sizes(phi, widths, jnp.asarray(input_square, float))))


def _expected(logs: Logs) -> Expected:
    return Expected(jnp.exp(logs.mean), jnp.sqrt(jnp.maximum(logs.variance, 0)))


def _bias_variance(layer: Layer) -> Any:
    return _law("biases", layer.biases).variance(layer.shape[1:]) if layer.biases else 0.0


def _law(what: str, given: Any) -> Law:
    if not isinstance(law := getattr(given, "law", None), Law):
        raise ValueError(
            f"predict needs {what} from one of gdfunc.init's random initialisers, of which it knows the mean square, and "
            f"was given {getattr(given, 'who', given)!r}: variance_scaling(gain, fan) has any variance"
        )
    return law
