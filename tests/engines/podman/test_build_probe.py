"""What the probe of podman's builder sees, with programs that do what old and new ones did.

The real ones are asked in tests/contract/builds/test_mounts.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.engines.podman import build_probe
from jupyter_containers.engines.podman.build_probe import faults, probe_argv
from jupyter_containers.models import BuilderFaults

CONTROL = "mkdir -p $TMPDIR/buildah-cache-0/0fcd568a/made"
LINKS = "mkdir $TMPDIR/canary/made"
WRITES = "mkdir $TMPDIR/context/kept/made"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    yield
    assert list(tmp_path.glob("jupyter-containers-*")) == []


def podman(place: Path, *acts: str) -> None:
    """A podman whose builds do this, and end as a build without a program does."""
    program = place / "podman"
    lines = [f'[ "$1" = build ] || exit 1; cat > /dev/null; echo x >> {place}/builds', *acts]
    program.write_text("#!/bin/sh\n" + "\n".join([*lines, "exit 125"]) + "\n")
    program.chmod(0o755)


def builds(place: Path) -> int:
    return (place / "builds").read_text().count("x")


@pytest.mark.parametrize(
    ("acts", "links", "writes"),
    [
        ([CONTROL], False, False),
        ([CONTROL, LINKS, WRITES], True, True),
        ([CONTROL, LINKS], True, False),
        ([CONTROL, WRITES], False, True),
    ],
)
async def test_by_what_was_made(tmp_path: Path, acts: list[str], links: bool, writes: bool) -> None:
    podman(tmp_path, *acts)
    found = await faults(("podman",), "1.0")
    assert found == BuilderFaults(links=links, writes=writes, tried=True)
    assert await faults(("podman",), "1.0") == found
    assert builds(tmp_path) == 1


@pytest.mark.parametrize("acts", [[], [WRITES], ["mkdir -p $TMPDIR/buildah-cache-0/control"]])
async def test_without_the_control_the_version_counts(tmp_path: Path, acts: list[str]) -> None:
    podman(tmp_path, *acts)
    old = await faults(("podman",), "5.3.9")
    assert old == BuilderFaults(links=True, writes=True, tried=False)
    new = await faults(("podman",), "5.4.0")
    assert new == BuilderFaults(tried=False)
    assert builds(tmp_path) == 2  # next time it may work


async def test_another_program_is_tried_again(tmp_path: Path) -> None:
    podman(tmp_path, CONTROL, LINKS)
    assert (await faults(("podman",), "4.3")).links
    podman(tmp_path, CONTROL, "# an update of the distribution's")
    assert not (await faults(("podman",), "4.3")).links
    assert builds(tmp_path) == 2


async def test_what_is_remembered_and_cannot_be_read(tmp_path: Path) -> None:
    podman(tmp_path, CONTROL)
    await faults(("podman",), "1.0")
    for file in (tmp_path / "cache").glob("jupyter-containers/builders/*"):
        file.write_text('{"links": "no", "writes": false}')
    assert await faults(("podman",), "1.0") == BuilderFaults()
    assert builds(tmp_path) == 2


def test_the_command() -> None:
    assert probe_argv(("podman",), "/d") == [
        "podman",
        "build",
        "--layers=false",
        "--force-rm",
        "--network=none",
        "--secret=id=jupyter-containers-build,src=/d/jupyter-containers-build",
        "--file=-",
        "/d/context",
    ]


def test_a_builder_that_stays_in_the_stage_comes_to_a_directory(tmp_path: Path) -> None:
    """Else its runtime would fail before the control, and nothing would be known."""
    build_probe._prepare(tmp_path)
    tree = tmp_path / "context" / "tree"
    target = (tree / "link").readlink()
    assert target == tmp_path / "canary" and list(target.iterdir()) == []
    assert (tree / target.relative_to("/")).is_dir()
