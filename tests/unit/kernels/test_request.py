"""What a start refuses before any engine hears of it, each in its own sentence."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning import KernelProvisionerBase

from jupyter_containers.cli.execution import _manager
from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.errors import ContainersError, MountReplaced, NotApproved
from jupyter_containers.kernels.provisioner import ContainerProvisioner
from jupyter_containers.kernels.request import _allowed, find_notebook, find_request
from jupyter_containers.kernels.spec import StartPlan, _mounts
from jupyter_containers.models import Mount
from jupyter_containers.notebook.file import resolve_notebook
from jupyter_containers.settings.schema import Settings
from tests.helpers.harness import approve, write_notebook
from tests.helpers.policies import spec
from tests.helpers.private_home import private_home

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


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that another kernel can write, with an approved notebook in `sub`, and its data."""
    home = private_home(tmp_path, monkeypatch)
    (home / "work/sub/data").mkdir(parents=True)
    (home / "other/data").mkdir(parents=True)
    for name in ("work/sub", "other"):
        mounts = [{"source": "data", "target": "/data"}]
        approve(write_notebook(home / name / "n.ipynb", {"image": "localhost/x", "mounts": mounts}))
    return home / "work"


def swap(folder: Path, other: Path) -> None:
    """As a cell of a kernel that can write above the folder."""
    folder.rename(folder.with_name(".was"))
    folder.symlink_to(other)


def test_the_notebooks_folder_is_not_resolved_again(work: Path) -> None:
    notebook = resolve_notebook("sub/n.ipynb", work)
    assert notebook is not None
    _, _, settings, directory, source, _ = _allowed(provisioner(), notebook, work)
    swap(work / "sub", work.parent / "other")
    mounts = _mounts(settings, directory, source)
    assert mounts[0] == Mount(f"{work}/sub", f"{work}/sub", True)
    asked = StartPlan(
        spec=spec(mounts=mounts), guest=True, sockets=True, token="", engine=cast(Guarded, None)
    )
    with pytest.raises(MountReplaced, match="other"):
        asked.with_sources()
    # Another notebook's folder, and that one's approvals.
    with pytest.raises(NotApproved):
        _allowed(provisioner(), notebook, work)


def test_a_folder_without_a_notebook_is_resolved_once(work: Path) -> None:
    (work / "link").symlink_to("sub")
    asked = KernelSpec(metadata={"container": {"version": 1, "image": "localhost/x"}})
    _, _, settings, directory, source, _ = _allowed(provisioner(asked), None, work / "link")
    (work / "link").unlink()
    (work / "link").symlink_to(work.parent / "other")
    assert _mounts(settings, directory, source) == (Mount(f"{work}/sub", f"{work}/link", True),)


def test_a_restart_is_of_the_same_notebook(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTER_CONTAINERS_NOTEBOOK", raising=False)
    (work / "link").symlink_to("sub")
    kernel = ContainerProvisioner(kernel_id="x", kernel_spec=provisioner().kernel_spec)
    told = SimpleNamespace(parent=SimpleNamespace(root_dir=str(work.parent)))
    monkeypatch.setattr(ContainerProvisioner, "parent", told)
    session = {"JPY_SESSION_NAME": "work/link/n.ipynb"}
    kernel._find_notebook(session)
    assert kernel._notebook == work / "sub/n.ipynb"
    (work / "link").unlink()
    (work / "link").symlink_to(work.parent / "other")
    kernel._find_notebook(session)
    assert kernel._notebook == work / "sub/n.ipynb"
    kernel._find_notebook({"JPY_SESSION_NAME": "other/n.ipynb"})  # the session got another one
    assert kernel._notebook == work.parent / "other/n.ipynb"
    kernel._find_notebook({"JPY_SESSION_NAME": "gone.ipynb"})
    assert kernel._notebook is None


def test_what_run_has_resolved_is_not_resolved_again(work: Path) -> None:
    notebook = work / "sub/n.ipynb"
    mount = Mount(f"{work}/sub/data", "/data")
    runs = _manager(Settings(image="localhost/x", mounts=(mount,)), notebook, work)
    kernel = provisioner(runs.kernel_spec)
    assert _allowed(kernel, find_notebook(kernel, {}), work)[2].mounts == (mount,)
    swap(work / "sub/data", work.parent / "other")
    with pytest.raises(MountReplaced, match="other"):
        _allowed(kernel, notebook, work)
    swap(work / "sub", work.parent / "other")
    assert find_notebook(kernel, {}) == notebook
    kernel.kernel_spec.resource_dir = str(work)  # one on disk may say what it likes
    assert find_notebook(kernel, {}) is None


def provisioner(spec: KernelSpec | None = None) -> KernelProvisionerBase:
    spec = spec or KernelSpecManager().get_kernel_spec("container")
    told = SimpleNamespace(kernel_spec=spec, kernel_id="test", config=None, parent=None)
    return cast(KernelProvisionerBase, told)
