"""Training: gradient descent on any loss as one compiled loop, stopping rules, histories; descent in one dimension."""

from ._bracket import Bracket as Bracket, bracket as bracket
from ._history import History as History
from ._outcome import Outcome as Outcome
from ._run import Run as Run
from ._stopping import (
    GradientNorm as GradientNorm,
    LossChange as LossChange,
    Plateau as Plateau,
    StopRule as StopRule,
    Target as Target,
)
from ._train import train as train
