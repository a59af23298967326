"""What a kernel in a container promises, on every real engine (DESIGN §5).

`engine` names the engine under test, `image` is a Debian Python without ipykernel, `folder` a
notebook's folder that belongs to whoever runs the tests.
"""

import asyncio
import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq

from jupyter_containers.engines import _process

from .harness import Kernel, approve, containers, eventually, running, write_notebook


@pytest.fixture
def notebook(engine, image, folder):
    """Settings on disk, not yet approved."""

    def write(**settings):
        return write_notebook(folder / "n.ipynb", {"image": image, "engine": engine} | settings)

    return write


async def test_runs_in_the_image_beside_its_files(notebook, folder):
    (folder / "data.txt").write_text("beside")
    (folder / "mine.py").write_text("X = 42\n")
    async with running(notebook()) as kernel:
        assert await kernel.value("open('data.txt').read()") == "beside"
        assert await kernel.value("__import__('mine').X") == "42"
        assert await kernel.value("__import__('os').getcwd()") == str(folder)
        assert "bookworm" in await kernel.value("open('/etc/os-release').read()")
        await kernel.run("open('made', 'w').write('x')")
        made = (folder / "made").stat()
        assert (made.st_uid, made.st_gid) == (os.getuid(), os.getgid())


async def test_who_one_is_inside(notebook):
    async with running(notebook()) as kernel:
        await kernel.run("import os, pwd, pathlib")
        assert await kernel.value("pwd.getpwuid(os.getuid()).pw_dir") == str(Path.home())
        assert await kernel.value("pathlib.Path.home()") == str(Path.home())
        done = await kernel.run("p = pathlib.Path.home() / 'x' / 'y'; p.mkdir(parents=True)")
        assert done["status"] == "ok", done["error"]


async def test_nothing_of_the_server_crosses(notebook, monkeypatch):
    monkeypatch.setenv("MY_SECRET_TOKEN", "s3cret")
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    monkeypatch.setenv("http_proxy", "http://user:pass@proxy.invalid:3128")
    async with running(notebook(env={"GREETING": "hello $HOME, 'world'"})) as kernel:
        await kernel.run("import os")
        assert await kernel.value("os.environ['GREETING']") == "hello $HOME, 'world'"
        seen = await kernel.value("dict(os.environ)")
        for name in ("MY_SECRET_TOKEN", "JPY_", "proxy", "JUPYTER_RUNTIME", "JUPYTER_TOKEN"):
            assert name not in seen
        assert await kernel.value("os.path.exists('/var/run/docker.sock')") == "False"


async def test_hardened(notebook):
    async with running(notebook()) as kernel:
        status = await kernel.value("open('/proc/self/status').read()")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd"):
            assert int(fields[kind], 16) == 0
        assert fields["NoNewPrivs"] == "1"
        assert fields["Seccomp"] == "2"


async def test_no_port_on_any_interface(notebook):
    def listening():
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        lines += Path("/proc/net/tcp6").read_text().splitlines()[1:]
        return {line.split()[1] for line in lines if line.split()[3] == "0A"}

    before = listening()
    async with running(notebook()) as kernel:
        assert await kernel.value("1+1") == "2"
        assert listening() <= before


async def test_network_none(notebook):
    async with running(notebook(network="none")) as kernel:
        assert await kernel.value("__import__('os').listdir('/sys/class/net')") == "['lo']"
        assert kernel.container._client.applied.network == ("lo",)


async def test_while_true_is_interrupted_within_a_second(notebook):
    async with running(notebook()) as kernel:
        await kernel.run("kept = 41")
        endless = asyncio.create_task(kernel.run("while True: pass"))
        await asyncio.sleep(0.5)
        begun = time.monotonic()
        await kernel.manager.interrupt_kernel()
        done = await endless
        assert time.monotonic() - begun < 1.0
        assert done["error"].startswith("KeyboardInterrupt")
        assert await kernel.value("kept + 1") == "42"


