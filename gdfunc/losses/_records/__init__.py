"""The losses' records: papers, twins in Optax and PyTorch, parity settings, plain NumPy transcriptions."""

from . import _classification, _distributions, _regression

RECORDS = (*_regression.RECORDS, *_classification.RECORDS, *_distributions.RECORDS)
