import hashlib
import io
from importlib.resources import files

import numpy as np

from ._dataset import Dataset, make_dataset
from ._options import one_of, whole

# Of digits.npz as shipped; LICENCES.md holds the checksums of the two arrays inside.
_SHA256 = "b2dab7b501728c22e9119ad76740b2e17c77a231e42d1e592380d90886f1a05e"
_SHAPES = {"flat": (64,), "image": (8, 8, 1), "sequence": (64, 1)}


def digits(n_train: int = 1500, scaling: str = "standardised", layout: str = "flat", seed: int = 0) -> Dataset:
    r"""1797 handwritten digits of 8 x 8 pixels, real and embedded: no download (Alpaydin & Kaynak 1998, UCI, <https://archive.ics.uci.edu/dataset/80>).

    The test part of the UCI set "Optical Recognition of Handwritten Digits", as scikit-learn ships it. Each pixel counts
    the ink in a 4 x 4 block of a 32 x 32 scan, 0 to 16.

    $$x = (c - \mu) / \sigma, \qquad \mu, \sigma \text{ over all pixels of all training examples}$$

    One mean and one standard deviation for all pixels: pixels at the rim that are almost always 0 would blow up if each
    had its own. The split is a fixed permutation of all examples, so both parts hold digits by the same 13 writers, and
    the test accuracy says nothing of new writers.

    Args:
        n_train: 1 ... 1796, training examples; the others are the test set (297 by default).
        scaling: "standardised" as above; "unit", c / 16, in [0, 1]; "raw", c, in 0 ... 16.
        layout: shape of one example: "flat" (64,), row by row; "image" (8, 8, 1); "sequence" (64, 1), a pixel a step.
        seed: >= 0, of the permutation.

    Returns:
        x (n, ...) as `layout` says; y (n,) in 0 ... 9, about equally many (174 to 183 of each in all). `meta.facts` holds
        `mean` and `std`, what was subtracted from the counts and what they were then divided by.

    Raises:
        ValueError: where an option leaves its range, or the embedded file is not the one that was shipped.
    """
    who = "digits"
    whole(who, 1, n_train=n_train)
    whole(who, 0, seed=seed)
    one_of(who, ("standardised", "unit", "raw"), scaling=scaling)
    one_of(who, _SHAPES, layout=layout)
    images, labels = _embedded(files("gdfunc.data").joinpath("digits.npz").read_bytes())
    if n_train >= len(labels):
        raise ValueError(f"digits needs n_train < {len(labels)}, to leave a test set, and was given n_train={n_train}")
    order = np.random.default_rng(seed).permutation(len(labels))
    counts = images[order].reshape(len(order), *_SHAPES[layout]).astype(np.float64)
    labels = labels[order]
    training = counts[:n_train]
    mean, std = {"standardised": (training.mean(), training.std()), "unit": (0.0, 16.0), "raw": (0.0, 1.0)}[scaling]
    x = (counts - mean) / std
    return make_dataset(
        x[:n_train],
        labels[:n_train],
        x[n_train:],
        labels[n_train:],
        name="digits",
        task="classification",
        classes=10,
        source="E. Alpaydin, C. Kaynak 1998, Optical Recognition of Handwritten Digits (test part), UCI Machine "
        "Learning Repository, https://doi.org/10.24432/C50P49, by way of scikit-learn 1.9.1",
        licence="CC BY 4.0",
        options={"n_train": n_train, "scaling": scaling, "layout": layout, "seed": seed},
        facts={"mean": float(mean), "std": float(std)},
    )


def _embedded(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """images (1797, 8, 8) and labels (1797,), uint8, from the bytes of digits.npz, once they are known to be right."""
    found = hashlib.sha256(data).hexdigest()
    if found != _SHA256:
        raise ValueError(
            f"digits needs gdfunc/data/digits.npz with sha256 {_SHA256[:12]}..., and found {found[:12]}... "
            f"({len(data)} bytes): the file is damaged; install gdfunc again"
        )
    with np.load(io.BytesIO(data)) as archive:
        return archive["images"], archive["labels"]
