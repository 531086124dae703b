"""Translation between gdfunc, Optax, PyTorch and Keras: derived from the records, so held for every one of them."""

import inspect
import json
import warnings
from importlib import metadata
from importlib.resources import files

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import gdfunc as gd
from gdfunc import parity
from gdfunc.clipping import ClipByGlobalNorm, ClipByLeafNorm, ClipByValue
from gdfunc.parity import _translate_names, compare, from_keras, from_optax, from_torch, port, to_gdfunc
from gdfunc.parity._translate_inverse import known_makes
from gdfunc.parity._translate_unknowns import Unknown, neat
from gdfunc.parity._unify import same, solve
from gdfunc.rules import SGD, Adam, AdamW, AddDecayedWeights, AMSGrad, Lion, NAdam, RMSprop
from gdfunc.schedules import Cosine, Exponential, Linear, OneCycle, Piecewise, Schedule, Step, Warmup

TO = {"optax": parity.to_optax, "torch": parity.to_torch, "keras": parity.to_keras}
RECORDS = pytest.mark.parametrize("known", list(known_makes()), ids=lambda known: known.name)


@RECORDS
def test_our_own_line_of_every_setting_gives_the_rule_back(known):
    for settings in known.settings:
        rule = known.make(**settings)
        assert port(to_gdfunc(rule).code, to="gdfunc").rule == rule


@RECORDS
@pytest.mark.parametrize("library", TO)
def test_every_line_of_another_library_reads_back_as_the_same_line_or_says_why_there_is_none(known, library):
    for settings in known.settings:
        rule = known.make(**settings)
        if isinstance(rule, Schedule) and library == "torch":
            rule = SGD(rule)  # a scheduler's base is its optimizer's rate
        there = TO[library](rule)
        if there.code is None:
            assert "because" in there.note
            continue
        back = port(there.code, to=library)
        assert back.code == there.code
        for twin in known.twins:
            if twin.library == library and type(back.rule) is known.make:  # fields that it does not know may differ
                assert same(twin.arguments(**vars_of(back.rule)), twin.arguments(**vars_of(rule)))


def vars_of(rule):
    return {name: getattr(rule, name) for name in rule._fields}


