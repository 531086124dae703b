"""The clippings' records. An example is (gradients, parameters), two dicts of arrays; `apply` says how ours is called on it."""

from . import _clipping, _finite
from ._calls import apply as apply

RECORDS = (*_clipping.RECORDS, *_finite.RECORDS)
