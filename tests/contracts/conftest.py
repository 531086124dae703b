import jax
import pytest


@pytest.fixture(autouse=True, scope="module")
def quick_compilation():
    """Contracts are about types, tracing and equal ways to run; what the optimised program computes, certificates say."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
