"""What several records share: papers, reasons, and the expected differences that bias corrections make."""

from fractions import Fraction
from typing import Any

from ...core import Deviation, Paper

ADAM = Paper(
    "Kingma & Ba",
    2015,
    "Adam: A Method for Stochastic Optimization",
    "ICLR",
    "https://arxiv.org/abs/1412.6980",
)

TORCH_HAS_NONE = "torch.optim has no such rule"


def one_minus_power(decay: float, t: int) -> float:
    """1 - decay**t rounded once: in floats the subtraction would cost the transcription three digits."""
    return float(1 - Fraction(decay) ** t)


def literal_debias(twin: str, float32: float, float64: float | None, **settings: Any) -> Deviation:
    """Optax's bias correction against our accurate one.

    Args:
        twin: Optax's name.
        float32: the difference measured, in rounding errors; half to twice as much is expected.
        float64: likewise; None where it is lost in the tolerance.
        **settings: at which settings it shows.
    """
    return Deviation(
        twin=twin,
        since="optax 0.2.8",
        what="1 - beta**t is evaluated literally, in float32 where x64 is off: digits cancel in the first steps",
        settings={"debias": "exact", **settings},
        sizes=_around(float32=float32, float64=float64),
        thread="https://github.com/google-deepmind/optax/issues/1532",
    )


def double_debias(twin: str, float32: float, float64: float, **settings: Any) -> tuple[Deviation, ...]:
    """PyTorch's bias correction, literal in float64, against both forms of ours; arguments as for `literal_debias`."""
    return (
        Deviation(
            twin=twin,
            since="torch 2.13.0",
            what="1 - beta**t is evaluated literally in float64: digits cancel in the first steps",
            settings={"debias": "exact", **settings},
            sizes=_around(float64=float64),
        ),
        Deviation(
            twin=twin,
            since="torch 2.13.0",
            what="1 - beta**t is evaluated in float64 for float32 parameters too; debias='power' follows Optax's float32",
            settings={"debias": "power", **settings},
            sizes=_around(float32=float32),
        ),
    )


def _around(**measured: float | None) -> dict[str, tuple[float, float]]:
    return {mode: (size / 2, size * 2) for mode, size in measured.items() if size is not None}
