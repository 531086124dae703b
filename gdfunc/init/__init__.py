"""Initialisers: factories of `init(key, shape, dtype=float32) -> Array`, in the place of `jax.nn.initializers`' own."""

from typing import Any

from ..core import Record, did_you_mean
from ._common import Initialiser as Initialiser, Law as Law
from ._critical import CriticalPoint as CriticalPoint, critical as critical, critical_point as critical_point
from ._fixup import fixup as fixup
from ._gain import gain as gain
from ._mup import mup_output as mup_output
from ._named import (
    glorot_normal as glorot_normal,
    glorot_uniform as glorot_uniform,
    he_normal as he_normal,
    he_uniform as he_uniform,
    kaiming_normal as kaiming_normal,
    kaiming_uniform as kaiming_uniform,
    lecun_normal as lecun_normal,
    lecun_uniform as lecun_uniform,
    xavier_normal as xavier_normal,
    xavier_uniform as xavier_uniform,
)
from ._orthogonal import delta_orthogonal as delta_orthogonal, identity as identity, orthogonal as orthogonal
from ._plain import (
    constant as constant,
    normal as normal,
    ones as ones,
    truncated_normal as truncated_normal,
    uniform as uniform,
    zeros as zeros,
)
from ._sparse import sparse as sparse
from ._variance_scaling import fans as fans, variance_scaling as variance_scaling

_ALIASES = {
    "glorot_normal": "xavier_normal",
    "glorot_uniform": "xavier_uniform",
    "kaiming_normal": "he_normal",
    "kaiming_uniform": "he_uniform",
}


def records() -> dict[str, Record]:
    """Every initialiser's record by its name."""
    from ._records import RECORDS

    return {record.name: record for record in RECORDS}


def get(name: str, **settings: Any) -> Initialiser:
    """The initialiser of that name, made with `settings`: `get("he_normal", activation="tanh")`.

    Raises:
        ValueError: on an unknown name, with the nearest known ones.
    """
    known = records()
    canonical = _ALIASES.get(name, name)
    if canonical not in known:
        raise did_you_mean("init", name, [*known, *_ALIASES])
    return known[canonical].make(**settings)
