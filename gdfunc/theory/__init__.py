"""What theory says should happen: pure functions, with the paper's equation beside each."""

from ..init import CriticalPoint as CriticalPoint, critical_point as critical_point
from ._fixed_points import (
    DepthScales as DepthScales,
    depth_scales as depth_scales,
    fixed_correlation as fixed_correlation,
    fixed_length as fixed_length,
    trainable_depth as trainable_depth,
)
from ._mean_field import (
    chi as chi,
    correlation_map as correlation_map,
    correlation_slope as correlation_slope,
    length_map as length_map,
)
from ._predict import Expected as Expected, Prediction as Prediction, predict as predict
from ._stability_limit import stability_limit as stability_limit
