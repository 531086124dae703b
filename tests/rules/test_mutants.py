"""Would we notice? Every convention, every number and every line is broken once, and the witnesses must tell."""

import dataclasses
import inspect
import sys
import textwrap
import typing
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc import parity, rules
from gdfunc.parity._recorded import key, recorded
from gdfunc.parity._twins import build, fields

RECORDS = rules.records()
TOLERANCE = parity.TOLERANCE


@cache
def gradients():
    """Forty steps: the matrix of the built-in stream, on which PyTorch was recorded, beside a constant and an alternation."""
    data = parity.stream()
    constant, alternating = np.full(data.steps, 1.5), 0.25 * (-1.0) ** np.arange(data.steps)
    g = np.concatenate([data.gradients["matrix"].reshape(data.steps, 12), np.stack([constant, alternating], 1)], axis=1)
    p = np.concatenate([data.params["matrix"].reshape(data.steps, 12), np.full((data.steps, 2), 0.5)], axis=1)
    return g, p


def updates(rule):
    """Ours or Optax's, operation by operation in float64: a broken class need be no pytree."""
    g, p = gradients()
    with jax.enable_x64(True):
        g, p = jnp.asarray(g), jnp.asarray(p)
        state, rows = rule.init(p[0]), []
        for t in range(len(g)):
            u, state = rule.update(g[t], state, p[t])
            rows.append(np.asarray(u))
    return np.stack(rows)


@cache
def witnesses(name, i):
    """What the paper's transcription, Optax and PyTorch make of a record's setting: name -> updates."""
    record, settings = RECORDS[name], RECORDS[name].settings[i]
    rule, (g, p) = record.make(**settings), gradients()
    found = {}
    covered = list(inspect.signature(record.transcription).parameters)[2:]
    if set(settings) <= set(covered):
        numbers = {field: value for field, value in fields(rule).items() if field in covered}
        found["paper"] = record.transcription(g, p, **numbers)
    for twin in record.twins:
        if twin.library == "torch":
            seen = recorded(key("rules", name, twin.name, settings, "float64"))
            if seen is not None:
                found[twin.name] = seen["matrix"].reshape(len(g), 12)
        elif not isinstance(twin.arguments(**fields(rule)), str):
            with jax.enable_x64(True):
                theirs = build(twin, rule)
            found[twin.name] = updates(theirs)
    return found


def error(mine, theirs):
    """The largest difference in any column of the stream, in rounding errors of that column's largest update."""
    mine = mine[:, : theirs.shape[1]]
    size = np.max(np.abs(theirs), axis=0)
    off = np.abs(mine - theirs) / (np.maximum(size, 0.1 * np.max(size)) * np.finfo(np.float64).eps)
    return float(np.max(np.where(np.isfinite(off), off, np.inf)))


@cache
def honest(name, i):
    """How far the unbroken rule is from each witness: a known deviation is not what kills a mutant."""
    mine = updates(RECORDS[name].make(**RECORDS[name].settings[i]))
    return {witness: error(mine, theirs) for witness, theirs in witnesses(name, i).items()}


def killed_by(name, mutate):
    """The setting and the witness that tell the broken rule from the right one; None where none does.

    Args:
        name: a record's.
        mutate: takes a setting and returns the broken rule, or None where this setting has nothing to break.
    """
    for i, settings in enumerate(RECORDS[name].settings):
        if not witnesses(name, i) or (broken := mutate(settings)) is None:
            continue
        mine = updates(broken)
        for witness, theirs in witnesses(name, i).items():
            off, known = error(mine, theirs), honest(name, i)[witness]
            # A known deviation kills no mutant by its size; that it has gone tells too.
            if off > max(TOLERANCE, 8 * known) or off <= TOLERANCE < known:
                return i, witness
    return None


# ------------------------------------------------------------------------------------ conventions and numbers


def choices(make, field):
    annotation = typing.get_type_hints(make)[field]
    return (True, False) if annotation is bool else typing.get_args(annotation)


