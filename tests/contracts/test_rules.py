"""What every rule promises, at every setting of its record."""

import contextlib
import copy
import dataclasses
import pickle
import typing
from functools import cache, partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.training.train_state import TrainState

import gdfunc as gd
from gdfunc import rules, schedules
from gdfunc.core import ArrayRule, Rule, TreeRule, Wrapper
from gdfunc.parity._stream import extras

RECORDS = rules.records()
BASES = {Rule, ArrayRule, TreeRule, Wrapper}
# The first setting of each: the certificates run all of them.
CASES = {f"{name}-0": (record, record.settings[0]) for name, record in RECORDS.items()}
RULES = {name: record.make(**settings) for name, (record, settings) in CASES.items()}

PLAIN = [name for name in CASES if set(getattr(RULES[name], "needs", ())) <= {"params"}]

every_record = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
every_rule = pytest.mark.parametrize("name", CASES)
# Optax's own combinators hand what goes beyond parameters to Optax's class alone.
every_plain_rule = pytest.mark.parametrize("name", PLAIN)
every_plain_record = pytest.mark.parametrize(
    "record", [record for name, record in RECORDS.items() if f"{name}-0" in PLAIN], ids=lambda record: record.name
)
has_rate = lambda record: "learning_rate" in {field.name for field in dataclasses.fields(record.make)}  # noqa: E731
every_rated_record = pytest.mark.parametrize(
    "record", [record for record in RECORDS.values() if has_rate(record)], ids=lambda record: record.name
)

STEPS = 7  # RAdam's rectification sets in at the fifth or sixth
SHAPES = {"matrix": (2, 3), "scalar": (), "vector": (3,)}


def tree(seed, dtype=np.float64, steps=None):
    """Numbers from 0.1 to 10 in size, a quarter of them negative; with `steps`, on a leading axis."""
    random = np.random.default_rng(seed)
    lead = () if steps is None else (steps,)

    def leaf(shape):
        size = 10 ** random.uniform(-1, 1, lead + shape)
        return np.asarray(size * np.where(random.random(lead + shape) < 0.25, -1, 1), dtype)

    return {name: leaf(shape) for name, shape in SHAPES.items()}


PARAMS, GRADIENTS = tree(0), tree(1, steps=STEPS)


def gradient(t):
    return {name: g[t] for name, g in GRADIENTS.items()}


def as_jax(x, dtype=None):
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), x)


def given(g, params, t):
    """What a rule may need beyond a gradient, at one step: a quadratic whose gradient at the parameters is g."""
    g = jax.tree.map(jnp.asarray, g)
    value = 2 + jnp.cos(jnp.asarray(t, jax.tree.leaves(g)[0].dtype))
    curvatures = jax.tree.map(lambda x: jnp.full_like(x, 0.5), g)
    return extras(value, g, params, curvatures, jax.random.fold_in(jax.random.key(0), t))


def update(rule, g, state, params, t=0):
    """One update of a rule, with what it needs."""
    needs = getattr(rule, "needs", ())
    found = given(g, params, t) if set(needs) - {"params"} else {}
    return rule.update(g, state, params, **{name: found[name] for name in needs if name != "params"})


def scan(rule, gradients, params):
    """The updates of all steps, as one loop."""
    count = jnp.arange(len(jax.tree.leaves(gradients)[0]))
    one = lambda state, row: update(rule, row[1], state, params, row[0])[::-1]  # noqa: E731
    return jax.lax.scan(one, rule.init(params), (count, gradients))[1]


def loop(rule, gradients, params):
    """The same, step by step."""
    state, rows = rule.init(params), []
    for t in range(len(jax.tree.leaves(gradients)[0])):
        u, state = update(rule, jax.tree.map(lambda g, t=t: g[t], gradients), state, params, t)
        rows.append(u)
    return jax.tree.map(lambda *us: jnp.stack(us), *rows)


@cache
def expected(name):
    """The updates of one case on the gradients above, in float64, compiled."""
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(scan)(RULES[name], as_jax(GRADIENTS), as_jax(PARAMS)))