async def test_an_interrupt_reaches_subprocesses(notebook):
    async with running(notebook()) as kernel:
        sleeping = asyncio.create_task(
            kernel.run("import subprocess; subprocess.run(['sleep', '1000'])")
        )
        await asyncio.sleep(0.7)
        await kernel.manager.interrupt_kernel()
        assert (await sleeping)["error"].startswith("KeyboardInterrupt")


async def test_input(notebook):
    async with running(notebook()) as kernel:
        done = await kernel.run("name = input('who? '); print('hi', name)", answer="Ada")
        assert done["text"].strip() == "hi Ada"


async def test_20_mb_of_output(notebook):
    async with running(notebook()) as kernel:
        done = await kernel.run("for i in range(20): print('x' * (1 << 20))", timeout=60)
        assert len(done["text"]) >= 20 << 20


async def test_a_2_gb_file_on_a_mount_is_ours(notebook, folder, tmp_path_factory):
    data = folder / "data"
    data.mkdir()
    settings = notebook(mounts=[{"source": "data", "target": "/data", "writable": True}])
    async with running(settings) as kernel:
        done = await kernel.run(
            "b = bytes(1 << 20)\nwith open('/data/big', 'wb') as f:\n"
            "    for _ in range(2048): f.write(b)",
            timeout=120,
        )
        assert done["status"] == "ok", done["error"]
    made = (data / "big").stat()
    assert made.st_size == 2 << 30
    assert (made.st_uid, made.st_gid) == (os.getuid(), os.getgid())
    (data / "big").unlink()


async def test_a_read_only_mount_is_read_only(notebook, folder):
    (folder / "data").mkdir()
    (folder / "data" / "a").write_text("1")
    settings = notebook(mounts=[{"source": "data", "target": "/data", "writable": False}])
    async with running(settings) as kernel:
        assert await kernel.value("open('/data/a').read()") == "1"
        done = await kernel.run("open('/data/b', 'w')")
        assert done["error"].startswith("OSError")
        assert "Read-only" in done["error"]


async def test_restarts_in_the_same_container_ten_times(notebook, engine_program):
    async with running(notebook()) as kernel:
        names = containers(engine_program)
        for turn in range(10):
            await kernel.run(f"turn = {turn}")
            await kernel.restart()
            done = await kernel.run("turn")
            assert done["error"].startswith("NameError")
        assert containers(engine_program) == names


async def test_a_restart_clears_what_the_last_kernel_left(notebook):
    async with running(notebook()) as kernel:
        await kernel.run("import subprocess; subprocess.Popen(['sleep', '4242'])")
        await kernel.restart()
        commands = (
            "[open(f'/proc/{p}/cmdline').read() for p in __import__('os').listdir('/proc')"
            " if p.isdigit()]"
        )
        assert "4242" not in await kernel.value(commands)


async def test_starts_and_shuts_down_ten_times_and_leaves_nothing(
    notebook, engine_program, left_behind
):
    path = notebook()
    for turn in range(10):
        async with running(path) as kernel:
            assert await kernel.value(f"{turn}") == str(turn)
    assert containers(engine_program) == []
    assert left_behind() == []


async def test_a_changed_setting_means_a_new_container_at_restart(notebook):
    async with running(notebook()) as kernel:
        await kernel.run("open('/tmp/mark', 'w')")
        path = notebook(env={"NEW": "1"})
        approve(path)
        await kernel.restart()
        assert await kernel.value("__import__('os').environ['NEW']") == "1"
        assert await kernel.value("__import__('os').path.exists('/tmp/mark')") == "False"


