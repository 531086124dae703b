"""The schedules' records: papers, twins in Optax and PyTorch, parity settings, plain NumPy transcriptions."""

from . import _composed, _cycles, _decay, _stairs

RECORDS = (*_decay.RECORDS, *_stairs.RECORDS, *_cycles.RECORDS, *_composed.RECORDS)
