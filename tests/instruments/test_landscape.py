"""The loss on lines and planes of parameters, and the directions that span them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from _numbers import normal

import gdfunc as gd
from gdfunc.instruments import (
    filter_normalise,
    landscape_line,
    landscape_plane,
    principal_directions,
    random_directions,
)

A = np.random.default_rng(0).standard_normal((5, 5))
H = A @ A.T


def tree(flat):
    return {"a": flat[..., :3], "b": flat[..., 3:].reshape(*flat.shape[:-1], 2, 1)}


def quadratic(params, batch):
    flat = jnp.concatenate([params["a"], params["b"].ravel()]) - batch
    return flat @ jnp.asarray(H, flat.dtype) @ flat / 2


def exact(points, batch):
    away = np.asarray(points, np.float64) - np.asarray(batch, np.float64)
    return np.einsum("...i,ij,...j->...", away, H, away) / 2


EPS = float(jnp.finfo(jnp.float32).eps)
p, x, y, batch = (np.asarray(normal(seed, 5)) for seed in range(4))


def test_a_quadratics_losses_along_a_line_are_exact_and_its_ends_are_the_points_themselves():
    line = landscape_line(quadratic, tree(p), tree(x), batch)
    assert {0.0, 1.0} <= set(np.round(np.asarray(line.at), 6).tolist())
    assert (float(line.at[0]), float(line.at[-1]), len(line.at)) == (-0.25, 1.25, 61)
    s = np.asarray(line.at, np.float64)[:, None]
    wanted = exact((1 - s) * p + s * x, batch)
    assert np.isfinite(line.loss).all()
    # Sums of 25 products each rounded once; they may cancel, so in units of the largest.
    np.testing.assert_allclose(line.loss, wanted, rtol=0, atol=50 * EPS * wanted.max())


@pytest.mark.parametrize("chunk", [1, 7])
def test_a_quadratics_losses_on_a_plane_are_exact_with_rows_along_the_second_direction(chunk):
    s, t = np.linspace(-1, 2, 4), np.linspace(-3, 3, 5)
    plane = landscape_plane(quadratic, tree(p), batch, tree(x), tree(y), (s, t), chunk=chunk)
    wanted = exact(p + s[None, :, None] * x + t[:, None, None] * y, batch)
    assert plane.loss.shape == (5, 4)
    assert np.isfinite(plane.loss).all()
    np.testing.assert_allclose(plane.loss, wanted, rtol=0, atol=50 * EPS * wanted.max())
    np.testing.assert_array_equal(plane.x, s.astype(np.float32))


def test_filters_are_as_long_as_the_parameters_and_biases_are_zero():
    shapes = {"conv": (3, 3, 2, 4), "dense": (6, 4), "bias": (4,), "stack": (2, 5, 4), "biases": (2, 4)}
    params = {name: normal(i, *shape) for i, (name, shape) in enumerate(shapes.items())}
    params["dense"] = params["dense"].at[:, 0].set(0)
    direction = {name: normal(9 + i, *shape) for i, (name, shape) in enumerate(shapes.items())}
    direction["dense"] = direction["dense"].at[:, 1].set(0)
    found = filter_normalise(direction, params, stacked={"stack": 1, "biases": 1})
    norm = lambda each, axes: np.linalg.norm(np.asarray(each), axis=axes)  # noqa: E731
    np.testing.assert_allclose(
        norm(found["conv"].reshape(18, 4), 0), norm(params["conv"].reshape(18, 4), 0), rtol=9 * EPS
    )
    np.testing.assert_allclose(norm(found["dense"][:, 2:], 0), norm(params["dense"][:, 2:], 0), rtol=9 * EPS)
    np.testing.assert_allclose(norm(found["stack"], 1), norm(params["stack"], 1), rtol=9 * EPS)
    assert not np.any(found["dense"][:, :2])
    assert not np.any(found["bias"])
    assert not np.any(found["biases"])
    ratio = np.asarray(found["dense"] / direction["dense"])[:, 2:]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[0], ratio.shape), rtol=9 * EPS)  # only scaled
    turned = filter_normalise({"w": direction["dense"].T}, {"w": params["dense"].T}, unit_axis="first")
    np.testing.assert_array_equal(turned["w"].T, found["dense"])


def test_a_relu_network_has_one_picture_however_its_layers_are_scaled():
    model = gd.models.mlp((4, 6, 6, 6, 3), "relu", biases=gd.init.normal(0.3))
    params = model.init(jax.random.key(0))
    factors = {"first": 8.0, "hidden": jnp.array([0.5, 4.0]), "last": 1 / 16}
    so_far = {"first": 8.0, "hidden": jnp.array([4.0, 16.0]), "last": 1.0}  # what a layer's bias is added to
    shaped = lambda factor, leaf: jnp.reshape(factor, jnp.shape(factor) + (1,) * (leaf.ndim - jnp.ndim(factor)))  # noqa: E731
    scaled = {
        block: {
            "weight": leaves["weight"] * shaped(factors[block], leaves["weight"]),
            "bias": leaves["bias"] * shaped(so_far[block], leaves["bias"]),
        }
        for block, leaves in params.items()
    }
    data = normal(1, 20, 4), normal(2, 20, 3)
    loss_fn = lambda params, batch: jnp.mean((model.apply(params, batch[0]) - batch[1]) ** 2)  # noqa: E731
    grid = np.linspace(-1, 1, 5), np.linspace(-1, 1, 4)

    def picture(params):
        x, y = random_directions(jax.random.key(3), params, stacked={"hidden*": 1})
        return np.asarray(landscape_plane(loss_fn, params, data, x, y, grid).loss)

    plain = picture(params)
    assert plain.max() > 1.5 * plain.min()
    # Powers of two round nothing, but the order of sums may differ.
    np.testing.assert_allclose(picture(scaled), plain, rtol=100 * EPS)


def test_two_random_directions_differ_and_are_as_long_as_the_parameters():
    params = {"w": normal(0, 30, 40)}
    a, b = random_directions(jax.random.key(0), params)
    norm = np.linalg.norm(params["w"])
    for each in (a, b):
        np.testing.assert_allclose(np.linalg.norm(each["w"]), norm, rtol=20 * EPS)
    # The cosine of random directions in 1200 dimensions has standard deviation 0.03.
    assert abs(np.vdot(a["w"], b["w"])) < 0.15 * norm**2


def test_the_plane_of_a_path_that_lies_in_one_is_found_with_the_paths_coordinates():
    u, v = np.linalg.qr(np.stack([x, y], axis=1).astype(np.float64))[0].T
    angle = np.linspace(0, 5, 12)[:, None]
    path = p + (12 - angle**2 / 3) * np.cos(angle) * u + 2 * np.sin(angle) * v + u
    found = principal_directions(jax.tree.map(jnp.asarray, tree(path)), tree(path[-1]))
    axes = np.stack([np.concatenate([d["a"], d["b"].ravel()]) for d in (found.x, found.y)])
    np.testing.assert_allclose(axes @ axes.T, np.eye(2), atol=9 * EPS)
    np.testing.assert_allclose(axes @ np.stack([u, v]).T @ np.stack([u, v]), axes, atol=50 * EPS)  # in the plane
    np.testing.assert_allclose(found.shares.sum(), 1, rtol=1e-6)
    assert found.shares[0] > found.shares[1] > 0.01
    assert found.path.shape == (13, 2)
    # The path ends with its own last point twice here: as row n - 1 and as the end.
    np.testing.assert_allclose(found.path[:-1] @ axes + path[-1], path, atol=1e-4)
    assert not found.path[-1].any()
    assert (found.path[0] >= 0).all()
    s, t = found.grid(9)
    assert s.shape == t.shape == (9,)
    assert s[0] < found.path[:, 0].min() < found.path[:, 0].max() < s[-1]
    assert t[0] < found.path[:, 1].min() < found.path[:, 1].max() < t[-1]


def test_shares_are_those_of_numpys_covariance():
    path = np.cumsum(np.random.default_rng(0).standard_normal((20, 5)), axis=0)
    found = principal_directions(tree(path[:-1].astype(np.float32)), tree(path[-1].astype(np.float32)))
    values = np.linalg.eigvalsh(np.cov(path[:-1].T))[::-1]
    np.testing.assert_allclose(found.shares, values[:2] / values.sum(), rtol=1e-5)  # the path is in float32


def test_train_records_the_path():
    loss_fn = lambda params, _: jnp.sum(jnp.array([1.0, 0.1]) * params["w"] ** 2)  # noqa: E731
    params = {"w": jnp.ones(2)}
    run = gd.train(loss_fn, params, None, gd.rules.SGD(0.2), steps=5, measure=lambda params, *_: params)
    path = jax.tree.unflatten(jax.tree.structure(params), run.history.measured.values())
    found = principal_directions(path, run.params)
    back = found.path @ np.stack([found.x["w"], found.y["w"]]) + np.asarray(run.params["w"])
    wanted = np.stack([0.6 ** np.arange(6), 0.96 ** np.arange(6)], axis=1)
    np.testing.assert_allclose(back, wanted, rtol=1e-5)  # five steps and a projection in float32


P, X = tree(p), tree(x)
LONG = {"a": np.zeros((4, 3)), "b": np.zeros((4, 2, 1))}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: landscape_line(quadratic, P, {"a": x[:2], "b": X["b"]}, batch), r"landscape_line needs a and b .*'a'"),
        (lambda: landscape_line(quadratic, P, X, batch, extend=-1), "needs extend >= 0"),
        (lambda: landscape_line(quadratic, P, X, batch, points=0), "needs points >= 1"),
        (lambda: landscape_line(lambda p: 0.0, P, X, batch), r"needs loss_fn\(params, batch\)"),
        (lambda: landscape_plane(quadratic, P, batch, X, X, (1.0, x)), r"landscape_plane needs grid=\(s, t\)"),
        (lambda: landscape_plane(quadratic, P, batch, X, {"a": x}, (x, x)), "'b' is in params but not in y"),
        (lambda: filter_normalise(X, P, unit_axis="middle"), "needs unit_axis to be 'last' or 'first'"),
        (lambda: random_directions(jax.random.key(0), {"w": jnp.ones((2, 3, 3))}), "counts layers: .* 'w'|'w' counts layers"),
        (lambda: principal_directions({"a": LONG["a"], "b": LONG["b"][:3]}, P), r"needs a path .* at 'b'"),
        (lambda: principal_directions(jax.tree.map(lambda x: x[:2], LONG), P), r"3 or more points, \(n, 3\) at 'a'"),
        (lambda: principal_directions(LONG, P), "a finite path that moves"),
        (lambda: principal_directions({"w": np.arange(4.0)}, {"w": np.ones(())}), "2 or more parameters"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()
