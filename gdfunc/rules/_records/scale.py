from ...core import Paper, Record, Twin
from .._scale import Scale


def optax(factor):
    return {"step_size": factor}


def paper(gradients, params, factor):
    return factor * gradients


RECORD = Record(
    name="scale",
    family="transformation",
    papers=(
        Paper(
            "Cauchy",
            1847,
            "Méthode générale pour la résolution des systèmes d'équations simultanées",
            "Comptes rendus 25",
            "https://gallica.bnf.fr/ark:/12148/bpt6k2982c/f540",
        ),
    ),
    make=Scale,
    twins=(
        Twin("optax.scale", optax, note="A schedule of ours is optax.scale_by_schedule there; both keep the sign."),
    ),
    no_twin={"torch": "maximize=True of every torch optimizer is Scale(-1) before a rule; other factors have no place"},
    settings=({"factor": -1.0}, {"factor": 0.3}),
    transcription=paper,
)
