"""The command line: its contract (DESIGN §10), what it says, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from jupyter_containers.cli import VERBS, main
from jupyter_containers.fields import FIELDS
from jupyter_containers.terminal import Screen, size

from .command import (
    COMMAND,
    Running,
    containers_of,
    jc,
    jc_json,
    notebook_of,
    processes,
    soon,
)

# -- the parser ----------------------------------------------------------------------------


def test_help_lists_every_verb():
    said = jc("--help").stdout
    for verb in VERBS:
        assert re.search(rf"^ +{verb}( |$)", said, re.MULTILINE), verb
        assert f"jupyter containers {verb}" in jc(verb, "--help").stdout


def test_it_is_a_verb_of_jupyter():
    done = subprocess.run(
        [Path(sys.executable).with_name("jupyter"), "containers", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", done.stdout)


def test_importing_it_imports_nothing_heavy():
    code = "import sys, jupyter_containers.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "jupyter_client", "nbformat", "traitlets", "zmq", "IPython"}
    assert not heavy & set(done.stdout.split())


def test_exit_code_2_is_misuse():
    assert "usage:" in jc(code=2).stderr
    assert "invalid choice" in jc("fly", code=2).stderr
    said = jc("pull", "--", "--privileged", code=2).stderr
    assert "'--privileged' is not an image reference" in said
    assert "python:3.12-slim" in said, "the hint is missing"
    assert "is not a size" in jc("pin", "x", "--name", "x", "--memory", "lots", code=2).stderr
    assert "cannot be read" in jc("build", "/nonexistent/Dockerfile", code=2).stderr


def test_an_error_is_a_message_on_stderr_and_nothing_on_stdout():
    done = jc("images", "--engine", "nosuch", "--json", code=1)
    assert done.stdout == ""
    assert done.stderr.startswith("Error: There is no engine named 'nosuch'.")


def test_a_reader_that_has_enough_is_no_traceback():
    words = " ".join(COMMAND)
    done = subprocess.run(
        ["bash", "-c", f"{words} doctor --json | head -c 1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{"
    assert done.stderr == ""


# -- doctor --------------------------------------------------------------------------------


def test_doctor_on_an_engine(engine):
    said = jc_json("doctor", "--engine", engine)
    (found,) = said["engines"]
    assert set(found) >= {"name", "version", "usable", "features", "problems"}
    assert found["name"] == engine
    assert found["usable"] is True
    assert re.match(r"\d+\.\d+", found["version"])
    assert "build" in found["features"]
    assert isinstance(said["devices"], list)
    for problem in found["problems"]:
        assert set(problem) == {"message", "fix"}
    people = jc("doctor").stdout
    assert re.search(rf"^{engine} {re.escape(found['version'])}: works", people, re.MULTILINE)


def test_doctor_without_an_engine_says_how_to_get_one(tmp_path):
    env = {**os.environ, "PATH": str(tmp_path)}
    done = jc("doctor", "--json", code=1, env=env)
    engines = {one["name"]: one for one in json.loads(done.stdout)["engines"]}
    assert set(engines) == {"podman", "docker"}
    for one in engines.values():
        assert one["usable"] is False
        assert "not installed" in one["problems"][0]["message"]
        assert "Install it: " in one["problems"][0]["fix"]
    assert "apt install podman" in jc("doctor", code=1, env=env).stdout


def test_doctor_of_a_dead_daemon(tmp_path, engine_env):
    if engine_env.engine != "docker":
        pytest.skip("podman has no daemon")
    env = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    done = jc("doctor", "--engine", "docker", "--json", code=1, env=env)
    (found,) = json.loads(done.stdout)["engines"]
    assert "does not answer" in found["problems"][0]["message"]
    assert found["problems"][0]["fix"] != ""


def test_the_administrators_policy_counts(tmp_path, engine, image):
    config = tmp_path / "jupyter_containers_config.py"
    config.write_text("c.Policy.engines = ['other']\n")
    env = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path)}
    done = jc("doctor", "--json", "--engine", engine, code=1, env=env)
    (found,) = json.loads(done.stdout)["engines"]
    assert "Policy.engines" in found["problems"][0]["message"]
    config.write_text("c.Policy.images = ['localhost/allowed*']\n")
    done = jc("pull", "--engine", engine, "python:3", code=1, env=env)
    assert "Policy.images" in done.stderr


# -- images --------------------------------------------------------------------------------


def test_images_lists_what_is_here(engine, image):
    listed = jc_json("images", "--engine", engine)["images"]
    (found,) = [one for one in listed if one["reference"] == image]
    assert found["engine"] == engine
    assert found["size"] > 1_000_000
    assert re.match(r"sha256:[0-9a-f]{64}$", found["id"])
    assert re.search(rf"^{re.escape(image)} +\w+ +\d+ MB", jc("images").stdout, re.MULTILINE)


def test_pull(engine, registry):
    reference = f"{registry}/test/busybox:latest"
    done = jc("pull", "--engine", engine, reference)
    assert done.stdout == f"{reference}\n"
    assert f"Pulling {reference} ({engine})" in done.stderr
    done = jc("pull", "--engine", engine, f"{registry}/test/none", code=1)
    assert "test/none" in done.stderr


def test_verbose_shows_commands_that_can_be_repeated(engine, image):
    done = jc("images", "--engine", engine, "--verbose")
    shown = [line.removeprefix("+ ") for line in done.stderr.splitlines()]
    listing = next(line for line in shown if " images " in line)
    again = subprocess.run(listing, shell=True, capture_output=True, text=True, check=True)
    assert again.stdout.strip() != ""


# -- build ---------------------------------------------------------------------------------


def test_build_a_dockerfile_with_all_its_options(folder, engine, image):
    mark = uuid.uuid4().hex
    (folder / "src").mkdir()
    (folder / "src" / "a").write_text(mark)
    file = folder / "Dockerfile"
    file.write_text(
        f"FROM {image} AS first\nARG WHO\nCOPY a /a\nRUN echo $WHO > /who\n"
        "FROM first AS second\nRUN exit 9\n"
    )
    options = ("--target", "first", "--build-arg", "WHO=me", "--context", "src")
    args = ("build", file, "--engine", engine, "-t", "localhost/jc-built", *options)
    done = jc(*args)
    assert done.stdout == f"localhost/jc-built:latest is built ({engine})\n"
    assert "RUN echo $WHO" in done.stderr
    assert jc(*args).stdout == f"localhost/jc-built:latest is up to date ({engine})\n"
    (one,) = jc_json(*args)["images"]
    assert one["reused"] is True
    assert set(one["build"]) == {"cell", "context", "bases"}
    shown = subprocess.run(
        [engine, "run", "--rm", "--network=none", "localhost/jc-built", "cat", "/a", "/who"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"{mark}me\n"
    failed = jc(*("build", file, "--engine", engine, "--context", "src"), code=1)
    assert "Dockerfile line 6" in failed.stderr
    assert "exit code 9" in failed.stderr


def test_build_a_notebooks_cells(folder, engine, image):
    mark = uuid.uuid4().hex
    path = notebook_of(
        folder / "cells.ipynb",
        f"%%dockerfile -t localhost/jc-base\nFROM {image}\nRUN echo {mark} > /mark",
        "raise SystemExit('not run by build')",
        "%%dockerfile -t localhost/jc-above\nFROM localhost/jc-base\nRUN cat /mark",
    )
    before = path.read_bytes()
    done = jc("build", path, "--engine", engine)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "localhost/jc-base:latest",
        "localhost/jc-above:latest",
    ]
    assert "cells.ipynb, cell 3" in done.stderr
    assert path.read_bytes() == before
    assert "stand in its %%dockerfile cells" in jc("build", path, "-t", "x", code=2).stderr


def test_check_only_lints(folder, engine):
    file = folder / "Dockerfile"
    file.write_text("FROM debian:12\n\nRUN apt-get install x\n")
    done = jc("build", "--check", file, "--engine", "podman")
    assert re.search(r"^Dockerfile, line 3: warning DL3008: ", done.stdout, re.MULTILINE)
    file.write_text("FROM debian\nRUM true\n")
    done = jc("build", "--check", file, "--json", "--engine", "podman", code=1)
    (remark,) = [one for one in json.loads(done.stdout)["remarks"] if one["level"] == "error"]
    assert remark["line"] == 2
    path = notebook_of(folder / "n.ipynb", "1", "\n%%dockerfile\nFROM debian\nRUM true\n")
    said = jc("build", "--check", path, "--engine", "podman", code=1).stdout
    assert "n.ipynb, cell 2, line 4: error" in said


def test_ctrl_c_ends_every_process_of_a_build(folder, engine, image):
    file = folder / "Dockerfile"
    file.write_text(f"FROM {image}\nRUN sleep 4712\n")
    running = Running("build", file, "--engine", engine)
    running.until("RUN sleep 4712")
    soon(lambda: processes("sleep 4712"))
    assert running.end(signal.SIGINT) == 1
    assert "Cancelled." in running.said
    soon(lambda: not processes("sleep 4712"))


# -- approve, pin --------------------------------------------------------------------------


def test_approve_shows_the_list_and_needs_a_yes(folder):
    path = notebook_of(
        folder / "asks.ipynb",
        settings={"image": "localhost/x", "env": {"A": "b"}, "user": "root"},
    )
    done = jc("approve", path, code=2)
    for item in ("the image localhost/x", "the environment variable A", "root"):
        assert item in done.stdout
    assert "--yes" in done.stderr
    asked = jc_json("approve", path, "--yes")
    assert asked["approved"] is True
    assert len(asked["items"]) == 3
    assert "approved already" in jc("approve", path).stdout
    nothing = notebook_of(folder / "nothing.ipynb", "1")
    assert "nothing to approve" in jc("approve", nothing, code=2).stderr


def test_pin_has_an_option_for_every_setting():
    said = jc("pin", "--help").stdout
    for key, field in FIELDS.items():
        if field.option:
            assert f"{field.option} " in said or f"{field.option}]" in said, key


def test_pin_and_unpin(engine, image, capfd):
    words = ["--mount", "/usr/share:/a:ro", "--mount", "data:/b", "--device", "nvidia.com/gpu=0"]
    words += ["--cpus", "1.5", "--memory", "2g", "--network", "none", "--env", "A=b=c"]
    words += ["--pids", "100", "--user", "me", "--port", "8888", "--read-only"]
    assert main(["pin", image, "--name", "pinned", "--engine", engine, *words]) == 0
    spec = Path(os.environ["JUPYTER_DATA_DIR"], "kernels", "pinned", "kernel.json")
    pinned = json.loads(spec.read_text())["metadata"]["container"]
    assert pinned["mounts"] == [
        {"source": "/usr/share", "target": "/a", "writable": False},
        {"source": "data", "target": "/b", "writable": True},
    ]
    assert pinned["env"] == {"A": "b=c"}
    assert (pinned["cpus"], pinned["memory"], pinned["pids"]) == (1.5, "2g", 100)
    assert (pinned["image"], pinned["engine"], pinned["network"]) == (image, engine, "none")
    assert pinned["ports"] == [8888]
    assert pinned["read_only"] is True
    assert main(["unpin", "pinned"]) == 0
    assert not spec.exists()
    assert main(["unpin", "pinned"]) == 2
    assert main(["unpin", "python3"]) == 2
    assert main(["pin", image, "--name", "container"]) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_pin_says_where_the_image_is_missing(engine):
    done = jc("pin", "localhost/jc-nowhere:1", "--name", "missing", "--engine", engine)
    assert f"jupyter containers pull --engine {engine} localhost/jc-nowhere:1" in done.stderr
    jc("unpin", "missing")


# -- ps, logs, stop, prune -----------------------------------------------------------------

_HOLDER = """
import asyncio, sys
from pathlib import Path
from tests.harness import Kernel, approve
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
        cwd=Path(__file__).parent.parent,
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


