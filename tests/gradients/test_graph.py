"""The graph of a trace: what is made of what, and where it is drawn."""

import itertools

import jax
import jax.numpy as jnp
import pytest

from gdfunc.gradients import graph, trace

X = jnp.array([0.5, -1.0, 2.0])
W = jnp.array([[0.3, -0.2, 0.1], [0.5, 0.4, -0.6]])


def crossing(p, x):
    """Values that are used again far below."""
    z = jnp.tanh(p["w"] @ x)
    return jnp.sum(jax.nn.softmax(z) * jnp.sin(p["w"][:, 0])) + jnp.sum(p["v"] * x) * p["away"][0] + z[0]


TRACES = {
    "softmax": (crossing, {"w": W, "v": X, "away": X}, X),
    "scan": (lambda p, x: jax.lax.scan(lambda c, u: (c * p + u, c), p, x)[0] * p, jnp.array(0.5), X),
    "one step": (lambda p, x: p @ x, X, X),
}


@pytest.mark.parametrize("name", TRACES)
def test_the_edges_are_the_inputs_of_the_steps_and_lead_down(name):
    found = trace(*TRACES[name])
    nodes, edges = graph(found)
    places = {node.name: (node.x, node.row) for node in nodes}
    assert len(places) == len(nodes)
    expected = {(x, out) for step in found.forward for x in step.inputs for out in step.outputs}
    assert {(edge.source, edge.target) for edge in edges} == {pair for pair in expected if set(pair) <= places.keys()}
    assert {value for row in found.table for value in (row.layer, row.output)} <= places.keys()
    for edge in edges:
        assert edge.points[0] == places[edge.source]
        assert edge.points[-1] == places[edge.target]
        assert [row for _, row in edge.points] == list(range(places[edge.source][1], places[edge.target][1] + 1))
    assert places[found.loss_name][1] == max(node.row for node in nodes)


@pytest.mark.parametrize("name", TRACES)
def test_no_box_lies_on_another_or_on_a_passing_edge(name):
    nodes, edges = graph(trace(*TRACES[name]))
    taken = [(node.row, node.x, 1.0) for node in nodes]
    taken += [(row, x, 0.25) for edge in edges for x, row in edge.points[1:-1]]
    for (row, x, width), (other_row, other_x, other_width) in itertools.combinations(taken, 2):
        assert row != other_row or abs(x - other_x) >= (width + other_width) / 2 - 1e-9


def test_a_slope_stands_where_it_is_one_number():
    _, edges = graph(trace(lambda p, x: jnp.sum(jnp.tanh(p * 2.0 * x)), jnp.array(0.5), X))
    slopes = {(edge.source, edge.target): edge.slope for edge in edges}
    assert slopes["params", "v1"] == "2"  # p * 2
    assert slopes["v2", "v3"] == ""  # tanh, at three places
    assert slopes["x", "v2"] == ""  # data


def test_a_constant_loss_has_no_graph():
    assert graph(trace(lambda p, x: jnp.array(1.0), X, X)) == ((), ())