def with_field(record, field, value):
    """The rule whose `field` is `value` wherever the setting has it otherwise; None where it cannot be."""

    def mutate(settings):
        rule = record.make(**settings)
        if getattr(rule, field) == value:
            return None
        try:
            return dataclasses.replace(rule, **{field: value})
        except ValueError:  # Nesterov without momentum
            return None

    return mutate


def with_another_number(record, field, only_default):
    """The rule with a number moved by a quarter; with `only_default`, at settings that do not name it."""

    def mutate(settings):
        rule = record.make(**settings)
        value = getattr(rule, field)
        if value is None or (only_default and field in settings):
            return None
        moved = value * (0.75 if type(rule)._fields[field].range.high == 1 else 1.25) or 0.25
        return dataclasses.replace(rule, **{field: moved})

    return mutate


CONVENTIONS = {
    f"{name}.{field}={value}": (name, with_field(record, field, value))
    for name, record in RECORDS.items()
    for field, spec in record.make._fields.items()
    if spec.static
    for value in choices(record.make, field)
}
NUMBERS = {
    f"{name}.{field}{' by default' * only_default}": (name, with_another_number(record, field, only_default))
    for name, record in RECORDS.items()
    for field, spec in record.make._fields.items()
    if not spec.static
    for only_default in (False, True)
    if not only_default or dataclasses.MISSING is not record.make.__dataclass_fields__[field].default is not None
}

# ------------------------------------------------------------------------------------ lines

