"""The guest as a plain process: protocol, signals, ends, grace. In containers: tests/contract."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import jupyter_containers
from jupyter_containers.kernels.guest_client import GuestClient

GUEST_DIR = Path(jupyter_containers.__file__).parent / "guest"

TOKEN = "a" * 32


@pytest.fixture
def tmp_path(short_path):
    return short_path


@pytest.fixture
def guest(tmp_path):
    """Start a guest on the host with a kernel's argv; ends with the test."""
    started = []

    def start(argv, within=(), **changes):
        settings = {
            "argv": argv,
            "cwd": str(tmp_path),
            "note": "",
            "token": TOKEN,
            "grace": 0.3,
            "patience": 5,
            "mounts": [],
            "port": None,
        } | changes
        (tmp_path / "start.json").write_text(json.dumps(settings))
        process = subprocess.Popen(
            [*within, sys.executable, "-I", "-S", str(GUEST_DIR / "main.py"), str(tmp_path)]
        )
        client = GuestClient(str(tmp_path / "guest"), TOKEN)
        started.append((process, client))
        return process, client

    yield start
    for process, client in started:
        client.close()
        process.terminate()
        process.wait(5)


def until(client, condition, seconds=5):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        client.read()
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("the guest did not say so in time")


async def test_tells_the_exit_code_and_starts_again_in_place(guest, tmp_path):
    script = (
        "import os, sys\nnote = os.environ.get('JUPYTER_CONTAINERS_NOTE', '-')\n"
        "open('runs', 'a').write(note + '\\n')\nsys.exit(3)"
    )
    process, client = guest([sys.executable, "-c", script])
    await client.connect(5)
    until(client, lambda: client.ended is not None)
    assert client.ended == 3
    client.start("it died")
    assert client.ended is None
    until(client, lambda: client.ended is not None)
    assert (tmp_path / "runs").read_text() == "-\nit died\n"
    client.stop()
    assert process.wait(5) == 0


async def test_signals_reach_the_whole_group(guest, tmp_path):
    _, client = guest(["sh", "-c", "sleep 1000 & echo $! > child; wait"])
    await client.connect(5)
    until(client, lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text())
    child = int((tmp_path / "child").read_text())
    client.signal(signal.SIGTERM)
    until(client, lambda: client.ended is not None)
    assert client.ended == -signal.SIGTERM
    until(client, lambda: not _alive(child))


async def test_what_the_engine_started_before_it_stays(guest):
    namespaces = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    engine = ("--mount-proc", "sh", "-c", 'sleep 4244 & exec "$@"', "sh")
    _, client = guest(["sh", "-c", "sleep 4245 & exit 3"], within=(*namespaces, *engine))
    await client.connect(5)
    until(client, lambda: client.ended is not None and _sleeping("4245"))
    (first,) = _sleeping("4245")
    client.start("")
    until(client, lambda: len(left := _sleeping("4245")) == 1 and first not in left)
    assert len(_sleeping("4244")) == 1


async def test_what_has_other_mounts_is_not_the_containers(guest, tmp_path, monkeypatch):
    """Where process ids are the node's, as with pyxis, and an engine's helper serves the mounts."""
    monkeypatch.setenv("JUPYTER_CONTAINERS_SAME_PIDS", "yes")
    namespaces = ("unshare", "--user", "--map-root-user", "--mount")
    engine = ("sh", "-c", 'sleep 4246 & exec "$@"', "sh")
    # Once: the second one is ended at any moment, also when it has just emptied the file.
    look = "[ -s rights ] || grep NoNewPrivs /proc/self/status >rights"
    script = f"setsid sleep 4247 & {look}; exit 3"
    other = subprocess.Popen(["sleep", "4248"])
    try:
        _, client = guest(["sh", "-c", script], within=(*namespaces, *engine))
        await client.connect(5)
        until(client, lambda: client.ended is not None and _sleeping("4247"))
        (first,) = _sleeping("4247")
        client.start("")
        until(client, lambda: len(left := _sleeping("4247")) == 1 and first not in left)
        client.stop()
        until(client, lambda: not _sleeping("4247"))
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
    (helper,) = _sleeping("4246")
    os.kill(int(helper), signal.SIGKILL)
    assert (tmp_path / "rights").read_text().split() == ["NoNewPrivs:", "1"]


def test_a_signal_reaches_a_kernel_that_has_no_group_yet():
    """It was just forked, and has not called setsid: a guest that ends then must not leave it."""
    kernel = subprocess.Popen(["sleep", "7654"])
    script = (
        f"import signal, sys; sys.path.insert(0, {str(GUEST_DIR)!r}); import main; "
        f"guest = main.Guest.__new__(main.Guest); guest.kernel = {kernel.pid}; "
        "guest.pass_on(signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", script], check=True)
    try:
        assert kernel.wait(5) == -signal.SIGKILL
    finally:
        kernel.kill()


