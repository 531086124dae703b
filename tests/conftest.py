import os
from pathlib import Path

import chex
import jax
import pytest


def pytest_configure(config):
    if os.environ.get("CI"):  # a machine that runs the tests once pays for writing the cache and gains nothing
        return
    # A second run compiles nothing anew. Workers write to folders of their own: the files are not written atomically.
    folder = Path(__file__).parents[1] / ".jax_cache" / os.environ.get("PYTEST_XDIST_WORKER", "main")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # A damaged entry is compiled again; it is no fault of the test that meets it.
    config.addinivalue_line("filterwarnings", "ignore:Error (reading|writing) persistent compilation cache:UserWarning")


@pytest.fixture(autouse=True)
def clear_trace_counter():
    """`chex.assert_max_traces` counts across tests."""
    chex.clear_trace_counter()