@pytest.mark.parametrize(
    ("found", "rule"),
    [
        (lambda: from_torch("Adam"), Adam(1e-3)),
        (lambda: from_torch("Adam", weight_decay=0), Adam(1e-3)),
        (lambda: from_torch("Adam", weight_decay=0.1), AdamW(1e-3, weight_decay=0.1, decay="coupled")),
        (lambda: from_torch("Adam", amsgrad=True), AMSGrad(1e-3, correction="after_max")),
        (
            lambda: from_torch("Adam", decoupled_weight_decay=True, weight_decay=0.1),
            AdamW(1e-3, weight_decay=0.1, decay="rate"),
        ),
        (lambda: from_torch("torch.optim.AdamW", lr=1e-2), AdamW(1e-2, weight_decay=0.01, decay="rate")),
        (lambda: from_torch("SGD", lr=np.float32(0.1)), SGD(0.1)),
        (lambda: from_torch("SGD", lr=0.1, dampening=0.5), SGD(0.1)),
        (
            lambda: from_torch("SGD", lr=0.1, momentum=0.9, weight_decay=1e-4),
            gd.chain(AddDecayedWeights(1e-4), SGD(0.1, momentum=0.9, momentum_at="before_rate")),
        ),
        (
            lambda: from_torch("SGD", lr=Step(0.1, 30), momentum=0.9, foreach=True),
            SGD(Step(0.1, 30), momentum=0.9, momentum_at="before_rate"),
        ),
        (lambda: from_torch("lr_scheduler.StepLR", base=0.5, step_size=30), Step(0.5, 30)),
        (lambda: from_torch("LinearLR", base=0.3, start_factor=0.1, end_factor=0.5), Linear(0.03, 0.15, 5)),
        (
            lambda: from_torch("OneCycleLR", max_lr=0.1, epochs=3, steps_per_epoch=7, cycle_momentum=False),
            OneCycle(0.1, 20, 0.265),
        ),
        (lambda: from_torch("clip_grad_norm_", max_norm=1.0), ClipByGlobalNorm(1.0, eps=1e-6)),
        (lambda: from_optax("adam", learning_rate=1e-3, eps=0.0, eps_root=1e-6), Adam(1e-3, eps=1e-6, eps_at="inside")),
        (lambda: from_optax("lion", learning_rate=1e-4), Lion(1e-4, weight_decay=1e-3)),
        (
            lambda: from_optax("optax.adam", learning_rate=1e-3, nesterov=True),
            NAdam(1e-3, momentum="constant", b2_factor=False),
        ),
        (
            lambda: from_optax("warmup_cosine_decay_schedule", init_value=0.0, peak_value=1.0, warmup_steps=10,
                               decay_steps=100, end_value=0.1),
            Warmup(Cosine(1.0, 90, 0.1), 10),
        ),
        (lambda: from_optax("schedules.cosine_decay_schedule", init_value=1e-3, decay_steps=9, alpha=0.1), Cosine(1e-3, 9, 1e-4)),
        (lambda: from_optax("exponential_decay", init_value=1.0, transition_steps=10, decay_rate=0.5), Exponential(1.0, 0.5, 10)),
        (lambda: from_optax("piecewise_constant_schedule", init_value=0.1, boundaries_and_scales={20: 0.5, 5: 0.1}),
         Piecewise((0.1, 0.01, 0.005), (5, 20))),
        (lambda: from_keras("Adam"), Adam(1e-3, eps=1e-7, eps_at="before_debias")),
        (lambda: from_keras("SGD", momentum=0.9, clipvalue=0.5), gd.chain(ClipByValue(0.5), SGD(0.01, momentum=0.9))),
        (lambda: from_keras("RMSprop", clipnorm=1.0), gd.chain(ClipByLeafNorm(1.0), RMSprop(1e-3, eps=1e-7))),
        (lambda: from_keras("Lion", weight_decay=0.0), Lion(1e-3)),
        (
            lambda: from_keras("Adam", weight_decay=0.1),
            AdamW(1e-3, eps=1e-7, eps_at="before_debias", weight_decay=0.1, decay="rate"),
        ),
        (
            lambda: from_keras("schedules.CosineDecay", initial_learning_rate=0.0, decay_steps=90, alpha=0.1,
                               warmup_target=1.0, warmup_steps=10),
            Warmup(Cosine(1.0, 90, 0.1), 10),
        ),
        (lambda: from_keras("PiecewiseConstantDecay", boundaries=[10], values=[1.0, 0.1]), Piecewise((1.0, 0.1), (11,))),
    ],
)  # fmt: skip
def test_a_call_is_the_rule_that_the_records_say_with_the_librarys_own_defaults(found, rule):
    translation = found()
    assert translation.rule == rule
    assert port(translation.code, to="gdfunc").rule == rule


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (lambda: from_torch("LBFGS"), "torch.optim.LBFGS has no equivalent"),
        (lambda: from_torch("Adagrad", lr_decay=0.1), "lr_decay=0.1"),
        (lambda: from_torch("ReduceLROnPlateau"), "ReduceLROnPlateau"),
        (lambda: from_torch("OneCycleLR", max_lr=0.1, total_steps=10), "cycle_momentum=False"),
        (lambda: from_torch("clip_grad_norm_", max_norm=1.0, norm_type=1.0), "norm_type=1.0"),
        (lambda: from_torch("RAdam", weight_decay=0.1, decoupled_weight_decay=True), "RAdam"),
        (lambda: from_optax("adam", learning_rate=1e-3, mu_dtype="bfloat16"), "mu_dtype='bfloat16'"),
        (lambda: from_optax("adadelta"), "learning_rate=1.0"),
        (lambda: from_keras("Ftrl", learning_rate=0.1), "summed gradients"),
        (lambda: from_keras("SGD", weight_decay=0.1), "weight_decay=0.1"),
        (lambda: from_keras("Adamax"), "Keras adds epsilon after the maximum"),
    ],
)
def test_what_no_rule_does_has_a_reason_and_no_line(found, reason):
    translation = found()
    assert translation.rule is None
    assert translation.code is None
    assert reason in translation.note


