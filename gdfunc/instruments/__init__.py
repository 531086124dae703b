"""Instruments: what a network's layers carry, forward and backward, for any JAX loss without a change to the model."""

from ._activation import ENDS as ENDS
from ._batch_tests import (
    inner_product_test as inner_product_test,
    norm_test as norm_test,
    orthogonality_test as orthogonality_test,
)
from ._curvature import TopEigenvalue as TopEigenvalue, top_eigenvalue as top_eigenvalue
from ._directions import (
    PrincipalDirections as PrincipalDirections,
    filter_normalise as filter_normalise,
    principal_directions as principal_directions,
    random_directions as random_directions,
)
from ._example_gradients import (
    example_gradient_norms as example_gradient_norms,
    example_projections as example_projections,
)
from ._example_sums import example_sums as example_sums
from ._histogram import exponent_histogram as exponent_histogram
from ._instruments import (
    GLOBAL_NORM as GLOBAL_NORM,
    INSTRUMENTS as INSTRUMENTS,
    SETS as SETS,
    Instrument as Instrument,
    norm_called as norm_called,
)
from ._lanczos import Lanczos as Lanczos, lanczos as lanczos
from ._landscape import (
    LandscapeLine as LandscapeLine,
    LandscapePlane as LandscapePlane,
    landscape_line as landscape_line,
    landscape_plane as landscape_plane,
)
from ._layers import Layer as Layer, Look as Look, check_found as check_found, layers as layers, look_at as look_at
from ._noise import NoiseScale as NoiseScale, noise_scale as noise_scale
from ._nonfinite import NonFinite as NonFinite, find_nonfinite as find_nonfinite
from ._probes import plan as plan
from ._rank import (
    effective_rank as effective_rank,
    jacobian_singular_values as jacobian_singular_values,
    mean_pairwise_cosine as mean_pairwise_cosine,
)
from ._reader import Step as Step
from ._readings import layer_names as layer_names, readings as readings
from ._run_folder import RunFolder as RunFolder
from ._seen import Seen as Seen, see as see, seeing as seeing, value_and_grad as value_and_grad
from ._spectrum import (
    HessianTrace as HessianTrace,
    SpectralDensity as SpectralDensity,
    hessian_trace as hessian_trace,
    smooth_density as smooth_density,
    spectral_density as spectral_density,
)
from ._stability import adam_preconditioner as adam_preconditioner, sharpness_ratio as sharpness_ratio
from ._step_gradient import OfExamples as OfExamples, StepGradient as StepGradient, step_gradient as step_gradient
from ._step_quality import (
    StepEnds as StepEnds,
    alpha as alpha,
    distance_travelled as distance_travelled,
    gradient_cosine as gradient_cosine,
    loss_after_before as loss_after_before,
    step_ends as step_ends,
)
from ._step_readings import blank as blank, read_step as read_step
from ._tap import tap as tap
from ._tensorboard import TensorBoard as TensorBoard
from ._trace import Traced as Traced, probed_value_and_grad as probed_value_and_grad, trace as trace
from ._wanted import (
    OF_EXAMPLES as OF_EXAMPLES,
    Instruments as Instruments,
    absent as absent,
    in_step_and_apart as in_step_and_apart,
    left_out_of as left_out_of,
    wanted as wanted,
)
from ._watch import watch as watch
from ._watched import Watched as Watched
