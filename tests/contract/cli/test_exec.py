"""`exec`: programs and a shell in a running kernel's container, from another process."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess

from tests.helpers.command import COMMAND, Running, jc
from tests.helpers.harness import running, write_notebook


async def test_programs(folder, engine, image):
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    async with running(path) as kernel:
        await asyncio.to_thread(check_programs, kernel.container.id, path)


def check_programs(name, path):
    where = ("--engine", "podman", name, "--")
    assert jc("exec", *where, "pwd").stdout == f"{path.parent}\n"
    assert jc("exec", path, "--", "sh", "-c", "echo no >&2; exit 7", code=7).stderr == "no\n"
    assert jc("exec", *where, "sh", "-c", "kill -9 $$", code=137).stdout == ""
    fed = [*COMMAND, "exec", *where, "sh", "-c", "cat; [ -t 0 ] || echo piped"]
    text = "x" * 300_000
    done = subprocess.run(fed, input=text, capture_output=True, text=True, check=True)
    assert done.stdout == f"{text}piped\n"

    missing = jc("exec", *where, "nothing-of-the-kind", code=127)
    assert "There is no program nothing-of-the-kind in the container" in missing.stderr
    assert jc("exec", *where, "/etc/passwd", code=126).stdout == ""
    assert "There is no container" in jc("exec", "jupyter-00000000", "true", code=2).stderr
    other = write_notebook(path.with_name("other.ipynb"), None)
    assert "No kernel of other.ipynb runs" in jc("exec", other, "true", code=2).stderr

    waiting = Running("exec", *where, "sh", "-c", "trap 'exit 9' TERM; echo on; sleep 100 & wait")
    waiting.until("on")
    assert waiting.end(signal.SIGTERM) == 9


async def test_a_shell_in_a_terminal(folder, engine, image):
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    async with running(path):
        await asyncio.to_thread(check_shell, path)


def check_shell(path):
    ours, theirs = os.openpty()
    argv = [*COMMAND, "exec", str(path)]
    shell = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)

    said = b""

    def until(text):
        nonlocal said
        while text not in said:
            assert select.select([ours], [], [], 30)[0], said
            said += os.read(ours, 10_000)

    os.write(ours, b"tty; echo on$((1))\n")
    until(b"/dev/pts/")
    until(b"on1")
    # No number: the prompt has the container's id.
    os.write(ours, b"python3 -c 'import time; print(3 * \"on\", flush=True); time.sleep(100)'\n")
    until(b"ononon")
    os.write(ours, b"\x03")
    until(b"KeyboardInterrupt")
    os.write(ours, b"exit 4\n")
    assert shell.wait(20) == 4
    os.close(ours)


def test_an_administrator_forbids_it(tmp_path, monkeypatch):
    (tmp_path / "jupyter_containers_config.py").write_text("c.Policy.terminals = False")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path))
    said = jc("exec", "x", "true", code=1).stderr
    assert "Terminals and programs beside a kernel may not be opened (Policy.terminals)" in said
