import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from gdfunc import losses

REGRESSION = ["squared_error", "absolute_error", "huber", "log_cosh"]
BINARY = {"sigmoid_cross_entropy": (0, 1), "focal": (0, 1), "hinge": (-1, 1)}
MULTICLASS = ["softmax_cross_entropy", "multiclass_hinge"]
LOGITS = jnp.array([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [3.0, 3.0, -1.0]])
CLASSES = jnp.array([0, 2, 1])


def close(actual, desired, eps=4.0):
    """Finite, and within `eps` rounding errors of each value, or of 1."""
    chex.assert_tree_all_finite((actual, desired))
    tolerance = eps * float(jnp.finfo(jnp.asarray(actual).dtype).eps)
    np.testing.assert_allclose(actual, np.asarray(desired, actual.dtype), rtol=tolerance, atol=tolerance, strict=True)


def test_squared_error_is_the_mean_over_features_without_a_half():
    close(losses.squared_error(jnp.array([[1.0, 2.0], [3.0, 3.0]]), jnp.array([[0.0, 0.0], [3.0, 1.0]])), [2.5, 2.0])


def test_regression_losses_reduce_features_and_never_the_batch():
    for name in REGRESSION:
        loss = losses.get(name)
        assert loss(jnp.ones((4, 3)), jnp.zeros((4, 3))).shape == (4,)
        assert loss(jnp.ones(4), jnp.zeros(4), axis=None).shape == (4,)
        assert jax.vmap(loss)(jnp.ones(4), jnp.zeros(4)).shape == (4,)


def test_the_gradient_of_huber_is_the_clipped_error():
    e = jnp.array([-3.0, -0.5, 0.0, 0.2, 0.5, 7.0])
    gradient = jax.grad(lambda p: losses.huber(p, jnp.zeros(6), delta=0.5, axis=None).sum())(e)
    close(gradient, jnp.clip(e, -0.5, 0.5))


def test_huber_and_log_cosh_curve_like_half_a_square_at_zero():
    for loss in (losses.huber, losses.log_cosh):
        close(jax.grad(jax.grad(loss))(0.0, 0.0), 1.0)


def test_the_gradient_of_log_cosh_is_tanh_and_small_errors_keep_their_digits():
    e = jnp.array([-50.0, -1.0, -1e-3, 0.0, 1e-5, 0.3, 2.0, 1e4])
    close(jax.grad(lambda p: losses.log_cosh(p, jnp.zeros(8), axis=None).sum())(e), jnp.tanh(e))
    assert losses.log_cosh(1e-3, 0.0) == pytest.approx(5e-7, rel=1e-5)  # e**2 / 2 - e**4 / 12


def test_the_gradient_of_softmax_cross_entropy_is_p_minus_q():
    p, y = jax.nn.softmax(LOGITS), jax.nn.one_hot(CLASSES, 3)
    grad = jax.grad(lambda z, labels, **kw: losses.softmax_cross_entropy(z, labels, **kw).sum())
    close(grad(LOGITS, CLASSES), p - y)
    close(grad(LOGITS, y), p - y)
    close(grad(LOGITS, CLASSES, smoothing=0.3), p - losses.smooth_labels(y, 0.3))


def test_uniform_logits_cost_log_k():
    close(losses.softmax_cross_entropy(jnp.zeros((2, 10)), jnp.array([0, 9])), [np.log(10)] * 2)


def test_integer_labels_distributions_and_smoothing_agree():
    y = jax.nn.one_hot(CLASSES, 3)
    close(losses.softmax_cross_entropy(LOGITS, y), losses.softmax_cross_entropy(LOGITS, CLASSES))
    smooth = losses.softmax_cross_entropy(LOGITS, losses.smooth_labels(y, 0.2))
    close(losses.softmax_cross_entropy(LOGITS, CLASSES, smoothing=0.2), smooth)
    close(losses.softmax_cross_entropy(LOGITS, y, smoothing=0.2), smooth)


