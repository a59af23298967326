"""An engine's program that answers nothing, or what no engine says: a sentence, and no more.

Stand-ins on PATH answer every question alike: no real engine does, so there is nothing to record.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from types import NoneType
from typing import Any

import pytest

from jupyter_containers.engines.common.build_steps import Steps
from jupyter_containers.engines.docker.buildkit import Plain, RawJson, Track
from jupyter_containers.engines.docker.engine import Docker
from jupyter_containers.engines.podman import buildah
from jupyter_containers.engines.podman.engine import Podman
from jupyter_containers.engines.registry import _load
from jupyter_containers.errors import ContainersError
from jupyter_containers.host.process import Completed
from jupyter_containers.models import BuildSpec, ContainerSpec, Ended, EngineInfo, Image, User

ID = "ab" * 32
ME = User(mode="me", uid=os.getuid(), gid=os.getgid(), host_uid=os.getuid(), host_gid=os.getgid())
SPEC = ContainerSpec(name="jupyter-lying", image="sha256:" + ID, argv=("true",), user=ME)
BUILD = BuildSpec(dockerfile="FROM scratch\n", tag="localhost/x:1")
PROGRAMS = (
    *("podman", "docker", "podman-hpc", "buildah", "apptainer", "enroot", "squashfuse"),
    *("ch-run", "ch-image", "ch-convert", "ch-fromhost", "unshare", "shifter", "shifterimg"),
)
NEITHER = [
    "",
    "null",
    "true",
    "7",
    '"text"',
    "[]",
    "{}",
    "[7]",
    "[{}]",
    "{}\n{}",
    "\0\0\n",
    "[" * 60_000,
]
ODD: list[Any] = [None, True, -1, 1e300, 5, "text", "9" * 4000, [], {}, [[7]], [{}], {"a": {}}]
INFO = {
    "host": {
        "security": {"rootless": True},
        "cgroupVersion": "v2",
        "cgroupControllers": ["memory"],
        "serviceIsRemote": False,
        "ociRuntime": {"path": "/x"},
    },
    "store": {"graphRoot": "/g", "graphDriverName": "overlay", "graphOptions": {"a": "b"}},
    "version": {"Version": "4.3.1"},
    "ServerVersion": "28.0.1",
    "SecurityOptions": ["name=rootless"],
    "MemoryLimit": True,
    "ID": "x",
    "DockerRootDir": "/d",
    "CDISpecDirs": ["/etc/cdi"],
}
INSPECTED = {
    "Id": ID,
    "RepoTags": ["localhost/x:1"],
    "RepoDigests": ["localhost/x@sha256:" + ID],
    "Size": 7,
    "Created": "2026-01-01T00:00:00Z",
    "Config": {
        "Labels": {"a": "b"},
        "User": "1000",
        "Env": ["A=b"],
        "Entrypoint": ["/x"],
        "OnBuild": ["RUN x"],
        "Image": "x",
    },
    "RootFS": {"Layers": ["sha256:" + ID]},
    "GraphDriver": {"Name": "overlay", "Data": {"UpperDir": "/g/overlay/x/diff"}},
    "History": [{"created_by": "ONBUILD RUN x"}],
    "Architecture": "amd64",
    "Name": "/x",
    "State": {"Running": True, "ExitCode": 1, "Pid": 77, "OOMKilled": False},
    "Running": True,
    "ExitCode": 1,
    "Pid": 77,
    "vertexes": [{"digest": "sha256:1", "name": "[1/1] FROM x", "started": "a", "completed": "b"}],
    "logs": [{"vertex": "sha256:1", "data": "eA=="}],
    "statuses": [{"vertex": "sha256:1", "name": "done", "id": "sha256:1", "current": 1}],
    "created_by": "RUN x",
    "size": 7,
    "mem_usage": "1MB / 2MB",
}


def changed(good: Any) -> list[Any]:
    """A good answer with one value in it replaced, each by each odd one."""
    found: list[Any] = list(ODD)
    if isinstance(good, dict):
        for key, value in good.items():
            found += [{**good, key: other} for other in changed(value)]
    elif isinstance(good, list) and good:
        found += [[other] for other in changed(good[0])]
    return found


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set what every program on PATH says, and its exit code."""
    for name in PROGRAMS:
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\ncat {tmp_path}/answer\nexit "$(cat {tmp_path}/code)"\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    for name in ("XDG_CACHE_HOME", "TMPDIR", "JUPYTER_CONTAINERS_IMAGES"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))

    def set_(text: str | bytes, code: int = 0) -> None:
        data = text.encode() if isinstance(text, str) else text
        (tmp_path / "answer").write_bytes(data)
        (tmp_path / "code").write_text(str(code))

    return set_


