"""The core: the lift, tree arithmetic, numerics, records. Everything else stands on it; it imports only JAX."""

from . import jaxpr as jaxpr
from ._activations import (
    Activation as Activation,
    activation as activation,
    gelu as gelu,
    identity as identity,
    leaky_relu as leaky_relu,
    relu as relu,
    selu as selu,
    sigmoid as sigmoid,
    silu as silu,
    slope_of as slope_of,
    tanh as tanh,
)
from ._by_path import by_path as by_path
from ._chain import Chain as Chain, chain as chain
from ._combinator import call_update as call_update, objective as objective
from ._extras import MissingExtra as MissingExtra, need as need
from ._field import (
    Decay as Decay,
    Fraction as Fraction,
    NonNegative as NonNegative,
    Positive as Positive,
    Range as Range,
    Rate as Rate,
    Scalar as Scalar,
)
from ._fields import (
    Fields as Fields,
    Schedule as Schedule,
    in_axes as in_axes,
    pytree_dataclass as pytree_dataclass,
)
from ._files import write_atomically as write_atomically
from ._gaussian import (
    gaussian_mean as gaussian_mean,
    gaussian_nodes as gaussian_nodes,
    gaussian_pair_mean as gaussian_pair_mean,
)
from ._lift import ArrayRule as ArrayRule, TreeRule as TreeRule
from ._loss import trace_loss as trace_loss
from ._masked import masked as masked
from ._numerics import (
    Debias as Debias,
    debias as debias,
    ema as ema,
    root_with_eps as root_with_eps,
    safe_norm as safe_norm,
    safe_sqrt as safe_sqrt,
    wide as wide,
)
from ._record import Deviation as Deviation, Paper as Paper, Record as Record, Twin as Twin
from ._rule import Rule as Rule, RuleState as RuleState, Transformation as Transformation, rule as rule
from ._trees import (
    Tree as Tree,
    apply_updates as apply_updates,
    check_alike as check_alike,
    check_params as check_params,
    did_you_mean as did_you_mean,
    leaf_paths as leaf_paths,
    natural_key as natural_key,
    path_name as path_name,
    tree_add as tree_add,
    tree_all_finite as tree_all_finite,
    tree_dot as tree_dot,
    tree_map as tree_map,
    tree_norm as tree_norm,
    tree_scale as tree_scale,
    tree_size as tree_size,
    tree_sub as tree_sub,
)
from ._wrapper import Wrapper as Wrapper, WrapperState as WrapperState
