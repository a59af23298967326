"""What an engine tells of a build and a pull, how each fails, and what a cancelled one leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import trustme

from jupyter_containers import errors
from jupyter_containers.engines import _keeper_builds
from jupyter_containers.engines.base import Engine
from jupyter_containers.engines.docker import Docker
from jupyter_containers.engines.podman import Podman
from jupyter_containers.models import BuildSecret, BuildSpec, BuildStep, Progress


@pytest.fixture
def program(engine: str) -> Engine:
    return Podman() if engine == "podman" else Docker()


@pytest.fixture
def tag(engine: str) -> Iterator[str]:
    name = f"localhost/jc-test-build:{uuid.uuid4().hex[:12]}"
    yield name
    subprocess.run([engine, "rmi", "-f", name], capture_output=True, check=False)


def steps_of(text: str) -> tuple[BuildStep, ...]:
    """The instructions of a plain Dockerfile, one per line (continued lines belong to it)."""
    found: list[BuildStep] = []
    stage, name, going = -1, "", False
    for number, line in enumerate(text.splitlines(), 1):
        continued, going = going, line.endswith("\\")
        if continued or not line.strip():
            continue
        words = line.split()
        if words[0] == "FROM":
            stage, name = stage + 1, words[3] if len(words) == 4 else ""
        if stage >= 0:
            found.append(BuildStep(stage=stage, line=number, text=line, stage_name=name))
    return tuple(found)


def spec_of(text: str, tag: str) -> BuildSpec:
    return BuildSpec(dockerfile=text, tag=tag, steps=steps_of(text))


async def build(program: Engine, spec: BuildSpec) -> list[Progress]:
    return [event async for event in program.build(spec)]


def lines(events: Sequence[Progress]) -> list[str]:
    return [event.text for event in events if event.kind == "log"]


def running(word: str) -> list[str]:
    """Processes of this machine with a word on their command line, not this test's own."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().split(b"\0")
            if word.encode() in words and words[0].endswith(b"sleep"):
                found.append(path.parent.name)
    return found


@pytest.fixture(autouse=True)
def private_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a build leaves there is ours, whatever else runs on this machine."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def leftovers(engine: str) -> set[str]:
    """What a build may leave: temporary directories, mounts, podman's working containers.
    (BuildKit's are no containers of docker's: their processes are looked for.)"""
    temporary = os.environ["TMPDIR"]
    found = {str(path) for path in Path(temporary).glob("jupyter-containers-*")}
    if engine == "podman":
        argv = [engine, "ps", "--all", "--external", "--quiet"]
        found |= set(
            subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
        )
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return found | {line.split()[4] for line in mounts if f"{temporary}/" in line}


