"""What of Optax is here: every public name of it, with our record that has it as a twin, or one line why there is none."""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, get_origin

from ._functions import CATALOGUES, catalogue
from ._twins import load

MODULES = ("optax", "optax.contrib", "optax.losses", "optax.schedules")


@dataclass(frozen=True)
class Covered:
    """One public function of Optax.

    Attributes:
        name: its dotted name.
        ours: the records that have it as a twin: `adam`, `losses.huber`.
        reason: where there is none, why; what takes its place stands in backquotes.
    """

    name: str
    ours: tuple[str, ...]
    reason: str


@cache
def coverage() -> dict[str, Covered]:
    """Every public function and class of Optax's that makes something, by its dotted name.

    States, protocols and type aliases are left out; a function that stands in two modules is in both.

    Returns:
        Dotted name -> `Covered`; both `ours` and `reason` are empty where nobody has looked at it yet.
    """
    found: dict[Any, list[str]] = {}
    for folder in ("rules", *CATALOGUES):
        for record in catalogue(folder).values():
            for twin in (twin for twin in record.twins if twin.library == "optax"):
                ours = record.name if folder == "rules" else f"{folder}.{record.name}"
                found.setdefault(load(twin.name), []).append(ours)
    table = {}
    for module in MODULES:
        for name, thing in sorted(public(module).items()):
            ours = tuple(dict.fromkeys(found.get(thing, ())))
            table[f"{module}.{name}"] = Covered(f"{module}.{name}", ours, REASONS.get(name, ""))
    return table


def public(module: str) -> dict[str, Any]:
    """The functions of a module, and its classes that are no types of states or arguments."""
    things = vars(import_module(module))
    # Classes are types of Optax's own, but for the wrapper that is one; what has an origin is a typing alias.
    wanted = lambda name, x: callable(x) and get_origin(x) is None and (not isinstance(x, type) or name == "MultiSteps")  # noqa: E731
    return {name: x for name, x in things.items() if not name.startswith("_") and wanted(name, x)}


def _scaled(rule: str) -> str:
    return f"a rule without its rate and sign: `gdfunc.rules.{rule}` with learning_rate=1, and `gdfunc.rules.Scale`(-1) after it"


_ONE_LINER = "no such loss here; a few lines in JAX"

