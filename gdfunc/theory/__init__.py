"""What theory says should happen: pure functions, with the paper's equation beside each."""

from ..init import CriticalPoint as CriticalPoint, critical_point as critical_point
from ._batch_norm import batch_norm_gradient_growth as batch_norm_gradient_growth
from ._bounds import (
    conjugate_gradient_bound as conjugate_gradient_bound,
    first_order_lower_bound as first_order_lower_bound,
    gradient_descent_bound as gradient_descent_bound,
    nesterov_bound as nesterov_bound,
    steepest_descent_factor as steepest_descent_factor,
)
from ._dropout import dropout_correlation as dropout_correlation
from ._fixed_points import (
    DepthScales as DepthScales,
    depth_scales as depth_scales,
    fixed_correlation as fixed_correlation,
    fixed_length as fixed_length,
    trainable_depth as trainable_depth,
)
from ._isometry import Spectrum as Spectrum, jacobian_spectrum as jacobian_spectrum
from ._linear_networks import half_time as half_time, learning_curve as learning_curve
from ._mean_field import (
    chi as chi,
    correlation_map as correlation_map,
    correlation_slope as correlation_slope,
    length_map as length_map,
)
from ._noise import batch_efficiency as batch_efficiency, stationary_variance as stationary_variance
from ._predict import Expected as Expected, Prediction as Prediction, predict as predict
from ._quadratic import (
    Best as Best,
    best_gradient_descent as best_gradient_descent,
    best_heavy_ball as best_heavy_ball,
    best_nesterov as best_nesterov,
    convergence_rate as convergence_rate,
)
from ._residual import residual_chi as residual_chi, residual_length_map as residual_length_map
from ._stability_limit import stability_limit as stability_limit