async def gone(word: str, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while running(word) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return not running(word)


async def begun(word: str) -> None:
    while not running(word):
        await asyncio.sleep(0.05)


MULTI = """\
FROM {base} AS first
ENV A=1
RUN echo made-in-first > /first && \\
    echo hello-$A && echo error >&2
FROM {base} AS unused
RUN exit 9
FROM {base}
WORKDIR /work
COPY --from=first /first /work/first
RUN cat /work/first
"""


async def test_steps_have_lines_and_output_belongs_to_them(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    spec = spec_of(MULTI.format(base=images["busybox"]), tag)
    spec = replace(spec, labels={"a": "b", "c": "d e"}, no_cache=True)
    events = await build(program, spec)
    seen = {(e.line, e.text.split()[0]) for e in events if e.kind == "step"}
    assert {(3, "RUN"), (9, "COPY"), (10, "RUN")} <= seen
    assert all(e.steps == 9 and 1 <= e.step <= 9 for e in events if e.kind == "step")
    assert not any(e.line == 6 for e in events)
    log = {(e.line, e.text) for e in events if e.kind == "log"}
    assert {(3, "hello-1"), (3, "error"), (10, "made-in-first")} <= log
    assert not any("LABEL" in e.text for e in events)
    last = events[-1]
    assert last.kind == "image" and last.image is not None
    assert last.image.labels["c"] == "d e" and tag in last.image.references


async def test_an_unchanged_build_says_cached(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {tag} > /file\n"
    await build(program, spec_of(text, tag))
    events = await build(program, spec_of(text, tag))
    assert [e.line for e in events if e.kind == "cached" and e.text.startswith("RUN")] == [2]


async def test_output_comes_while_it_is_printed(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN for i in 1 2 3; do echo tick-{tag}-$i; sleep 1; done\n"
    seen = [
        time.monotonic()
        async for event in program.build(spec_of(text, tag))
        if event.kind == "log" and event.text.startswith("tick")
    ]
    assert len(seen) == 3
    assert seen[-1] - seen[0] > 1.5


async def test_arguments_target_secret_context_and_second_name(
    program: Engine, images: dict[str, str], tag: str, tmp_path: Path, engine: str
) -> None:
    context, secret = tmp_path / "context", tmp_path / "secret"
    context.mkdir()
    (context / "a.txt").write_text("in the context")
    secret.write_text("swordfish")
    text = f"""\
FROM {images["busybox"]} AS wanted
ARG WHO
COPY a.txt /a.txt
RUN --mount=type=secret,id=word echo "$WHO $(cat /a.txt) $(wc -c < /run/secrets/word)" {tag}
FROM wanted
RUN exit 1
"""
    spec = replace(
        spec_of(text, tag),
        steps=steps_of(text)[:4],
        also=(tag + "-two",),
        context=str(context),
        args={"WHO": "me=you"},
        target="wanted",
        secrets=(BuildSecret(id="word", source=str(secret)),),
    )
    events = await build(program, spec)
    assert f"me=you in the context 9 {tag}" in lines(events)
    image = events[-1].image
    assert image is not None and {tag, tag + "-two"} <= set(image.references)
    subprocess.run([engine, "rmi", tag + "-two"], capture_output=True, check=True)


async def test_terminal_escapes_do_not_come_through(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN printf '\\033[31mred\\033]0;x\\007 {tag}\\n'\n"
    log = lines(await build(program, spec_of(text, tag)))
    assert f"red {tag}" in log and not any("\x1b" in line for line in log)


async def test_a_line_without_end_and_much_output(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = (
        f"FROM {images['busybox']}\n"
        f"RUN head -c 100000 /dev/zero | tr '\\0' x; echo; seq 3000; echo end-{tag}\n"
    )
    log = lines(await build(program, spec_of(text, tag)))
    assert max(map(len, log)) <= 2000
    assert len(log) > 1000


# -- failures ------------------------------------------------------------------------------


async def failure(program: Engine, text: str, tag: str) -> errors.ContainersError:
    with pytest.raises(errors.ContainersError) as caught:
        await build(program, spec_of(text, tag))
    return caught.value


async def test_a_failed_instruction(program: Engine, images: dict[str, str], tag: str) -> None:
    text = (
        f"FROM {images['busybox']}\nENV A=1\nRUN echo {tag}; \\\n  echo why >&2; exit 7\nRUN true\n"
    )
    error = await failure(program, text, tag)
    assert isinstance(error, errors.BuildFailed)
    assert (error.line, error.code) == (3, 7)
    assert error.instruction.startswith("RUN echo")
    assert tag in error.tail and "why" in error.tail
    assert "Dockerfile line 3" in error.message and "exit code 7" in error.message


async def test_a_program_that_is_not_there(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    error = await failure(program, f'FROM {images["busybox"]}\nRUN ["nosuchprogram"]\n', tag)
    assert isinstance(error, errors.BuildFailed) and error.line == 2
    assert "nosuchprogram" in error.tail


async def test_a_copy_of_nothing(program: Engine, images: dict[str, str], tag: str) -> None:
    error = await failure(program, f"FROM {images['busybox']}\n\nCOPY missing.txt /x\n", tag)
    assert isinstance(error, errors.BuildFailed) and error.line == 3
    assert "missing.txt" in error.message


async def test_an_unknown_instruction(program: Engine, images: dict[str, str], tag: str) -> None:
    error = await failure(program, f"FROM {images['busybox']}\nRUNN true\n", tag)
    assert isinstance(error, (errors.DockerfileError, errors.BuildFailed)) and error.line == 2
    assert "RUNN" in error.message


async def test_a_base_that_nobody_has(program: Engine, registry: str, tag: str) -> None:
    error = await failure(program, f"FROM {registry}/test/nosuch:1\n", tag)
    assert isinstance(error, errors.BaseUnknown) and error.line == 1
    assert f"{registry}/test/nosuch:1" in error.message


async def test_a_local_base_that_was_never_built(
    program: Engine, images: dict[str, str], tag: str
) -> None:
    text = f"FROM {images['busybox']}\nCOPY --from=localhost/never-built:1 /a /b\n"
    error = await failure(program, text, tag)
    assert isinstance(error, errors.BaseUnknown) and error.line == 2


async def test_a_registry_that_is_not_there(program: Engine, tag: str) -> None:
    error = await failure(program, "FROM no-such-host.invalid/image:1\n", tag)
    assert isinstance(error, errors.NetworkFailed) and error.line == 1
    assert "name was not found" in error.message and "build_proxies" in error.hint


async def test_a_certificate_that_is_not_trusted(
    program: Engine, image: str, tag: str, tmp_path: Path
) -> None:
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "server.pem"
    )
    (tmp_path / "ask.py").write_text(ASK_OVER_TLS)
    text = f"FROM {image}\nCOPY . /tls/\nRUN : {tag}; python3 /tls/ask.py\n"
    with pytest.raises(errors.NetworkFailed) as caught:
        await build(program, replace(spec_of(text, tag), context=str(tmp_path)))
    assert caught.value.line == 3 and "build_ca" in caught.value.hint


ASK_OVER_TLS = """
import http.server, ssl, threading, urllib.request
server = http.server.HTTPServer(("localhost", 0), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
urllib.request.urlopen(f"https://localhost:{server.server_port}/")
"""


async def test_no_daemon(
    monkeypatch: pytest.MonkeyPatch, program: Engine, engine: str, tag: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    if engine == "podman":  # as on a Mac, where podman is a client of its machine
        remote = tmp_path / "podman"
        url = "unix:///nonexistent/podman.sock"
        remote.write_text(f'#!/bin/sh\nexec {shutil.which(engine)} --remote --url={url} "$@"\n')
        remote.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for run in (build(program, spec_of("FROM scratch\n", tag)), pull(program, "busybox")):
        with pytest.raises(errors.EngineDown) as caught:
            await run
        assert caught.value.hint


# -- ends ----------------------------------------------------------------------------------


@contextlib.contextmanager
def nothing_left(engine: str) -> Iterator[None]:
    """The build in this block leaves nothing on the engine or the disk."""
    before = leftovers(engine)
    yield
    assert leftovers(engine) - before == set()


def sleeping(base: str) -> tuple[str, str]:
    """A Dockerfile whose RUN sleeps, and the word that finds the sleep."""
    word = str(uuid.uuid4().int % 10**9 + 10**9)
    return f"FROM {base}\nRUN true {word}\nRUN echo asleep; sleep {word}\n", word


async def asleep(program: Engine, spec: BuildSpec) -> AsyncGenerator[Progress, None]:
    """The events of a build that has come to its sleep."""
    events = cast("AsyncGenerator[Progress, None]", program.build(spec))
    async for event in events:
        if event.kind == "log" and event.text == "asleep":
            return events
    raise AssertionError("it never slept")


async def test_closing_the_events_ends_every_process(
    program: Engine, images: dict[str, str], tag: str, engine: str
) -> None:
    text, word = sleeping(images["busybox"])
    with nothing_left(engine):
        events = await asleep(program, spec_of(text, tag))
        await begun(word)
        await events.aclose()
        assert await gone(word)
    assert await program.image(tag) is None


async def test_cancelling_the_task_ends_every_process(
    program: Engine, images: dict[str, str], tag: str, engine: str
) -> None:
    text, word = sleeping(images["busybox"])
    with nothing_left(engine):
        task = asyncio.create_task(build(program, spec_of(text, tag)))
        await begun(word)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await gone(word)


async def test_cancelled_between_instructions(
    program: Engine, images: dict[str, str], tag: str, engine: str, tmp_path: Path
) -> None:
    """A COPY of a large file has no process of its own to end."""
    (tmp_path / "large").write_bytes(os.urandom(1 << 20) * 200)
    spec = spec_of(f"FROM {images['busybox']}\nCOPY large /large\n", tag)
    with nothing_left(engine):
        events = cast(
            "AsyncGenerator[Progress, None]",
            program.build(replace(spec, context=str(tmp_path), no_cache=True)),
        )
        async for event in events:
            if event.kind in ("step", "bytes"):
                break
        await asyncio.sleep(0.2)
        await events.aclose()


async def test_the_killed_command_of_the_engine_leaves_nothing(
    program: Engine, images: dict[str, str], tag: str, engine: str
) -> None:
    text, word = sleeping(images["busybox"])
    with nothing_left(engine):
        events = await asleep(program, spec_of(text, tag))
        await begun(word)
        for pid in children(engine):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(errors.EngineDown):
            async for _ in events:
                pass
        assert await gone(word)


def children(engine: str) -> list[int]:
    """Our own child processes that are the engine's command."""
    found = []
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        argv = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if argv[0].decode().rpartition("/")[2] == engine and b"build" in argv:
            found.append(int(child))
    return found


OWNER = """
import asyncio, sys
from jupyter_containers.engines.docker import Docker
from jupyter_containers.engines.podman import Podman
from jupyter_containers.models import BuildSpec

async def main():
    program = Podman() if sys.argv[1] == "podman" else Docker()
    async for event in program.build(BuildSpec(dockerfile=sys.argv[3], tag=sys.argv[2])):
        print(event.text, flush=True)

asyncio.run(main())
"""


async def test_the_killed_owner_leaves_nothing(
    images: dict[str, str], tag: str, engine: str
) -> None:
    text, word = sleeping(images["busybox"])
    before = leftovers(engine)
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, engine, tag, text], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    try:
        while owner.stdout.readline() != "asleep\n":
            assert owner.poll() is None
        await begun(word)
    finally:
        owner.kill()
        owner.wait()
        owner.stdout.close()
    assert await gone(word)
    deadline = time.monotonic() + 15
    while leftovers(engine) - before and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    assert leftovers(engine) - before == set()


async def test_another_build_is_left_alone(
    program: Engine, images: dict[str, str], tag: str, engine: str
) -> None:
    """The end of one build must not touch the working container of another."""
    text, _ = sleeping(images["busybox"])
    other = asyncio.create_task(
        build(program, spec_of(f"FROM {images['busybox']}\nRUN : {tag}; sleep 6; echo ok\n", tag))
    )
    events = await asleep(program, spec_of(text, tag + "-cancelled"))
    await events.aclose()
    assert not other.done()
    assert "ok" in lines(await other)


def test_a_directory_is_not_deleted_through_a_mount(tmp_path: Path) -> None:
    """What a killed build left mounted may be the person's own files."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root; the tests as root do it")
    mine, directory = tmp_path / "mine", tmp_path / "directory"
    (directory / "buildah1/mnt").mkdir(parents=True)
    mine.mkdir()
    (mine / "file").write_text("precious")
    subprocess.run(["mount", "--bind", mine, directory / "buildah1/mnt"], check=True)
    _keeper_builds.remove_directory(str(directory), ["podman"])
    assert (mine / "file").read_text() == "precious"
    assert not directory.exists()


# -- pulls ---------------------------------------------------------------------------------


async def pull(program: Engine, reference: str) -> list[Progress]:
    return [event async for event in program.pull(reference)]


@pytest.fixture
def published(program: Engine, engine: str, registry: str, images: dict[str, str]) -> Iterator[str]:
    """An image of two new layers that only the registry has."""
    reference = f"{registry}/test/layers:{uuid.uuid4().hex[:12]}"
    text = f"FROM {images['busybox']}\n" + "RUN head -c 9000000 /dev/urandom > /file\n" * 2
    asyncio.run(build(program, replace(spec_of(text, reference), no_cache=True)))
    subprocess.run([engine, "push", reference], capture_output=True, check=True)
    subprocess.run([engine, "rmi", "-f", reference], capture_output=True, check=True)
    yield reference
    subprocess.run([engine, "rmi", "-f", reference], capture_output=True, check=False)


async def test_a_pull_counts_and_ends_with_the_image(program: Engine, published: str) -> None:
    events = await pull(program, published)
    last = events[-1]
    assert last.kind == "image" and last.image is not None and last.image.digests
    steps = [event for event in events if event.kind == "step"]
    assert steps[-1].step == steps[-1].steps >= 3
    assert all(0 < event.step <= event.steps for event in steps)


async def test_a_cancelled_pull_leaves_nothing(
    program: Engine, published: str, engine: str
) -> None:
    with nothing_left(engine):
        events = cast("AsyncGenerator[Progress, None]", program.pull(published))
        async for _ in events:
            break
        await events.aclose()


async def test_a_pull_of_what_nobody_has(program: Engine, registry: str) -> None:
    with pytest.raises(errors.BaseUnknown):
        await pull(program, f"{registry}/test/nosuch:1")
    with pytest.raises(errors.NetworkFailed):
        await pull(program, "no-such-host.invalid/image:1")