async def test_a_cell_that_rewrites_its_settings_is_refused_at_restart(
    notebook, folder, engine_program
):
    outside = folder.parent / "outside"
    outside.mkdir()
    async with running(notebook()) as kernel:
        await kernel.run(
            "import json\nn = json.load(open('n.ipynb'))\n"
            f"n['metadata']['jupyter_containers']['mounts'] = [{{'source': {str(outside)!r},"
            " 'target': '/stolen', 'writable': True}]\njson.dump(n, open('n.ipynb', 'w'))"
        )
        await kernel.restart()
        done = await kernel.run("1+1")
        assert done["error"].startswith("ContainerNotStarted")
        assert "/stolen" in done["error"]
        assert "approve" in done["error"].lower()
        assert containers(engine_program) == []


async def test_unapproved_settings_start_no_container(notebook, engine_program):
    kernel = Kernel(notebook())
    try:
        await kernel.start()
        done = await kernel.run("open('/tmp/ran', 'w')")
        assert done["error"].startswith("ContainerNotStarted")
        assert "not approved" in done["error"]
        assert containers(engine_program) == []
    finally:
        await kernel.shutdown()


async def test_a_notebook_in_home_does_not_show_its_neighbours(engine, image, folder, monkeypatch):
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text("key")
    monkeypatch.setattr(Path, "home", lambda: home)
    path = write_notebook(home / "n.ipynb", {"image": image, "engine": engine})
    async with running(path) as kernel:
        assert await kernel.value("__import__('os').getcwd()") == str(home)
        seen = await kernel.value("__import__('os').listdir('.')")
        assert "n.ipynb" not in seen
        assert ".ssh" not in seen
        assert await kernel.value(f"__import__('os').path.exists('{home}/.ssh')") == "False"


async def test_the_end_of_a_kernel_is_exact(notebook):
    async with running(notebook()) as kernel:
        kernel.client.execute("import os; os._exit(7)")
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.02)
        assert await kernel.provisioner.poll() == 7
        assert "exit code 7" in (await kernel.container.why()).message


async def test_out_of_memory_is_named_and_said_in_the_notebook(notebook, enforces_memory):
    if not enforces_memory:
        pytest.skip("this engine enforces no memory limit here (cgroup v1, rootless)")
    async with running(notebook(memory="300m")) as kernel:
        kernel.client.execute("x = bytearray(2 << 30); x[::4096] = b'1' * len(x[::4096])")
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.02)
        why = await kernel.container.why()
        assert why.out_of_memory
        assert "300m" in why.message
        await kernel.restart(now=True)
        done = await kernel.run("print('alive')")
        assert "ran out of memory" in done["text"]
        assert "alive" in done["text"]


async def test_limits_are_read_back(notebook, enforces_memory):
    async with running(notebook(memory="512m", cpus=1.5, pids=333)) as kernel:
        applied = kernel.container._client.applied
        if enforces_memory:
            assert (applied.memory, applied.cpus, applied.pids) == (512 << 20, 1.5, 333)
        else:
            assert applied.memory is None


async def test_killed_client_leaves_nothing(engine, image, folder, engine_program, left_behind):
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    approve(path)
    script = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom tests.harness import Kernel\n"
        "async def main():\n"
        f"    kernel = await Kernel(Path({str(path)!r})).start()\n"
        "    print(await kernel.value('1+1'), flush=True)\n    await asyncio.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    root = str(Path(__file__).parent.parent)
    client = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert client.stdout is not None
    assert client.stdout.readline().strip() == "2"
    assert len(containers(engine_program)) == 1
    client.kill()
    client.wait()
    client.stdout.close()
    await eventually(lambda: containers(engine_program) == [])
    await eventually(lambda: left_behind() == [])


async def test_a_container_removed_by_somebody_else_has_ended(notebook, engine_program):
    async with running(notebook()) as kernel:
        name = containers(engine_program)[0]
        subprocess.run([engine_program, "rm", "-f", name], check=True, capture_output=True)
        while await kernel.provisioner.poll() is None:
            await asyncio.sleep(0.05)
        await kernel.restart(now=True)
        done = await kernel.run("print(1+1)")
        assert "2" in done["text"]
        assert "somebody removed it" in done["text"]


