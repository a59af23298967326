"""What the engine is made of, where no cluster is asked: when it is there at all, what is pushed,
what is told of a Pod."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jupyter_containers.cli.main import main
from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.engines.kubernetes import access, push
from jupyter_containers.engines.kubernetes.engine import Kubernetes, username
from jupyter_containers.engines.kubernetes.info import number_of, stats_of
from jupyter_containers.engines.kubernetes.namespace import removal_argv
from jupyter_containers.engines.kubernetes.push import Pusher
from jupyter_containers.engines.kubernetes.site import site_of
from jupyter_containers.engines.podman.engine import Podman
from jupyter_containers.engines.registry import names, open_engine
from jupyter_containers.errors import EngineMissing, Unsupported
from jupyter_containers.kernels.container import KernelContainer
from jupyter_containers.kernels.preflight import notebook_state
from jupyter_containers.kernels.provisioner import ContainerProvisioner
from jupyter_containers.kernels.request import Request
from jupyter_containers.kernels.spec import ContainerFiles, StartPlan
from jupyter_containers.models import BuilderFaults, Mount, Stats
from jupyter_containers.settings.schema import Settings
from tests.helpers.harness import approve, write_notebook
from tests.helpers.policies import policy, spec
from tests.helpers.private_home import private_home, private_runtime

KIT, BYTECODE = "/opt/jupyter-containers/kit", "/opt/jupyter-containers/bytecode"


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "config"
    monkeypatch.setenv("KUBECONFIG", str(file))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(access, "is_installed", lambda: True)
    return file


def test_a_configuration_makes_it_an_engine(kubeconfig: Path) -> None:
    assert "kubernetes" not in names()
    kubeconfig.write_text("{}")
    assert "kubernetes" in names()


def test_several_files_may_be_named(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"/nowhere{os.pathsep}{kubeconfig}")
    assert not access.is_configured()
    kubeconfig.write_text("{}")
    assert access.is_configured()


def test_without_a_builder_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineMissing, match="no `podman` on PATH") as raised:
        open_engine("kubernetes", policy())
    assert "builds and pushes its images" in raised.value.hint


def test_its_policy_is_the_one_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_containers.engines.registry.which", lambda program: "/bin/x")
    for registry in ("one.example/a", "two.example/b"):
        guarded = open_engine("kubernetes", policy(push_registry=registry))
        assert guarded._engine.policy.push_registry == registry  # type: ignore[attr-defined]
        assert guarded.places
        assert guarded.tunnels
        assert not guarded.shares


def test_its_kernels_have_sockets_and_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_containers.engines.registry.which", lambda program: "/bin/x")
    engine = open_engine("kubernetes", policy())
    plan = StartPlan(spec=spec(), guest=True, sockets=True, token="t", engine=engine)
    assert not plan.published
    assert asyncio.run(plan.with_tls_secret()) is plan


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with `on`, which is on a volume, and `off`, with an approved notebook in each."""
    monkeypatch.setattr("jupyter_containers.engines.registry.which", lambda program: "/bin/x")
    home = private_home(tmp_path, monkeypatch)
    for name in ("on", "off"):
        settings = {"image": "localhost/x", "engine": "kubernetes"}
        approve(write_notebook(home / name / "n.ipynb", settings, "1"))
    (home / "link").symlink_to("on")
    with private_runtime(tmp_path, monkeypatch):
        yield home


