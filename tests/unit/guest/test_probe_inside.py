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


WIDGETS = {"jupyterlab": {"extension": True}, "dependencies": {"@jupyter-widgets/base": "^6"}}


def extension(prefix: Path, name: str, package: object) -> Path:
    file = prefix / "share/jupyter/labextensions" / name / "package.json"
    file.parent.mkdir(parents=True)
    file.write_text(package if isinstance(package, str) else json.dumps(package))
    return file


def distribution(prefix: Path, name: str, version: str, *extensions: str) -> None:
    [site] = prefix.glob("lib/python*/site-packages")
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    above = "../../../share/jupyter/labextensions"
    record = [f"{above}/{one}/package.json,sha256=x,1\n" for one in extensions]
    (folder / "RECORD").write_text(f"{name}/__init__.py,,\n{''.join(record)}")


def test_extensions_of_jupyterlab_that_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    lab = {"extension": True}
    extension(prefix, "@a/manager", WIDGETS)
    extension(prefix, "plot", {"jupyterlab": {"mimeExtension": True}, "dependencies": {"x": "1"}})
    extension(prefix, "shared", {"jupyterlab": lab, "peerDependencies": {"@jupyter-widgets/x": 1}})
    extension(prefix, "unsaid", {"jupyterlab": {"_build": {"extension": "./extension"}}})
    extension(prefix, "git", {"jupyterlab": lab, "dependencies": {"@jupyterlab/services": "^7"}})
    for at, bad in enumerate(("[" * 60_000, "7", "", "{}", '{"jupyterlab": 7}', "NaN", '["a"]')):
        extension(prefix, f"bad{at}", bad)
    extension(prefix, "words", {"jupyterlab": {}, "dependencies": 7})
    extension(prefix, "a b", WIDGETS)
    extension(prefix, "zero", "").unlink()
    (prefix / "share/jupyter/labextensions/zero/package.json").symlink_to("/dev/zero")
    distribution(prefix, "jupyter_plots", "1.2.3", "plot", "@a/manager")
    distribution(prefix, "other", "7", "plot")
    monkeypatch.setenv("VIRTUAL_ENV", str(prefix))
    monkeypatch.setenv("PATH", f"{prefix}/bin")
    text = Path(probe_inside.__file__).read_text()
    argv = [f"{prefix}/bin/python", "-I", "-S", "-c", text, "nonce", "", text]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    said = document(done.stdout, "nonce")
    assert said is not None
    facts = parse_facts(said, Image(id="sha256:0"), "sockets")
    found = {one.name: (one.package, one.version) for one in facts.labextensions}
    assert found["plot"][1] in ("1.2.3", "7")  # whichever is found first
    assert found["@a/manager"] == ("jupyter_plots", "1.2.3")
    assert found["shared"] == found["unsaid"] == ("", "")
    ours = {"plot", "@a/manager", "shared", "unsaid", "git", "words", "a b", "zero"}
    assert {name for name in found if name in ours or name.startswith("bad")} == {
        "plot",
        "@a/manager",
        "shared",
        "unsaid",
    }


def test_many_extensions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in range(probe_inside.MAX_LABEXTENSIONS + 20):
        extension(tmp_path, f"x{at}", WIDGETS)
    monkeypatch.setattr(probe_inside, "data_places", lambda _: [str(tmp_path / "share/jupyter")])
    assert len(probe_inside.labextensions([])) == probe_inside.MAX_LABEXTENSIONS
