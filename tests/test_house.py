"""How large files and functions may be."""

from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUFFIXES = (".py", ".ts", ".tsx", ".sh", ".mjs")
MADE = {"build", "dist", "lib", "node_modules"}
"""Folders of what is made or fetched, beside those whose names begin with a dot."""
FILE_LINES = 450
FUNCTION_LINES = 60


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


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Each function's name, and its lines from `def` to its end."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every source file's text by its path below the root."""
    return {str(path.relative_to(ROOT)): path.read_text() for path in sources(ROOT)}


def test_no_file_is_too_long(texts: dict[str, str]) -> None:
    assert {Path(name).suffix for name in texts} >= {".py", ".ts", ".sh", ".mjs"}
    sizes = {name: text.count("\n") for name, text in texts.items()}
    assert {name: lines for name, lines in sizes.items() if lines > FILE_LINES} == {}


def test_no_function_is_too_long(texts: dict[str, str]) -> None:
    sizes = [
        (name, function, lines)
        for name, text in texts.items()
        if name.endswith(".py")
        for function, lines in functions(text)
    ]
    assert len(sizes) > 1000
    assert [found for found in sizes if found[-1] > FUNCTION_LINES] == []


def test_a_plain_copy_shows_what_git_lists(texts: dict[str, str]) -> None:
    assert set(texts) <= {str(path.relative_to(ROOT)) for path in walked(ROOT)}
