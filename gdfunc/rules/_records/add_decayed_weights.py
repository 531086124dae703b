from ...core import Paper, Record, Twin
from .._add_decayed_weights import AddDecayedWeights


def optax(weight_decay):
    return {"weight_decay": weight_decay}


def paper(gradients, params, weight_decay):
    return gradients + weight_decay * params


RECORD = Record(
    name="add_decayed_weights",
    family="transformation",
    papers=(
        Paper(
            "Krogh & Hertz",
            1991,
            "A Simple Weight Decay Can Improve Generalization",
            "NeurIPS",
            "https://proceedings.neurips.cc/paper/1991/hash/8eefcfdf5990e441f0fb6f3fad709e21-Abstract.html",
        ),
    ),
    make=AddDecayedWeights,
    twins=(Twin("optax.add_decayed_weights", optax),),
    no_twin={"torch": "the weight_decay argument of every torch optimizer but AdamW does this inside the optimizer"},
    settings=({"weight_decay": 0.01}, {"weight_decay": 10.0}),
    transcription=paper,
    zero_gradient_moves=lambda weight_decay: bool(weight_decay),
)
