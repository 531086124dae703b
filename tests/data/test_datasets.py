"""Data sets: what they hold, that they repeat, and what they say to a mistake."""

import hashlib
import re
from importlib.resources import files

import numpy as np
import pytest

import gdfunc as gd
from gdfunc.data._dataset import checksum
from gdfunc.data._digits import _embedded

# The means of the first three training examples, and the first four targets: where they change, a seed no longer gives the
# data that it gave.
GOLDEN = {
    "adding_problem": ([0.283418, 0.304873, 0.278239], [1.335636, 0.736792, 1.292482, 0.469706]),
    "digits": ([-0.064997, 0.005116, 0.11418], [6, 6, 6, 2]),
    "linear_regression": ([-0.018989, -0.216427, 0.019147], [-0.733883, 3.980781, -1.997793, 0.039045]),
    "mnist1d": ([-0.006097, 0.004032, 0.007536], [2, 2, 9, 1]),
    "spirals": ([0.265819, -0.195046, 0.0176], [1, 0, 0, 0]),
    "two_moons": ([-0.05814, 0.508398, 0.697671], [1, 0, 0, 0]),
}
CLASSES = {"digits": 10, "mnist1d": 10, "spirals": 2, "two_moons": 2}
REGRESSION = ("adding_problem", "linear_regression")
NAMES = tuple(gd.data.datasets())


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_finite_float32_and_targets_fit_the_task(name):
    data = gd.data.load(name)
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.dtype == np.float32
        assert np.all(np.isfinite(x))
        assert x.shape[1:] == data.meta.input_shape
        assert len(x) == len(y) > 0
        if data.meta.task == "regression":
            assert y.dtype == np.float32
            assert y.shape == (len(x), 1)
            assert np.all(np.isfinite(y))
        else:
            assert y.dtype == np.int32
            assert y.shape == (len(x),)
            assert set(y) == set(range(data.meta.classes))
    assert data.meta.classes == CLASSES.get(name)
    assert (data.meta.task == "regression") == (name in REGRESSION)


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_repeats_itself_from_its_own_options_and_states_the_checksum_of_its_arrays(name):
    data = gd.data.load(name)
    again = gd.data.load(data.meta.name, **data.meta.options)
    arrays = {key: getattr(again, key) for key in ("x_train", "y_train", "x_test", "y_test")}
    assert checksum(**arrays) == again.meta.sha256 == data.meta.sha256
    np.testing.assert_array_equal(data.x_train, again.x_train)
    other = gd.data.load(name, **{**data.meta.options, "seed": 1})
    assert other.meta.sha256 != data.meta.sha256
    assert other.x_train.shape == data.x_train.shape


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_data_that_it_always_gave(name):
    data = gd.data.load(name)
    x, y = GOLDEN[name]
    # 2e-6: the last bits of sines and orthogonal factors differ between processors, and the table has six decimals.
    np.testing.assert_allclose(data.x_train[:3].reshape(3, -1).astype(np.float64).mean(axis=1), x, rtol=0, atol=2e-6)
    np.testing.assert_allclose(data.y_train[:4].ravel(), y, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_training_and_test_examples_are_different_ones(name):
    data = gd.data.load(name)
    seen = {x.tobytes() for x in data.x_train}
    assert not any(x.tobytes() in seen for x in data.x_test)


@pytest.mark.parametrize("name", NAMES)
def test_a_data_set_prints_in_one_line_and_names_its_source_and_licence(name):
    data = gd.data.load(name)
    assert repr(data).count("\n") == 0
    assert name in repr(data)
    assert data.meta.source
    assert data.meta.licence


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "digits"])
def test_generated_classes_are_balanced_to_one_example(name):
    data = gd.data.load(name, n_train=101, n_test=53)
    for y, n in ((data.y_train, 101), (data.y_test, 53)):
        counts = np.bincount(y)
        assert counts.sum() == n
        assert counts.max() - counts.min() <= 1


