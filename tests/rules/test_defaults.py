"""The defaults of every rule, as its paper or its authors' own code gives them."""

import dataclasses
from typing import Any

import pytest

from gdfunc import rules

# Witnesses are given our numbers, so none of them notices a wrong default. Where a paper leaves a number open it is that
# of its authors' code, which the comment names.
DEFAULTS = {
    rules.Accumulate: {"reduce": "mean"},
    # The default of the authors' ACProp(eps=1e-16), which stands in both places; their CIFAR-10 runs are given 1e-8.
    rules.ACProp: {"b1": 0.9, "b2": 0.999, "eps": 1e-16, "eps_root": 1e-16, "centred_on": "new_mean"},
    # One epsilon in both places. 1e-8 in the paper and in adabelief-pytorch 0.0.5; 1e-16 since 0.1.0 and in Optax.
    rules.AdaBelief: {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "eps_root": 1e-8},
    rules.Adadelta: {"learning_rate": 1.0, "rho": 0.95, "eps": 1e-6},
    rules.Adafactor: {
        "learning_rate": 1e-2,
        "decay_power": 0.8,
        "eps": 1e-30,
        "min_scale": 1e-3,
        "clipping_threshold": 1.0,
        "momentum": None,
        "relative": True,
        "rate_limit": "root",
        "eps_at": "squares",
    },
    rules.Adagrad: {"initial_accumulator": 0.0, "eps_at": "outside"},
    # github.com/amirgholami/adahessian, instruction/adahessian.py.
    rules.AdaHessian: {"learning_rate": 0.15, "b1": 0.9, "b2": 0.999, "eps": 1e-4, "hessian_power": 1.0},
    rules.Adam: {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "eps_at": "outside", "debias": "exact"},
    # github.com/zyushun/Adam-mini: "the same values as those used for AdamW".
    rules.AdamMini: {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": None},
    rules.Adamax: {"b1": 0.9, "b2": 0.999, "debias": "exact"},
    rules.AdamaxW: {"b1": 0.9, "b2": 0.999, "weight_decay": 0.001 / 8, "schedule": 1.0, "decay": "schedule"},
    rules.AdamW: {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.001 / 8, "schedule": 1.0, "decay": "schedule"},
    # The paper's betas are one minus these.
    rules.Adan: {"b1": 0.98, "b2": 0.92, "b3": 0.99, "eps": 1e-8, "decay": "proximal", "change_weight": "b2"},
    rules.AddDecayedWeights: {},
    rules.AddNoise: {"gamma": 0.55},
    # github.com/apple/ml-ademamix.
    rules.AdEMAMix: {"b1": 0.9, "b2": 0.999, "b3": 0.9999, "alpha": 5.0, "eps": 1e-8, "weight_decay": None},
    rules.ADOPT: {"b1": 0.9, "b2": 0.9999, "eps": 1e-6, "clipping": True},
    rules.AMSGrad: {"b1": 0.9, "b2": 0.999, "correction": "none"},
    # A quarter of the width: 256 is the rank in the authors' script for LLaMA-350M (scripts/pretrain_c4), from which scale
    # and gap are too. Their code is Hugging Face's AdamW, whose 1e-6 is added before the correction.
    rules.APOLLO: {
        "rank": 256,
        "gap": 200,
        "scale": 1.0,
        "scaling": "channel",
        "growth": 1.01,
        "b1": 0.9,
        "b2": 0.999,
    },
    # github.com/SamsungLabs/ASAM.
    rules.ASAM: {"rho": 0.5, "eta": 0.01},
    rules.BarzilaiBorwein: {},
    # Nocedal & Wright's c_1 and c_2 for Newton's method and its kin.
    rules.BFGS: {"learning_rate": 1.0, "armijo": 1e-4, "wolfe": 0.9},
    rules.Cautious: {"rescale": True},
    rules.Centralize: {},
    # alpha is the paper's; 1e-8, where the largest gradient starts, is github.com/bremen79/cocob's.
    rules.COCOB: {"alpha": 100.0, "eps": 1e-8},
    # github.com/facebookresearch/dadaptation.
    rules.DAdaptAdamW: {
        "learning_rate": 1.0,
        "b1": 0.9,
        "b2": 0.999,
        "eps": 1e-8,
        "first_d": 1e-6,
        "weight_decay": 0.0,
        "debias": "none",
    },
    # github.com/formll/dog: reps_rel.
    rules.DoG: {"learning_rate": 1.0, "first_step": 1e-6, "first_step_as": "heuristic", "eps": 1e-8},
    # github.com/rka97/dowg, which adds 1e-4 to the root of v as well; the paper does not.
    rules.DoWG: {"learning_rate": 1.0, "first_squared_distance": 1e-4, "eps": 0.0},
    rules.DPSGD: {},
    # Kingma & Ba average with Adam's beta_2.
    rules.EMAParams: {"decay": 0.999, "debias": True},
    rules.Fromage: {"min_norm": 0.0},
    # The example in github.com/jiaweizzhao/GaLore. Its code is Hugging Face's AdamW, whose 1e-6 is added before the
    # correction.
    rules.GaLore: {"rank": 128, "gap": 200, "scale": 0.25, "b1": 0.9, "b2": 0.999, "project": "shorter"},
    # github.com/ironjr/grokfast.
    rules.GrokfastEMA: {"decay": 0.98, "strength": 2.0, "first_step": "zero"},
    # The paper points to TensorFlow Addons for its code, whose epsilon this is; github.com/google-research/albert trains
    # with all four.
    rules.LAMB: {"b1": 0.9, "b2": 0.999, "eps": 1e-6, "weight_decay": 0.01},
    # github.com/Z-T-WANG/LaProp-Optimizer.
    rules.LaProp: {"b1": 0.9, "b2": 0.999, "eps": 1e-15},
    # AlexNet's; github.com/borisgin/nvcaffe, models/alexnet_bn/solver_8K.prototxt.
    rules.LARS: {"momentum": 0.9, "weight_decay": 0.0005, "trust_coefficient": 0.001, "eps": 0.0, "norm_of": "parts"},
    # Nocedal & Wright's c_1 and c_2 for Newton's method and its kin.
    rules.LBFGS: {"learning_rate": 1.0, "memory_size": 5, "line_search": "wolfe", "armijo": 1e-4, "wolfe": 0.9},
    rules.Lion: {"b1": 0.9, "b2": 0.99},
    rules.Lookahead: {"sync_period": 5, "reset_state": False},
    rules.MADGRAD: {"momentum": 0.9, "eps": 1e-6, "eps_at": "denominator"},
    # github.com/AGI-Arena/MARS; the bound of 1 is the paper's.
    rules.MARS: {
        "b1": 0.95,
        "b2": 0.99,
        "gamma": 0.025,
        "eps": 1e-8,
        "max_norm": 1.0,
        "weight_decay": 0.0,
        "change": "approximate",
    },
    # github.com/optimizedlearning/mechanic.
    rules.Mechanic: {"weight_decay": 0.01, "eps": 1e-8, "s_init": 1e-8, "num_betas": 6},
    # github.com/fabian-sp/MoMo, this one and the next.
    rules.MoMo: {
        "learning_rate": 1.0,
        "beta": 0.9,
        "lower_bound": 0.0,
        "weight_decay": 0.0,
        "adapt_lower_bound": False,
    },
    rules.MoMoAdam: {
        "learning_rate": 1e-2,
        "b1": 0.9,
        "b2": 0.999,
        "eps": 1e-8,
        "lower_bound": 0.0,
        "weight_decay": 0.0,
        "adapt_lower_bound": False,
    },
    # github.com/KellerJordan/Muon; its AdamW has the eps of github.com/MoonshotAI/Moonlight, 1e-10 in Jordan's code of
    # 2025. The betas are the same in both.
    rules.Muon: {
        "momentum": 0.95,
        "nesterov": True,
        "weight_decay": 0.0,
        "eps": 1e-7,
        "ns_steps": 5,
        "ns_a": 3.4445,
        "ns_b": -4.7750,
        "ns_c": 2.0315,
        "adam_b1": 0.9,
        "adam_b2": 0.95,
        "adam_eps": 1e-8,
        "adam_weight_decay": 0.0,
        "adam_nesterov": False,
    },
    rules.NAdam: {"b2": 0.999, "eps": 1e-8, "momentum": "scheduled", "average": "scheduled", "b2_factor": True},
    rules.NAdamW: {"b2": 0.999, "eps": 1e-8, "weight_decay": 0.001 / 8, "schedule": 1.0, "decay": "schedule"},
    # Dembo & Steihaug's forcing sequence in Nocedal & Wright, algorithm 7.1, for quadratic convergence.
    rules.Newton: {"learning_rate": 1.0, "damping": 0.0, "tolerance": 0.5, "power": 1.0},
    # The smallest of the three variances that the paper tries.
    rules.NoisySGD: {"eta": 0.01, "gamma": 0.55},
    # Nocedal & Wright's c_1 and c_2 for conjugate gradients; eta is Hager & Zhang's.
    rules.NonlinearCG: {"eta": 0.01, "armijo": 1e-4, "wolfe": 0.1},
    rules.Normalize: {"eps": 0.0},
    # github.com/NVIDIA/OpenSeq2Seq, NovoGrad2; Optax has 0.9, 0.25 and 1e-6.
    rules.NovoGrad: {"b1": 0.95, "b2": 0.98, "eps": 1e-8, "weight_decay": None},
    # github.com/vsyrgkanis/optimistic_GAN_training, script/optimizer.py.
    rules.OptimisticAdam: {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "optimism": 1.0, "first": "double", "nesterov": False},
    rules.OptimisticGradientDescent: {"optimism": 1.0},
    # github.com/IssamLaradji/sps.
    rules.PolyakSGD: {"f_min": 0.0, "c": 0.5},
    # github.com/konstmish/prodigy, prodigy_reference.py.
    rules.Prodigy: {
        "learning_rate": 1.0,
        "b1": 0.9,
        "b2": 0.999,
        "b3": None,
        "eps": 1e-8,
        "first_d": 1e-6,
        "d_coefficient": 1.0,
        "weight_decay": 0.0,
        "safeguard_warmup": False,
        "eps_scale": "d",
        "debias": "none",
    },
    # github.com/lixilinx/psgd_torch: KronWhiten and, for the scale, init_kron.
    rules.PSGDKron: {"momentum": 0.0, "preconditioner_rate": 0.1, "initial_scale": 1.0, "damping": 1e-9},
    # What github.com/facebookresearch/qhoptim recommends in place of momentum 0.9 and of Adam, this one and the next.
    rules.QHAdam: {"b1": 0.995, "b2": 0.999, "nu1": 0.7, "nu2": 1.0, "eps": 1e-8},
    rules.QHM: {"beta": 0.999, "nu": 0.7},
    rules.RAdam: {"b1": 0.9, "b2": 0.999, "threshold": 4.0},
    rules.ReduceOnPlateau: {"factor": 0.1},
    rules.RMSprop: {"decay": 0.9, "centered": False, "nesterov": False, "eps_at": "inside", "debias": "none"},
    rules.Rprop: {
        "learning_rate": 0.1,
        "eta_minus": 0.5,
        "eta_plus": 1.2,
        "min_step_size": 1e-6,
        "max_step_size": 50.0,
    },
    rules.SAM: {"rho": 0.05},
    rules.Scale: {},
    # github.com/facebookresearch/schedule_free, this one and the next two.
    rules.ScheduleFree: {"b1": 0.9, "weight_power": 2.0},
    rules.ScheduleFreeAdamW: {"b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.0, "weight_power": 2.0},
    rules.ScheduleFreeSGD: {"b1": 0.9, "weight_decay": 0.0, "weight_power": 2.0},
    # github.com/LIONS-EPFL/scion, where momentum is 1 - 0.9, "a good default", and the radius is called scale.
    rules.Scion: {"momentum": 0.9, "radius": 1.0, "constrained": True, "eps": 1e-7, "ns_steps": 5},
    rules.SGD: {"momentum": None, "dampening": 0.0, "nesterov": False, "momentum_at": "after_rate"},
    # tf.contrib.opt.ShampooOptimizer, which has had 0.1 too.
    rules.Shampoo: {"eps": 1e-4, "decay": None},
    rules.SignSGD: {},
    rules.Signum: {"beta": 0.9},
    # github.com/DepenM/Simplified-AdEMAMix.
    rules.SimplifiedAdEMAMix: {"b1": 0.99, "b2": 0.95, "alpha": 0.0, "eps": 1e-8, "weight_decay": None},
    rules.SkipLarge: {},
    # The algorithm has no momentum; the code in github.com/google-research asks for one, and has an eps of 1e-30.
    rules.SM3: {"momentum": None, "eps": 0.0},
    # github.com/nikhilvyas/SOAP.
    rules.SOAP: {"b1": 0.95, "b2": 0.95, "eps": 1e-8, "frequency": 10},
    # An author's SophiaHConfig (github.com/stanford-crfm/levanter); the decay is that of github.com/Liuhong99/Sophia.
    rules.Sophia: {
        "b1": 0.96,
        "b2": 0.99,
        "gamma": 0.01,
        "eps": 1e-12,
        "clip": 1.0,
        "weight_decay": 0.2,
        "update_interval": 10,
    },
    # The first author's StableAdamWUnfused (gist mitchellnw/d42e22a0).
    rules.StableAdamW: {"b1": 0.9, "b2": 0.99, "eps": 1e-6, "weight_decay": 0.2},
    # The largest in Nocedal & Wright, algorithm 4.1, is below 1/4; SciPy's trust-ncg has 0.15 and starts at 1 too.
    rules.TrustRegionNewton: {"radius": 1.0, "tolerance": 0.5, "power": 1.0},
    # The first author's code in TensorFlow Addons, where v starts at 1e-6.
    rules.Yogi: {"b1": 0.9, "b2": 0.999, "eps": 1e-3, "initial": "zero", "debias": "none"},
}

# Defaults for which neither the paper nor its authors' code was found to give a number, or to give one.
NOT_FOUND = {
    rules.AdamAtan2: "a and b: ours are 1 and 1; a public port, not by the authors, has 1.27 and 1",
    rules.ASGD: "all four are PyTorch's; neither Polyak & Juditsky nor Xu was seen to print them",
    rules.HeavyBall: "momentum: Polyak gives the best one for a quadratic's curvatures, no number",
    rules.Lookahead: "slow_step_size: several in the paper; ours is 0.5, the authors' code has 0.8",
    rules.PolyakSGD: "max_learning_rate: the authors' code has no bound, or one that grows",
    rules.ReduceOnPlateau: "all but factor: the paper does not say what a plateau is",
}


@pytest.mark.parametrize("make", DEFAULTS, ids=lambda make: make.__name__)
def test_the_defaults_are_the_papers(make):
    fields: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(make)}
    assert DEFAULTS[make] == {name: fields[name] for name in DEFAULTS[make]}
    # What a paper leaves open adds next to nothing.
    assert all(fields[name] <= 1e-8 for name in {"eps"} & set(fields) - set(DEFAULTS[make]))


def test_every_rule_has_its_defaults_looked_at():
    assert set(DEFAULTS) | set(NOT_FOUND) == {record.make for record in rules.records().values()}
