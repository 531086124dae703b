"""Run folders made up for the tests: each number follows from a formula, so that a page can be held to it."""

import json
import math
from pathlib import Path

import numpy as np

INSTRUMENTS = {
    "cotangent_rms": ("Backward signal", "loss / activation", "log", "layer"),
    "gradient_norm": ("Gradient norm", "loss / weight", "log", "layer"),
    "dead_fraction": ("Dead units", "share", "linear", "layer"),
    "alignment": ("Alignment with the last gradient", "cosine", "linear", "layer"),
    "noise_scale": ("Gradient noise scale", "examples", "log", "run"),
    "gradient_histogram": ("Gradient histogram", "size of an entry", "log", "histogram"),
}
EDGES = list(range(-60, 11, 2))


def json_number(x):
    """As a run's files write it."""
    return x if x is None or math.isfinite(x) else {"inf": "Infinity", "-inf": "-Infinity"}.get(str(x), "NaN")


def layer_names(layers):
    return [*(f"hidden/weight[{i}]" for i in range(layers - 1)), "out/weight"]


def make_run(folder, *, layers=30, steps=200, decades=-0.45, bad_from=None, extra=0, seed=0, **config):
    """Fills `folder` with a run whose backward signal changes by `decades` a layer on its way to the input.

    Args:
        folder: the folder.
        layers: their number.
        steps: the recorded steps.
        decades: below -0.25 the run has the finding "vanishing".
        bad_from: the first recorded row in which the loss and the first layer are NaN and the second infinite.
        extra: further instruments of noise.
        seed: of the noise.
        **config: further settings.

    Returns:
        name -> (steps, layers) what was written, NaN where None was.
    """
    folder = Path(folder)
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    names = layer_names(layers)
    instruments = dict(INSTRUMENTS) | {f"noise_{i}": (f"Noise {i}", "", "log", "layer") for i in range(extra)}
    fields = ("title", "unit", "scale", "of")
    about = {
        "format": "gdfunc run",
        "version": 1,
        "rule": "Adam(learning_rate=0.001)",
        "every": 1,
        "steps": steps,
        "layers": [
            {"name": name, "kind": "dot_general", "activation": "sigmoid", "weights": [name], "bias": [],
             "parameters": 100, "output_shape": [128, 10]} for name in names
        ],
        "instruments": {
            name: {**dict(zip(fields, each, strict=True)), "says": f"How to read {each[0]}."}
            for name, each in instruments.items()
        },
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(about | config))
    (folder / "env.json").write_text(json.dumps({"jax": "0.10.2", "device": "cpu"}))

    from_output = np.arange(layers)[::-1]
    signal = 0.3 * 10.0 ** (decades * from_output) * np.exp(rng.normal(0, 0.3, (steps, layers)))
    written = {"cotangent_rms": signal, "gradient_norm": 3 * signal * np.exp(rng.normal(0, 0.3, (steps, layers)))}
    written["dead_fraction"] = np.where(np.arange(layers) == layers - 1, np.nan, rng.uniform(0, 0.3, (steps, layers)))
    written["dead_fraction"][:, 0] = 0.0
    written["alignment"] = rng.uniform(-1, 1, (steps, layers))
    written |= {f"noise_{i}": np.exp(rng.normal(0, 3, (steps, layers))) for i in range(extra)}
    if bad_from is not None:
        for name in ("cotangent_rms", "gradient_norm"):
            written[name][bad_from:, 0] = np.nan
            written[name][bad_from:, 1] = np.inf
    with (folder / "metrics.jsonl").open("w") as file:
        for t in range(steps):
            record = {"step": t + 1, "seconds": 0.01 * t, "loss": 2.3 * math.exp(-t / steps), "noise_scale": 30.0 + t}
            if bad_from is not None and t >= bad_from:
                record["loss"] = "NaN"
            for name, values in written.items():
                absent = [name == "dead_fraction" and math.isnan(x) for x in values[t]]
                record[name] = [None if a else json_number(float(x)) for x, a in zip(values[t], absent, strict=True)]
            if t % 10 == 0:
                spread = np.log2(np.abs(rng.normal(0, 0.3, (layers, 200)) * 10.0 ** (decades * from_output)[:, None]))
                counts = [np.histogram(row, bins=EDGES)[0].tolist() for row in spread]
                record["gradient_histogram"] = {"edges_log2": EDGES, "counts": counts}
            file.write(json.dumps(record) + "\n")
    found = [vanishing(names[0], decades, layers)] if decades < -0.25 else []
    (folder / "findings.json").write_text(json.dumps({"findings": found, "layers": []}))
    return written


def vanishing(layer, decades, layers):
    """The finding of a run whose gradient vanishes."""
    remedies = [
        {"name": "init.he_normal('sigmoid')", "before": decades, "after": -0.02, "tried": True, "helps": True},
        {"name": "init.xavier_normal()", "before": decades, "after": -0.6, "tried": True, "helps": False},
        {"name": "layer_norm", "before": decades, "after": None, "tried": False, "helps": None},
    ]
    statement = f"the gradient shrinks to {10**decades:.2g} of itself at each of {layers} layers"
    evidence = {"statement": statement, "value": decades, "threshold": -0.25, "unit": "decades a layer"}
    source = "Glorot & Bengio 2010"
    return {"kind": "vanishing", "layer": layer, "step": 0, "evidence": evidence, "threshold": -0.25, "source": source,
            "remedies": remedies}  # fmt: skip