@cache
def growth(name):
    """What one rounding of the gradients does to the updates of a rule that magnifies it; 1 for all others."""
    if not CASES[name][0].ill_conditioned:
        return 1.0
    eps = np.finfo(np.float64).eps
    with jax.enable_x64(True):
        pushed = jax.tree.map(lambda g: g * (1 + eps * (-1.0) ** np.arange(g.size).reshape(g.shape)), GRADIENTS)
        moved = jax.tree.map(np.asarray, jax.jit(scan)(RULES[name], as_jax(pushed), as_jax(PARAMS)))
    pairs = zip(jax.tree.leaves(moved), jax.tree.leaves(expected(name)), strict=True)
    return max(1.0, *(float(np.max(np.abs(a - b)) / (eps * np.max(np.abs(b)))) for a, b in pairs))


def tolerance(name, mode="float64"):
    """8 rounding errors, of what they grow to; where a literal power rounds differently from run to run, that much."""
    record, rule = RECORDS[name.rpartition("-")[0]], RULES[name]
    known = [
        d.sizes[mode][1]
        for d in record.deviations
        if d.settings.get("debias") == "power"
        and mode in d.sizes
        and all(getattr(rule, field) == value for field, value in d.settings.items())
    ]
    return max([8.0 * growth(name), *known])


def assert_close(seen, wanted, tolerance=8.0):
    """Equal to so many rounding errors of the leaf's largest entry; shapes and dtypes too."""
    chex.assert_trees_all_equal_shapes_and_dtypes(as_jax_types(seen), as_jax_types(wanted))
    chex.assert_tree_all_finite(seen)
    for leaf, other in zip(jax.tree.leaves(seen), jax.tree.leaves(wanted), strict=True):
        unit = np.finfo(np.asarray(other).dtype).eps * max(np.max(np.abs(other)), np.finfo(np.float32).tiny)
        assert np.max(np.abs(np.asarray(leaf) - np.asarray(other))) <= tolerance * unit


def as_jax_types(x):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.asarray(leaf).dtype), x)


def types(x):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), x)


def numbers(rule):
    """The names of the fields that are numbers now."""
    return [
        name
        for name, field in type(rule)._fields.items()
        if field.range is not None and getattr(rule, name) is not None and not callable(getattr(rule, name))
    ]


def moved(rule, field):
    """Another value for a number, within its range."""
    factor = 0.95 if type(rule)._fields[field].range.high == 1 else 1.05
    return getattr(rule, field) * factor if getattr(rule, field) else 0.01


def conventions(rule):
    return [name for name, field in type(rule)._fields.items() if field.static]


# ---------------------------------------------------------------------------------------------------- records


@every_record
def test_the_docstring_explains_every_field_and_shows_the_formula(record):
    assert list(record.arguments) == [field.name for field in dataclasses.fields(record.make)]
    assert all(record.arguments.values())
    assert len(record.formula) > 20
    assert record.summary.endswith(".")
    assert all(paper.link.startswith("https://") and str(paper.year) in str(paper) for paper in record.papers)
    assert any(paper.link in record.summary for paper in record.papers)


@every_record
def test_each_argument_leaves_its_default_at_least_once(record):
    for field in dataclasses.fields(record.make):
        values = [settings.get(field.name, field.default) for settings in record.settings]
        assert any(value != field.default for value in values), field.name


@every_record
def test_a_library_has_a_twin_or_a_reason_for_none(record):
    assert {twin.library for twin in record.twins} | set(record.no_twin) == {"optax", "torch"}
    assert not {twin.library for twin in record.twins} & set(record.no_twin)


@every_record
def test_get_finds_the_rule_by_its_name(record):
    assert rules.get(record.name, **record.settings[0]) == record.make(**record.settings[0])
    assert rules.record(record.name) is record


def test_every_public_rule_has_a_record():
    public = {x for x in vars(rules).values() if isinstance(x, type) and issubclass(x, Rule) and x not in BASES}
    assert public == {record.make for record in RECORDS.values()}


# ---------------------------------------------------------------------------------------- shapes, dtypes, tracing


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@every_rule
def test_updates_and_state_keep_shapes_and_dtypes_from_the_first_step_on(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        rule, g = RULES[name], jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, jnp.dtype(dtype)), PARAMS)
        start = jax.eval_shape(rule.init, g)
        updates, first = jax.eval_shape(partial(update, rule), g, start, g)
        again, second = jax.eval_shape(partial(update, rule), g, first, g)
    assert types(updates) == types(again) == types(g)
    assert types(start) == types(first) == types(second)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(start))


