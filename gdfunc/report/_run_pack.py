"""Numbers as text for a page, to three digits; read again by `unpack` in _page/numbers.js."""

import base64
import zlib
from typing import Any

import numpy as np

MISSING, NAN, PLUS_INFINITY, MINUS_INFINITY, ZERO, FIRST = range(6)
SIGN = 1 << 15
_LEVELS = SIGN - 1 - FIRST
_FINEST = 2e-3  # in ln |x|: three digits, and noise beyond them is not stored


def packed(x: np.ma.MaskedArray) -> dict[str, Any]:
    """An array as text: ln |x| in equal levels, 15 bits and a sign, deflated, in base 64.

    The low bytes stand before the high bytes, which are smooth and deflate well.

    Args:
        x: numbers of any size and sign, some of them not finite, zero or masked.

    Returns:
        shape, lo and level, with |x| = exp(lo + level * (code - 5)), and the codes. The relative error is at most half a
        level: 0.1 % where the magnitudes lie within 28 decades, 0.3 % within 80.
    """
    values, missing = np.ma.getdata(x), np.ma.getmaskarray(x)
    finite = np.isfinite(values) & (values != 0) & ~missing
    logs = np.log(np.abs(values, where=finite, out=np.ones(values.shape)))
    lo = float(logs[finite].min()) if finite.any() else 0.0
    span = float(logs[finite].max()) - lo if finite.any() else 0.0
    level = max(span / _LEVELS, _FINEST)
    codes = np.where(finite, FIRST + np.rint((logs - lo) / level), ZERO).astype(np.uint16)
    codes = np.where(finite & (values < 0), codes | SIGN, codes)
    for special, where in (
        (NAN, np.isnan(values)),
        (PLUS_INFINITY, values == np.inf),
        (MINUS_INFINITY, values == -np.inf),
        (MISSING, missing),
    ):
        codes = np.where(where, special, codes)
    codes = codes.astype("<u2").ravel()
    return {"shape": list(values.shape), "lo": lo, "level": level, "codes": _text(codes & 255, codes >> 8)}


def packed_shares(x: np.ndarray) -> dict[str, Any]:
    """Shares in [0, 1] as text: a byte each, the rounded 255 sqrt(share), deflated, in base 64."""
    return {"shape": list(x.shape), "codes": _text(np.rint(255 * np.sqrt(x)).ravel())}


def _text(*planes: np.ndarray) -> str:
    raw = b"".join(plane.astype(np.uint8).tobytes() for plane in planes)
    return base64.b64encode(zlib.compress(raw, 9)).decode()