LINES = {
    "adam": [
        ("ema(memory.m, g, self.b1)", "ema(memory.m, g, self.b2)"),
        ("ema(memory.m, g, self.b1)", "self.b1 * memory.m + g"),
        ("ema(memory.v, g**2, self.b2)", "ema(memory.v, jnp.abs(g), self.b2)"),
        ("ema(memory.v, g**2, self.b2)", "ema(memory.v, g**2, self.b1)"),
        ("m_correction = debias(self.b1, t, self.debias)", "m_correction = 1.0"),
        ("debias(self.b1, t, self.debias)", "debias(self.b1, t + 1, self.debias)"),
        ("v_correction = debias(self.b2, t, self.debias)", "v_correction = 1.0"),
        ("v_correction = debias(self.b2, t, self.debias)", "v_correction = debias(self.b1, t, self.debias)"),
        ("m_hat = m / m_correction", "m_hat = memory.m / m_correction"),
        ("v_hat = v / v_correction", "v_hat = memory.v / v_correction"),
        ("self.eps, self.eps_at", "0.0, self.eps_at"),
        ("self.eps, self.eps_at, v_correction", 'self.eps, "inside", v_correction'),
        ("-self.learning_rate * m_hat", "self.learning_rate * m_hat"),
        ("m_hat / denominator", "g / denominator"),
        ("m_hat / denominator", "m_hat / denominator**2"),
        ("self.Memory(m, v)", "self.Memory(m_hat, v)"),
        ("self.Memory(m, v)", "self.Memory(m, v_hat)"),
    ],
    "rmsprop": [
        ("ema(memory.v, g**2, self.decay)", "memory.v + g**2"),
        ("ema(memory.v, g**2, self.decay)", "ema(memory.v, g, self.decay)"),
        ("spread = v / correction", "spread = memory.v / correction"),
        ("spread = v / correction", "spread = v"),
        ("m = ema(memory.m, g, self.decay)", "m = ema(memory.m, g, 1 - self.decay)"),
        ("(m / correction) ** 2", "m / correction"),
        ("spread - (m / correction) ** 2", "spread"),
        ("d = g / root", "d = jnp.sign(g) / root"),
        ("root_with_eps(spread, self.eps, self.eps_at)", "root_with_eps(spread, 0.0, self.eps_at)"),
        ("return -self.learning_rate * d, self", "return self.learning_rate * d, self"),
        ('self.learning_rate * d if self.momentum_at == "after_rate" else d', "d"),
        ("b = self.momentum * memory.b + x", "b = self.momentum * memory.b + (1 - self.momentum) * x"),
        ("b = self.momentum * memory.b + x", "b = memory.b + x"),
        ("ahead = x + self.momentum * b if", "ahead = x + b if"),
        ("ahead = x + self.momentum * b if", "ahead = self.momentum * b if"),
        ("self.Memory(v, m, b)", "self.Memory(v, m, ahead)"),
    ],
    "amsgrad": [
        ("ema(memory.m, g, self.b1)", "ema(memory.m, g, self.b2)"),
        ("ema(memory.v, g**2, self.b2)", "ema(memory.v, g**2, self.b1)"),
        ("jnp.maximum(memory.v_max,", "jnp.minimum(memory.v_max,"),
        ("jnp.maximum(memory.v_max, v / v_correction", "jnp.maximum(v, v / v_correction"),
        ("v / v_correction if", "v if"),
        ("v_max / v_correction if", "v_max if"),
        ("(m / m_correction)", "m"),
        ("(m / m_correction)", "(g / m_correction)"),
        ("safe_sqrt(v_hat)", "safe_sqrt(v)"),
        ("safe_sqrt(v_hat) + self.eps", "safe_sqrt(v_hat + self.eps)"),
        ("-self.learning_rate", "self.learning_rate"),
        ("self.Memory(m, v, v_max)", "self.Memory(m, v_max, v_max)"),
        ("self.Memory(m, v, v_max)", "self.Memory(m, v, v)"),
    ],
    "nadam": [
        ("mu = self.b1 * (1 - 0.5 *", "mu = self.b1 * (1 - 0.25 *"),
        ("mu = self.b1 * (1 - 0.5 * 0.96", "mu = self.b1 * (1 - 0.5 * 0.9"),
        ("self.momentum_decay * t)", "self.momentum_decay * (t - 1))"),
        ("self.momentum_decay * (t + 1))", "self.momentum_decay * t)"),
        ("product = memory.product * mu", "product = memory.product * mu_next"),
        ("1 - product, 1 - product * mu_next", "1 - product, 1 - product"),
        ("debias(self.b1, t + 1, self.debias)", "debias(self.b1, t, self.debias)"),
        ('mu if self.average == "scheduled" else self.b1', "self.b1"),
        ('mu if self.average == "scheduled" else self.b1', "mu"),
        ("ema(memory.v, g**2, self.b2)", "ema(memory.v, g**2, self.b1)"),
        ("mu_next * (m / m_correction)", "mu * (m / m_correction)"),
        ("mu_next * (m / m_correction)", "mu_next * m"),
        ("(1 - mu) * (g / g_correction)", "(1 - mu) * g"),
        ("(1 - mu) * (g / g_correction)", "(1 - mu) * (m / g_correction)"),
        ("(self.b2 if self.b2_factor else 1) * ", ""),
        ("v / debias(self.b2, t, self.debias)", "v"),
        ("-self.learning_rate", "self.learning_rate"),
        ("safe_sqrt(v_hat) + self.eps", "safe_sqrt(v_hat + self.eps)"),
    ],
    "adagrad": [("memory.s + g**2", "memory.s + jnp.abs(g)"), ("self.Memory(s)", "memory")],
    "adadelta": [
        ("safe_sqrt(memory.x + self.eps)", "safe_sqrt(memory.x)"),
        ("safe_sqrt(s + self.eps)", "safe_sqrt(memory.s + self.eps)"),
        ("delta**2, self.rho", "g**2, self.rho"),
    ],
    "adamax": [("jnp.abs(g) + self.eps", "jnp.abs(g)"), ("self.b2 * memory.w", "memory.w"), ("m_hat / w", "m / w")],
    "adamw": [("u - share * p", "u - self.learning_rate * share * p"), ("u - share * p", "u + share * p")],
    "lion": [("c = ema(memory.m, g, self.b1)", "c = ema(memory.m, g, self.b2)"), ("ema(memory.m, g, self.b2)", "c")],
    "radam": [("rho > self.threshold", "rho > 6"), ("adaptive, m_hat", "adaptive, 0 * m_hat"), ("r * m_hat", "m_hat")],
    "rprop": [
        ("agreement < 0", "agreement <= 0"),
        ("jnp.where(agreement == 0, memory.delta, delta)", "delta"),
        ("seen = jnp.where(turned, 0.0, g)", "seen = g"),
        ("-memory.u if", "memory.u if"),
    ],
    "sgd": [
        ("x + self.momentum * b if", "x + b if"),
        ("kept = (1 - self.dampening) * x", "kept = x"),
        ("kept = jnp.where(t == 1, x, kept)", "kept = x"),
        ("self.momentum * memory.b", "memory.b"),
    ],
    "signsgd": [("jnp.sign(g)", "g")],
    "signum": [("jnp.sign(m)", "jnp.sign(memory.m)"), ("jnp.sign(m)", "m")],
}


