import gc
import os
from importlib import metadata
from pathlib import Path

import chex
import jax
import pytest


def pytest_configure(config):
    if metadata.version("jaxlib").startswith("0.10."):
        # Its older emitters compile in half the time. Later releases have no others, and refuse the flag. A small program
        # compiles faster in one piece.
        flags = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"
    # Programs and traces are many small objects in cycles: looking through them all so often is a tenth of the time.
    gc.set_threshold(100_000, 20, 100)
    # A second run compiles nothing anew, and a first one less: test files share their single operations.
    jax.config.update("jax_compilation_cache_dir", str(Path(__file__).parents[1] / ".jax_cache"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # An entry that another worker has not written to its end is compiled again; it is no fault of the test that meets it.
    config.addinivalue_line("filterwarnings", "ignore:Error (reading|writing) persistent compilation cache:UserWarning")


def pytest_collection_finish():
    """What imports have made stays: no collection looks through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def free_compiled_programs():
    """A process may map so much memory, and no more: thousands of compiled programs would end it, and slow it down before."""
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True)
def clear_trace_counter():
    """`chex.assert_max_traces` counts across tests."""
    chex.clear_trace_counter()


def pytest_terminal_summary(terminalreporter):
    """The score of `tests/mutation`, at the end of the run; here, because a folder's own conftest is the workers' alone."""
    scores = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "mutants" and report.when == "call"
    ]
    if scores:
        made, killed = (sum(column) for column in zip(*scores, strict=True))
        percent = 100 * killed / made
        terminalreporter.write_line(
            f"{killed} of {made} wrong rules told from the right ones ({percent:.3g} %), in {len(scores)} rules"
        )