@every_rule
def test_with_x64_on_float32_stays_float32(name):
    with jax.enable_x64(True):
        rule, g = RULES[name], jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, jnp.float32), PARAMS)
        start = jax.eval_shape(rule.init, g)
        updates, state = jax.eval_shape(partial(update, rule), g, start, g)
    assert types(updates) == types(g)
    assert types(state) == types(start)
    assert {leaf.dtype for leaf in jax.tree.leaves(state.memory)} <= {
        jnp.dtype(kind) for kind in ("float32", "int32", "bool")
    }


TRACED = []


@partial(jax.jit, donate_argnums=(2,))
def counted_step(rule, g, state, params, t):
    """One program for each choice of conventions: the numbers are its arguments."""
    TRACED.append(rule)
    updates, state = update(rule, g, state, params, t)
    return updates, state, gd.apply_updates(params, updates)


@every_rule
def test_one_trace_serves_all_steps_also_for_weakly_typed_params_and_a_donated_state(name):
    rule, rows, traced_before = RULES[name], [], len(TRACED)
    # An array made from a Python number is weakly typed, and so is what is made like it.
    params = {"scalar": jnp.array(0.5), "vector": jnp.full(3, 0.5)}
    assert all(leaf.weak_type for leaf in jax.tree.leaves(params))
    g = {leaf: jnp.asarray(GRADIENTS[leaf][:3], jnp.float32) for leaf in params}
    state = rule.init(params)
    for t in range(3):
        before = state
        updates, state, after = counted_step(rule, {leaf: x[t] for leaf, x in g.items()}, state, params, t)
        rows.append(updates)
        assert jax.tree.map(jnp.shape, after) == jax.tree.map(jnp.shape, params)
        # On CPU too a donated buffer is gone.
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(before[1:]))
    assert len(TRACED) - traced_before <= 1
    # A number that is an argument has float32's digits; in the formula a Python number has all of them in 1 - decay.
    wanted = loop(jax.tree.map(jnp.float32, rule), g, params)
    assert_close(jax.tree.map(lambda *us: jnp.stack(us), *rows), wanted, tolerance(name, "float32"))


@every_rule
def test_no_two_fields_of_the_memory_share_an_array(name):
    leaves = jax.tree.leaves(RULES[name].init(as_jax(PARAMS, jnp.float32)))
    assert len({leaf.unsafe_buffer_pointer() for leaf in leaves}) == len(leaves)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@every_record
def test_16_bits_follow_float32_to_their_own_precision(record, dtype):
    if record.ill_conditioned:
        return  # what 16 bits round, it magnifies
    rule = record.make(**record.settings[0])
    g = jax.tree.map(lambda x: jnp.asarray(x, dtype), GRADIENTS)
    p = jax.tree.map(lambda x: jnp.asarray(x, dtype), PARAMS)
    narrow = loop(rule, g, p)
    wide = loop(rule, as_jax(g, jnp.float32), as_jax(p, jnp.float32))
    chex.assert_tree_all_finite(narrow)
    for a, b in zip(jax.tree.leaves(narrow), jax.tree.leaves(wide), strict=True):
        # Memories are rounded at each step, and float16 has few digits below 6e-5.
        unit = float(jnp.finfo(dtype).eps) * float(jnp.max(jnp.abs(b))) + float(jnp.finfo(dtype).smallest_subnormal)
        assert float(jnp.max(jnp.abs(a.astype(jnp.float32) - b))) <= 64 * unit


def second_update(traces):
    """A rule's second update, as some only look at the first gradient: compiled, with an entry in `traces` for each trace."""

    @jax.jit
    def updates(rule):
        traces.append(rule)
        g = {"x": jnp.ones(())}
        return update(rule, g, update(rule, g, rule.init(g), g)[1], g, 1)[0]["x"]

    return updates


@every_rule
def test_a_rule_is_an_argument_of_jit_and_another_rate_recompiles_nothing(name):
    rule, traces = RULES[name], []
    updates = second_update(traces)
    one, other = updates(rule), updates(jax.tree.map(lambda x: 0.95 * x, rule))
    assert len(traces) == 1
    if has_rate(CASES[name][0]) and not callable(rule.learning_rate):
        assert one != other