REASONS: dict[str, str] = {
    # What this package has without a record of its own, or inside something else.
    "apply_updates": "`gdfunc.apply_updates`",
    "bias_correction": "`gdfunc.core.debias` is what it divides by",
    "chain": "`gdfunc.chain`",
    "differentially_private_aggregate": "the mean inside `gdfunc.rules.DPSGD`",
    "ema": "no part by itself: rules keep their own average, and `gdfunc.rules.EMAParams` that of the parameters",
    "freeze": "`gdfunc.by_path` with Scale(0) for what is frozen",
    "global_norm": "`gdfunc.core.tree_norm`",
    "hutchinson_estimator_diag_hessian": "inside `gdfunc.rules.Sophia` and `gdfunc.rules.AdaHessian`",
    "identity": "`gdfunc.chain` of nothing",
    "incremental_update": "one step of `gdfunc.rules.EMAParams`",
    "inject_hyperparams": "not needed: a rule's numbers are its leaves, and arguments of jit",
    "inject_stateful_hyperparams": "not needed: a rule's numbers are its leaves, and arguments of jit",
    "l2_loss": "half of `gdfunc.losses.squared_error`",
    "masked": "`gdfunc.masked`",
    "measure_with_ema": "measuring is no rule's work here: the measure argument of `gdfunc.train`",
    "monitor": "measuring is no rule's work here: the measure argument of `gdfunc.train`",
    "multi_transform": "`gdfunc.by_path`",
    "named_chain": "`gdfunc.chain`, whose state is a tuple in the parts' order",
    "noisy_sgd": "`gdfunc.rules.NoisySGD`; the two draw from different keys, so that no numbers can be compared",
    "add_noise": "`gdfunc.rules.AddNoise`; the two draw from different keys, so that no numbers can be compared",
    "normalize": "`gdfunc.rules.Normalize`, held against optax.normalize_by_update_norm: this one gives NaN at a zero gradient",
    "optimistic_adam": "`gdfunc.rules.OptimisticAdam`, held against optax.optimistic_adam_v2, which took its place",
    "partition": "`gdfunc.by_path`",
    "safe_increment": "the step counter of every state here stops at the largest int32",
    "safe_int32_increment": "the step counter of every state here stops at the largest int32",
    "safe_norm": "`gdfunc.core.safe_norm`, whose derivative at 0 is 0",
    "scale_by_learning_rate": "`gdfunc.rules.Scale`, with the sign written out",
    "scale_by_schedule": "`gdfunc.rules.Scale` of a schedule",
    "schedule_free_eval_params": "`gdfunc.rules.evaluation_params`",
    "selective_transform": "`gdfunc.masked` or `gdfunc.by_path`",
    "set_to_zero": "`gdfunc.rules.Scale`(0)",
    "skip_not_finite": "`gdfunc.clipping.SkipNonFinite`",
    "snapshot": "measuring is no rule's work here: the measure argument of `gdfunc.train`",
    "stateless": "write the function as a `gdfunc.core.TreeRule`",
    "stateless_with_tree_map": "write the function as a `gdfunc.core.ArrayRule`",
    "trace": "the velocity in `gdfunc.rules.SGD` and `gdfunc.rules.HeavyBall`",
    "update_infinity_moment": "a line of `gdfunc.rules.Adamax`",
    "update_moment": "`gdfunc.core.ema` of a power",
    "update_moment_per_elem_norm": "`gdfunc.core.ema` of a power",
    "warmup_exponential_decay_schedule": "`gdfunc.schedules.Warmup` around `gdfunc.schedules.Exponential`",
    "with_extra_args_support": "not needed: chains here hand each part what it takes",
    "zero_nans": "it keeps infinities; `gdfunc.clipping.ZeroNonFinite` does not",
    "init_empty_state": "not needed: a rule without a memory starts with ()",
    "apply_every": "it adds up what comes in while the other parts of a chain move on; `gdfunc.rules.Accumulate` holds them still",
    "microbatch": "`gdfunc.train` with accumulated batches",
    # The rules' cores.
    "scale_by_acprop": _scaled("ACProp"),
    "scale_by_adadelta": _scaled("Adadelta"),
    "scale_by_adam": _scaled("Adam"),
    "scale_by_adamax": _scaled("Adamax"),
    "scale_by_adan": _scaled("Adan"),
    "scale_by_ademamix": _scaled("AdEMAMix"),
    "scale_by_adopt": _scaled("ADOPT"),
    "scale_by_amsgrad": _scaled("AMSGrad"),
    "scale_by_belief": _scaled("AdaBelief"),
    "scale_by_cocob": "`gdfunc.rules.COCOB`, which has no rate of its own",
    "scale_by_distance_over_gradients": "DoG array by array; `gdfunc.rules.DoG` takes the norm of all",
    "scale_by_factored_rms": "inside `gdfunc.rules.Adafactor`",
    "scale_by_galore": _scaled("GaLore"),
    "scale_by_lbfgs": "inside `gdfunc.rules.LBFGS`",
    "scale_by_lion": _scaled("Lion"),
    "scale_by_madgrad": _scaled("MADGRAD"),
    "scale_by_muon": _scaled("Muon"),
    "scale_by_novograd": _scaled("NovoGrad"),
    "scale_by_optimistic_gradient": _scaled("OptimisticGradientDescent"),
    "scale_by_param_block_norm": "the numerator of the trust ratio in `gdfunc.rules.LARS` and `gdfunc.rules.LAMB`",
    "scale_by_param_block_rms": "the parameter scale in `gdfunc.rules.Adafactor`",
    "scale_by_polyak": _scaled("PolyakSGD"),
    "scale_by_radam": _scaled("RAdam"),
    "scale_by_rms": _scaled("RMSprop"),
    "scale_by_rprop": "inside `gdfunc.rules.Rprop`, whose rate is its first step",
    "scale_by_rss": _scaled("Adagrad"),
    "scale_by_sign": _scaled("SignSGD"),
    "scale_by_simplified_ademamix": _scaled("SimplifiedAdEMAMix"),
    "scale_by_sm3": _scaled("SM3"),
    "scale_by_stddev": f"{_scaled('RMSprop')}; centered=True",
    "scale_by_trust_ratio": "inside `gdfunc.rules.LAMB` and `gdfunc.rules.LARS`",
    "scale_by_yogi": _scaled("Yogi"),
    "scale_by_backtracking_linesearch": "inside `gdfunc.rules.LBFGS`, line_search='backtracking'",
    "scale_by_zoom_linesearch": "inside `gdfunc.rules.LBFGS`, line_search='wolfe'",
    "value_and_grad_from_state": "the line searches in `gdfunc.rules.LBFGS` keep nothing to be read again",
    # Not here.
    "conditionally_mask": "only two conditions are here: `gdfunc.clipping.SkipNonFinite` and `gdfunc.rules.SkipLarge`",
    "conditionally_transform": "only two conditions are here: `gdfunc.clipping.SkipNonFinite` and `gdfunc.rules.SkipLarge`",
    "flatten": "not here: one buffer for all leaves is faster for many small ones only, and slower for large ones",
    "keep_params_nonnegative": "no constraints on parameters here",
    "matrix_inverse_pth_root": "no linear algebra by itself; `gdfunc.rules.Shampoo` takes its roots by eigenvectors",
    "multi_normal": "no sampling here",
    "nnls": "no linear algebra by itself",
    "per_example_layer_norm_clip": "not here; `gdfunc.clipping.clip_per_example` clips the norm of all layers",
    "periodic_update": "no target networks here",
    "piecewise_interpolate_schedule": "not here; `gdfunc.schedules.Join` of straight lines",
    "power_iteration": "no linear algebra by itself",
    "safe_root_mean_squares": "not here; `gdfunc.core.safe_sqrt` of the mean square",
    "scale_gradient": "not here: it belongs to a model, not to a rule",
    "split_real_and_imaginary": "no complex parameters here",
    "tree_map_params": "not here: a state's fields that are alike the parameters are found by their structure",
    # Losses.
    "binary_dice_loss": "no losses of segmentation here",
    "convex_kl_divergence": "no such loss here: it equals kl_divergence where both are distributions",
    "cosine_distance": _ONE_LINER,
    "cosine_similarity": _ONE_LINER,
    "ctc_loss": "no losses of sequences here; it is long",
    "ctc_loss_with_forward_probs": "no losses of sequences here; it is long",
    "dice_loss": "no losses of segmentation here",
    "generalized_kl_divergence": _ONE_LINER,
    "kl_divergence_with_log_targets": _ONE_LINER,
    "make_fenchel_young_loss": "not here: it makes a loss from a function",
    "multiclass_generalized_dice_loss": "no losses of segmentation here",
    "multiclass_perceptron_loss": _ONE_LINER,
    "multiclass_sparsemax_loss": "not here; it needs a projection on the simplex",
    "ntxent": "no losses of self-supervision here",
    "perceptron_loss": _ONE_LINER,
    "poly_loss_cross_entropy": _ONE_LINER,
    "ranking_softmax_loss": "no losses of ranking here",
    "safe_softmax_cross_entropy": "`gdfunc.losses.softmax_cross_entropy` with labels that are distributions",
    "sparsemax_loss": _ONE_LINER,
    "triplet_margin_loss": "no losses of self-supervision here",
}