def test_a_masked_class_costs_nothing_and_gets_no_gradient():
    z = LOGITS.at[:, 1].set(-jnp.inf)
    y = jnp.array([0, 2, 2])
    for labels in (y, jax.nn.one_hot(y, 3)):
        close(losses.softmax_cross_entropy(z, labels), losses.softmax_cross_entropy(LOGITS[:, ::2], y // 2))
        gradient = jax.grad(lambda z, labels=labels: losses.softmax_cross_entropy(z, labels).sum())(z)
        chex.assert_tree_all_finite(gradient)
        assert not gradient[:, 1].any()


def test_squared_error_on_a_sigmoid_has_the_log_loss_gradient_times_twice_its_slope():
    z, y = jnp.linspace(-4, 4, 9), jnp.array([0, 1, 0, 1, 1, 0, 1, 0, 1])
    a = jax.nn.sigmoid(z)
    of_square = jax.grad(lambda z: losses.squared_error(jax.nn.sigmoid(z), y, axis=None).sum())(z)
    of_log_loss = jax.grad(lambda z: losses.log_loss(z, y).sum())(z)
    close(of_log_loss, a - y)
    close(of_square, of_log_loss * 2 * a * (1 - a))


def test_log_loss_keeps_small_values_where_a_difference_would_lose_them():
    np.testing.assert_allclose(losses.log_loss(20.0, 1), np.log1p(np.exp(-20.0)), rtol=1e-6)


def test_log_loss_of_a_probability_is_least_at_it():
    close(jax.grad(losses.log_loss)(jnp.log(0.3 / 0.7), 0.3), 0.0)


def test_focal_without_focus_or_weight_is_the_log_loss():
    z, y = jnp.array([-3.0, 0.0, 0.5, 30.0]), jnp.array([0, 1, 1, 0])
    close(losses.focal(z, y, alpha=None, gamma=0.0), losses.log_loss(z, y))
    close(losses.focal(z, y, alpha=0.5, gamma=0.0), losses.log_loss(z, y) / 2)


def test_focal_at_even_odds_by_hand():
    close(losses.focal(jnp.zeros(2), jnp.array([1, 0])), [0.25 * 0.25 * np.log(2), 0.75 * 0.25 * np.log(2)])


def test_hinge_and_its_subgradient_by_hand():
    scores, labels = jnp.array([2.0, 1.0, 0.5, -1.0, 0.0]), jnp.array([1, 1, 1, 1, -1])
    close(losses.hinge(scores, labels), [0.0, 0.0, 0.5, 2.0, 1.0])
    close(jax.grad(lambda s: losses.hinge(s, labels).sum())(scores), [0.0, 0.0, -1.0, -1.0, 1.0])


def test_multiclass_hinge_by_hand():
    scores, labels = jnp.array([[2.0, 1.5, 0.0], [0.0, 3.0, 3.0]]), jnp.array([0, 0])
    close(losses.multiclass_hinge(scores, labels), [0.5, 4.0])
    close(losses.multiclass_hinge(scores, labels, form="weston_watkins"), [0.5, 8.0])
    gradient = jax.grad(lambda s: losses.multiclass_hinge(s, labels).sum())(scores)
    close(gradient, [[-1.0, 1.0, 0.0], [-1.0, 0.5, 0.5]])


def test_the_divergence_of_equal_distributions_is_zero_and_cross_entropy_is_it_plus_the_entropy():
    q = jnp.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
    close(losses.kl_divergence(jnp.log(q) + 5, q), [0.0, 0.0])
    entropy = -jnp.sum(q * jnp.log(q), -1)
    close(losses.kl_divergence(LOGITS[:2], q), losses.softmax_cross_entropy(LOGITS[:2], q) - entropy)


def test_the_divergence_is_finite_with_its_gradients_where_the_target_is_zero():
    q = jnp.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    close(losses.kl_divergence(LOGITS, q)[:1], losses.softmax_cross_entropy(LOGITS, CLASSES)[:1])
    chex.assert_tree_all_finite(jax.grad(lambda z, q: losses.kl_divergence(z, q).sum(), (0, 1))(LOGITS, q))


def test_smooth_labels_by_hand():
    close(losses.smooth_labels(jnp.array([1.0, 0.0, 0.0, 0.0]), 0.2), [0.85, 0.05, 0.05, 0.05])


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_huge_logits_and_errors_give_finite_losses_and_gradients(size, dtype):
    z = jnp.array([[size, -size, 0.0], [-size, -size, -size], [size, size, -size]], dtype)
    q = jnp.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5]], dtype)
    targets = {name: jnp.zeros_like(z) for name in REGRESSION}
    targets |= {name: jnp.broadcast_to(jnp.array([low, high, low]), z.shape) for name, (low, high) in BINARY.items()}
    targets |= dict.fromkeys(MULTICLASS, CLASSES) | {"kl_divergence": q}
    assert {*targets, "smooth_labels"} == set(losses.records())
    for name, target in targets.items():
        value, gradient = jax.value_and_grad(lambda z, t=target, n=name: losses.get(n)(z, t).sum())(z)
        chex.assert_tree_all_finite((value, gradient))
        assert float(value) > 0, name


