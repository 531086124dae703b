"""Line searches as the book has them, in NumPy, on the parabola that the stream's loss is along a line."""

import numpy as np


def on_line(value, g, h, d):
    """The loss along d, and its slope, as functions of the step."""
    curvature = d @ (h * d)
    return lambda a: value + a * (g @ d) + a**2 * curvature / 2, lambda a: g @ d + a * curvature


def backtracking(phi, slope, first, c1, c2, shrink, trials):
    """Nocedal & Wright 2006, algorithm 3.1."""
    for k in range(trials):
        a = first * shrink**k
        if phi(a) <= phi(0) + c1 * a * slope(0):
            return a
    return 0.0


def wolfe_step(phi, slope, first, c1, c2, shrink, trials):
    """Nocedal & Wright 2006, algorithm 3.5."""
    before, a = 0.0, first
    for i in range(trials):
        left = trials - i - 1
        if phi(a) > phi(0) + c1 * a * slope(0) or (phi(a) >= phi(before) and i > 0):
            return _zoom(phi, slope, before, a, c1, c2, left)
        if abs(slope(a)) <= -c2 * slope(0):
            return a
        if slope(a) >= 0:
            return _zoom(phi, slope, a, before, c1, c2, left)
        before, a = a, 2 * a
    return before


def _zoom(phi, slope, low, high, c1, c2, trials):
    """Nocedal & Wright 2006, algorithm 3.6, on a parabola: its minimum is where the slope, a line, is 0."""
    for _ in range(trials):
        a = low - slope(low) * (high - low) / (slope(high) - slope(low))
        share = np.clip((a - low) / (high - low), 0.1, 0.9) if np.isfinite(a) else 0.5
        if (slope(high) - slope(low)) * (high - low) < 0:  # a maximum; the cubic has its minimum at infinity
            share = 0.5
        a = low + share * (high - low)
        if phi(a) > phi(0) + c1 * a * slope(0) or phi(a) >= phi(low):
            high = a
            continue
        if abs(slope(a)) <= -c2 * slope(0):
            return a
        if slope(a) * (high - low) >= 0:
            high = low
        low = a
    return low
