"""Parity: are two update rules the same, and if not, where and why do they part?"""

from ._certify import Certificate as Certificate, Row as Row, certify as certify, versions as versions
from ._compare import TOLERANCE as TOLERANCE, Comparison as Comparison, compare as compare
from ._explain import Trace as Trace, trace as trace
from ._modes import MODES as MODES
from ._stream import Stream as Stream, stream as stream