def test_digits_are_scikit_learns_byte_for_byte():
    # The recorded values are those of scikit-learn 1.9.1's load_digits (LICENCES.md says how they were taken).
    images, labels = _embedded(files("gdfunc.data").joinpath("digits.npz").read_bytes())
    assert images.shape == (1797, 8, 8)
    assert images.dtype == labels.dtype == np.uint8
    assert images.max() == 16
    assert hashlib.sha256(images.tobytes()).hexdigest() == (
        "8f26b2bd9d135c256808f68f14fdabddde6d9c7f869ae419704b051f0f14b3b3"
    )
    assert hashlib.sha256(labels.tobytes()).hexdigest() == (
        "8ba4f891220f5e4c9c819638d1602d74b83618f167043c6da52a2a247841ddf0"
    )


def test_the_licence_file_states_the_checksums_the_source_and_the_licence_of_the_digits():
    text = files("gdfunc.data").joinpath("LICENCES.md").read_text(encoding="utf-8")
    data = files("gdfunc.data").joinpath("digits.npz").read_bytes()
    assert hashlib.sha256(data).hexdigest() in text
    assert "CC BY 4.0" in text
    assert "Alpaydin" in text
    assert len(data) < 50_000


def test_damaged_digits_are_refused_before_they_are_opened():
    data = bytearray(files("gdfunc.data").joinpath("digits.npz").read_bytes())
    data[1000] ^= 1
    with pytest.raises(ValueError, match=r"digits.npz with sha256 .* is damaged"):
        _embedded(bytes(data))
    with pytest.raises(ValueError, match=r"\(0 bytes\): the file is damaged"):
        _embedded(b"")


def test_digits_are_split_1500_to_297_and_standardised_by_the_training_pixels_alone():
    data = gd.data.digits()
    assert data.x_train.shape == (1500, 64)
    assert data.x_test.shape == (297, 64)
    # 1e-6: 96000 float32 roundings of values up to 2.
    assert abs(data.x_train.mean(dtype=np.float64)) < 1e-6
    assert abs(data.x_train.std(dtype=np.float64) - 1) < 1e-6
    assert abs(data.x_test.mean(dtype=np.float64)) > 1e-4
    counts = np.bincount(data.y_train) + np.bincount(data.y_test)
    np.testing.assert_array_equal(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])


def test_every_scaling_and_layout_of_the_digits_holds_the_same_pixels():
    raw = gd.data.digits(scaling="raw")
    assert set(np.unique(raw.x_train)) == set(range(17))
    np.testing.assert_array_equal(gd.data.digits(scaling="unit").x_train * 16, raw.x_train)
    usual = gd.data.digits()
    back = usual.x_train * usual.meta.facts["std"] + usual.meta.facts["mean"]
    np.testing.assert_allclose(back, raw.x_train, atol=1e-5)  # 16 * a few float32 eps
    for layout, shape in (("image", (8, 8, 1)), ("sequence", (64, 1))):
        other = gd.data.digits(scaling="raw", layout=layout)
        assert other.x_train.shape == (1500, *shape)
        np.testing.assert_array_equal(other.x_train.reshape(1500, 64), raw.x_train)


@pytest.mark.parametrize("condition_number", [1.0, 10.0, 1e4])
def test_linear_regression_has_the_condition_number_asked_for(condition_number):
    data = gd.data.linear_regression(condition_number=condition_number, dtype="float64")
    assert data.x_train.dtype == data.y_train.dtype == np.float64
    found = np.linalg.svd(data.x_train, compute_uv=False) / np.sqrt(len(data.x_train))
    np.testing.assert_allclose(found, data.meta.facts["singular_values"], rtol=1e-6)
    assert abs(found[0] / found[-1] / condition_number - 1) < 1e-6


def test_linear_regression_without_noise_is_solved_by_its_weights_and_its_noise_has_the_size_asked_for():
    data = gd.data.linear_regression(noise=0.0, dtype="float64")
    np.testing.assert_allclose(data.x_test @ data.meta.facts["weights"], data.y_test, atol=1e-12)
    noisy = gd.data.linear_regression(n_train=20_000, noise=0.3, dtype="float64")
    residual = noisy.y_train - noisy.x_train @ noisy.meta.facts["weights"]
    assert abs(residual.std() - 0.3) < 0.01  # 5 standard errors: 0.3 / sqrt(2 * 20000) * 5 = 0.0075


