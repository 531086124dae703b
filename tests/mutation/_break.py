"""Ways to break a rule: another convention, another number, and another sign, constant or line in its formula."""

import ast
import copy
import dataclasses
import inspect
import sys
import textwrap

import gdfunc as gd

SIGNS = {ast.Add: ast.Sub, ast.Sub: ast.Add}


def with_convention(record, field, value):
    """The rule whose `field` is `value` wherever the setting has it otherwise; None where it cannot be."""

    def mutate(settings):
        rule = record.make(**settings)
        if getattr(rule, field) == value:
            return None
        try:
            return dataclasses.replace(rule, **{field: value})
        except ValueError:  # Nesterov without momentum
            return None

    return mutate


def with_another_number(record, field):
    """The rule with a number moved by a quarter."""

    def mutate(settings):
        rule = record.make(**settings)
        value = getattr(rule, field)
        if value is None or callable(value):
            return None
        moved = value * (0.75 if type(rule)._fields[field].range.high == 1 else 1.25) or 0.25
        return dataclasses.replace(rule, **{field: moved})

    return mutate


def with_line(record, old, new):
    """The rule whose `step` reads `new` where it read `old`."""
    source = formula(record)
    assert source.count(old) >= 1, f"{old!r} is not in {record.make.__name__}.step any more"
    return with_step(record, source.replace(old, new, 1))


def with_step(record, source):
    """The rule with another `step`."""
    owner = next(cls for cls in record.make.__mro__ if "step" in vars(cls))
    names = dict(vars(sys.modules[owner.__module__]))
    exec(source.replace("super()", f"super({owner.__name__}, self)"), names)
    broken = gd.rule(type(f"Broken{record.make.__name__}", (record.make,), {"step": names["step"]}))
    return lambda settings: broken(**settings)


def formula(record):
    """The text of the rule's own `step`."""
    return textwrap.dedent(inspect.getsource(record.make.step))


def signs_and_constants(record):
    """Every sign of the formula turned and every constant raised by one: where -> the new text of `step`."""
    tree, found = ast.parse(formula(record)), {}
    for i, node in enumerate(ast.walk(tree)):
        for broken in _broken(node):
            changed = copy.deepcopy(tree)
            _replace(changed, i, broken)
            where = f"{ast.unparse(_statement(tree, node))} [{ast.unparse(node)} -> {ast.unparse(broken)}]"
            while where in found:
                where += "'"
            found[where] = ast.unparse(changed)
    return found


def _broken(node):
    if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
        yield ast.BinOp(node.left, SIGNS[type(node.op)](), node.right)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield ast.Constant(node.value + 1)


def _replace(tree, i, new):
    """Puts `new` where the walk's i-th node stands."""
    old = list(ast.walk(tree))[i]
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if value is old:
                setattr(node, name, new)
            elif isinstance(value, list) and any(x is old for x in value):
                value[next(k for k, x in enumerate(value) if x is old)] = new


def _statement(tree, node):
    """The simple statement that a node stands in, or the header of a compound one."""
    inside = [s for s in ast.walk(tree) if isinstance(s, ast.stmt) and any(n is node for n in ast.walk(s))]
    innermost = inside[-1]
    return innermost.test if isinstance(innermost, (ast.If, ast.While)) else innermost