async def test_ends_when_the_owner_is_gone(guest, tmp_path):
    process, client = guest(["sh", "-c", "echo $$ > pid; exec sleep 1000"])
    await client.connect(5)
    until(client, lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    assert process.poll() is None
    client.close()
    assert process.wait(5) == 0
    kernel = int((tmp_path / "pid").read_text())
    until(client, lambda: not _alive(kernel))  # it was killed, and dies a moment later


async def test_ends_when_no_owner_ever_comes(guest):
    process, _ = guest(["sleep", "1000"], patience=0.2)
    assert process.wait(5) == 0


async def test_a_wrong_token_is_not_an_owner(guest, tmp_path):
    process, client = guest(["sleep", "1000"])
    stranger = GuestClient(str(tmp_path / "guest"), "b" * 32)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        assert not stranger.try_connect()
        await asyncio.sleep(0.02)
    await client.connect(5)
    assert process.poll() is None
    stranger.close()


async def test_a_mount_that_was_swapped_is_refused(guest, tmp_path):
    (tmp_path / "data").mkdir()
    seen = (tmp_path / "data").stat()
    mounts = [[str(tmp_path / "data"), seen.st_dev, seen.st_ino + 1]]
    _, client = guest(["touch", "started"], mounts=mounts)
    await client.connect(5)
    until(client, lambda: client.refused)
    assert client.refused == str(tmp_path / "data")
    assert not (tmp_path / "started").exists()


async def test_start_json_is_gone_before_the_kernel_runs(guest, tmp_path):
    _, client = guest(["sh", "-c", "test -e start.json; exit $?"])
    await client.connect(5)
    until(client, lambda: client.ended is not None)
    assert client.ended == 1


LESS = "--bounding-set=-sys_ptrace,-dac_override,-sys_resource"
AS_ANYBODY = ("setpriv", LESS) if os.getuid() == 0 else ()
LOOK = """
import os, pathlib, time
def seen_of(pid):
    seen = []
    for look in (lambda: os.readlink(f"/proc/{pid}/fd/0"), lambda: open(f"/proc/{pid}/mem", "rb")):
        try:
            look()
            seen.append("seen")
        except OSError as error:
            seen.append(type(error).__name__)
    return seen
while not os.path.exists("go"):
    time.sleep(0.01)
runs = len(list(pathlib.Path(".").glob("seen-*")))
os.unlink("go")
seen = seen_of(os.getppid()) + seen_of(os.getpid())
score = open("/proc/self/oom_score_adj").read().strip()
pathlib.Path("seen.new").write_text(" ".join([*seen, score]))
os.rename("seen.new", f"seen-{runs}")
"""


async def test_a_kernel_cannot_look_into_the_guest(guest, tmp_path):
    _, client = guest([sys.executable, "-c", LOOK], within=AS_ANYBODY)
    await client.connect(5)
    for run in range(2):  # in the second the guest hides already when it forks
        (tmp_path / "go").touch()
        until(client, lambda: client.ended is not None)
        seen = (tmp_path / f"seen-{run}").read_text().split()
        assert seen == ["PermissionError", "PermissionError", "seen", "seen", "500"]
        if run == 0:
            client.start("")
            assert client.ended is None


@pytest.mark.parametrize(
    "said",
    [
        b"[]\n",
        b'{"event": "ended", "code": "x"}\n',
        b'{"event": "hello", "uid": {}, "network": 7}\n',
        b"\xff\xfe\n",
        b"null\n",
        b"x" * 400_000,
    ],
)
async def test_whatever_a_container_says_the_client_stands(tmp_path, said):
    async def answer(reader, writer):
        await reader.readline()
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(answer, str(tmp_path / "guest"))
    client = GuestClient(str(tmp_path / "guest"), TOKEN)
    for _ in range(20):
        client.try_connect()
        await asyncio.sleep(0.01)
    client.read()
    assert client.ended is None
    server.close()


def test_a_link_in_place_of_the_socket_leads_nowhere(tmp_path):
    import socket

    engine = socket.socket(socket.AF_UNIX)
    engine.bind(str(tmp_path / "docker.sock"))
    engine.listen(1)
    engine.settimeout(0.3)
    os.symlink(tmp_path / "docker.sock", tmp_path / "guest")
    assert not GuestClient(str(tmp_path / "guest"), TOKEN).try_connect()
    with pytest.raises(TimeoutError):
        engine.accept()
    engine.close()


def _sleeping(seconds):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if path.read_bytes() == f"sleep\0{seconds}\0".encode():
                found.append(path.parent.name)
    return found


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_is_passed_as_an_argument_is_ascii() -> None:
    """A Python in an ASCII locale cannot read anything else there (`python -c TEXT`)."""
    for name in ("probe_inside.py", "probe_inside.sh", "kit_check.py", "kitpath.py"):
        assert (Path(jupyter_containers.__file__).parent / "guest" / name).read_text().isascii(), (
            name
        )