# ------------------------------------------------------------------------------------------- transformations


@every_rule
def test_scan_equals_loop_and_jit_equals_eager(name):
    with jax.enable_x64(True):
        seen = loop(RULES[name], as_jax(GRADIENTS), as_jax(PARAMS))
    assert_close(seen, expected(name), tolerance(name))


@every_rule
def test_vmap_over_every_hyperparameter_equals_a_loop(name):
    with jax.enable_x64(True):
        rule, fields = RULES[name], numbers(RULES[name])
        if not fields:
            return
        other = {field: moved(rule, field) for field in fields}
        many = dataclasses.replace(rule, **{f: jnp.array([getattr(rule, f), other[f]]) for f in fields})
        g, p = jnp.asarray(GRADIENTS["matrix"]), jnp.asarray(PARAMS["matrix"])
        first, second = np.asarray(jax.jit(jax.vmap(scan, in_axes=(gd.in_axes(many), None, None)))(many, g, p))
        assert_close(first, loop(rule, g, p), tolerance(name))
        assert_close(second, loop(dataclasses.replace(rule, **other), g, p), tolerance(name))


@jax.jit
@jax.value_and_grad
def total_and_slopes(rule, g, p):
    """A number that depends on every update differently, and its derivatives: one program for each choice of conventions."""
    updates = scan(rule, g, p)
    return jnp.sum(updates * jnp.cos(jnp.arange(updates.size)).reshape(updates.shape))


def with_zeros(dtype):
    """Gradients that are zero at first, and in a row all the way."""
    return jnp.asarray(GRADIENTS["matrix"], dtype).at[:3].set(0).at[:, 0].set(0)


@every_rule
def test_hypergradients_are_finite_also_at_zero_gradient(name):
    with jax.enable_x64(True):
        _, slopes = total_and_slopes(RULES[name], with_zeros("float64"), PARAMS["matrix"])
        assert type(slopes) is type(RULES[name])
        assert len(jax.tree.leaves(slopes)) == len(jax.tree.leaves(RULES[name]))
        chex.assert_tree_all_finite(slopes)


@every_record
def test_hypergradients_at_zero_gradient_are_finite_in_float32(record):
    rule, p = record.make(**record.settings[0]), jnp.asarray(PARAMS["matrix"], jnp.float32)
    chex.assert_tree_all_finite(total_and_slopes(rule, with_zeros("float32"), p)[1])


@every_rule
def test_hypergradients_are_the_difference_quotients(name):
    with jax.enable_x64(True):
        rule, g, p = RULES[name], GRADIENTS["matrix"], PARAMS["matrix"]
        value, slopes = total_and_slopes(rule, g, p)
        noise = tolerance(name) * np.finfo(np.float64).eps * (1 + abs(float(value)))
        for field in numbers(rule):
            at, seen = getattr(rule, field), float(getattr(slopes, field))
            there = lambda x, f=field: float(total_and_slopes(dataclasses.replace(rule, **{f: x}), g, p)[0])  # noqa: E731
            ends = type(rule)._fields[field].range
            if ends.low < at < ends.high:
                h = 1e-6 * (abs(at) or 1.0)
                quotient = (there(at + h) - there(at - h)) / (2 * h)
            else:  # an end of its range: one-sided, of second order
                h = 1e-7 if at <= ends.low else -1e-7
                quotient = (4 * there(at + h) - there(at + 2 * h) - 3 * float(value)) / (2 * h)
            assert abs(seen - quotient) <= 1e-5 * abs(quotient) + 4 * noise / abs(h), field


@every_rule
def test_a_zero_gradient_moves_parameters_where_the_record_says_so_and_nowhere_else(name):
    zeros = jax.tree.map(lambda x: jnp.zeros((3, *x.shape), jnp.float32), PARAMS)
    updates = loop(RULES[name], zeros, as_jax(PARAMS, jnp.float32))
    moves = any(np.any(u != 0) for u in jax.tree.leaves(updates))
    known = CASES[name][0].zero_gradient_moves
    assert moves == (known(**fields_of(RULES[name])) if callable(known) else known)
    chex.assert_tree_all_finite(updates)


def fields_of(rule):
    return {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}


# ------------------------------------------------------------------------------------------- with other libraries