async def test_an_empty_folder_is_told_before_the_start(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def image(self: Guarded, reference: str) -> None:
        return None

    monkeypatch.setattr(Guarded, "recent_image", image)
    set = policy(kubernetes_volumes={str(folders / "link"): "claim"})
    assert (await notebook_state(folders / "on/n.ipynb", set)).warning == ""
    state = await notebook_state(folders / "off/n.ipynb", set)
    assert state.engine == "kubernetes"
    assert f"folder {folders}/off is empty in its Pod" in state.warning
    assert f"move the notebook below {folders}/on, or ask" in state.warning


@pytest.mark.parametrize("name", ["on", "off"])
async def test_an_empty_folder_is_told_in_the_first_cell(
    name: str, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(self: KernelContainer, on_progress: object) -> None:
        """It starts nothing."""

    monkeypatch.setattr(KernelContainer, "start", start)
    set = policy(kubernetes_volumes={"~/on": "claim"})
    own = folders / name
    asked = spec(mounts=(Mount(str(own), str(own), True),), folder=str(own), workdir=str(own))
    plan = StartPlan(
        spec=asked,
        guest=True,
        sockets=True,
        token="t",
        engine=open_engine("kubernetes", set),
        files=ContainerFiles("/home/x", ("python",), "", ""),
    )
    kernel = ContainerProvisioner(kernel_id="x")
    kernel._plan = plan
    kernel._note = "The last kernel died."
    kernel._request = Request(
        settings=Settings(image="x"),
        asked=Settings(image="x"),
        directory=own,
        source=str(own),
        notebook=None,
        engine=plan.engine,
        policy=set,
        labels={},
    )
    await kernel._start(plan)
    assert kernel._run_dir is not None
    told = json.loads((kernel._run_dir.run / "start.json").read_text())["note"]
    assert told.startswith("The last kernel died.")
    assert ("is empty in its Pod" in told) == (name == "off")


async def test_faults_of_its_builder_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an old Podman would get the mounts that it is not given by itself."""

    async def faults(self: Podman) -> BuilderFaults:
        return BuilderFaults(links=True)

    monkeypatch.setattr(Podman, "builder_faults", faults)
    engine = Guarded(Kubernetes(Podman()), policy())
    assert (await engine.builder_faults()).links


def test_whose_server_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "Ana María")
    assert site_of(policy(), username()).user.startswith("ana-mar")
    monkeypatch.delenv("JUPYTERHUB_USER")
    assert username()


def test_the_reapers_command_names_the_pod(tmp_path: Path) -> None:
    engine = Kubernetes(Podman())
    engine.policy = policy(kubernetes_context="there", kubernetes_namespace="people")
    argv = list(engine.remove_argv("jupyter-0123abcd"))
    assert argv[-3:] == ["there", "people", "jupyter-0123abcd"]
    assert Path(argv[-4], "jupyter_containers", "__init__.py").is_file()
    assert argv == removal_argv("there", "people", "jupyter-0123abcd")


# -- what is pushed --------------------------------------------------------------------------------


def test_a_kit_is_laid_out_for_everybody(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    (kit / "package").mkdir(parents=True)
    kit.joinpath("package").chmod(0o700)
    for name, mode in {"open.py": 0o644, "closed.py": 0o600}.items():
        (kit / "package" / name).write_text(name)
        (kit / "package" / name).chmod(mode)
        os.utime(kit / "package" / name, (1e9, 1e9))
    (kit / "link").symlink_to("/etc/shadow")
    push._lay_out(kit, tmp_path / "out")
    for name in ("open.py", "closed.py"):
        made = tmp_path / "out/package" / name
        assert made.read_text() == name
        assert made.stat().st_mode & 0o444 == 0o444
        assert made.stat().st_mtime == 1e9
    assert (tmp_path / "out/package").stat().st_mode & 0o555 == 0o555
    assert os.readlink(tmp_path / "out/link") == "/etc/shadow"
    assert (kit / "package/closed.py").stat().st_mode & 0o777 == 0o600


def test_what_was_pushed_is_known_by_all_that_is_in_it() -> None:
    pusher = Pusher(Podman())

    def place(**more: Any) -> Path:
        return pusher._place(spec(**more), "r.example/team")

    kits = [(), (Mount("/kits/a", KIT),), (Mount("/kits/b", KIT),)]
    kits.append((Mount("/kits/a", KIT), Mount("/bytecode/a", BYTECODE)))
    assert len({place(own=own) for own in kits}) == 4
    assert place(own=(Mount("/x", "/opt/jupyter-containers/run"),)) == place()
    assert pusher._place(spec(), "other.example") != place()


def test_without_a_registry_nothing_is_pushed() -> None:
    with pytest.raises(Unsupported) as raised:
        asyncio.run(Pusher(Podman()).push(spec(), "", lambda _: None))
    assert "Policy.push_registry" in raised.value.hint


# -- what is told ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("1500000n", 0.0015), ("250m", 0.25), ("2", 2.0), ("1.5", 1.5), ("3Ki", 3072.0)),
        *(("2Gi", float(2 << 30)), ("1M", 1e6), ("", 0.0), ("x", 0.0), ("-1", 0.0), ("1i", 0.0)),
    ],
)
def test_quantities(text: str, number: float) -> None:
    assert number_of(text) == pytest.approx(number)


def test_figures() -> None:
    beside = {"name": "a-proxy", "usage": {"cpu": "1", "memory": "1Gi"}}
    ours = {"name": "kernel", "usage": {"cpu": "1500m", "memory": "64Mi"}}
    used = {"containers": [beside, ours]}
    limits = {"resources": {"limits": {"memory": "1Gi"}}}
    pod = {"spec": {"containers": [{"name": "a-proxy"}, {"name": "kernel", **limits}]}}
    expected = Stats(cpu_percent=150.0, memory_bytes=64 << 20, memory_limit=1 << 30)
    assert stats_of(used, pod) == expected
    assert stats_of({}, pod) is None
    assert stats_of({"containers": [7, beside]}, {"spec": []}) is None
    none = {"containers": [{"name": "kernel"}]}
    assert stats_of(none, {"spec": []}) == Stats(cpu_percent=0, memory_bytes=0)


def test_the_rights_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kubernetes", "rbac", "--namespace", "people", "--user", "ana"]) == 0
    role, binding = yaml.safe_load_all(capsys.readouterr().out)
    assert (role["kind"], role["metadata"]["namespace"]) == ("Role", "people")
    assert binding["subjects"][0]["name"] == "ana"
    with pytest.raises(SystemExit):
        main(["kubernetes", "rbac", "--namespace", "a b"])
