"""Whether a deep network keeps the lengths of all small changes, or of the average one only: with orthogonal weights and a tanh that is
almost linear it keeps nearly all; independent weights or relu spread them further with every layer (Pennington et al. 2017).

--mutate draws orthogonal weights where independent ones are predicted, and the other way round.
"""

import sys

import jax
import numpy as np

import gdfunc as gd
from gdfunc import theory
from gdfunc.report import COLOURS, Lab, figure, run_experiment

PENNINGTON = "Pennington 2017"
WIDTH = 128
# (activation, q, orthogonal): depths. Where changes soon differ, few directions have nearly all of the variance, and what is true of
# very many of them needs more than these: hence no more layers there.
CASES = {
    "tanh at q 1/64, orthogonal": ("tanh", 1 / 64, True, (1, 4, 16, 64)),
    "tanh at q 1/4, orthogonal": ("tanh", 1 / 4, True, (1, 4, 16)),
    "relu, orthogonal": ("relu", 1.0, True, (1, 2, 4)),
    "tanh at q 1/64, independent": ("tanh", 1 / 64, False, (1, 2, 4)),
    "relu, independent": ("relu", 1.0, False, (1, 2, 4)),
}


def spectra(lab, activation, q, orthogonal, depths, nets):
    """{depth: squared singular values of d h_depth / d h_0 over their mean, of all networks}, and sigma_w^2."""
    # The critical point with that q: changes keep their length on average.
    weights = 1 / float(theory.chi(activation, q, 1.0))
    biases = max(q - float(theory.length_map(activation, q, weights)), 0.0)
    phi = gd.core.activation(activation)
    draw = np.random.default_rng(lab.seed)

    @jax.jit
    def layer(h, jacobian, w, b):
        return w @ phi(h) + b, w @ (gd.core.slope_of(phi)(h)[:, None] * jacobian)

    found = {depth: [] for depth in depths}
    for _ in range(nets):
        h, jacobian = draw.standard_normal(WIDTH, np.float32), np.eye(WIDTH, dtype=np.float32)
        h *= (q / np.mean(h**2)) ** 0.5
        for depth in range(1, max(depths) + 1):
            w = draw.standard_normal((WIDTH, WIDTH), np.float32)
            if orthogonal != lab.mutate:
                turn, triangle = np.linalg.qr(w)
                w = turn * np.sign(np.diag(triangle))  # uniform over all rotations (Mezzadri 2007)
            else:
                w /= WIDTH**0.5
            h, jacobian = layer(h, jacobian, w * weights**0.5, biases**0.5 * draw.standard_normal(WIDTH, np.float32))
            if depth in found:
                found[depth].append(np.linalg.svd(np.asarray(jacobian, np.float64), compute_uv=False) ** 2)
    return {depth: np.concatenate(each) / np.mean(each) for depth, each in found.items()}, weights


def main(lab: Lab):
    nets, curves = 4 if lab.quick else 24, {}
    for name, (activation, q, orthogonal, depths) in CASES.items():
        lab.say(name)
        seen, weights = spectra(lab, activation, q, orthogonal, depths, nets)
        expected = {}
        for depth in depths:
            law = theory.jacobian_spectrum(activation, q, weights, depth, orthogonal)
            expected[depth] = float(law.variance / law.mean**2)
            if depth > 1:
                lab.claim(f"{name}, {depth} layers: variance over squared mean", predicted=expected[depth],
                          measured=seen[depth].var(), tolerance=0.2, source=PENNINGTON)  # fmt: skip
        curves[name] = seen, expected
    deep = curves["tanh at q 1/64, orthogonal"][0][64] ** 0.5
    lab.claim(
        "and so 64 layers stretch no change more than",
        predicted=2,
        measured=deep.max(),
        kind="at_most",
        source=PENNINGTON,
    )
    lab.keep(
        variances={name: {depth: values.var() for depth, values in seen.items()} for name, (seen, _) in curves.items()}
    )
    made, (growth, shares) = figure(1, 2, width=5.4, height=3.8)
    for (name, (seen, expected)), colour in zip(curves.items(), COLOURS, strict=False):
        growth.plot(list(seen), [values.var() for values in seen.values()], "o", ms=4, color=colour, label=name)
        growth.plot(list(expected), list(expected.values()), "--", lw=1, color=colour)
        depth = max(seen)
        values = np.sort(seen[depth])[::-1]
        shares.plot(
            np.arange(1, len(values) + 1) / len(values),
            np.maximum(values, 1e-8),
            color=colour,
            label=f"{name}, {depth} layers",
        )
    growth.set(xlabel="layers", ylabel="variance of squared singular values", xscale="log", yscale="log")
    growth.set_title("How unequal changes become: dashes predicted")
    growth.legend(loc="lower right")
    shares.set(
        xlabel="share of directions", ylabel="squared singular value over the mean", yscale="log", ylim=(1e-6, 1e5)
    )
    shares.set_title("Direction by direction")
    shares.legend(loc="upper right")
    lab.figure(made)


if __name__ == "__main__":
    sys.exit(run_experiment(main))
