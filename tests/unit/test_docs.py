"""What CONTRIBUTING.md and docs/ name is there: paths, functions, `make` targets, links."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.helpers import ROOT

PAGES = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = sorted(path.name for path in (ROOT / "jupyter_containers").iterdir() if path.is_dir())
PATH = re.compile(r"[\w.-]+(?:/[\w.+-]+)*/?")
MADE = ("build", "dist", ".venv", "node_modules")
"""What commands make."""
DEFINED = re.compile(r"^(?:    )?(?:(?:async )?def |class )?(\w+)\b.*[:=(]", re.MULTILINE)
FRAGMENT = re.compile(r"(?:\d+|\+[\w-]+)\.(?P<kind>\w+)(?:\.\d+)?\.md")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def words(page: Path) -> list[str]:
    """What stands in backquotes."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`]+)`", text)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def is_path(word: str) -> bool:
    """Whether a word names a file or folder of ours."""
    first, slash, _ = word.partition("/")
    known = (ROOT / first).exists() or first in ROOMS
    named = slash and known and first not in MADE
    return bool(PATH.fullmatch(word)) and bool(named or (word.endswith(".md") and known))


@pages
def test_paths(page: Path) -> None:
    places = (ROOT, ROOT / "jupyter_containers", page.parent)
    paths = [word for word in words(page) if is_path(word)]
    assert [one for one in paths if not any((place / one).exists() for place in places)] == []


@pages
def test_modules(page: Path) -> None:
    named = re.findall(r"python -m ((?:tests|jupyter_containers)\.[\w.]+)", page.read_text())
    named += [word for word in words(page) if re.fullmatch(r"jupyter_containers(\.\w+)+", word)]
    files = [ROOT / name.replace(".", "/") for name in named]
    assert [
        str(one) for one in files if not (one.is_dir() or one.with_suffix(".py").is_file())
    ] == []


@pages
def test_functions(page: Path) -> None:
    """`judge` in `jupyter_containers/policy/mounts.py`."""
    found = re.findall(
        r"`([\w.]+)`\s+(?:in|\()\s*`?(jupyter_containers/[\w/]+\.py)", page.read_text()
    )
    missing = []
    for name, file in found:
        defined = DEFINED.findall((ROOT / file).read_text())
        missing += [(name, file) for part in name.split(".") if part not in defined]
    assert missing == []


@pages
def test_targets(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:^|`)make ((?:[a-z-]+ ?)+)", page.read_text(), re.MULTILINE)
    assert [one for line in named for one in line.split() if one not in targets] == []


@pages
def test_links(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_changelog_fragments() -> None:
    towncrier = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
    kinds = {one["directory"] for one in towncrier["type"]}
    names = {path.name for path in (ROOT / towncrier["directory"]).iterdir()} - {"README.md"}
    found = {name: FRAGMENT.fullmatch(name) for name in names}
    assert [name for name, match in found.items() if not match or match["kind"] not in kinds] == []
    assert towncrier["start_string"] in (ROOT / towncrier["filename"]).read_text()


def test_decisions_are_listed() -> None:
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"\((\d{4}-[\w-]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
