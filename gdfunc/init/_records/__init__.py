"""The initialisers' papers, twins and independent formulas.

The draws come from one key and are JAX's; the transcriptions take the same draws and derive the scale on their own.
"""

from ._critical import CRITICAL
from ._matrices import MATRICES
from ._networks import NETWORKS
from ._plain import PLAIN
from ._variance_scaling import VARIANCE_SCALING

RECORDS = (*PLAIN, *VARIANCE_SCALING, *CRITICAL, *MATRICES, *NETWORKS)