@pytest.mark.parametrize(
    ("rule", "library", "reason"),
    [
        (Adam(1e-3, eps_at="before_debias"), "optax", "With eps_at='outside' it would be optax.adam("),
        (ClipByGlobalNorm(1.0, eps=1e-6), "optax", "With eps=0.0 it would be optax.clip_by_global_norm(max_norm=1.0)"),
        (SGD(Cosine(0.1, 9), momentum=0.9), "torch", "momentum_at='before_rate'"),
        (gd.chain(Adam(0.1), Adam(0.1)), "torch", "chain"),
        (gd.chain(AddDecayedWeights(0.1), AdamW(0.1, decay="rate")), "torch", "weight_decay"),
        (gd.masked(Adam(0.1), {"a": True}), "optax", "no record of masked"),
        (gd.chain(optax.adam(0.1)), "gdfunc", "no line"),
        (Adam(lambda step: 0.1), "optax", "has no line"),
        (Adam(0.1, b1=Linear(0.8, 0.9, 9)), "optax", "takes no schedule as b1"),
        (Adam(0.1, b1=Linear(0.8, 0.9, 9)), "torch", "takes no schedule as betas"),
        (RMSprop(0.1, decay=Linear(0.8, 0.9, 9)), "keras", "takes no schedule as rho"),
        (Adam(jnp.array([0.1, 0.2])), "torch", "single numbers"),
    ],
)
def test_a_rule_without_equivalent_says_why_and_what_is_nearest(rule, library, reason):
    translation = (TO | {"gdfunc": to_gdfunc})[library](rule)
    assert translation.rule is rule
    assert translation.code is None
    assert reason in translation.note


def test_numbers_of_any_kind_are_written_with_the_digits_that_they_have():
    assert to_gdfunc(Adam(jnp.float32(0.1), b1=np.float64(0.8))).code == "gd.rules.Adam(learning_rate=0.1, b1=0.8)"


# Optax's line for each is built by Python and held against our rule: what is translated is what Optax does.
SIGN = "torch.optim.SGD(p, lr=0.1, maximize=True, weight_decay=0.5)"
OPTAX_LINES = {
    SIGN: 8,
    "torch.optim.RMSprop(p, lr=1e-3, alpha=0.99, momentum=0.9)": 8,
    "torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-2, nesterov=True)": 8,
    "torch.optim.Adam(p, betas=(0.5, 0.9), weight_decay=0.1)": None,
    "torch.optim.Adagrad(p, initial_accumulator_value=0.1, eps=0.0, weight_decay=0.1)": 8,
    "torch.optim.Adadelta(p, lr=0.5)": 8,
    "torch.optim.AdamW(p, betas=(0.5, 0.9))": 8,
    "torch.optim.NAdam(p, betas=(0.5, 0.9))": None,
    "optimizer = torch.optim.SGD(p, lr=0.1, momentum=0.9); torch.optim.lr_scheduler.StepLR(optimizer, 9)": 1e9,
    "torch.optim.SGD(p, lr=0.1, momentum=0.9); torch.nn.utils.clip_grad_value_(p, 0.5)": 8,
    "keras.optimizers.RMSprop(1e-2, centered=True, momentum=0.5, clipvalue=0.5)": 8,
    "keras.optimizers.Lion(1e-3, weight_decay=0.1)": 8,
    "gd.chain(gd.clipping.ClipByGlobalNorm(1.0), gd.rules.AdamW(1e-3, b1=0.5, b2=0.9, decay='rate'))": 8,
    # Optax's schedules take quotients of an int32 count, which are float32 though 64-bit types are on: 1e-7.
    "optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(optax.cosine_decay_schedule(0.1, 30, 0.1)))": 1e9,
    "s = optax.warmup_cosine_decay_schedule(0.0, 0.1, 5, 30)\noptax.sgd(s, momentum=0.9)": 1e9,
}


@pytest.mark.parametrize(("text", "tolerance"), OPTAX_LINES.items())
def test_optaxs_line_does_what_our_rule_does(text, tolerance):
    there = port(text, to="optax")
    if tolerance is None:
        assert there.code is None
        return
    with jax.enable_x64(True):
        theirs = eval(there.code, {"optax": optax})
    seen = compare(there.rule, theirs, precision="float64", tolerance=tolerance)
    assert seen.agrees, seen


def test_a_line_that_is_not_the_rules_does_not_pass_for_it():
    there = port(SIGN, to="optax")
    wrong = eval(there.code.replace("-1.0", "1.0"), {"optax": optax})
    assert not compare(there.rule, wrong, precision="float64").agrees


