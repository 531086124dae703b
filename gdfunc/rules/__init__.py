"""Update rules, each in its paper's form; frameworks' dialects are conventions of the same formula.

`get("adam", learning_rate=1e-3)` finds a rule by its lower-case name, `records()` what is known of each.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from ..core import Record, Rule, did_you_mean
from ._accumulate import Accumulate as Accumulate
from ._acprop import ACProp as ACProp
from ._adabelief import AdaBelief as AdaBelief
from ._adadelta import Adadelta as Adadelta
from ._adafactor import Adafactor as Adafactor
from ._adagrad import Adagrad as Adagrad
from ._adahessian import AdaHessian as AdaHessian
from ._adam import Adam as Adam
from ._adam_atan2 import AdamAtan2 as AdamAtan2
from ._adam_mini import AdamMini as AdamMini
from ._adamax import Adamax as Adamax
from ._adamaxw import AdamaxW as AdamaxW
from ._adamw import AdamW as AdamW
from ._adan import Adan as Adan
from ._add_decayed_weights import AddDecayedWeights as AddDecayedWeights
from ._add_noise import AddNoise as AddNoise
from ._ademamix import AdEMAMix as AdEMAMix, Beta3Warmup as Beta3Warmup
from ._adopt import ADOPT as ADOPT
from ._amsgrad import AMSGrad as AMSGrad
from ._apollo import APOLLO as APOLLO
from ._asam import ASAM as ASAM
from ._asgd import ASGD as ASGD
from ._barzilai_borwein import BarzilaiBorwein as BarzilaiBorwein
from ._bfgs import BFGS as BFGS
from ._cautious import Cautious as Cautious
from ._centralize import Centralize as Centralize
from ._cocob import COCOB as COCOB
from ._dadapt_adamw import DAdaptAdamW as DAdaptAdamW
from ._dog import DoG as DoG
from ._dowg import DoWG as DoWG
from ._dpsgd import DPSGD as DPSGD
from ._ema_params import EMAParams as EMAParams
from ._evaluation import evaluation_params as evaluation_params
from ._fromage import Fromage as Fromage
from ._galore import GaLore as GaLore
from ._grokfast_ema import GrokfastEMA as GrokfastEMA
from ._heavy_ball import HeavyBall as HeavyBall
from ._lamb import LAMB as LAMB
from ._laprop import LaProp as LaProp
from ._lars import LARS as LARS
from ._lbfgs import LBFGS as LBFGS
from ._levenberg_marquardt import LeastSquares as LeastSquares, levenberg_marquardt as levenberg_marquardt
from ._lion import Lion as Lion
from ._lookahead import Lookahead as Lookahead
from ._madgrad import MADGRAD as MADGRAD
from ._mars import MARS as MARS
from ._mechanic import Mechanic as Mechanic
from ._momo import MoMo as MoMo
from ._momo_adam import MoMoAdam as MoMoAdam
from ._muon import Muon as Muon
from ._nadam import NAdam as NAdam
from ._nadamw import NAdamW as NAdamW
from ._newton import Newton as Newton
from ._noisy_sgd import NoisySGD as NoisySGD
from ._nonlinear_cg import NonlinearCG as NonlinearCG
from ._normalize import Normalize as Normalize
from ._novograd import NovoGrad as NovoGrad
from ._optimistic_adam import OptimisticAdam as OptimisticAdam
from ._optimistic_gradient_descent import OptimisticGradientDescent as OptimisticGradientDescent
from ._polyak_sgd import PolyakSGD as PolyakSGD
from ._prodigy import Prodigy as Prodigy
from ._psgd_kron import PSGDKron as PSGDKron
from ._qhadam import QHAdam as QHAdam
from ._qhm import QHM as QHM
from ._radam import RAdam as RAdam
from ._reduce_on_plateau import ReduceOnPlateau as ReduceOnPlateau
from ._rmsprop import RMSprop as RMSprop
from ._rprop import Rprop as Rprop
from ._sam import SAM as SAM
from ._scale import Scale as Scale
from ._schedule_free import ScheduleFree as ScheduleFree
from ._schedule_free_adamw import ScheduleFreeAdamW as ScheduleFreeAdamW
from ._schedule_free_sgd import ScheduleFreeSGD as ScheduleFreeSGD
from ._scion import Scion as Scion
from ._sgd import SGD as SGD
from ._shampoo import Shampoo as Shampoo
from ._sign_sgd import SignSGD as SignSGD
from ._signum import Signum as Signum
from ._simplified_ademamix import SimplifiedAdEMAMix as SimplifiedAdEMAMix
from ._skip_large import SkipLarge as SkipLarge
from ._sm3 import SM3 as SM3
from ._soap import SOAP as SOAP
from ._sophia import Sophia as Sophia
from ._stable_adamw import StableAdamW as StableAdamW
from ._trust_region_newton import TrustRegionNewton as TrustRegionNewton
from ._yogi import Yogi as Yogi


@cache
def records() -> dict[str, Record]:
    """Every rule's record by its lower-case name, in alphabetical order."""
    from . import _records as folder

    found = (
        import_module(f"{folder.__name__}.{module.name}").RECORD
        for module in iter_modules(folder.__path__)
        if not module.name.startswith("_")
    )
    return {record.name: record for record in sorted(found, key=lambda record: record.name)}


def record(name: str) -> Record:
    """The record of the rule called `name`.

    Raises:
        ValueError: with the nearest names, where there is no such rule.
    """
    try:
        return records()[name.lower()]
    except (KeyError, AttributeError):
        raise did_you_mean("gdfunc.rules", name, records()) from None


def record_of(rule: object) -> Record | None:
    """The record of this rule's class; None where it has none (a combinator, a rule of your own)."""
    return next((known for known in records().values() if known.make is type(rule)), None)


def get(name: str, **hyperparameters) -> Rule:
    """The rule called `name` with these hyperparameters: `get("adam", learning_rate=1e-3)`.

    Args:
        name: a lower-case name from `records()`.
        **hyperparameters: the fields of the rule's class.

    Returns:
        The rule.

    Raises:
        ValueError: on an unknown name or hyperparameter (with the nearest ones), a missing one, or a bad value.
    """
    import dataclasses

    make = record(name).make
    fields = {field.name: field for field in dataclasses.fields(make)}  # pyright: ignore[reportArgumentType]
    for given in hyperparameters:
        if given not in fields:
            raise did_you_mean(make.__name__, given, fields)
    missing = [f.name for f in fields.values() if f.default is dataclasses.MISSING and f.name not in hyperparameters]
    if missing:
        raise ValueError(f"{make.__name__} needs {', '.join(missing)}, and was not given it")
    return make(**hyperparameters)
