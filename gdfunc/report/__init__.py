"""Tables, pages and pictures: reads records and results, computes nothing."""

from ._backward import backward_figure as backward_figure, backward_page as backward_page
from ._claims import Claim as Claim, show_claims as show_claims
from ._dashboard import watch as watch
from ._deviations import certified as certified, deviations as deviations, deviations_page as deviations_page
from ._diagnosis import diagnosis as diagnosis
from ._experiment import Lab as Lab, experiment as experiment, run_experiment as run_experiment
from ._experiments_page import experiments_page as experiments_page
from ._explain import Explanation as Explanation, explain as explain
from ._figures import (
    COLOURS as COLOURS,
    DASHES as DASHES,
    figure as figure,
    positive as positive,
    save as save,
    style as style,
    training_curves as training_curves,
)
from ._landscape import landscape as landscape, landscape_lines as landscape_lines
from ._numbers import number as number
from ._run_report import run_report as run_report
from ._tables import (
    catalogue as catalogue,
    page as page,
    parity as parity,
    show as show,
    table as table,
    text as text,
)
from ._trajectories import trajectories as trajectories