def test_predicting_one_in_the_adding_problem_has_mean_squared_error_one_sixth():
    data = gd.data.adding_problem(n_train=20_000, length=30)
    assert data.x_train.shape == (20_000, 30, 2)
    # 2 %: the standard error of the mean is 0.7 % (the square of a triangular deviation has a relative one of 1.2).
    assert abs(np.mean((data.y_train - 1.0) ** 2) / data.meta.facts["constant_mse"] - 1) < 0.02
    numbers, markers = data.x_train[..., 0], data.x_train[..., 1]
    np.testing.assert_allclose((numbers * markers).sum(axis=1, keepdims=True), data.y_train, atol=1e-6)
    np.testing.assert_array_equal(markers[:, :15].sum(axis=1), np.ones(20_000))
    np.testing.assert_array_equal(markers[:, 15:].sum(axis=1), np.ones(20_000))
    assert np.all(markers.sum(axis=0) > 0)


def test_two_moons_without_noise_lie_on_two_half_circles():
    data = gd.data.two_moons(noise=0.0)
    x, y = data.x_train.astype(np.float64), data.y_train
    centre = np.where(y[:, None] == 0, [[0.0, 0.0]], [[1.0, 0.5]])
    np.testing.assert_allclose(np.hypot(*(x - centre).T), np.ones(len(x)), atol=1e-6)
    assert np.all((x - centre)[y == 0, 1] >= -1e-6)
    assert np.all((x - centre)[y == 1, 1] <= 1e-6)


@pytest.mark.parametrize("arms", [2, 5])
def test_spirals_without_noise_become_straight_arms_when_unwound(arms):
    data = gd.data.spirals(arms=arms, turns=2.0, noise=0.0)
    x, y = data.x_train.astype(np.float64), data.y_train
    radius = np.hypot(x[:, 0], x[:, 1])
    assert radius.min() >= 0.05 - 1e-6
    assert radius.max() <= 1 + 1e-6
    unwound = np.exp(1j * (np.arctan2(x[:, 1], x[:, 0]) - 2 * np.pi * 2.0 * radius))
    np.testing.assert_allclose(unwound, np.exp(2j * np.pi * y / arms), atol=1e-5)
    assert data.meta.classes == arms


def test_mnist1d_without_any_transformation_shows_its_ten_templates():
    data = gd.data.mnist1d(n_train=400, scale=0.0, translation=1, correlated_noise=0.0, noise=0.0, shear=0.0)
    for digit in range(10):
        mine = data.x_train[data.y_train == digit]
        others = data.x_train[data.y_train != digit]
        # A curve starts at 0 and is followed by zeros: 60 of 72 points at most, 36 of 48 at least.
        np.testing.assert_array_equal(mine[:, 0], np.zeros(len(mine)))
        np.testing.assert_array_equal(mine[:, 11:], np.zeros_like(mine[:, 11:]))
        assert np.all(np.abs(mine[:, 1:6]).max(axis=1) > 0.1)
        assert len(others) == 360


def test_mnist1d_has_the_spread_of_its_recipe():
    data = gd.data.mnist1d()
    assert data.x_train.shape == (4000, 40)
    assert data.x_test.shape == (1000, 40)
    quiet = gd.data.mnist1d(scale=0.0, translation=1, correlated_noise=0.0, noise=0.0, shear=0.0)
    sheared = gd.data.mnist1d(scale=0.0, translation=1, correlated_noise=0.0, noise=0.0)
    # The slope is b u with u uniform of variance 1/12, and what it adds spans b u from end to end.
    slope = (sheared.x_train - quiet.x_train)[:, 0] - (sheared.x_train - quiet.x_train)[:, -1]
    assert abs(slope.std() / (0.75 / np.sqrt(12)) - 1) < 0.05  # the error of a deviation from 4000 draws is 0.7 %
    noisy = gd.data.mnist1d(scale=0.0, translation=1, correlated_noise=0.0, shear=0.0)
    # Of 40 points taken from 72 by interpolation, the noise keeps its size only at the two ends.
    assert abs((noisy.x_train - quiet.x_train)[:, -1].std() / 0.02 - 1) < 0.05
    smooth = gd.data.mnist1d(scale=0.0, translation=1, noise=0.0, shear=0.0)
    far = smooth.x_train[:, 20:36]
    # White noise of deviation 1 smoothed by a Gaussian of width 2 keeps (2 sqrt(pi) 2)^(-1/2) = 0.3756 of it; taking
    # points between the grid's loses 3 % at most.
    assert 0.95 < far.std() / (0.25 * 0.3756) < 1.03