def test_prune_removes_what_even_the_keeper_could_not(holder, engine, engine_program, left_behind):
    process, path = holder
    jc("prune", "--engine", engine, "--yes")
    assert len(containers_of(engine_program, path)) == 1, "a living kernel was pruned"
    keepers = [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if _parent(entry) == process.pid and "_keeper_main" in _words(entry)
    ]
    assert keepers != []
    for pid in (*keepers, process.pid):
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


def test_prune_images_removes_what_a_later_build_replaced(folder, engine, image):
    source = "%%dockerfile --engine {}\nFROM {}\nRUN echo {} > /mark"
    names = []
    path = folder / f"replaced-{uuid.uuid4().hex[:8]}.ipynb"
    for _ in range(2):
        cell = source.format(engine, image, uuid.uuid4().hex)
        notebook_of(path, cell)
        data = json.loads(path.read_text())
        data["cells"][0]["id"] = "the-same-cell"
        path.write_text(json.dumps(data))
        names.append(jc_json("build", path)["images"][0]["name"])
    removed = jc_json("prune", "--images", "--engine", engine, "--yes")["removed"]
    listed = [one["reference"] for one in jc_json("images", "--engine", engine)["images"]]
    assert names[1] in listed
    assert names[0] not in listed
    assert [one["size"] > 0 for one in removed if one["name"] == names[0]] == [True]


