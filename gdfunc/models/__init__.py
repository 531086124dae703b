"""Models: small networks as pure functions of their parameters, built so that every layer's signals can be seen."""

from ._conv_net import conv_net as conv_net
from ._gru import gru as gru
from ._lstm import lstm as lstm
from ._mlp import deep_linear as deep_linear, mlp as mlp
from ._model import Layer as Layer, Model as Model
from ._rnn import rnn as rnn
from ._signals import (
    LayerArrays as LayerArrays,
    LayerSignals as LayerSignals,
    layer_arrays as layer_arrays,
    layer_signals as layer_signals,
    state_gradients as state_gradients,
)
from ._t_fixup import t_fixup as t_fixup
from ._transformer import transformer as transformer