@every_plain_rule
def test_runs_inside_optax_chain(name):
    with jax.enable_x64(True):
        halved = jax.tree.map(lambda g: g / 2, GRADIENTS)
        outer = optax.chain(optax.scale(2.0), RULES[name], optax.scale(-1.0))
        updates = loop(outer, as_jax(halved), as_jax(PARAMS))
    assert_close(jax.tree.map(jnp.negative, updates), expected(name), tolerance(name))


@every_plain_rule
def test_our_chain_holds_optax_parts(name):
    with jax.enable_x64(True):
        halved = jax.tree.map(lambda g: g / 2, GRADIENTS)
        ours = gd.chain(optax.scale(2.0), RULES[name], optax.identity())
        updates = loop(ours, as_jax(halved), as_jax(PARAMS))
    assert_close(updates, expected(name), tolerance(name))


@every_plain_record
def test_runs_under_optax_inject_hyperparams(record):
    with jax.enable_x64(True):
        rule = record.make(**record.settings[0])
        fields = numbers(rule)
        if not fields:
            return
        static = [f.name for f in dataclasses.fields(record.make) if f.name not in fields]
        injected = optax.inject_hyperparams(record.make, static_args=static)(**record.settings[0])
        p = as_jax(PARAMS)
        state = injected.init(p)
        assert set(state.hyperparams) == set(fields)
        seen, after = injected.update(as_jax(gradient(0)), state, p)
        assert_close(seen, jax.tree.map(lambda u: u[0], expected(f"{record.name}-0")), tolerance(f"{record.name}-0"))
        if not has_rate(record):
            return
        after.hyperparams["learning_rate"] = jnp.asarray(0.0)
        seen, _ = injected.update(as_jax(gradient(1)), after, p)
        mine = dataclasses.replace(rule, learning_rate=0.0)
        state = rule.update(as_jax(gradient(0)), rule.init(p), p)[1]
        assert_close(seen, mine.update(as_jax(gradient(1)), state, p)[0], tolerance(f"{record.name}-0"))


@every_plain_rule
def test_optax_masked_runs_it_on_the_leaves_it_names(name):
    with jax.enable_x64(True):
        mask = {"matrix": True, "scalar": False, "vector": True}
        updates = loop(optax.masked(RULES[name], mask), as_jax(GRADIENTS), as_jax(PARAMS))
        some = lambda tree: {k: x for k, x in as_jax(tree).items() if mask[k]}  # noqa: E731
        wanted = {**as_jax(GRADIENTS), **loop(RULES[name], some(GRADIENTS), some(PARAMS))}
    assert_close(updates, wanted, tolerance(name))


@every_plain_record
def test_optax_multisteps_gives_it_the_mean_gradient(record):
    with jax.enable_x64(True):
        rule, g, p = record.make(**record.settings[0]), jnp.asarray(GRADIENTS["matrix"]), jnp.asarray(PARAMS["matrix"])
        every_other = optax.MultiSteps(rule, every_k_schedule=2, accumulator_dtype=jnp.float64)
        updates = jax.jit(lambda g, p: scan(every_other, g, p))(jnp.repeat(g, 2, axis=0), p)
        assert not np.any(updates[::2])
        assert_close(updates[1::2], loop(rule, g, p), tolerance(f"{record.name}-0"))


@every_plain_record
def test_flax_train_state_takes_it_as_tx(record):
    with jax.enable_x64(True):
        rule, p = record.make(**record.settings[0]), as_jax(PARAMS)
        state = TrainState.create(apply_fn=lambda p, x: x, params=p, tx=rule)
        step = lambda s, g: s.apply_gradients(grads=g)  # noqa: E731
        jax.jit(step).trace(state, as_jax(gradient(0)))  # its rule is a static part of it
        state = step(state, as_jax(gradient(0)))
        assert int(state.step) == 1
        wanted = jax.tree.map(lambda x, u: np.asarray(x + u[0]), PARAMS, expected(f"{record.name}-0"))
    assert_close(state.params, wanted)


# ------------------------------------------------------------------------------------------- schedules, values


SCHEDULES = {
    "function": lambda step: 0.25 / (1 + step),
    "ours": schedules.Exponential(0.25, 0.5, 1),
    "optax": optax.polynomial_schedule(0.25, 0.1, 1, 3),
}