def test_huge_logits_give_the_exact_loss():
    close(losses.softmax_cross_entropy(jnp.array([[1e4, -1e4], [1e4, -1e4]]), jnp.array([0, 1])), [0.0, 2e4])
    close(losses.sigmoid_cross_entropy(jnp.array([1e4, 1e4, -1e4]), jnp.array([1, 0, 0])), [0.0, 1e4, 0.0])
    close(losses.focal(jnp.array([1e4, 1e4]), jnp.array([1, 0])), [0.0, 0.75e4])


def test_derivatives_agree_with_finite_differences_in_float64():
    with jax.enable_x64(True):
        random = np.random.default_rng(0)
        z, q = jnp.asarray(random.normal(size=(3, 4))), jnp.asarray(random.dirichlet(np.ones(4), 3))
        y = jnp.array([0, 3, 1])
        yes = jnp.asarray(random.integers(0, 2, (3, 4)))
        calls = [
            lambda z: losses.squared_error(z, q),
            lambda z: losses.huber(z, q, delta=0.7),
            lambda z: losses.log_cosh(z, q),
            lambda z: losses.softmax_cross_entropy(z, y, smoothing=0.1),
            lambda z: losses.sigmoid_cross_entropy(z, yes),
            lambda z: losses.focal(z, yes),
            lambda z: losses.kl_divergence(z, q),
        ]
        for f in calls:
            check_grads(f, (z,), order=2)
        check_grads(lambda d: losses.huber(z, q, delta=d), (0.7,), order=1)
        check_grads(lambda a, g: losses.focal(z, yes, alpha=a, gamma=g), (0.3, 1.5), order=1)
        check_grads(lambda q: losses.kl_divergence(z, q), (q,), order=1)


@pytest.mark.parametrize("name", MULTICLASS)
@pytest.mark.parametrize("bad", [-1, 3, 255])
def test_an_out_of_range_class_raises_with_its_index_or_is_nan_when_traced(name, bad):
    loss, labels = losses.get(name), jnp.array([0, bad, 1])
    with pytest.raises(ValueError, match=rf"{name} needs 0 <= label < 3, and was given {bad} at index \(1,\)"):
        loss(LOGITS, labels)
    with pytest.raises(ValueError, match=name):
        jax.grad(lambda z: loss(z, labels).sum())(LOGITS)  # here the labels can still be looked at
    traced = jax.jit(loss)(LOGITS, labels)
    np.testing.assert_array_equal(jnp.isnan(traced), [False, True, False])
    gradient = jax.jit(jax.grad(lambda z, y: loss(z, y).sum()))(LOGITS, labels)
    np.testing.assert_array_equal(jnp.isnan(gradient).any(-1), [False, True, False])
    np.testing.assert_array_equal(jnp.isnan(jax.vmap(loss)(LOGITS, labels)), [False, True, False])


@pytest.mark.parametrize("name", BINARY)
def test_a_wrong_yes_or_no_raises_with_its_index_or_is_nan_when_traced(name):
    loss, labels = losses.get(name), jnp.array([BINARY[name][0], 1, 2])
    with pytest.raises(ValueError, match=rf"{name} needs labels .* and was given 2 at index \(2,\)"):
        loss(jnp.zeros(3), labels)
    np.testing.assert_array_equal(jnp.isnan(jax.jit(loss)(jnp.zeros(3), labels)), [False, False, True])
    gradient = jax.jit(jax.grad(lambda z, y: loss(z, y).sum()))(jnp.zeros(3), labels)
    np.testing.assert_array_equal(jnp.isnan(gradient), [False, False, True])


def test_hinge_refuses_labels_of_zero_and_one():
    with pytest.raises(ValueError, match=r"hinge needs labels -1 or \+1, and was given 0 at index \(0,\)"):
        losses.hinge(jnp.zeros(2), jnp.array([0, 1]))


def test_a_negative_target_probability_raises_or_is_nan_when_traced():
    q = jnp.array([[0.5, 0.5, 0.0], [1.5, -0.5, 0.0], [1.0, 0.0, 0.0]])
    with pytest.raises(ValueError, match=r"kl_divergence needs target >= 0, and was given -0.5 at index \(1, 1\)"):
        losses.kl_divergence(LOGITS, q)
    np.testing.assert_array_equal(jnp.isnan(jax.jit(losses.kl_divergence)(LOGITS, q)), [False, True, False])


