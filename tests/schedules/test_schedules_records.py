"""Every record's schedule against its paper's transcription and its Optax twins."""

import dataclasses
from importlib import import_module

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc import schedules

RECORDS = list(schedules.records().values())
CASES = [
    pytest.param(record, settings, id=f"{record.name}-{i}")
    for record in RECORDS
    for i, settings in enumerate(record.settings)
]


def agree(ours, theirs):
    """Within 8 rounding errors of the largest value, in the precision of ours; both finite, one shape."""
    eps = np.finfo(np.asarray(ours).dtype).eps
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    chex.assert_tree_all_finite((ours, theirs))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=8 * eps * np.abs(theirs).max(), strict=True)


@pytest.mark.parametrize(("record", "settings"), CASES)
@pytest.mark.parametrize("x64", [False, True], ids=["f32", "f64"])
def test_the_schedule_is_its_papers_formula_and_its_twins(record, settings, x64):
    with jax.enable_x64(x64):
        (steps,) = record.example(np.random.default_rng(0), np.float32)
        schedule = record.make(**settings)
        ours = schedule(jnp.asarray(steps))
        assert ours.dtype == (jnp.float64 if x64 else jnp.float32)
        agree(ours, record.transcription(steps, **settings))
        agree(jax.jit(lambda schedule, s: schedule(s))(schedule, jnp.asarray(steps)), ours)
        for twin in record.twins:
            fields = {field.name: getattr(schedule, field.name) for field in dataclasses.fields(schedule)}
            arguments = twin.arguments(**fields)
            if twin.library == "torch" or isinstance(arguments, str):
                continue
            module, _, name = twin.name.rpartition(".")
            agree(ours, twin.call(getattr(import_module(module), name), jnp.asarray(steps), **arguments))


@pytest.mark.parametrize(("record", "settings"), CASES)
def test_every_number_has_a_finite_derivative_at_every_step(record, settings):
    (steps,) = record.example(np.random.default_rng(0), np.float32)
    schedule = record.make(**settings)
    slopes = jax.jacrev(lambda schedule: schedule(jnp.asarray(steps)))(schedule)
    assert jax.tree.leaves(slopes)
    chex.assert_tree_all_finite(jax.tree.leaves(slopes))


@pytest.mark.parametrize(("record", "settings"), CASES)
def test_step_arrays_of_any_shape_scalars_and_jit_agree(record, settings):
    schedule = record.make(**settings)
    steps = np.arange(6).reshape(2, 3)
    values = schedule(steps)
    assert values.shape == (2, 3)
    for s, value in zip(steps.ravel(), values.ravel(), strict=True):
        agree(schedule(int(s)), value)
    assert schedule(3).shape == ()
    assert not schedule(3).weak_type


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_another_number_recompiles_nothing(record):
    settings = record.settings[0]
    traces = []

    @jax.jit
    def at_three(schedule):
        traces.append(None)
        return schedule(3)

    schedule = record.make(**settings)
    at_three(schedule)
    at_three(jax.tree.map(lambda x: 2 * x, schedule))
    assert len(traces) == 1


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_the_parity_settings_move_every_argument_off_its_default(record):
    for field in dataclasses.fields(record.make):
        given = [settings.get(field.name, field.default) for settings in record.settings]
        assert any(value != field.default for value in given), field.name


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.name)
def test_the_record_is_complete_and_the_docstring_documents_every_field(record):
    assert record.papers
    assert record.formula
    assert set(record.arguments) == {field.name for field in dataclasses.fields(record.make)}
    assert {"optax", "torch"} <= {twin.library for twin in record.twins} | set(record.no_twin)