def asked(engine: Any, archive: Path) -> dict[str, Callable[[], Awaitable[Any]]]:
    """All that is asked of an engine."""

    async def all_of(events: AsyncGenerator[Any]) -> list[Any]:
        return [event async for event in events]

    return {
        "info": engine.info,
        "images": engine.images,
        "image": lambda: engine.image("localhost/x:1"),
        "all_here": lambda: engine.all_here(["localhost/x:1"]),
        "user": lambda: engine.user("me", (0, 0)),
        "run": lambda: engine.run(SPEC, 5.0),
        "start": lambda: engine.start(SPEC),
        "poll": lambda: engine.poll("x"),
        "pid": lambda: engine.pid("x"),
        "ended": lambda: engine.ended("x"),
        "logs": lambda: engine.logs("x", 5),
        "ports": lambda: engine.ports("x"),
        "containers": lambda: engine.containers("l"),
        "stats": lambda: engine.stats("x"),
        "layers": lambda: engine.layers("localhost/x:1"),
        "pull": lambda: all_of(engine.pull("localhost/x:1")),
        "build": lambda: all_of(engine.build(BUILD)),
        "save": lambda: all_of(engine.save("localhost/x:1", archive)),
        "load": lambda: all_of(engine.load(archive, Image(id="sha256:" + ID))),
    }


async def tried(ask: Callable[[], Awaitable[Any]]) -> Any:
    """The answer, or the sentence. All else is this test's failure."""
    try:
        answer = await ask()
    except ContainersError as error:
        answer = error
    if isinstance(answer, ContainersError):
        assert answer.message and "Traceback" not in answer.message
    return answer


@pytest.mark.parametrize(
    "name", ["podman", "docker", "podman-hpc", "apptainer", "charliecloud", "enroot"]
)
@pytest.mark.parametrize("text", [b"", b"[]", b"\0\xff\xfe\n", b"x" * 200_000])
async def test_a_program_that_is_no_engine(
    name: str, text: bytes, says: Callable[..., None], tmp_path: Path
) -> None:
    says(text)
    engine = _load(name)()
    for ask in asked(engine, tmp_path / "a.tar").values():
        await tried(ask)


class Saying:
    """Of Docker or Podman: what its command says, without one."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.text, self.code = engine, "", 0
        engine._run = self._run

    async def _run(self, argv: Sequence[str], timeout: float = 0.0) -> Completed:
        return Completed(("podman", *argv), self.code, self.text, "")

    async def ask(self, what: str) -> Any:
        return await tried(asked(self.engine, Path("a.tar"))[what])


ASKED = ("images", "image", "all_here", "poll", "pid", "ended", "logs", "ports", "containers")
WORDS = ("stats", "layers", "user", "info")


@pytest.mark.parametrize("made", [Docker, Podman])
async def test_neither_an_answer_nor_an_error(made: Any) -> None:
    for code, text in itertools.product((0, 1), NEITHER):
        saying = Saying(made())
        saying.text, saying.code = text, code
        for what in (*ASKED, *WORDS):
            await saying.ask(what)
    saying.text, saying.code = json.dumps(INFO), 0
    assert (await saying.ask("info")).usable
    saying.text = json.dumps([INSPECTED])
    image = await saying.ask("image")
    assert (image.id, image.size, image.env) == (f"sha256:{ID}", 7, {"A": "b"})


@pytest.mark.parametrize("made", [Docker, Podman])
async def test_answers_of_the_wrong_type(made: Any) -> None:
    cases = changed(INSPECTED)
    assert len(cases) > 500
    for odd in cases:
        saying = Saying(made())
        saying.text = json.dumps([odd])
        for what in ("image", "images", "containers", "stats", "layers"):
            found = await saying.ask(what)
            if isinstance(found, Image):
                assert found.id == f"sha256:{ID}" and type(found.size) is int
        saying.text = json.dumps(odd)
        for what in ("poll", "pid", "ended"):
            assert type(await saying.ask(what)) in (NoneType, int, Ended)
        lines = RawJson(Track(Steps(())))
        list(lines.read(saying.text))
    for odd in changed(INFO):
        saying = Saying(made())
        saying.text = json.dumps(odd)
        assert isinstance(await saying.ask("info"), EngineInfo)


def test_numbers_that_a_step_prints() -> None:
    """A cell's RUN prints what it wants, on the same pipe."""
    many = "9" * 5000
    podman = buildah._Reader(BUILD)
    for line in (f"STEP {many}/{many}: RUN x", f"[{many}/1] STEP 1/1: RUN x", "STEP 9/1: RUN x"):
        list(podman.read("stdout", line))
    track = Track(Steps(()))
    for line in (
        f"#1 [{many}/{many}] RUN x",
        "#2 [9/1] RUN x",
        f"#2 sha256:{ID} 1.2.3MB / {many}GB",
    ):
        list(Plain(track).read(line))


def test_a_status_in_many_pieces() -> None:
    """Each would be read again with each piece: seconds for one of megabytes."""
    reader = RawJson(Track(Steps(())))
    reads = 0
    whole = json.dumps({"vertexes": [{"digest": "d", "name": "x" * 3_000_000, "started": "a"}]})
    with pytest.MonkeyPatch.context() as patch:

        def counted(text: str) -> Any:
            nonlocal reads
            reads += 1
            return json.loads(text)

        patch.setattr("jupyter_containers.engines.docker.buildkit.untrusted_json", counted)
        for start in range(0, len(whole), 65536):
            list(reader.read(whole[start : start + 65536]))
    assert reads == 1
