"""The rules of the house: one idea a file, short functions, nothing private from next door.

import-linter holds the order of the packages; CONTRIBUTING.md says why.
"""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "jupyter_containers"
SUFFIXES = (".py", ".ts", ".tsx", ".sh", ".mjs")
MADE = {"build", "dist", "lib", "node_modules"}
"""Folders of what is made or fetched, beside those whose names begin with a dot."""
FILE_LINES = 450
"""Usual are 150 to 350; a longer file says at its top why it is one idea."""
FUNCTION_LINES = 60
MODULE_LINES = 60
"""A shorter module with one importer belongs into that importer."""
STAND_ALONE = {f"{PACKAGE}._version", f"{PACKAGE}.relay", f"{PACKAGE}.fallback"}
"""Short on purpose: the build reads the first, kernel specs on people's disks name the others."""


def sources(root: Path) -> list[Path]:
    """Our source files: git's where this is a checkout, all but what is made in a plain copy."""
    names = tracked(root) if (root / ".git").exists() else None
    found = walked(root) if names is None else (root / name for name in names)
    return sorted(path for path in found if path.suffix in SUFFIXES and path.is_file())


def tracked(root: Path) -> list[str] | None:
    """None where there is no git, or it refuses the checkout of somebody else."""
    try:
        done = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True)
    except FileNotFoundError:
        return None
    return os.fsdecode(done.stdout).split("\0") if done.returncode == 0 else None


def walked(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name[0] != "." and name not in MADE]
        yield from (Path(folder, name) for name in files)


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each function's name, and its lines from `def` to its end."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def module_of(name: str) -> str:
    """`a/b/c.py` → `a.b.c`, `a/b/__init__.py` → `a.b`."""
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(name: str, tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What a module of ours imports from others of ours: module, and the name in it."""
    here = module_of(name).split(".")
    package = here if name.endswith("/__init__.py") else here[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base.split(".")[0] == PACKAGE:
                yield from ((base, alias.name) for alias in node.names)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every source file's text by its path below the root."""
    return {str(path.relative_to(ROOT)): path.read_text() for path in sources(ROOT)}


@pytest.fixture(scope="module")
def trees(texts: dict[str, str]) -> dict[str, ast.Module]:
    """The Python files, parsed."""
    return {name: ast.parse(text) for name, text in texts.items() if name.endswith(".py")}


@pytest.fixture(scope="module")
def ours(trees: dict[str, ast.Module]) -> dict[str, ast.Module]:
    """Those of the package, but for what runs without it: the guest, and others' configuration."""
    apart = (f"{PACKAGE}/guest/", f"{PACKAGE}/examples/")
    return {
        name: tree
        for name, tree in trees.items()
        if name.startswith(f"{PACKAGE}/") and not name.startswith(apart)
    }


def test_no_file_is_too_long(texts: dict[str, str]) -> None:
    assert {Path(name).suffix for name in texts} >= {".py", ".ts", ".sh", ".mjs"}
    sizes = {name: text.count("\n") for name, text in texts.items()}
    assert {name: lines for name, lines in sizes.items() if lines > FILE_LINES} == {}


def test_no_function_is_too_long(trees: dict[str, ast.Module]) -> None:
    sizes = [(name, *found) for name, tree in trees.items() for found in functions(tree)]
    assert len(sizes) > 1000
    assert [found for found in sizes if found[-1] > FUNCTION_LINES] == []


def test_no_short_module_has_one_importer(
    texts: dict[str, str], ours: dict[str, ast.Module]
) -> None:
    modules = {module_of(name): name for name in ours if not name.endswith("/__init__.py")}
    importers: dict[str, set[str]] = {}
    for name, tree in ours.items():
        for base, what in imports(name, tree):
            found = f"{base}.{what}" if f"{base}.{what}" in modules else base
            importers.setdefault(found, set()).add(name)
    assert len(importers) > 80
    short = {
        module: texts[name].count("\n")
        for module, name in modules.items()
        if module not in STAND_ALONE and len(importers.get(module, ())) == 1
    }
    assert {one: lines for one, lines in short.items() if lines < MODULE_LINES} == {}


def test_nothing_private_is_imported_from_another_package(ours: dict[str, ast.Module]) -> None:
    private = []
    for name, tree in ours.items():
        package = module_of(name).rpartition(".")[0]
        for base, what in imports(name, tree):
            path = [*base.split(".")[1:], what]
            hidden = any(part.startswith("_") and part[:2] != "__" for part in path)
            if hidden and what != "__version__" and base.rpartition(".")[0] != package:
                private.append((name, base, what))
    assert private == []


def test_a_plain_copy_shows_what_git_lists(texts: dict[str, str]) -> None:
    assert set(texts) <= {str(path.relative_to(ROOT)) for path in walked(ROOT)}
