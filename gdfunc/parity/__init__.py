"""Parity: are two update rules the same, and if not, where and why do they part?"""

from ._certify import certify as certify
from ._compare import TOLERANCE as TOLERANCE, Comparison as Comparison, compare as compare
from ._explain import Trace as Trace, trace as trace
from ._functions import CATALOGUES as CATALOGUES, names_of as names_of
from ._modes import MODES as MODES
from ._rows import Certificate as Certificate, Row as Row, in_words as in_words, versions as versions
from ._stream import Stream as Stream, stream as stream
from ._twins import build as build