def with_line(record, old, new):
    """The rule whose `step` reads `new` where it read `old`."""
    source = textwrap.dedent(inspect.getsource(record.make.step))
    assert source.count(old) >= 1, f"{old!r} is not in {record.make.__name__}.step any more"
    names = dict(vars(sys.modules[record.make.__module__]))
    broken = type(f"Broken{record.make.__name__}", (record.make,), {})
    exec(source.replace(old, new, 1).replace("super()", f"super({record.make.__name__}, self)"), names)
    broken.step = names["step"]
    return lambda settings: broken(**settings)


MUTANTS = {
    **CONVENTIONS,
    **NUMBERS,
    **{
        f"{name}: {old} -> {new}": (name, with_line(RECORDS[name], old, new))
        for name, changes in LINES.items()
        for old, new in changes
    },
}

SAME = "the same number while the rate is constant; test_facts.py tells them apart with a schedule"
# What no witness at the records' settings can tell, and why. They must survive: one that dies has found a witness.
SURVIVORS = {
    "adamax.debias=exact": "both forms of 1 - beta_1**t are within the tolerance in float64",
    "rmsprop.momentum_at=after_rate": SAME,
    "rmsprop.momentum_at=before_rate": SAME,
    "sgd.momentum_at=after_rate": SAME,
    "sgd.momentum_at=before_rate": SAME,
    "sgd.first_step=copied": "neither the paper nor Optax nor PyTorch dampens the first step: by hand in test_facts.py",
    "rprop: jnp.where(agreement == 0, memory.delta, delta) -> delta": "no setting begins outside its limits: by hand in "
    "test_facts.py",
}


@cache
def killer(mutant):
    return killed_by(*MUTANTS[mutant])


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant not in SURVIVORS])
def test_a_broken_rule_is_told_from_the_right_one(mutant):
    assert killer(mutant), f"no witness notices {mutant}"


@pytest.mark.parametrize("mutant", SURVIVORS)
def test_what_no_witness_can_tell_is_known(mutant):
    assert killer(mutant) is None, f"{mutant} is noticed now, by {killer(mutant)}: it is a survivor no more"


def test_the_score():
    killed = sum(killer(mutant) is not None for mutant in MUTANTS)
    print(f"\n{killed} of {len(MUTANTS)} mutants killed, {len(SURVIVORS)} known to survive")
    assert killed == len(MUTANTS) - len(SURVIVORS) >= 200


@pytest.mark.parametrize("name", RECORDS)
def test_the_unbroken_rule_agrees_with_its_witnesses_but_for_known_deviations(name):
    record = RECORDS[name]
    for i, settings in enumerate(record.settings):
        ours = fields(record.make(**settings))
        for witness, off in honest(name, i).items():
            known = [
                d.sizes["float64"][1]
                for d in record.deviations
                if d.twin == witness and "float64" in d.sizes and all(ours[k] == v for k, v in d.settings.items())
            ]
            # The unit here is a column's, not a leaf's: up to ten times smaller.
            assert off <= 10 * max([TOLERANCE, *known]), (settings, witness)
