"""Every record's loss against its paper's transcription and its JAX twins."""

import dataclasses
import inspect
from importlib import import_module

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc import losses

MODES = [(np.float32, False), (np.float32, True), (np.float64, True)]
CASES = [
    pytest.param(record, settings, id=f"{record.name}-{i}")
    for record in losses.records().values()
    for i, settings in enumerate(record.settings)
]


def agree(ours, theirs, dtype):
    """Within 8 rounding errors of the largest value; both finite, one shape."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    chex.assert_tree_all_finite((ours, theirs))
    tolerance = 8 * np.finfo(dtype).eps * np.abs(theirs).max()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, strict=True)


@pytest.mark.parametrize(("record", "settings"), CASES)
@pytest.mark.parametrize(("dtype", "x64"), MODES, ids=["f32", "f32-x64", "f64"])
def test_the_loss_is_its_papers_formula_and_its_twins(record, settings, dtype, x64):
    with jax.enable_x64(x64):
        example = record.example(np.random.default_rng(0), dtype)
        arrays = tuple(map(jnp.asarray, example))
        ours = record.make(*arrays, **settings)
        assert ours.dtype == dtype
        agree(ours, record.transcription(*example, **settings), dtype)
        agree(jax.jit(lambda *x: record.make(*x, **settings))(*arrays), ours, dtype)
        for twin in record.twins:
            arguments = twin.arguments(**_all_fields(record.make, settings))
            if twin.library == "torch" or isinstance(arguments, str):
                continue
            module, _, name = twin.name.rpartition(".")
            function = getattr(import_module(module), name)
            theirs = twin.call(function, *arrays, **arguments) if twin.call else function(*arrays, **arguments)
            agree(theirs, ours, dtype)


@pytest.mark.parametrize("record", losses.records().values(), ids=lambda record: record.name)
def test_the_parity_settings_move_every_argument_off_its_default(record):
    defaults = _all_fields(record.make, {})
    for name, default in defaults.items():
        assert any(settings.get(name, default) != default for settings in record.settings), name


@pytest.mark.parametrize("record", losses.records().values(), ids=lambda record: record.name)
def test_the_record_is_complete_and_the_docstring_documents_every_argument(record):
    assert record.papers
    assert record.formula
    assert set(record.arguments) == set(inspect.signature(record.make).parameters)
    known = {twin.library for twin in record.twins} | set(record.no_twin)
    assert {"optax", "torch"} <= known
    assert dataclasses.is_dataclass(record)


@pytest.mark.parametrize("record", losses.records().values(), ids=lambda record: record.name)
def test_bfloat16_in_is_bfloat16_out_and_gradients_are_finite(record):
    example = [jnp.asarray(x) for x in record.example(np.random.default_rng(0), np.float32)]
    arrays = [x.astype(jnp.bfloat16) if jnp.issubdtype(x.dtype, jnp.floating) else x for x in example]
    for settings in record.settings:
        ours = record.make(*arrays, **settings)
        assert ours.dtype == jnp.bfloat16
        gradient = jax.grad(lambda x, settings=settings: record.make(x, *arrays[1:], **settings).sum())(arrays[0])
        assert gradient.dtype == jnp.bfloat16
        chex.assert_tree_all_finite((ours, gradient))
        # Inside it is float32: from the same numbers, the only error is the last rounding, half of eps = 2**-7.
        exact = record.make(*[x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x for x in arrays], **settings)
        np.testing.assert_allclose(ours.astype(jnp.float32), exact, rtol=2**-8, atol=0, strict=True)


def _all_fields(make, settings):
    parameters = inspect.signature(make).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty} | dict(settings)