# -- what people see -----------------------------------------------------------------------


def test_one_line_per_step_redrawn_on_a_terminal(folder, engine, image):
    file = folder / "Dockerfile"
    file.write_text(f"FROM {image}\nRUN echo {uuid.uuid4().hex}; sleep 1; echo last\n")
    words = " ".join([*COMMAND, "build", str(file), "--engine", engine])
    done = subprocess.run(["script", "-qec", words, "/dev/null"], capture_output=True, check=True)
    said = done.stdout.decode().replace("\r\n", "\n")
    assert "\r\x1b[K" in said
    lines = [line.rpartition("\r\x1b[K")[2] for line in said.split("\n")]
    (step,) = [line for line in lines if line.startswith("[2/2] RUN")]
    assert re.search(r"\d\.\d s$", step), "how long it took"


def test_sizes_for_people():
    assert [size(n) for n in (0, 999, 1000, 15_300, 1_500_000, 999_999_999, 2 * 10**12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "15 kB",
        "1.5 MB",
        "1.0 GB",
        "2.0 TB",
    ]


def test_what_an_image_prints_cannot_play_with_the_terminal(capsys):
    screen = Screen()
    screen.step("RUN \x1b]0;title\x07 \x1b[2J")
    screen.detail("over\rwritten \x1b[31mred")
    screen.close()
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "written red" in said