@pytest.mark.parametrize(
    ("text", "words", "column"),
    [
        ("optax.adam(x)", "does not know the name x", 11),
        ("optax.adam(é, x)", "does not know the name é", 11),
        ("optax.adam('é', x)", "does not know the name x", 16),
        ("optax.adam(", "cannot read this", 10),
        ("torch.optim.Adamm(p)", "Did you mean 'Adam'", 0),
        ("torch.optim.Adam(p, lrr=1)", "Did you mean 'lr'?", 0),
        ("torch.optim.Adam(1e-3)", "the parameters, or the optimizer", 17),
        ("torch.optim.Adam([{'params': a, 'lr': 1.0}])", "one group", 17),
        ("torch.optim.Adam(p); torch.optim.Adam(q)", "one optimizer and one scheduler", 21),
        ("torch.optim.SGD(p, lr=-1.0)", "learning_rate >= 0", 0),
        ("optax.adam()", "learning_rate", 0),
        ("optax.adam(1, 2, 3, 4, 5, 6, 7, 8)", "too many positional", 0),
        ("Adam(1e-3)", "by its library's name", 0),
        ("optax.adam(1 / 0)", "division by zero", 11),
        ("optax.adam(10 ** 10 ** 10)", "to a power", 11),
        ("optax.adam((-1) ** 0.5)", "real numbers", 11),
        ("optax.adam('a' * 10)", "arithmetic on numbers only", 11),
        ("optax.adam(**settings)", "* or **", 0),
        ("optax.adam(lambda t: t)", "cannot read this", 11),
        ("optax.adam(1e-3).init(p)", "by its library's name", 0),
        ("__import__('os').system('true')", "by its library's name", 0),
        ("optax._src.alias.adam(1e-3)", "has no", 0),
        ("optax.apply_updates", "cannot read this", 0),
        ("for x in y: pass", "calls and assignments", 0),
        ("3", "the call of an optimizer", 0),
        ("gd.rules.Adm(1e-3)", "Did you mean", 0),
        ("gd.rules.Adam(1e-3, lr=1)", "knows no 'lr'", 0),
        ("keras.optimizers.Adam(clipnorm=1.0, clipvalue=1.0)", "takes one of", 0),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text, words, column):
    with pytest.raises(ValueError, match="port ") as raised:
        port(text)
    message, line, pointer = str(raised.value).rsplit("\n", 2)
    assert words in message
    assert text.startswith(line.removeprefix("  ")[:20])
    assert pointer == "  " + " " * column + "^"


@pytest.mark.parametrize(
    "text", ["", "  ", None, 3, "(" * 300 + "1" + ")" * 300, "optax.adam(" + "-" * 5000 + "1)", "\0"]
)
def test_no_text_gets_further_than_an_error(text):
    with pytest.raises(ValueError, match="port"):
        port(text)


def test_targets_names_and_arguments_have_near_misses_suggested():
    with pytest.raises(ValueError, match="'optax'"):
        port("optax.adam(1e-3)", to="optx")
    with pytest.raises(ValueError, match="Did you mean 'AdamW'"):
        from_torch("AdamW2")
    with pytest.raises(ValueError, match=r"lines of code are read by port"):
        from_torch("torch.optim.AdamW(lr=1e-3)")
    with pytest.raises(ValueError, match="Did you mean 'learning_rate'"):
        from_optax("adam", learningrate=1e-3)
    with pytest.raises(ValueError, match="to_optax needs a rule"):
        parity.to_optax(3)


def test_pytorchs_optimizer_scheduler_and_clipping_go_both_ways():
    text = (
        "optimizer = torch.optim.AdamW(model.parameters(), 2e-3 / 2)\n"
        "scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10 * 100)\n"
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
    )
    here = port(text, to="torch")
    rule = AdamW(Cosine(1e-3, 1000), weight_decay=0.01, decay="rate")
    assert here.rule == gd.chain(ClipByGlobalNorm(1.0, eps=1e-6), rule)
    assert port(here.code, to="torch").rule == here.rule


def test_another_optax_is_warned_of_once(monkeypatch):
    _translate_names.check_optax.cache_clear()
    monkeypatch.setattr(metadata, "version", lambda name: "9.9.9")
    with pytest.warns(UserWarning, match=r"Optax 0\.2\.8, and 9\.9\.9"):
        from_optax("sgd", learning_rate=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_optax("sgd", learning_rate=0.1)
    _translate_names.check_optax.cache_clear()


def test_pytorchs_signatures_are_recorded_with_their_defaults():
    known = json.loads((files("gdfunc.parity") / "recorded" / "torch-2.13.0.json").read_text())
    assert sum(name.startswith("torch.optim.") and "lr_scheduler" not in name for name in known) == 15
    adam = _translate_names.torch_signatures()["torch.optim.Adam"].parameters
    assert adam["betas"].default == (0.9, 0.999)
    assert adam["amsgrad"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert adam["fused"].kind is inspect.Parameter.KEYWORD_ONLY


class TestUnify:
    """Functions read backwards."""

    def test_arithmetic_is_inverted_with_the_short_number(self):
        a, b = Unknown("a"), Unknown("b")
        function = lambda a, b: {"x": 1 - a, "y": (a * b + 1) / 4, "z": 2**b}  # noqa: E731
        assert list(solve(function, {"a": a, "b": b}, {"x": 0.9, "y": 0.5, "z": 1024})) == [{"a": 0.1, "b": 10.0}]
        assert neat(0.1 * 1e-3) == 1e-4
        assert neat(1 / 3) == 1 / 3

    def test_every_operation_is_inverted_on_both_sides(self):
        forms = [
            lambda a: a + 3, lambda a: 3 + a, lambda a: a - 3, lambda a: 3 - a, lambda a: -a, lambda a: 3 * a,
            lambda a: a / 3, lambda a: 3 / a, lambda a: a**3, lambda a: 3**a, lambda a: (1 - a / 4) ** 0.5,
        ]  # fmt: skip
        for form in forms:
            (found,) = solve(lambda a, form=form: {"x": form(a)}, {"a": Unknown("a")}, {"x": form(0.7)})
            assert found["a"] == pytest.approx(0.7, rel=1e-14)

    def test_whole_numbers_are_read_through_int(self):
        function = lambda a, b: {"x": int(a) + 2 * int(b) - 3, "y": int(b)}  # noqa: E731
        fields = {"a": Unknown("a"), "b": Unknown("b")}
        assert list(solve(function, fields, {"x": 10, "y": 4})) == [{"b": 4, "a": 5}]

    def test_both_outcomes_of_a_comparison_are_followed(self):
        def function(a, b):
            if a != 5.0:
                return "a is 5 there"
            return {"x": b or 0.0, "y": max(a, b)}

        fields = {"a": Unknown("a"), "b": Unknown("b")}
        found = list(solve(function, fields, {"x": 7.0, "y": 7.0}))
        assert {"a": 5.0, "b": 7.0} in found
        assert next(solve(function, fields, {"x": 0.0, "y": 5.0}))["a"] == 5.0

    def test_a_default_settles_what_nothing_else_does(self):
        function = lambda rate, steps: {"gamma": rate ** (1 / steps)}  # noqa: E731
        found = list(solve(function, {"rate": Unknown("rate"), "steps": Unknown("steps", 1.0)}, {"gamma": 0.5}))
        assert found == [{"steps": 1.0, "rate": 0.5}]
        assert list(solve(function, {"rate": Unknown("rate"), "steps": Unknown("steps")}, {"gamma": 0.5})) == []

    def test_what_does_not_fit_or_fails_has_no_solution(self):
        a = {"a": Unknown("a")}
        assert list(solve(lambda a: {"x": a, "y": 1}, a, {"x": 3, "y": 2})) == []
        assert list(solve(lambda a: {"x": (a, a)}, a, {"x": (1, 2)})) == []
        assert list(solve(lambda a: {"x": (a,)}, a, {"x": (1, 2)})) == []
        assert list(solve(lambda a: {"x": np.sqrt(a)}, a, {"x": 2.0})) == []
        assert list(solve(lambda a: {"x": 0 * a}, a, {"x": 2.0})) == []

    def test_numbers_are_the_same_to_twelve_digits_and_other_things_exactly(self):
        assert same((1, {"a": 0.1 + 0.2}), [1.0, {"a": 0.3}])
        assert not same(1.0, 1.0 + 1e-9)
        assert not same(None, 0)
        assert not same(True, 1)