def test_a_linear_classifier_finds_mnist1d_hard_and_its_translation_is_why():
    def accuracy(data):
        x = np.c_[data.x_train, np.ones(len(data.x_train))]
        w = np.linalg.lstsq(x, np.eye(10)[data.y_train], rcond=None)[0]
        return np.mean(np.argmax(np.c_[data.x_test, np.ones(len(data.x_test))] @ w, axis=1) == data.y_test)

    assert 0.2 < accuracy(gd.data.mnist1d()) < 0.45  # 0.32 for logistic regression in the paper
    assert accuracy(gd.data.mnist1d(translation=1)) > 0.6


WRONG = [
    (lambda: gd.data.load("digit"), "load knows no 'digit'. Did you mean 'digits'?"),
    (lambda: gd.data.load("cifar"), "Known: adding_problem, digits"),
    (lambda: gd.data.load("spirals", arm=3), "load('spirals') knows no 'arm'. Did you mean 'arms'"),
    (lambda: gd.data.digits(n_train=1797), "digits needs n_train < 1797, to leave a test set"),
    (lambda: gd.data.digits(n_train=0), "digits needs n_train to be a whole number >= 1, and was given n_train=0"),
    (lambda: gd.data.digits(scaling="standard"), "digits needs scaling to be 'standardised' or 'unit' or 'raw'"),
    (lambda: gd.data.digits(layout="nchw"), "digits needs layout to be 'flat' or 'image' or 'sequence'"),
    (lambda: gd.data.digits(seed=-1), "digits needs seed to be a whole number >= 0, and was given seed=-1"),
    (lambda: gd.data.two_moons(noise=-0.1), "two_moons needs noise >= 0, and was given noise=-0.1"),
    (lambda: gd.data.two_moons(noise=float("nan")), "two_moons needs noise >= 0, and was given noise=nan"),
    (lambda: gd.data.two_moons(n_train=1), "two_moons needs n_train to be a whole number >= 2"),
    (lambda: gd.data.two_moons(n_test=10.0), "two_moons needs n_test to be a whole number >= 2, and was given"),
    (lambda: gd.data.two_moons(noise="much"), "two_moons needs noise >= 0, and was given noise='much'"),
    (lambda: gd.data.spirals(arms=1), "spirals needs arms to be a whole number >= 2"),
    (lambda: gd.data.spirals(arms=7, n_train=6), "spirals needs n_train to be a whole number >= 7"),
    (lambda: gd.data.spirals(turns=-1), "spirals needs turns >= 0"),
    (lambda: gd.data.linear_regression(condition_number=0.5), "linear_regression needs condition_number >= 1"),
    (lambda: gd.data.linear_regression(dimension=1), "linear_regression needs dimension to be a whole number >= 2"),
    (lambda: gd.data.linear_regression(dimension=2.5), "linear_regression needs dimension to be a whole number >= 2"),
    (lambda: gd.data.linear_regression(n_train=9), "linear_regression needs n_train to be a whole number >= 10"),
    (lambda: gd.data.linear_regression(noise=-1), "linear_regression needs noise >= 0"),
    (lambda: gd.data.linear_regression(dtype="float16"), "linear_regression needs dtype to be 'float32' or 'float64'"),
    (lambda: gd.data.adding_problem(length=1), "adding_problem needs length to be a whole number >= 2"),
    (lambda: gd.data.adding_problem(n_test=0), "adding_problem needs n_test to be a whole number >= 1"),
    (lambda: gd.data.mnist1d(n_train=5), "mnist1d needs n_train to be a whole number >= 10"),
    (lambda: gd.data.mnist1d(translation=0), "mnist1d needs translation to be a whole number >= 1"),
    (lambda: gd.data.mnist1d(translation=73), "mnist1d needs 1 <= translation <= 72, and was given translation=73"),
    (lambda: gd.data.mnist1d(shear=-0.1), "mnist1d needs shear >= 0"),
    (lambda: gd.data.mnist1d(correlated_noise=float("inf")), "mnist1d needs correlated_noise >= 0"),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_a_bad_option_is_named_with_what_is_needed(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
