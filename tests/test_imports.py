"""Imports within the package point one way, from what is general to what is particular."""

import ast
import functools
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FOLDERS = {"iodine": "iodine", "iodine.datasets": "datasets", "iodine.launch": "launch"}
# Each may import those on the lines above it, its own line's others, and what lies within itself.
LEVELS = (
    ("errors", "progress", "_quiet", "download", "locking", "checkpoint_index"),
    ("config",),
    ("models.interface",),
    ("models.parts",),
    ("models.*",),  # a room for each model, which knows no other
    ("models.registry",),
    ("evaluation",),
    ("analysis", "figures", "serving"),
    ("training",),
    ("api",),  # what `iodine.load` gives
    ("studies",),
    ("benchmarks",),
    ("reproduction.framework",),
    ("reproduction.paper",),
    ("reproduction",),  # what knows all artifacts
    ("launch",),
)
BASIS = LEVELS[0]  # all that data sets know
FIRST_WITH_DATA = LEVELS.index(("training",))  # from here on they are known
EMPTY = {"iodine", "iodine.models", "iodine.reproduction"}


@functools.cache
def sources():
    """The files of the package by module, as `setup.py` installs them."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *(p for p in parts if p != "__init__")])] = path
    return found


class WithoutTypes(ast.NodeTransformer):
    """Removes what no program executes."""

    def visit_If(self, node):
        is_for_types = ast.unparse(node.test).endswith("TYPE_CHECKING")
        return None if is_for_types else self.generic_visit(node)


@functools.cache
def imports(for_types=True):
    """The modules of the package that each module imports, wherever in its file it does so.

    Args:
        for_types: also what only a checker of types is shown, under `if TYPE_CHECKING`.
    """
    found = {}
    for module, path in sources().items():
        found[module] = set()
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree if for_types else WithoutTypes().visit(tree)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{module} has a relative import"
                full = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in sources() else node.module for name in full]
            else:
                continue
            found[module] |= {name for name in names if name.split(".")[0] == "iodine"}
    return found


def room(module):
    """The name in `LEVELS` that a module falls under, or "datasets"; None for a bare package."""
    if module in EMPTY:
        return None
    parts = module.split(".")[1:]
    known = {"datasets", *(name for level in LEVELS for name in level)}
    for length in (2, 1):
        if (name := ".".join(parts[:length])) in known:
            return name
    assert parts[0] == "models", f"{module} is in no room that this test knows"
    return ".".join(parts[:2])


def level(name):
    """The number of the level of a room."""
    for number, names in enumerate(LEVELS):
        if name in names:
            return number
    assert name.startswith("models.")
    return LEVELS.index(("models.*",))


def may_import(importer, imported):
    """Whether modules of one room may import those of another."""
    if imported in (importer, None):
        return True
    if importer == "datasets":
        return imported in BASIS
    if imported == "datasets":
        return level(importer) >= FIRST_WITH_DATA
    if level(importer) == level(imported):
        return not importer.startswith("models.")
    return level(imported) < level(importer)


def test_all_folders_are_read():
    assert len(sources()) > 100
    assert {"iodine.errors", "iodine.datasets.pipelines", "iodine.launch.train"} <= set(sources())
    assert "iodine.config" in imports()["iodine.training.trainer"]
    assert "iodine.models.registry" in imports()["iodine.training.trainer"]


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("config", "errors", True),
        ("errors", "config", False),
        ("models.iodine", "models.parts", True),
        ("models.iodine", "models.vae", False),
        ("models.vae", "models.registry", False),
        ("models.registry", "models.vae", True),
        ("figures", "analysis", True),
        ("evaluation", "training", False),
        ("datasets", "progress", True),
        ("datasets", "config", False),
        ("figures", "datasets", False),
        ("training", "datasets", True),
        ("reproduction.framework", "reproduction.paper", False),
    ],
)
def test_what_may_import_what(importer, imported, allowed):
    assert may_import(importer, imported) is allowed


def test_imports_point_one_way():
    wrong = [
        f"{module} imports {other}"
        for module, others in sorted(imports().items())
        for other in sorted(others)
        if module not in EMPTY and not may_import(room(module), room(other))
    ]
    assert wrong == []


def test_packages_themselves_import_next_to_nothing():
    """Else importing one module of a room would bring in all of them; types do not count."""
    assert {module: imports(for_types=False)[module] for module in EMPTY} == {
        "iodine": {"iodine._quiet"},
        "iodine.models": set(),
        "iodine.reproduction": set(),
    }


def test_there_are_no_cycles():
    """Also none within a room; a type's name alone does not count."""
    try:
        graphlib.TopologicalSorter(imports(for_types=False)).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(reversed(error.args[1])))


def test_no_module_leans_on_another_s_private_names():
    wrong = []
    for module, path in sorted(sources().items()):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("iodine."):
                names = [alias.name for alias in node.names if alias.name.startswith("_")]
                wrong += [f"{module} imports {node.module}.{name}" for name in names]
    assert wrong == []
