"""Tables of formulas: how an operation is written, its derivative by each input, what a gradient becomes on its way.

All of it is Python: {0}, {1} are the inputs, {out} the output, {g} the gradient by that. The tests evaluate each
formula and compare it with what JAX computes.
"""

from typing import NamedTuple


class Pointwise(NamedTuple):
    """An operation on single entries, and its derivative by each input; "" where there is none to show."""

    text: str
    derivatives: tuple[str, ...] = ()


POINTWISE = {
    "abs": Pointwise("abs({0})", ("sign({0})",)),
    "add": Pointwise("{0} + {1}", ("1", "1")),
    "add_any": Pointwise("{0} + {1}", ("1", "1")),
    "and": Pointwise("{0} & {1}"),
    "atan2": Pointwise("arctan2({0}, {1})", ("{1} / ({0}**2 + {1}**2)", "-{0} / ({0}**2 + {1}**2)")),
    "cbrt": Pointwise("cbrt({0})", ("1 / (3 * {out}**2)",)),
    "ceil": Pointwise("ceil({0})", ("0",)),
    "clamp": Pointwise("clip({1}, {0}, {2})", ("", "({1} > {0}) & ({1} < {2})", "")),
    "convert_element_type": Pointwise("{dtype}({0})", ("1",)),
    "copy": Pointwise("{0}", ("1",)),
    "cos": Pointwise("cos({0})", ("-sin({0})",)),
    "cosh": Pointwise("cosh({0})", ("sinh({0})",)),
    "div": Pointwise("{0} / {1}", ("1 / {1}", "-{0} / {1}**2")),
    "eq": Pointwise("{0} == {1}"),
    "erf": Pointwise("erf({0})", ("2 / sqrt(pi) * exp(-{0}**2)",)),
    "erfc": Pointwise("erfc({0})", ("-2 / sqrt(pi) * exp(-{0}**2)",)),
    "exp": Pointwise("exp({0})", ("{out}",)),
    "exp2": Pointwise("2**{0}", ("log(2) * {out}",)),
    "expm1": Pointwise("exp({0}) - 1", ("{out} + 1",)),
    "floor": Pointwise("floor({0})", ("0",)),
    "ge": Pointwise("{0} >= {1}"),
    "gt": Pointwise("{0} > {1}"),
    "integer_pow": Pointwise("{0}**{y}", ("{y} * {0}**{less}",)),
    "is_finite": Pointwise("isfinite({0})"),
    "le": Pointwise("{0} <= {1}"),
    "log": Pointwise("log({0})", ("1 / {0}",)),
    "log1p": Pointwise("log(1 + {0})", ("1 / (1 + {0})",)),
    "logistic": Pointwise("sigmoid({0})", ("{out} * (1 - {out})",)),
    "lt": Pointwise("{0} < {1}"),
    # JAX halves the gradient at a tie.
    "max": Pointwise(
        "max({0}, {1})", ("where({0} == {1}, 1/2, {0} > {1})", "where({0} == {1}, 1/2, {0} < {1})")
    ),
    "min": Pointwise(
        "min({0}, {1})", ("where({0} == {1}, 1/2, {0} < {1})", "where({0} == {1}, 1/2, {0} > {1})")
    ),
    "mul": Pointwise("{0} * {1}", ("{1}", "{0}")),
    "ne": Pointwise("{0} != {1}"),
    "neg": Pointwise("-{0}", ("-1",)),
    "not": Pointwise("~{0}"),
    "or": Pointwise("{0} | {1}"),
    "pow": Pointwise("{0}**{1}", ("{1} * {0}**({1} - 1)", "log({0}) * {out}")),
    "round": Pointwise("round({0})", ("0",)),
    "rsqrt": Pointwise("1 / sqrt({0})", ("-{out}**3 / 2",)),
    "select_n": Pointwise("where({0}, {2}, {1})", ("", "where({0}, 0, 1)", "where({0}, 1, 0)")),
    "sign": Pointwise("sign({0})", ("0",)),
    "sin": Pointwise("sin({0})", ("cos({0})",)),
    "sinh": Pointwise("sinh({0})", ("cosh({0})",)),
    "sqrt": Pointwise("sqrt({0})", ("1 / (2 * {out})",)),
    "square": Pointwise("{0}**2", ("2 * {0}",)),
    "stop_gradient": Pointwise("stop_gradient({0})"),
    "sub": Pointwise("{0} - {1}", ("1", "-1")),
    "tan": Pointwise("tan({0})", ("1 + {out}**2",)),
    "tanh": Pointwise("tanh({0})", ("1 - {out}**2",)),
}  # fmt: skip

_ALL, _SOME = "1", "1 where taken, else 0"
# Each entry goes to a place: how it is written, its derivative, what the gradient by the output, {g}, becomes.
REARRANGING = {
    "broadcast_in_dim": ("broadcast({0}, {shape})", _ALL, "{g} summed over the copies"),
    "concatenate": ("concatenate({all})", _ALL, "its part of {g}"),
    "cumsum": ("cumsum({0})", _ALL, "{g} summed from the end"),
    "dynamic_slice": ("slice({all})", _SOME, "{g} in its place, 0 elsewhere"),
    "gather": ("take({0}, {1})", _SOME, "{g} in its place, 0 elsewhere"),
    "pad": ("pad({0})", _ALL, "its part of {g}"),
    "reduce_max": ("max({0}{axes})", _SOME, "{g} at the largest entry, 0 elsewhere"),
    "reduce_min": ("min({0}{axes})", _SOME, "{g} at the least entry, 0 elsewhere"),
    "reduce_sum": ("sum({0}{axes})", _ALL, "{g} for every entry"),
    "reshape": ("reshape({0}, {shape})", _ALL, "{g} in the old shape"),
    "rev": ("flip({0})", _ALL, "{g} flipped back"),
    "slice": ("{0}[{range}]", _SOME, "{g} in its place, 0 elsewhere"),
    "squeeze": ("squeeze({0})", _ALL, "{g} in the old shape"),
    "transpose": ("transpose({0}, {order})", _ALL, "{g} transposed back"),
}

# Linear in each of its two inputs: the derivative by one is the other.
BILINEAR = {
    "conv_general_dilated": ("{g} convolved with {1}, flipped", "{0} convolved with {g}"),
    "dot_general": ("{g} contracted with {1}", "{g} contracted with {0}"),
}
