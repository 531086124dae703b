"""Models of Flax, Equinox and Haiku as a pure loss of (params, batch), which all of gdfunc takes."""

from ._equinox import from_equinox as from_equinox
from ._haiku import from_haiku as from_haiku
from ._linen import from_linen as from_linen
from ._nnx import from_nnx as from_nnx
