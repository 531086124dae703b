"""Lines of PyTorch, translated, against what PyTorch 2.13 did when it ran them: the updates of our rule are the same."""

import numpy as np
import pytest

from gdfunc.parity import MODES, port, run, stream
from gdfunc.parity._recorded import line_key, recorded
from gdfunc.parity._torch_lines import LINES, takes

NAMES = [
    "SGD",
    "Adam",
    "AdamW",
    "NAdam",
    "RAdam",
    "Adamax",
    "Adagrad",
    "Adadelta",
    "RMSprop",
    "Rprop",
    "ASGD",
    "Adafactor",
    "Muon",
]
TOLERANCE = 1e-12  # of the leaf's travel, the farthest that its updates add up to

# Where more is known to differ: (at least, at most), and why.
KNOWN = {
    "Muon": (1e-3, 0.1, "PyTorch orthogonalises in bfloat16, two to three digits, whatever the parameters' dtype"),
    "Rprop(params, lr=0.1, etas=(0.4, 1.3)": (
        0.1,
        1.0,
        "PyTorch clips a first step above the largest; the paper keeps it",
    ),
}


def error(line: str, rule) -> float:
    """How far the sum of our updates is from PyTorch's at worst, in units of the leaf's travel."""
    data, theirs = stream(), recorded(line_key(line))
    assert theirs is not None, "run python -m gdfunc.parity.record_torch"
    leaves = [name for name, p in data.params.items() if takes(line, p.shape[1:])]
    trees = {
        kind: {name: getattr(data, kind)[name] for name in leaves} for kind in ("gradients", "params", "curvatures")
    }
    ours = run(rule, data._replace(**trees), MODES[2])
    assert set(ours) == set(theirs)
    worst = 0.0
    for name, x in theirs.items():
        assert np.isfinite(x).all()
        assert np.isfinite(ours[name]).all()
        assert ours[name].dtype == x.dtype
        travel = np.max(np.abs(np.cumsum(x, axis=0)))
        assert travel > 0
        worst = max(worst, float(np.max(np.abs(np.cumsum(ours[name] - x, axis=0))) / travel))
    return worst


@pytest.mark.parametrize("line", LINES)
def test_our_rule_does_what_pytorch_did_at_this_line(line):
    here = port(line, to="gdfunc")
    assert here.rule is not None, here.note
    least, most, _ = next((known for part, known in KNOWN.items() if f"optim.{part}" in line), (0.0, TOLERANCE, ""))
    assert least <= error(line, here.rule) <= most


def test_every_optimizer_has_three_lines_and_schedules_and_decays_are_among_them():
    for name in NAMES:
        assert sum(f"torch.optim.{name}(" in line for line in LINES) >= 3
    assert sum("lr_scheduler" in line for line in LINES) >= 9
    assert sum("weight_decay" in line for line in LINES) >= 9


def test_a_line_with_another_number_is_noticed():
    line = "torch.optim.Adamax(params, lr=1e-2, betas=(0.5, 0.9), eps=1e-3, weight_decay=0.1)"
    assert line in LINES
    assert error(line, port(line.replace("0.9)", "0.9000001)"), to="gdfunc").rule) > 1e3 * TOLERANCE
