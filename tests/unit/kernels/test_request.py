"""What a start refuses before any engine hears of it, each in its own sentence."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning import KernelProvisionerBase

from jupyter_containers.errors import ContainersError
from jupyter_containers.kernels.request import _allowed, find_request
from tests.helpers.harness import approve, write_notebook

BAD_SETTINGS: dict[str, tuple[Any, str]] = {
    "option as an image": ({"image": "--privileged"}, "not an image reference"),
    "newline in an image": ({"image": "a\n--privileged"}, "not an image reference"),
    "unknown key": ({"priviledged": True}, "'priviledged'"),
    "unknown engine": ({"engine": "kontainer"}, "kontainer"),
    "newline in a target": (
        {"mounts": [{"source": ".", "target": "/x\nreadonly"}]},
        "control character",
    ),
    "dots in a target": ({"mounts": [{"source": ".", "target": "/x/../etc"}]}, "not an absolute"),
    "root mounted": ({"mounts": [{"source": "/", "target": "/host"}]}, "Policy.mounts"),
    "etc mounted": ({"mounts": [{"source": "/etc", "target": "/host"}]}, "Policy.mounts"),
    "where engine sockets lie": (
        {"mounts": [{"source": "/run", "target": "/s"}]},
        "Policy.mounts",
    ),
    "escape by dots": ({"mounts": [{"source": "../" * 20 + "etc", "target": "/x"}]}, "Policy."),
    "device that is an option": ({"devices": ["--privileged"]}, "devices"),
    "env that is ours": ({"env": {"JPY_PARENT_PID": "1"}}, "JPY_PARENT_PID"),
    "newline in env": ({"env": {"A": "b\nC=d"}}, "env"),
    "memory of nonsense": ({"memory": "lots"}, "memory"),
    "host network": ({"network": "host"}, "network"),
    "not even an object": (["image"], "no object"),
}


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every engine's program is missing: none can be asked."""
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.mark.usefixtures("no_engine")
@pytest.mark.parametrize("name", BAD_SETTINGS)
async def test_settings(name: str, folder: Path) -> None:
    given, sentence = BAD_SETTINGS[name]
    path = write_notebook(folder / "n.ipynb", {"image": "localhost/x", "engine": "podman"})
    approve(path)
    notebook = json.loads(path.read_text())
    settings = notebook["metadata"]["jupyter_containers"]
    asked = settings | given if isinstance(given, dict) else given
    notebook["metadata"]["jupyter_containers"] = asked
    path.write_text(json.dumps(notebook))
    with pytest.raises(ContainersError) as caught:
        await find_request(provisioner(), path, None)
    assert sentence in caught.value.message + (caught.value.hint or "")


@pytest.mark.parametrize(("said", "language"), [("", "R"), ("python", "")])
def test_the_notebooks_language_counts_where_the_kernel_spec_says_none(
    said: str, language: str, folder: Path
) -> None:
    """As in that of `run`, where nobody looks into Shifter's images before the start."""
    path = write_notebook(folder / "n.ipynb", {"image": "localhost/x"})
    notebook = json.loads(path.read_text())
    notebook["metadata"] = {"language_info": {"name": "R"}}
    path.write_text(json.dumps(notebook))
    asked = {"version": 1, "image": "localhost/x"}
    spec = KernelSpec(display_name="x", language=said, metadata={"container": asked})
    assert _allowed(provisioner(spec), path, folder)[-1] == language


def provisioner(spec: KernelSpec | None = None) -> KernelProvisionerBase:
    spec = spec or KernelSpecManager().get_kernel_spec("container")
    told = SimpleNamespace(kernel_spec=spec, kernel_id="test", config=None)
    return cast(KernelProvisionerBase, told)
