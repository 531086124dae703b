"""Parity: are two update rules the same, and if not, where and why do they part?"""

from ._accuracy import Accuracy as Accuracy, accuracy as accuracy
from ._certify import certify as certify
from ._certify_all import certify_all as certify_all
from ._closed_loop import ClosedLoop as ClosedLoop, closed_loop as closed_loop
from ._compare import TOLERANCE as TOLERANCE, Comparison as Comparison, compare as compare
from ._coverage import Covered as Covered, coverage as coverage
from ._divergence import Cause as Cause
from ._explain import Trace as Trace, trace as trace
from ._functions import CATALOGUES as CATALOGUES, names_of as names_of
from ._growth import growth as growth
from ._hypergradients import HyperGradient as HyperGradient, hypergradients as hypergradients
from ._modes import MODES as MODES
from ._port import port as port
from ._recording import Recording as Recording
from ._rows import Certificate as Certificate, Row as Row, in_words as in_words, versions as versions
from ._run import run as run
from ._stream import Stream as Stream, stream as stream
from ._translate import (
    Translation as Translation,
    from_keras as from_keras,
    from_optax as from_optax,
    from_torch as from_torch,
    to_gdfunc as to_gdfunc,
    to_keras as to_keras,
    to_optax as to_optax,
    to_torch as to_torch,
)
from ._twins import build as build
from ._witnesses import paper_updates as paper_updates, witness_updates as witness_updates
