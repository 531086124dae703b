from ...core import Deviation, Paper, Record, Twin
from .._adaptive import AdaptiveClip
from .._block_rms import ClipByBlockRMS
from .._global_norm import ClipByGlobalNorm
from .._leaf_norm import ClipByLeafNorm
from .._per_example import clip_per_example
from .._value import ClipByValue
from . import _calls, _formulas

MIKOLOV = Paper(
    "Mikolov",
    2012,
    "Statistical language models based on neural networks",
    "PhD thesis, Brno University of Technology",
    "http://www.fit.vutbr.cz/~imikolov/rnnlm/thesis.pdf",
)
PASCANU = Paper(
    "Pascanu, Mikolov & Bengio",
    2013,
    "On the difficulty of training recurrent neural networks",
    "ICML, Algorithm 1",
    "https://arxiv.org/abs/1211.5063",
)
SHAZEER = Paper(
    "Shazeer & Stern",
    2018,
    "Adafactor: adaptive learning rates with sublinear memory cost",
    "ICML, section 6",
    "https://arxiv.org/abs/1804.04235",
)
BROCK = Paper(
    "Brock, De, Smith & Simonyan",
    2021,
    "High-performance large-scale image recognition without normalization",
    "ICML, section 4.1",
    "https://arxiv.org/abs/2102.06171",
)
ABADI = Paper(
    "Abadi et al.",
    2016,
    "Deep learning with differential privacy",
    "CCS, Algorithm 1",
    "https://arxiv.org/abs/1607.00133",
)


def _torch_norm(max_norm, eps, keep_norm):
    return {"max_norm": max_norm} if eps == 1e-6 else "PyTorch divides by the norm + 1e-6"


def _optax_norm(max_norm, eps, keep_norm):
    return {"max_norm": max_norm} if eps == 0 else "Optax has no epsilon"


RECORDS = (
    Record(
        name="clip_by_value",
        family="clipping",
        papers=(MIKOLOV, PASCANU),
        make=ClipByValue,
        curried=True,
        twins=(
            Twin("optax.clip", lambda max_value, keep_norm: {"max_delta": max_value}, call=_calls.optax),
            Twin(
                "torch.nn.utils.clip_grad_value_",
                lambda max_value, keep_norm: {"clip_value": max_value},
                call=_calls.torch,
            ),
        ),
        settings=({"max_value": 0.5}, {"max_value": 2.0, "keep_norm": True}, {"max_value": 0.0}),
        example=_calls.tree,
        apply=_calls.apply,
        transcription=_formulas.by_value,
    ),
    Record(
        name="clip_by_global_norm",
        family="clipping",
        papers=(PASCANU,),
        make=ClipByGlobalNorm,
        curried=True,
        twins=(
            Twin(
                "optax.clip_by_global_norm",
                _optax_norm,
                call=_calls.optax,
                note="a zero gradient gives NaN there at max_norm = 0, and its derivative is not finite at any max_norm",
            ),
            Twin(
                "torch.nn.utils.clip_grad_norm_",
                _torch_norm,
                call=_calls.torch,
                note="eps=1e-6 here; it returns the norm before clipping, as clip_by_global_norm does here",
            ),
        ),
        settings=(
            {"max_norm": 1.0},
            {"max_norm": 1.0, "eps": 1e-6},
            {"max_norm": 100.0, "keep_norm": True},
            {"max_norm": 100.0, "eps": 1e-6},
        ),
        example=_calls.tree,
        apply=_calls.apply,
        transcription=_formulas.by_global_norm,
        deviations=(
            Deviation(
                twin="optax.clip_by_global_norm",
                since="optax 0.2.8",
                what="a zero gradient gives NaN where max_norm is 0",
                settings={"max_norm": 0.0},
                thread="https://github.com/google-deepmind/optax/pull/1752",
            ),
            Deviation(
                twin="optax.clip_by_global_norm",
                since="optax 0.2.8",
                what="at a zero gradient its derivative is not finite: the root has no slope at 0",
            ),
        ),
    ),
    Record(
        name="clip_by_leaf_norm",
        family="clipping",
        papers=(PASCANU,),
        make=ClipByLeafNorm,
        curried=True,
        twins=(
            Twin(
                "optax.clip_by_global_norm",
                _optax_norm,
                call=_calls.optax_by_leaf,
                note="applied to each leaf by itself",
            ),
            Twin(
                "torch.nn.utils.clip_grad_norm_",
                _torch_norm,
                call=_calls.torch_by_leaf,
                note="applied to each parameter by itself",
            ),
        ),
        settings=({"max_norm": 1.0}, {"max_norm": 1.0, "eps": 1e-6}, {"max_norm": 0.2, "keep_norm": True}),
        example=_calls.tree,
        apply=_calls.apply,
        transcription=_formulas.by_leaf_norm,
    ),
    Record(
        name="clip_by_block_rms",
        family="clipping",
        papers=(SHAZEER,),
        make=ClipByBlockRMS,
        curried=True,
        twins=(Twin("optax.clip_by_block_rms", lambda max_rms, keep_norm: {"threshold": max_rms}, call=_calls.optax),),
        no_twin={"torch": "only inside torch.optim.Adafactor, where d = 1"},
        settings=({"max_rms": 1.0}, {"max_rms": 0.005, "keep_norm": True}),
        example=_calls.tree,
        apply=_calls.apply,
        transcription=_formulas.by_block_rms,
        deviations=(
            Deviation(
                twin="optax.clip_by_block_rms",
                since="optax 0.2.8",
                what="at a zero gradient its derivative is not finite: the root has no slope at 0",
            ),
        ),
    ),
    Record(
        name="adaptive_clip",
        family="clipping",
        papers=(BROCK,),
        make=AdaptiveClip,
        curried=True,
        twins=(
            Twin(
                "optax.adaptive_grad_clip",
                lambda clipping, eps, unit_axis, keep_norm: (
                    {"clipping": clipping, "eps": eps}
                    if unit_axis == "last"
                    else "Optax takes a unit to be a column of (in, out)"
                ),
                call=_calls.optax,
                note="arrays of three axes have one unit for each pair of the last two there, and one for each of the "
                "last here; a matrix of one row or column is one unit there",
            ),
        ),
        no_twin={"torch": "PyTorch has none"},
        settings=(
            {"clipping": 0.01},
            {"clipping": 0.5, "eps": 0.1},
            {"clipping": 0.1, "unit_axis": "first", "keep_norm": True},
        ),
        example=_calls.tree,
        apply=_calls.apply,
        transcription=_formulas.adaptive,
        deviations=(
            Deviation(
                twin="optax.adaptive_grad_clip",
                since="optax 0.2.8",
                what="at a zero gradient its derivative is not finite: the root has no slope at 0",
            ),
        ),
    ),
    Record(
        name="clip_per_example",
        family="clipping",
        papers=(ABADI,),
        make=clip_per_example,
        twins=(
            Twin(
                "optax.per_example_global_norm_clip",
                lambda max_norm, reduce, eps: (
                    {"l2_norm_clip": max_norm, "reduce": reduce} if eps == 0 else "Optax has no epsilon"
                ),
                call=_calls.optax_per_example,
                note="returns the sum, and how many were clipped",
            ),
        ),
        no_twin={"torch": "PyTorch has none; Opacus does it inside its optimizer"},
        settings=({"max_norm": 1.0}, {"max_norm": 2.0, "reduce": "sum"}, {"max_norm": 1.0, "eps": 1e-6}),
        example=_calls.batch,
        apply=_calls.apply,
        transcription=_formulas.per_example,
    ),
)
