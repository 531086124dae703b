"""Which rows a step sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gdfunc.training._batches import plan_batches


def rows_of(steps, rows, size, accumulate=1, order="shuffle", first=0, seed=0):
    """(steps, size * accumulate) row numbers."""
    data = jnp.arange(rows)
    batches = plan_batches(data, size, accumulate, order)
    draw = jax.jit(batches.draw)
    drawn, out = batches.start(first), []
    for step in range(first, first + steps):
        batch, drawn = draw(data, jax.random.key(seed), drawn, jnp.asarray(step, jnp.int32))
        out.append(np.asarray(batch).reshape(-1))
    return np.stack(out)


def test_shuffle_sees_no_row_twice_in_an_epoch_and_a_new_order_in_the_next():
    seen = rows_of(10, rows=23, size=4).reshape(2, 20)  # 5 batches an epoch, 3 rows left out
    for epoch in seen:
        assert len(set(epoch)) == 20
    assert not np.array_equal(seen[0], seen[1])
    assert set(seen[0]) != set(seen[1])  # other rows are left out


def test_every_row_is_equally_often_at_every_place():
    seen = rows_of(3000, rows=6, size=6)
    counts = np.stack([np.bincount(place, minlength=6) for place in seen.T])
    # 36 counts of mean 500, standard deviation sqrt(500 * 5/6) = 20.4; 4.5 of them is passed once in 4,000 seeds.
    assert np.abs(counts - 500).max() < 92


def test_sequential_goes_round_without_leaving_rows_out():
    np.testing.assert_array_equal(rows_of(4, rows=5, size=3, order="sequential").reshape(-1), np.arange(12) % 5)


def test_replace_draws_every_row_about_equally_often():
    counts = np.bincount(rows_of(1000, rows=5, size=5, order="replace").reshape(-1), minlength=5)
    assert np.abs(counts - 1000).max() < 130  # 4.5 standard deviations of 28.3


@pytest.mark.parametrize("order", ["shuffle", "replace", "sequential"])
@pytest.mark.parametrize("first", [1, 4, 5, 13])
def test_batches_depend_on_the_steps_number_alone(order, first):
    whole = rows_of(20, rows=23, size=4, order=order)
    np.testing.assert_array_equal(rows_of(5, rows=23, size=4, order=order, first=first), whole[first : first + 5])


@pytest.mark.parametrize("order", ["shuffle", "replace", "sequential"])
def test_accumulated_batches_are_the_rows_of_one_large_batch(order):
    np.testing.assert_array_equal(rows_of(7, 23, 2, accumulate=3, order=order), rows_of(7, 23, 6, order=order))
