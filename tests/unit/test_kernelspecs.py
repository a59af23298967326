"""Kernel specs: ours are written whole and found by every client, others' are never touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

import jupyter_containers
from jupyter_containers.errors import BadInput, BadReference, BadSettings
from jupyter_containers.kernelspecs import GENERIC, pin, pinned_specs, read_spec, unpin
from jupyter_containers.models import Mount
from jupyter_containers.settings.schema import Settings
from tests.helpers.private_home import private_home

PLAIN = Settings(image="x")
FULL = Settings(
    image="x",
    engine="podman",
    mounts=(Mount("${LAB}", "/lab"), Mount("data", "/data", True)),
    devices=("nvidia.com/gpu=all",),
    memory=8 << 30,
    env={"A": "b"},
    kernel="ir",
)


@pytest.fixture(autouse=True)
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's directory of kernel specs."""
    return private_home(tmp_path, monkeypatch) / ".local/share/jupyter/kernels"


def test_a_pinned_image_is_a_kernel(kernels: Path) -> None:
    directory = pin("python:3.12", "py312", FULL, "Python 3.12")
    assert directory == kernels / "py312"
    spec = KernelSpecManager().get_kernel_spec("py312")
    assert (spec.display_name, spec.language) == ("Python 3.12", "python")
    assert spec.metadata["kernel_provisioner"]["provisioner_name"] == "container-provisioner"
    assert spec.metadata["supported_encryption"] == ["curve"] and spec.metadata["debugger"] is True
    settings = read_spec(spec)
    assert settings == Settings.parse(FULL.to_json() | {"image": "python:3.12"}, where="")
    assert "<svg" in (directory / "logo-svg.svg").read_text()


def test_clients_that_know_no_provisioners_start_the_relay() -> None:
    pin("python:3.12", "py312", PLAIN)
    manager = AsyncKernelManager(kernel_name="py312", connection_file="/c.json")
    assert manager.format_kernel_cmd() == [
        *(
            sys.executable,
            "-m",
            "jupyter_containers.relay",
            "--spec",
            "py312",
            "-f",
            "/c.json",
        ),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "jupyter_containers.relay", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--spec" in done.stdout and "-f" in done.stdout


def test_a_kernel_of_another_language() -> None:
    pin("rocker/r-ver", "r", FULL, language="R", interrupt_mode="message")
    spec = KernelSpecManager().get_kernel_spec("r")
    assert (spec.language, spec.interrupt_mode) == ("R", "message")
    assert spec.display_name == "r-ver:latest (container)"


def test_pinning_again_replaces(kernels: Path) -> None:
    pin("python:3.12", "py", FULL, "Old")
    (kernels / "py/mine.txt").write_text("kept")
    pin("python:3.13", "py", PLAIN, "New")
    (spec,) = pinned_specs()
    assert (spec.name, spec.display_name, spec.problem) == ("py", "New", "")
    assert spec.settings is not None and spec.settings.image == "docker.io/library/python:3.13"
    assert spec.settings.mounts == ()
    names = sorted(file.name for file in (kernels / "py").iterdir())
    assert names == ["kernel.json", "logo-svg.svg", "mine.txt"]
    assert [place.name for place in kernels.iterdir()] == ["py"]


def test_unpin_removes_what_pin_made(kernels: Path) -> None:
    pin("python:3.12", "a", PLAIN)
    pin("python:3.12", "b", PLAIN)
    unpin("a")
    assert [spec.name for spec in pinned_specs()] == ["b"]
    assert [place.name for place in kernels.iterdir()] == ["b"]
    with pytest.raises(BadInput, match=r"no pinned kernel 'a'(.|\n)*Pinned are: b"):
        unpin("a")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "A", "a b", "-a", ".a", "a\n", "x" * 200, "ä", "a\0"]
)
def test_names_are_plain(name: str, kernels: Path) -> None:
    for act in (lambda: pin("x", name, PLAIN), lambda: unpin(name)):
        with pytest.raises(BadInput, match="cannot be the name of a kernel"):
            act()
    assert not kernels.exists()


def others(kernels: Path, name: str, **document: Any) -> Path:
    place = kernels / name
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps({"argv": ["x"], "display_name": "X"} | document))
    return place


