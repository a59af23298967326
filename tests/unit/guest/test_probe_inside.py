"""What the probe reads of an image, which may have anything in the place of a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.errors import ImageUnusable
from jupyter_containers.guest import probe_inside
from jupyter_containers.images.facts import FoundKernel, choose
from jupyter_containers.images.probe_output import document, parse_facts
from jupyter_containers.models import Image


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    assert [probe_inside.read(str(tmp_path / name)) for name in ("pipe", "zero", "no")] == [""] * 3
    assert probe_inside.read(str(tmp_path / "file")) == "x" * probe_inside.MAX_FILE
    assert probe_inside.read("/proc/sys/kernel/random/boot_id").strip()


SPEC = {
    "argv": ["/bin/sh", "{connection_file}"],
    "display_name": "Some",
    "language": "some",
}


def named(place: Path, name: str, spec: dict[str, Any]) -> None:
    folder = place / "kernels" / name
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec))


def found_in(place: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[FoundKernel]]:
    """The kernels that the two halves of the probe find there, by name."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(place))
    by_python = {"kernels": probe_inside.kernels([])}
    sh = Path(probe_inside.__file__).with_suffix(".sh")
    # No Python runs what is no Python, so the shell says what it finds.
    argv = ["/bin/sh", "-c", sh.read_text(), "sh", "nonce", "", "no Python"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    by_shell = document(done.stdout, "nonce")
    assert by_shell is not None
    image = Image(id="sha256:0")
    found = [parse_facts(said, image, "sockets").kernels for said in (by_python, by_shell)]
    return [[one for one in kernels if one.language == "some"] for kernels in found]


def test_kernels_are_named_as_jupyter_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [".net-csharp", "_x", "x-", "julia-1.11"]
    for name in (*names, "-x", "a b", "..."):
        named(tmp_path, name, SPEC)
    for found in found_in(tmp_path, monkeypatch):
        assert sorted(one.name for one in found) == sorted(names)


def test_what_jupyter_fills_into_an_argv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "share/jupyter"
    argv = ["{resource_dir}/run", "{prefix}/lib/x.jar", "{other}", "{connection_file}"]
    named(place, "java", {**SPEC, "argv": argv})
    named(place, "gone", {**SPEC, "argv": ["{prefix}/bin/gone", "{connection_file}"]})
    folder = place / "kernels/java"
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    for found in found_in(place, monkeypatch):
        [kernel] = (one for one in found if one.name == "java")
        filled = (f"{folder}/run", f"{tmp_path}/lib/x.jar", "{other}", "{connection_file}")
        assert kernel.argv == filled
    by_python, _ = found_in(place, monkeypatch)
    assert [one.name for one in by_python] == ["java"]


def test_specs_of_kernels_that_hurt() -> None:
    for text in ("[" * 60_000, "7", '{"argv": []}', '{"argv": [7]}', "Infinity"):
        assert not probe_inside.runs(text)


@pytest.mark.parametrize(
    ("name", "value"), [("PYTHONUTF8", "7"), ("PYTHONMALLOC", "bad"), ("PYTHONHOME", "/nowhere")]
)
def test_an_environment_in_which_python_does_not_even_say_its_version(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    said = probe_inside.ask(sys.executable, "print('{}')")
    assert said is not None
    assert said["said"].startswith("Python 3.")
    assert name in said["trouble"] or "encodings" in said["trouble"]
    facts = parse_facts({"interpreters": [said]}, Image(id="sha256:0"), "sockets")
    with pytest.raises(ImageUnusable, match="does not run: ") as raised:
        choose(facts)
    assert said["trouble"] in raised.value.message
    assert "See what the Dockerfile sets in the environment" in raised.value.hint


def test_an_interpreter_that_never_ends(tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.11.2 && exit\nexec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setattr(probe_inside, "CHILD_SECONDS", 0.3)
    said = probe_inside.ask(str(program), "x")
    assert said == {
        "path": str(program),
        "said": "Python 3.11.2",
        "trouble": "it did not answer within 0 s.",
    }