def test_check_labels_names_the_first_bad_label_and_returns_good_ones():
    with pytest.raises(ValueError, match=r"check_labels needs 0 <= label < 10, and was given 10 at index \(1, 0\)"):
        losses.check_labels(np.array([[0, 9], [10, -1]]), 10)
    with pytest.raises(ValueError, match="integer class labels, and was given float32"):
        losses.check_labels(np.array([0.0, 1.0], np.float32), 10)
    np.testing.assert_array_equal(losses.check_labels([0, 9], 10), [0, 9])


@pytest.mark.parametrize("name", losses.records())
def test_integer_predictions_are_an_error(name):
    arguments = (jnp.ones((2, 3), int),) if name == "smooth_labels" else (jnp.ones((2, 3), int), jnp.ones((2, 3)))
    with pytest.raises(ValueError, match=rf"{name} needs .* floating-point dtype, and was given int32"):
        losses.get(name)(*arguments)


@pytest.mark.parametrize("name", [*REGRESSION, *BINARY, "kl_divergence"])
def test_shapes_that_would_broadcast_are_an_error(name):
    for prediction, target in [((3,), (3, 1)), ((3, 1), (3,)), ((3, 2), (2,)), ((3,), ())]:
        with pytest.raises(ValueError, match=rf"{name} needs .* of one shape, and was given"):
            losses.get(name)(jnp.ones(prediction), jnp.ones(target))


@pytest.mark.parametrize("name", MULTICLASS)
def test_labels_of_a_wrong_shape_or_dtype_are_an_error(name):
    for labels in (jnp.zeros((3, 3), int), jnp.zeros((3, 1), int), jnp.zeros(()), jnp.zeros(3), jnp.zeros(3, bool)):
        with pytest.raises(ValueError, match=f"{name} needs"):
            losses.get(name)(LOGITS, labels)
    with pytest.raises(ValueError, match=f"{name} needs"):
        losses.get(name)(1.0, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.huber(1.0, 0.0, delta=0.0), "huber needs delta > 0, and was given 0.0"),
        (lambda: losses.focal(1.0, 0, gamma=-1.0), "focal needs gamma >= 0, and was given -1.0"),
        (lambda: losses.focal(1.0, 0, alpha=1.5), "focal needs 0 <= alpha <= 1, and was given 1.5"),
        (lambda: losses.softmax_cross_entropy(LOGITS, CLASSES, smoothing=2.0), "needs 0 <= smoothing <= 1"),
        (lambda: losses.multiclass_hinge(LOGITS, CLASSES, form="ranking"), "and was given form='ranking'"),
        (lambda: losses.squared_error(LOGITS, LOGITS, axis=2), r"axis of \(3, 3\), and was given axis=2"),
        (lambda: losses.squared_error("x", LOGITS), "needs prediction to be an array, and was given 'x'"),
        (lambda: losses.mean(jnp.ones(3), jnp.ones((3, 1))), r"of one shape, and was given \(3,\) and \(3, 1\)"),
        (lambda: losses.mean(jnp.ones(2), jnp.array([1.0, -1.0])), r"weights >= 0, and was given -1.0 at index \(1,\)"),
        (lambda: losses.mean(jnp.ones(0)), "at least one loss"),
        (lambda: losses.get("hubert"), "losses.get knows no 'hubert'. Did you mean 'huber'"),
        (lambda: losses.get("huber", delt=1), "unexpected keyword argument 'delt'"),
    ],
)
def test_bad_input_is_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_mean_weighs_examples_and_survives_an_empty_mask():
    each = jnp.array([1.0, 2.0, 6.0])
    close(losses.mean(each), 3.0)
    close(losses.mean(each, jnp.array([1, 1, 0])), 1.5)
    close(losses.mean(each, jnp.array([0.5, 0.0, 1.5])), 4.75)
    value, gradient = jax.value_and_grad(losses.mean)(each, jnp.zeros(3))
    close(value, 0.0)
    close(gradient, jnp.zeros(3))


def test_mean_of_16_bits_is_summed_in_float32():
    each = jnp.full(4, 4e4, jnp.float16)  # two of them overflow float16
    for weights in (None, jnp.ones(4)):
        close(losses.mean(each, weights), jnp.float16(4e4))


def test_get_finds_losses_by_their_other_names():
    assert losses.get("mse") is losses.squared_error
    assert losses.get("log_loss") is losses.sigmoid_cross_entropy is losses.log_loss
    close(losses.get("huber", delta=0.5)(jnp.ones(()), 0.0), 0.375)
