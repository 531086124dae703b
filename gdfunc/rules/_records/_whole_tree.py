"""What transcriptions of rules that see the whole tree share: dicts of leaf -> (steps, ...) arrays."""

import numpy as np


def rows(tree: dict) -> list[dict]:
    """One dict of leaf -> (...) a step."""
    steps = len(next(iter(tree.values())))
    return [{leaf: x[t] for leaf, x in tree.items()} for t in range(steps)]


def stacked(updates: list[dict]) -> dict:
    """The inverse of `rows`."""
    return {leaf: np.stack([u[leaf] for u in updates]) for leaf in updates[0]}


def flat(tree: dict) -> np.ndarray:
    """All leaves of one step in one vector, in the order of `tree`."""
    return np.concatenate([np.ravel(x) for x in tree.values()])


def like(vector: np.ndarray, tree: dict) -> dict:
    """The inverse of `flat`: `vector` in the leaves of `tree`."""
    ends = np.cumsum([np.size(x) for x in tree.values()])[:-1]
    return {
        leaf: part.reshape(np.shape(x)) for (leaf, x), part in zip(tree.items(), np.split(vector, ends), strict=True)
    }


def flat_rows(tree: dict) -> list[np.ndarray]:
    """One vector a step."""
    return [flat(row) for row in rows(tree)]


def unflat_rows(vectors: list[np.ndarray], tree: dict) -> dict:
    """The inverse of `flat_rows`."""
    return stacked([like(vector, row) for vector, row in zip(vectors, rows(tree), strict=True)])
