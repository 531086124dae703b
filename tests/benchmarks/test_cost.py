"""The compiled work of a rule, which unlike its time is the same on every run."""

import sys
from pathlib import Path

import pytest

from gdfunc.parity import build
from gdfunc.rules import SGD, Adam, Lion, records

sys.path.insert(0, str(Path(__file__).parents[2]))
from benchmarks.cost import work


@pytest.mark.parametrize(
    "ours", [Adam(1e-3), SGD(0.1), SGD(0.1, momentum=0.9, momentum_at="before_rate"), Lion(1e-4)], ids=repr
)
def test_flops_and_bytes_are_at_most_1_per_cent_above_optaxs(ours):
    peer = work(build(records()[type(ours).__name__.lower()].twin("optax"), ours))
    for unit, amount in work(ours).items():
        assert 0 < amount <= 1.01 * peer[unit], unit
