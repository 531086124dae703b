"""Reads code without running it: the calls, names and numbers of a line, as our rules."""

import ast
import inspect
import operator
from collections.abc import Callable
from typing import Any, NoReturn

from ..core import chain, did_you_mean
from ..schedules import noam, warmup_cosine
from ._translate import Translation, translated, written
from ._translate_inverse import known_makes
from ._translate_names import HELD, bind, defaults, full_name

_LIBRARIES = {
    "gd": "gdfunc",
    "gdfunc": "gdfunc",
    "optax": "optax",
    "torch": "torch",
    "optim": "torch",
    "lr_scheduler": "torch",
    "keras": "keras",
    "tf": "keras",
}
_FOLDED: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}


class _NoRule(Exception):
    """A part of the text has no equivalent."""


class Reader:
    def __init__(self, text: str):
        self.lines = text.splitlines()
        self.names: dict[str, Any] = {}
        self.torch: list[tuple[ast.Call, str, dict[str, Any]]] = []  # calls, their full names and arguments
        self.notes: list[str] = []
        try:
            self.statements = ast.parse(text).body
        except SyntaxError as error:
            raise ValueError(
                f"port cannot read this, {error.msg}:{self._show(error.lineno or 1, (error.offset or 1) - 1)}"
            ) from None
        except ValueError as error:  # a null byte
            raise ValueError(f"port cannot read this: {error}") from None

    def translation(self) -> Translation:
        value: Any = None
        try:
            for statement in self.statements:
                if isinstance(statement, (ast.Import, ast.ImportFrom)):
                    continue
                if isinstance(statement, ast.Assign) and isinstance(target := statement.targets[0], ast.Name):
                    value = self.names[target.id] = self._value(statement.value)
                elif isinstance(statement, ast.Expr):
                    value = self._value(statement.value)
                else:
                    self._fail(statement, "reads calls and assignments only")
            value = self._pytorch() if self.torch else value
        except _NoRule as why:
            return Translation(None, None, str(why))
        if not hasattr(value, "init") and not callable(value):
            self._fail(self.statements[-1], "needs the call of an optimizer, a schedule or a clipping")
        made = written("gdfunc", value)
        return Translation(made.rule, made.code, "\n".join(dict.fromkeys(filter(None, (*self.notes, made.note)))))

    def _pytorch(self) -> Any:
        """The rule of an optimizer, its scheduler and the clipping before it."""
        schedulers, optimizers, clips = (
            [each for each in self.torch if kind in each[1]] for kind in (".lr_scheduler.", ".optim.", ".nn.utils.")
        )
        optimizers = [each for each in optimizers if each not in schedulers]
        for several in (schedulers, optimizers):
            if len(several) > 1:
                self._fail(several[1][0], "needs one optimizer and one scheduler at most")
        rate = {}
        if schedulers and optimizers:
            (node, scheduler, given), (_, optimizer, its) = schedulers[0], optimizers[0]
            base = its.get("lr", defaults("torch", optimizer).get("lr"))
            rate = {"lr": self._at(node, self._call, "torch", scheduler, {**given, "base": base})}
        rules = [
            self._at(node, self._call, "torch", full, {**given, **(rate if full.startswith("torch.optim.") else {})})
            for node, full, given in [*clips, *(optimizers or schedulers)]
        ]
        return chain(*rules) if len(rules) > 1 else rules[0]

    def _call(self, library: str, full: str, keywords: dict[str, Any], arguments: tuple = ()) -> Any:
        """Our rule for a call; its note is kept."""
        made = translated(library, full, arguments, keywords)
        if made.rule is None:
            raise _NoRule(made.note)
        self.notes.append(made.note)
        return made.rule

    def _value(self, node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Tuple(elts=parts):
                return tuple(map(self._value, parts))
            case ast.List(elts=parts):
                return list(map(self._value, parts))
            case ast.Dict(keys=keys, values=values) if None not in keys:
                return {self._value(k): self._value(v) for k, v in zip(keys, values, strict=True) if k is not None}
            case ast.UnaryOp(op=op, operand=x) if type(op) in _FOLDED:
                return self._fold(node, op, x)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _FOLDED:
                return self._fold(node, op, left, right)
            case ast.Name(id=name):
                return self.names[name] if name in self.names else self._fail(node, f"does not know the name {name}")
            case ast.Call():
                return self._read_call(node)
            case _:
                return self._fail(
                    node, "reads calls, numbers, strings, tuples, lists and dictionaries, and cannot read this"
                )

    def _fold(self, node: ast.AST, op: ast.AST, *parts: ast.AST) -> Any:
        """Arithmetic on numbers."""
        numbers = [self._value(part) for part in parts]
        if not all(isinstance(x, (int, float)) for x in numbers):
            self._fail(node, "does arithmetic on numbers only")
        if isinstance(op, ast.Pow) and (abs(numbers[0]) > 1e6 or abs(numbers[1]) > 50):
            self._fail(node, "raises no such numbers to a power")
        try:
            value = _FOLDED[type(op)](*numbers)
        except (ArithmeticError, ValueError) as error:
            self._fail(node, f"cannot work this out, {error}")
        return self._fail(node, "needs real numbers") if isinstance(value, complex) else value

    def _read_call(self, node: ast.Call) -> Any:
        name = ast.unparse(node.func)
        library = _LIBRARIES.get(name.partition(".")[0])
        if library is None or "." not in name or not all(part.isidentifier() for part in name.split(".")):
            self._fail(node, "needs a call by its library's name, such as torch.optim.Adam or optax.adam")
        if any(isinstance(part, ast.Starred) for part in node.args) or any(k.arg is None for k in node.keywords):
            self._fail(node, "needs arguments that are written out, and cannot read * or **")
        args, keywords = list(node.args), {k.arg or "": k.value for k in node.keywords}
        if library == "gdfunc":
            return self._own(node, name, args, keywords)
        full = self._at(node, full_name, library, name)
        if library == "torch":
            args = self._without_held(args)
            keywords = {key: x for key, x in keywords.items() if key not in HELD}
        values = tuple(map(self._value, args))
        named = {key: self._value(x) for key, x in keywords.items()}
        if library == "torch":
            self.torch.append((node, full, self._at(node, bind, library, full, values, named)))
            return None
        return self._at(node, self._call, library, full, named, values)

    def _without_held(self, args: list[ast.expr]) -> list[ast.expr]:
        """The arguments after the parameters, or the optimizer, that PyTorch's take first."""
        if args and isinstance(args[0], (ast.Constant, ast.UnaryOp, ast.BinOp)):
            self._fail(args[0], "needs the parameters, or the optimizer, as the first argument, or arguments by name")
        if args and isinstance(args[0], ast.List) and any(isinstance(part, ast.Dict) for part in args[0].elts):
            self._fail(args[0], "needs one group of parameters: give each group a rule with gd.by_path")
        return args[1:]

    def _own(self, node: ast.Call, name: str, args: list[ast.expr], keywords: dict[str, ast.expr]) -> Any:
        makes: dict[str, Any] = {known.make.__name__: known.make for known in known_makes()}
        makes |= {"chain": chain, "noam": noam, "warmup_cosine": warmup_cosine}
        last = name.rpartition(".")[2]
        if last not in makes:
            names = {each.lower(): each for each in makes}
            self._fail(node, str(did_you_mean("gdfunc", last, names)))
        values = [self._value(part) for part in args]
        named = {key: self._value(x) for key, x in keywords.items()}
        known = list(inspect.signature(makes[last]).parameters)
        for key in named:
            if key not in known:
                self._fail(node, str(did_you_mean(name, key, known)))
        try:
            return makes[last](*values, **named)
        except (TypeError, ValueError) as error:
            self._fail(node, f"cannot make this: {error}")

    def _at(self, node: ast.AST, function: Callable[..., Any], *args: Any) -> Any:
        """Calls, and where that raises, says where in the text."""
        try:
            return function(*args)
        except ValueError as error:
            self._fail(node, f"cannot translate this: {error}")

    def _fail(self, node: ast.AST, why: str) -> NoReturn:
        line = node.lineno  # pyright: ignore[reportAttributeAccessIssue]
        before = self.lines[line - 1].encode()[: node.col_offset].decode()  # pyright: ignore[reportAttributeAccessIssue]
        raise ValueError(f"port {why}:{self._show(line, len(before))}")

    def _show(self, line: int, column: int) -> str:
        begin = max(0, column - 80)
        return f"\n  {self.lines[line - 1][begin : begin + 120]}\n  {' ' * (column - begin)}^"
