"""`ps`, `logs`, `stop` and `prune`: our containers, and nobody else's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.command import containers_of, jc, jc_json, notebook_of

_HOLDER = """
import asyncio, sys
from pathlib import Path
from tests.helpers.harness import Kernel, approve
async def main():
    path = Path(sys.argv[1])
    approve(path)
    kernel = await Kernel(path).start()
    await kernel.run("import os; os.write(2, b'said so\\\\n')")
    print("ready", flush=True)
    await asyncio.sleep(1000)
asyncio.run(main())
"""


@pytest.fixture
def holder(folder, engine, image):
    """A client with one kernel, and the notebook of it."""
    path = notebook_of(
        folder / f"held-{uuid.uuid4().hex[:8]}.ipynb", settings={"image": image, "engine": engine}
    )
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process, path
    process.kill()
    process.wait()
    process.stdout.close()


def test_ps_logs_and_stop(holder, engine, engine_program):
    _, path = holder
    rows = jc_json("ps", "--engine", engine)["containers"]
    (row,) = [one for one in rows if one["notebook"] == path.name]
    assert row["running"] is True
    assert row["orphan"] is False
    assert [row["name"]] == containers_of(engine_program, path)
    assert path.name in jc("ps").stdout
    assert "said so" in jc("logs", row["name"]).stdout
    assert jc("logs", row["id"][:8], "--tail", "1").stdout.count("\n") <= 1
    assert "no container 'nosuch'" in jc("logs", "nosuch", code=2).stderr
    assert jc("stop", row["name"]).stdout == f"{row['name']}\n"
    assert containers_of(engine_program, path) == []


def test_a_container_of_somebody_else_is_not_ours(engine, engine_program, images):
    name = f"jc-test-{uuid.uuid4().hex[:8]}"
    labels = ["jupyter-containers=kernel", "jupyter-containers.owner=1"]
    labels.append(f"jupyter-containers.uid={os.getuid() + 1}")
    argv = [engine_program, "run", "-d", "--name", name, "--network=none", "--stop-timeout=0"]
    argv += [f"--label={label}" for label in labels]
    subprocess.run([*argv, images["busybox"], "sleep", "1000"], check=True, capture_output=True)
    try:
        assert name not in jc("ps").stdout
        jc("stop", name, code=2)
        assert name not in jc("prune", "--yes").stdout
    finally:
        subprocess.run([engine_program, "rm", "-f", name], check=True, capture_output=True)


def test_a_container_with_the_labels_of_ours_is_not_ours(holder, engine, engine_program, images):
    """An image made of our container by `commit` hands them on."""
    process, path = holder
    (name,) = containers_of(engine_program, path)
    theirs = f"work-{name}"
    argv = [engine_program, "container", "inspect", "--format", "{{json .Config.Labels}}", name]
    labels = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    argv = [engine_program, "run", "-d", "--name", theirs, "--network=none", "--stop-timeout=0"]
    argv += [f"--label={key}={value}" for key, value in labels.items()]
    subprocess.run([*argv, images["busybox"], "sleep", "1000"], check=True, capture_output=True)
    try:
        assert [one["name"] for one in _of(path)] == [name]
        process.kill()
        process.wait()
        jc("prune", "--engine", engine, "--yes")
        assert theirs in containers_of(engine_program, path), "the person's own was pruned"
        jc("stop", theirs, code=2)
    finally:
        subprocess.run([engine_program, "rm", "-f", theirs], check=True, capture_output=True)


def _of(path):
    return [one for one in jc_json("ps")["containers"] if one["notebook"] == path.name]


def test_prune_removes_what_even_the_keeper_could_not(holder, engine, engine_program, left_behind):
    process, path = holder
    jc("prune", "--engine", engine, "--yes")
    assert len(containers_of(engine_program, path)) == 1, "a living kernel was pruned"
    reapers = [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if _parent(entry) == process.pid and "reaper/main.py" in _words(entry)
    ]
    assert reapers != []
    for pid in (*reapers, process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    (name,) = containers_of(engine_program, path)
    (row,) = [one for one in jc_json("ps")["containers"] if one["name"] == name]
    assert row["orphan"] is True
    said = jc("prune", "--engine", engine, code=2)
    assert name in said.stdout
    assert "--yes" in said.stderr
    assert containers_of(engine_program, path) == [name], "removed without a yes"
    removed = jc_json("prune", "--engine", engine, "--yes")["removed"]
    assert {one["kind"] for one in removed} >= {"container", "directory"}
    assert containers_of(engine_program, path) == []
    assert [place for place in left_behind() if name.removeprefix("jupyter-") in place] == []


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _words(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_text()
    except OSError:
        return ""
