"""Models: small networks as pure functions of their parameters, built so that every layer's signals can be seen."""

from ._conv_net import conv_net as conv_net
from ._data_dependent import data_dependent as data_dependent, lsuv as lsuv
from ._dropout import dropout as dropout
from ._gru import gru as gru
from ._lstm import lstm as lstm
from ._mlp import deep_linear as deep_linear, mlp as mlp
from ._model import Layer as Layer, Model as Model
from ._mup import mup as mup, mup_factors as mup_factors
from ._normalisation import (
    Moments as Moments,
    batch_norm as batch_norm,
    group_norm as group_norm,
    layer_norm as layer_norm,
    rms_norm as rms_norm,
)
from ._residual import residual as residual
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