def test_others_specs_are_never_touched(kernels: Path, tmp_path: Path) -> None:
    theirs = [
        others(kernels, "plain"),
        others(kernels, "marked", metadata={"jupyter_containers": "theirs"}),
        others(kernels, "list", metadata=[]),
        others(kernels, "provisioned", metadata={"container": {"version": 1, "image": "x"}}),
    ]
    (kernels / "broken").mkdir()
    (kernels / "broken/kernel.json").write_text("{")
    (kernels / "empty").mkdir()
    elsewhere = tmp_path / "elsewhere"
    pin("x", "mine", PLAIN)
    (kernels / "mine").rename(elsewhere)
    (kernels / "link").symlink_to(elsewhere)
    before = [(place / "kernel.json").read_bytes() for place in theirs]
    for name in ("plain", "marked", "list", "provisioned", "broken", "empty", "link"):
        for act in (lambda name=name: pin("x", name, PLAIN), lambda name=name: unpin(name)):
            with pytest.raises(BadInput, match="not made by `pin`"):
                act()
    assert [(place / "kernel.json").read_bytes() for place in theirs] == before
    assert (elsewhere / "kernel.json").exists()
    assert pinned_specs() == []


def test_no_name_that_stands_before_anothers() -> None:
    """A spec in the person's directory would hide the environment's of the same name."""
    for name in ("python3", GENERIC):
        with pytest.raises(BadInput, match="already"):
            pin("x", name, PLAIN)


def test_what_cannot_be_pinned_leaves_nothing(kernels: Path) -> None:
    with pytest.raises(BadReference):
        pin("--privileged", "x", PLAIN)
    assert not kernels.exists()
    kernels.parent.mkdir(parents=True)
    kernels.write_text("a file")
    with pytest.raises(BadInput, match="cannot be changed"):
        pin("x", "x", PLAIN)


def test_titles_are_plain_text() -> None:
    pin("x", "x", PLAIN, "a\x1b[31m\nb\u202e" + "c" * 500)
    (spec,) = pinned_specs()
    assert spec.display_name.isprintable() and len(spec.display_name) == 80


def test_a_broken_spec_of_ours_is_listed_with_its_problem(kernels: Path) -> None:
    pin("x", "x", PLAIN)
    document = json.loads((kernels / "x/kernel.json").read_text())
    document["metadata"]["container"]["memroy"] = "1g"
    (kernels / "x/kernel.json").write_text(json.dumps(document))
    (spec,) = pinned_specs()
    assert spec.settings is None and "Did you mean 'memory'?" in spec.problem
    unpin("x")


# -- reading -----------------------------------------------------------------------------------


def spec_with(**metadata: Any) -> KernelSpec:
    return KernelSpec(argv=["x"], display_name="Some\nspec", metadata=metadata)


def test_the_generic_spec_comes_with_the_package() -> None:
    directory = Path(jupyter_containers.__file__).parent / "kernelspec" / GENERIC
    document = json.loads((directory / "kernel.json").read_text())
    spec = KernelSpec(**document)
    assert read_spec(spec) is None
    assert spec.language == "container" and spec.display_name == "Container (this notebook)"
    assert spec.metadata["kernel_provisioner"] == {"provisioner_name": "container-provisioner"}
    assert spec.metadata["supported_encryption"] == ["curve"] and spec.metadata["debugger"] is True
    relay = ["python", "-m", "jupyter_containers.relay", "-f", "{connection_file}"]
    assert spec.argv == relay
    data = Path(sys.prefix) / "share/jupyter/kernels" / GENERIC / "kernel.json"
    assert json.loads(data.read_text()) == document


def test_settings_of_a_spec() -> None:
    settings = read_spec(spec_with(container={"version": 1, "image": "x", "memory": "1g"}))
    assert settings == Settings(image="docker.io/library/x:latest", memory=1 << 30)


PROVISIONER = "container-provisioner"
HOSTILE: list[dict[str, Any]] = [
    *[{"container": bad} for bad in (None, ["x"], "x", 1, {"a": 1}, {"image": "x"})],
    {"container": {"version": 1, "image": "x", "policy": {}}},
    {"container": {"version": 1, "image": "x", "mounts": "/:/host"}},
    *[{"kernel_provisioner": bad} for bad in (None, ["x"], "x", 1)],
    {"kernel_provisioner": {"provisioner_name": PROVISIONER, "policy": {}}},
    *[
        {"kernel_provisioner": {"provisioner_name": PROVISIONER, "config": bad}}
        for bad in ({"policy": 1}, {"config": 1}, [1], "x", None)
    ],
]


@pytest.mark.parametrize("metadata", HOSTILE)
def test_hostile_specs(metadata: dict[str, Any]) -> None:
    with pytest.raises(BadSettings) as raised:
        read_spec(spec_with(**metadata))
    assert "Some spec" in raised.value.message


def test_an_empty_configuration_is_none() -> None:
    stanza = {"provisioner_name": "container-provisioner", "config": {}}
    assert read_spec(spec_with(kernel_provisioner=stanza)) is None