async def test_poll_starts_no_process(notebook, monkeypatch):
    async with running(notebook()) as kernel:

        def refuse(*args, **kwargs):
            raise AssertionError("poll started a process")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fork", refuse)
            patch.setattr(subprocess.Popen, "__init__", refuse)
            for _ in range(50):
                assert await kernel.provisioner.poll() is None


async def test_tcp_where_sockets_do_not_cross(notebook, no_sockets):
    async with running(notebook()) as kernel:
        assert kernel.manager.transport == "tcp"
        assert await kernel.value("6*7") == "42"
        ports = [getattr(kernel.manager, f"{c}_port") for c in ("shell", "iopub", "control")]
        for port in ports:
            with socket.socket() as probe:
                probe.connect(("127.0.0.1", port))  # published here …
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        bound = {line.split()[1] for line in lines if line.split()[3] == "0A"}
        for port in ports:
            assert f"00000000:{port:04X}" not in bound  # … and nowhere else
        await kernel.restart()
        assert await kernel.value("'again'") == "again"
        # CurveZMQ: who has the session's key but not the server's gets no answer.
        with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
            stranger.linger = 0
            stranger.connect(f"tcp://127.0.0.1:{ports[0]}")
            session = kernel.manager.session
            session.send(stranger, session.msg("kernel_info_request"))
            assert stranger.poll(1500) == 0


async def test_a_hostile_runtime_directory(notebook, folder):
    async with running(notebook()) as kernel:
        run = kernel.container.room.run
        await kernel.run(
            "import os\nd = '/opt/jupyter-containers/run/'\n"
            "[os.unlink(d + f) for f in os.listdir(d)]\n"
            "os.symlink('/etc/shadow', d + 'start.json'); os.mkfifo(d + 'guest')"
        )
        assert stat.S_ISFIFO((run / "guest").lstat().st_mode)
        done = await kernel.run("open('/opt/jupyter-containers/conf/x', 'w')")
        assert done["status"] == "error"
        assert await kernel.value("1") == "1"


async def test_20_kernels_at_once(engine, image, folder, engine_program):
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    approve(path)
    kernels = [Kernel(path) for _ in range(20)]
    try:
        for start in range(0, 20, 4):
            await asyncio.gather(*(kernel.start() for kernel in kernels[start : start + 4]))
        values = await asyncio.gather(*(k.value(f"{i}") for i, k in enumerate(kernels)))
        assert values == [str(i) for i in range(20)]
    finally:
        await asyncio.gather(*(kernel.shutdown(now=True) for kernel in kernels))
    assert containers(engine_program) == []


async def test_signals_and_processes_of_a_session(notebook):
    async with running(notebook()) as kernel:
        await kernel.run("import os, signal")
        assert await kernel.value("os.getpgid(0) == os.getpid()") == "True"
        assert await kernel.value("signal.getsignal(signal.SIGPIPE) is not None") == "True"


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.3])
async def test_the_engines_command_is_killed_while_it_starts(
    notebook, delay, engine_program, left_behind, monkeypatch
):
    path = notebook()
    approve(path)
    async with running(path) as kernel:
        assert await kernel.value("1") == "1"  # probe and kit are known now
    real = _process._spawn

    async def spawn(argv, *rest):
        process = await real(argv, *rest)
        if "--detach" in argv:
            asyncio.get_running_loop().call_later(delay, _kill, process)
        return process

    monkeypatch.setattr(_process, "_spawn", spawn)
    kernel = Kernel(path)
    await kernel.start()
    done = await kernel.run("1")
    if done["status"] == "error":
        assert done["error"].startswith("ContainerNotStarted")
    await kernel.shutdown()
    await asyncio.sleep(1.5)
    assert containers(engine_program) == []
    assert left_behind() == []


def _kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
