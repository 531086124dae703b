import numpy as np

from ...core import Deviation, Paper, Record, Twin
from .._finite import SkipNonFinite, ZeroNonFinite
from .._global_norm import ClipByGlobalNorm
from . import _calls, _formulas

MICIKEVICIUS = Paper(
    "Micikevicius et al.",
    2018,
    "Mixed precision training",
    "ICLR, section 3.2",
    "https://arxiv.org/abs/1710.03740",
)

RECORDS = (
    Record(
        name="zero_non_finite",
        family="non-finite gradients",
        papers=(),
        make=ZeroNonFinite,
        curried=True,
        twins=(
            Twin(
                "jax.numpy.nan_to_num",
                lambda keep_count: {"nan": 0.0, "posinf": 0.0, "neginf": 0.0},
                call=_calls.by_leaf,
            ),
            Twin(
                "torch.nan_to_num",
                lambda keep_count: {"nan": 0.0, "posinf": 0.0, "neginf": 0.0},
                call=_calls.by_leaf,
            ),
        ),
        no_twin={"optax": "optax.zero_nans keeps infinities"},
        settings=({}, {"keep_count": True}),
        example=_calls.broken_tree,
        apply=_calls.apply,
        transcription=_formulas.zero_non_finite,
    ),
    Record(
        name="skip_non_finite",
        family="non-finite gradients",
        papers=(MICIKEVICIUS,),
        make=SkipNonFinite,
        curried=True,
        twins=(
            Twin(
                "optax.apply_if_finite",
                lambda inner: {"inner": inner, "max_consecutive_errors": np.iinfo(np.int32).max},
                call=_calls.optax,
                note="accepts a non-finite update after max_consecutive_errors of them; ours never does",
            ),
        ),
        no_twin={"torch": "torch.amp.GradScaler.step does it, together with loss scaling, and needs an optimizer"},
        settings=({"inner": ClipByGlobalNorm(1.0)},),
        example=_calls.broken_tree,
        apply=_calls.apply,
        transcription=_formulas.skip_non_finite,
        deviations=(
            Deviation(
                twin="optax.apply_if_finite",
                since="optax 0.2.8",
                what="with fewer max_consecutive_errors it gives up after so many, and then lets every further one through: its "
                "counter is not reset",
                thread="https://github.com/google-deepmind/optax/pull/1746",
            ),
        ),
    ),
)
