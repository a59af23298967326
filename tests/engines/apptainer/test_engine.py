"""Apptainer's own: its command, its images as directory and file, what `doctor` says of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_containers.engines.apptainer import Apptainer
from jupyter_containers.engines.process_engine.containers import StateDir
from jupyter_containers.engines.process_engine.image_store import Stored
from jupyter_containers.errors import BaseUnknown, ImageNotHere, StartFailed, Unsupported
from jupyter_containers.models import ContainerSpec, Image, Mount, User
from tests.helpers.command import jc, soon

ME = User(mode="me", uid=1000, gid=1000, host_uid=1000, host_gid=1000)
STORED = Stored(Image(id="sha256:" + "0" * 64), Path("/images/0"))


def spec(**changes: object) -> ContainerSpec:
    made: dict[str, object] = {
        "name": f"jupyter-{secrets.token_hex(4)}",
        "image": STORED.image.id,
        "argv": ("/bin/true",),
        "user": ME,
        "mounts": (Mount("/data", "/data"), Mount("/work", "/work", True)),
        "env": {"SECRET": "s3cret"},
        "read_only": True,
    }
    return ContainerSpec(**made | changes)  # type: ignore[arg-type]


def argv(**changes: object) -> str:
    command = Apptainer().command(spec(**changes), STORED, StateDir(Path("/place")))
    assert "s3cret" not in " ".join(command.argv)
    return " ".join(command.argv)


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert argv().partition(" ")[2] == (
        "--silent exec --no-privs --containall --no-home --cleanenv --no-eval --pid --pwd=/ "
        "--mount=type=bind,src=/data,dst=/data,readonly --mount=type=bind,src=/work,dst=/work "
        "--mount=type=bind,src=/place/tmp,dst=/tmp "
        "--mount=type=bind,src=/place/var-tmp,dst=/var/tmp "
        "--security=seccomp:/place/apptainer_seccomp.json "
        "--no-init /images/0/image.sif /bin/true"
    )
    assert "--net --network=none" in argv(network="none")
    assert "--hostname=lab" in argv(hostname="lab")
    assert "--no-init" not in argv(init=True)
    assert " run " in argv(entrypoint="image")
    assert "--writable-tmpfs" in argv(read_only=False)
    root = User(mode="root", uid=0, gid=0, host_uid=1000, host_gid=1000)
    assert "--fakeroot" in argv(user=root)
    assert "--no-privs" not in argv(user=root)


def test_nothing_of_the_persons_own_settings_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPTAINER_BIND", "/etc:/stolen")
    monkeypatch.setenv("SINGULARITYENV_TOKEN", "x")
    monkeypatch.setenv("https_proxy", "http://user:pass@proxy.invalid")
    monkeypatch.setenv("APPTAINER_CACHEDIR", "/scratch/cache")
    env = Apptainer().command(spec(), STORED, StateDir(Path("/place"))).env
    for name in ("APPTAINER_BIND", "SINGULARITYENV_TOKEN", "https_proxy", "HTTPS_PROXY"):
        assert env[name] is None
    assert "APPTAINER_CACHEDIR" not in env
    assert [value for name, value in env.items() if name.endswith("ENV_SECRET")] == ["s3cret"]


def test_gpus() -> None:
    both = spec(devices=("nvidia.com/gpu=0", "nvidia.com/gpu=2"))
    command = Apptainer().command(both, STORED, StateDir(Path("/place")))
    assert command.argv.count("--nv") == 1
    assert [v for n, v in command.env.items() if n.endswith("CUDA_VISIBLE_DEVICES")] == ["0,2"]
    assert "--rocm" in argv(devices=("amd.com/gpu=all",))
    with pytest.raises(Unsupported, match=r"vendor\.example/thing=1"):
        argv(devices=("vendor.example/thing=1",))


@pytest.fixture
def program(engine: str) -> Apptainer:
    if engine != "apptainer":
        pytest.skip("apptainer's own")
    return Apptainer()


async def run(program: Apptainer, image: str, *words: str, **changes: object) -> tuple[int, str]:
    found = await program.image(image)
    assert found is not None
    user = await program.user("me", (0, 0))
    changed = {"mounts": (), "user": user, "image": found.id, "argv": words} | changes
    done = await program.run(spec(**changed), 60)
    return done.code, done.stdout + done.stderr


async def test_codes_as_docker_has_them(program: Apptainer, images: dict[str, str]) -> None:
    busybox = images["busybox"]
    assert (await run(program, busybox, "sh", "-c", "echo $SECRET; exit 3")) == (3, "s3cret\n")
    assert (await run(program, busybox, "/no/such/program"))[0] == 127
    code, said = await run(program, busybox, "true", mounts=(Mount("/no/such", "/mnt"),))
    assert code == 125, said
    with pytest.raises(ImageNotHere):
        await program.run(spec(user=ME, mounts=()), 60)


async def test_a_start_that_fails_says_why(program: Apptainer, images: dict[str, str]) -> None:
    found = await program.image(images["busybox"])
    assert found is not None
    user = await program.user("me", (0, 0))
    missing = spec(image=found.id, user=user, mounts=(Mount("/no/such/folder", "/mnt"),))
    with pytest.raises(StartFailed, match="does not exist: /no/such/folder"):
        await program.start(missing)
    assert await program.containers("anything") == []


async def test_on_a_network_file_system_an_image_is_one_file(
    program: Apptainer, images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path))
    monkeypatch.setattr("jupyter_containers.engines.apptainer.on_network", lambda path: True)
    found = Image(id="sha256:" + "1" * 64, references=("localhost/one:latest",))
    archive = tmp_path / "image.tar"
    subprocess.run(["podman", "save", "-q", "-o", archive, images["busybox"]], check=True)
    async for _ in program.load(archive, found):
        pass
    (stored,) = program.store.all()
    assert sorted(path.name for path in stored.directory.iterdir()) == ["image.json", "image.sif"]
    code, said = await run(
        program, "localhost/one:latest", "sh", "-c", "touch /new && echo written", read_only=False
    )
    assert (code, said) == (0, "written\n")


async def test_a_killed_conversion_leaves_nothing(
    program: Apptainer, image: str, tmp_path: Path
) -> None:
    env = {**os.environ, "JUPYTER_CONTAINERS_IMAGES": str(tmp_path / "images")}
    argv = [sys.executable, "-m", "jupyter_containers.cli.main", "convert", image]
    command = subprocess.Popen([*argv, "--from", "podman", "--to", "apptainer"], env=env)
    made = tmp_path / "images/apptainer"
    soon(lambda: list(made.glob("new-*/scratch/*")) != [], 60)
    command.send_signal(signal.SIGKILL)
    command.wait()
    soon(lambda: list(made.glob("new-*")) == [], 30)
    listed = subprocess.run(["pgrep", "-f", str(made)], capture_output=True, text=True)
    assert listed.stdout == ""
    again = jc("convert", image, "--from", "podman", "--to", "apptainer", env=env)
    assert "is on apptainer" in again.stdout


async def test_from_a_registry(
    program: Apptainer, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path))
    monkeypatch.setenv("APPTAINER_NOHTTPS", "true")
    reference = f"{registry}/test/busybox:latest"
    kinds = [event.kind async for event in program.pull(reference)]
    assert kinds[-1] == "image"
    assert "log" in kinds
    assert (await run(program, reference, "echo", "here"))[1] == "here\n"
    await program.remove_image(reference)
    assert await program.images() == []


async def test_a_registry_with_a_password(
    program: Apptainer, private_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path))
    monkeypatch.setenv("APPTAINER_NOHTTPS", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    reference = f"{private_registry}/test/busybox:latest"
    with pytest.raises(BaseUnknown, match="wants a log-in") as refused:
        async for _ in program.pull(reference):
            pass
    assert "FATAL" not in refused.value.message
    login = refused.value.hint.partition(": ")[2].replace("USER", "tester").split()
    login.insert(-1, "--password-stdin")
    subprocess.run(login, input=b"s3cret", check=True)
    async for event in program.pull(reference):
        found = event.image
    assert found is not None


async def test_an_image_that_no_registry_has(
    program: Apptainer, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_CONTAINERS_IMAGES", str(tmp_path))
    monkeypatch.setenv("APPTAINER_NOHTTPS", "true")
    with pytest.raises(Exception, match="no/such") as failed:
        async for _ in program.pull(f"{registry}/no/such:1"):
            pass
    assert type(failed.value).__name__ in ("BaseUnknown", "ImageNotHere")
    assert list((tmp_path / "apptainer").glob("new-*")) == []


def test_doctor_where_no_user_namespace_can_be_made(program: Apptainer) -> None:
    closed = "echo 0 > /proc/sys/user/max_user_namespaces; exec "
    argv = [sys.executable, "-m", "jupyter_containers.cli.main", "doctor", "--engine", "apptainer"]
    done = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            closed + '"$@"',
            "sh",
            *argv,
            "--json",
        ],
        capture_output=True,
        text=True,
    )
    (found,) = json.loads(done.stdout)["engines"]
    assert found["usable"] is False
    assert any("user namespaces" in problem["message"] for problem in found["problems"])


@pytest.mark.parametrize("version", ["apptainer version 1.0.3", "singularity version 3.8.7"])
def test_doctor_of_an_old_one(version: str, tmp_path: Path) -> None:
    name = version.partition(" ")[0]
    old = tmp_path / name
    old.write_text(f"#!/bin/sh\necho {version}\n")
    old.chmod(0o755)
    env = {**os.environ, "PATH": str(tmp_path)}
    done = jc("doctor", "--engine", "apptainer", "--json", code=1, env=env)
    (found,) = json.loads(done.stdout)["engines"]
    assert "too old" in found["problems"][0]["message"]


async def test_removing_an_image_that_a_container_runs(
    program: Apptainer, images: dict[str, str]
) -> None:
    found = await program.image(images["busybox"])
    assert found is not None
    user = await program.user("me", (0, 0))
    long = spec(image=found.id, user=user, mounts=(), argv=("sleep", "1000"))
    container = await program.start(long)
    try:
        with pytest.raises(Exception, match=f"the container {long.name} runs this image"):
            await program.remove_image(images["busybox"])
        stats = await program.stats(container.id)
        assert stats is not None
        assert stats.memory_bytes > 0
    finally:
        await asyncio.shield(program.remove(container.id))
    with contextlib.suppress(ProcessLookupError):
        assert await program.pid(container.id) is None
