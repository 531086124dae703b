"""A part imports its own layer and lower ones, and heavy libraries only where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gdfunc

ROOT = Path(gdfunc.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

LAYERS = {
    "core": 0,
    **dict.fromkeys(("schedules", "losses", "init", "data", "gradients"), 1),
    **dict.fromkeys(("rules", "clipping", "models"), 2),
    "theory": 3,
    **dict.fromkeys(("parity", "instruments", "interop"), 4),
    **dict.fromkeys(("training", "testing", "diagnosis"), 5),
    "sweeps": 6,
    "report": 7,
    "cli": 8,
}
# library -> folder -> whether it may be imported inside functions only. Tyro's words stand in the annotations of the
# verbs, in a file that `import gdfunc.cli` does not load; torch in the records of what was recorded.
LIBRARIES = {
    "optax": {"parity": False},
    "matplotlib": {"report": True, "cli": True},
    "jinja2": {"report": True, "cli": True},
    "tyro": {"report": True, "cli": False},
    "rich": {"report": True, "cli": True, "training": True},
    **{library: {"interop": True} for library in ("flax", "equinox", "haiku")},
    "tensorboardX": {"instruments": True},
    "torch": dict.fromkeys(("parity", "rules", "schedules", "losses", "init", "clipping"), True),
}
ALWAYS = {"jax", "jaxlib", "numpy", "gdfunc"}


def part(path):
    """The folder directly below gdfunc; "" for the files there."""
    inside = path.relative_to(ROOT).parts
    return inside[0] if len(inside) > 1 else ""


def imports(path, tree=None):
    """(module, inside a function or under TYPE_CHECKING) for each import of a file, relative ones made absolute."""
    tree = ast.parse(path.read_text()) if tree is None else tree
    package = ["gdfunc", *path.relative_to(ROOT).parts[:-1]]

    def visit(node, inside):
        inside = inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            yield from ((alias.name, inside) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            # `from .. import parity` imports a part.
            yield from ((f"{stem}.{a.name}" if stem == "gdfunc" else stem, inside) for a in node.names)
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)) and node.args:
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if called in ("import_module", "need", "__import__") and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, inside
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return list(visit(tree, False))


def wrong(path, tree=None):
    """What a file may not import."""
    mine = part(path)
    for module, inside in imports(path, tree):
        library, _, rest = module.partition(".")
        theirs = rest.partition(".")[0]
        if library == "gdfunc" and mine and theirs in LAYERS and theirs != mine and LAYERS[theirs] >= LAYERS[mine]:
            yield f"gdfunc.{mine} imports gdfunc.{theirs}, which is not below it"
        if library in LIBRARIES:
            if mine not in LIBRARIES[library]:
                yield f"{library} is imported in gdfunc.{mine}"
            elif library == "torch" and mine != "parity" and "_records" not in path.parts:
                yield "torch is imported outside the records"
            elif LIBRARIES[library][mine] and not inside:
                yield f"{library} is imported at the top of a file"
        elif library not in ALWAYS and library not in sys.stdlib_module_names:
            yield f"{library} is no dependency"


def test_every_folder_has_a_layer():
    assert {part(path) for path in FILES} - {""} <= set(LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_lies_below_it(path):
    assert not list(wrong(path))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("core/_new.py", "from ..rules import Adam"),
        ("core/_new.py", "def f():\n    from .. import parity"),
        ("losses/_new.py", "import gdfunc.init"),
        ("rules/_records/new.py", "from ...parity import compare"),
        ("rules/_records/new.py", "import optax"),
        ("training/_new.py", "import rich.progress"),
        ("report/_new.py", "import matplotlib.pyplot as plt"),
        ("rules/_new.py", "def f():\n    import matplotlib"),
        ("models/_new.py", "import flax"),
        ("training/_new.py", "def f():\n    importlib.import_module('tyro')"),
        ("losses/_new.py", "def f():\n    import torch"),
    ],
)
def test_the_order_can_be_broken_and_that_is_seen(file, line):
    assert list(wrong(ROOT / file, ast.parse(line)))


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("rules/_new.py", "from ..core import rule"),
        ("rules/_records/new.py", "from .._adam import Adam\nfrom ...core import Record"),
        ("report/_new.py", "def f():\n    import matplotlib.pyplot as plt"),
        ("training/_new.py", "def f():\n    from rich.progress import Progress"),
        ("parity/_new.py", "import optax"),
        ("cli/_new.py", "from ..report import table\nimport json"),
    ],
)
def test_what_lies_below_may_be_imported(file, line):
    assert not list(wrong(ROOT / file, ast.parse(line)))


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_gdfunc_itself_imports_neither_jax_nor_anything_heavy():
    assert not loaded_by("import gdfunc") & {"jax", "jaxlib", "numpy", "optax", "rich", "matplotlib", "tyro", "torch"}


def test_the_rules_and_their_records_import_no_optax():
    assert not loaded_by("import gdfunc.rules; gdfunc.rules.records()") & {
        "optax",
        "torch",
        "chex",
        "flax",
        "matplotlib",
    }


def test_the_command_line_starts_without_jax_and_the_report_without_pictures():
    assert not loaded_by("import gdfunc.cli") & {"jax", "jaxlib", "numpy", "tyro", "rich", "matplotlib", "optax"}
    assert not loaded_by("import gdfunc.report, gdfunc.training") & {"rich", "matplotlib", "jinja2", "tyro", "torch"}


def test_every_public_name_is_found_on_first_use():
    for name in dir(gdfunc):
        assert getattr(gdfunc, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'adam'"):
        gdfunc.adam  # noqa: B018