# One after another over the rules: what reads a schedule is the same for all of them, and each kind meets a third.
@pytest.mark.parametrize(
    ("record", "kind"),
    [(record, list(SCHEDULES)[i % 3]) for i, record in enumerate(filter(has_rate, RECORDS.values()))],
    ids=lambda x: getattr(x, "name", x),
)
def test_a_schedule_as_learning_rate_is_read_at_the_step_and_0_is_the_first(record, kind):
    schedule = SCHEDULES[kind]
    with jax.enable_x64(True):
        settings = {**record.settings[0], "learning_rate": schedule}
        seen = loop(record.make(**settings), as_jax(GRADIENTS), as_jax(PARAMS))
        state, p = record.make(**{**settings, "learning_rate": schedule(0)}).init(as_jax(PARAMS)), as_jax(PARAMS)
        for t in range(STEPS):
            now = record.make(**{**settings, "learning_rate": schedule(jnp.int32(t))})
            updates, state = update(now, as_jax(gradient(t)), state, p, t)
            assert_close(jax.tree.map(lambda u, t=t: u[t], seen), updates)


@every_record
def test_any_hyperparameter_may_be_a_schedule(record):
    with jax.enable_x64(True):
        rule = record.make(**record.settings[0])
        scheduled = dataclasses.replace(rule, **{f: lambda step, x=getattr(rule, f): x for f in numbers(rule)})
        seen = loop(scheduled, as_jax(GRADIENTS), as_jax(PARAMS))
    assert_close(seen, expected(f"{record.name}-0"), tolerance(f"{record.name}-0"))


@every_rated_record
def test_a_schedule_runs_inside_jit_and_is_itself_an_argument(record):
    traces = []
    updates = second_update(traces)
    make = lambda peak: record.make(**{**record.settings[0], "learning_rate": schedules.Exponential(peak, 0.5, 1)})  # noqa: E731
    one, other = updates(make(0.25)), updates(make(0.5))
    assert len(traces) == 1
    assert one != other


@every_rule
def test_a_rule_and_its_state_survive_pickle_and_deepcopy(name):
    rule = RULES[name]
    state = rule.init(as_jax(PARAMS, jnp.float32))
    for again in (pickle.loads(pickle.dumps(rule)), copy.deepcopy(rule)):
        assert again == rule
        assert hash(again) == hash(rule)
    for again in (pickle.loads(pickle.dumps(state)), copy.deepcopy(state)):
        chex.assert_trees_all_equal(again, state, strict=True)


@every_rule
def test_the_repr_of_a_rule_makes_it_again(name):
    assert eval(repr(RULES[name]), {**vars(rules), **vars(schedules)}) == RULES[name]


@every_rule
def test_rules_are_equal_where_their_fields_are(name):
    record, settings = CASES[name]
    rule = RULES[name]
    assert rule == record.make(**settings)
    assert hash(rule) == hash(record.make(**settings))
    assert rule != "a rule"
    for field in numbers(rule):
        assert dataclasses.replace(rule, **{field: moved(rule, field)}) != rule
    for field in conventions(rule):
        for value in choices(record.make, field):
            if value != getattr(rule, field):
                with contextlib.suppress(ValueError):  # Nesterov without momentum
                    assert dataclasses.replace(rule, **{field: value}) != rule


def choices(make, field):
    annotation = typing.get_type_hints(make)[field]
    return (True, False) if annotation is bool else typing.get_args(annotation)


@every_record
def test_a_rule_is_frozen(record):
    rule = record.make(**record.settings[0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(rule, dataclasses.fields(rule)[0].name, 1.0)


@every_record
def test_bad_hyperparameters_are_refused_by_name(record):
    settings = record.settings[0]
    for field in numbers(record.make(**settings)):
        for bad in (float("nan"), float("inf"), "0.1", True, 1j, [0.1], np.array([0.1, np.nan])):
            with pytest.raises(ValueError, match=rf"^{record.make.__name__} needs .*{field}"):
                record.make(**{**settings, field: bad})
    for field in conventions(record.make(**settings)):
        for bad in ("no such choice", None, ["list"], 2.5):
            if bad is None and type(record.make(**settings))._fields[field].optional:
                continue
            with pytest.raises(ValueError, match=rf"^{record.make.__name__} needs {field} to be"):
                record.make(**{**settings, field: bad})
