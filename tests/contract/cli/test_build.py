"""Builds of files and of cells, checked, and ended by Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import uuid

from jupyter_containers.engines.docker.engine import Docker
from tests.helpers.command import Running, jc, jc_json, notebook_of, processes, soon
from tests.helpers.harness import running, write_notebook


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
    assert set(one["build"]) == {"cell", "context", "bases", "earlier"}
    # By its exit code: Podman may lose the output of a program that ends at once.
    looks = f'test "$(cat /a /who)" = {mark}me'
    run = [engine, "run", "--rm", "--network=none", "localhost/jc-built", "sh", "-c", looks]
    subprocess.run(run, check=True)
    failed = jc(*("build", file, "--engine", engine, "--context", "src"), code=1)
    assert "Dockerfile line 6" in failed.stderr
    assert "exit code 9" in failed.stderr


async def test_the_first_kernel_in_a_built_image_finds_it_ready(folder, engine, image, monkeypatch):
    file = folder / "Dockerfile"
    file.write_text(f"FROM {image}\nRUN echo {uuid.uuid4().hex}\n")
    built = jc("build", file, "--engine", engine, "-t", "localhost/jc-ready")
    assert "Fitting a kernel into the image" in built.stderr

    async def refuse(self, spec, timeout):
        raise AssertionError("a start looked into the image, or fitted a kernel")

    monkeypatch.setattr(Docker, "run", refuse)
    path = write_notebook(
        folder / "n.ipynb", {"image": "localhost/jc-ready:latest", "engine": engine}
    )
    async with running(path) as kernel:
        assert await kernel.value("6 * 7") == "42"


def test_an_image_without_python_is_built_and_the_way_to_a_kernel_said(folder, engine, images):
    file = folder / "Dockerfile"
    file.write_text(f"FROM {images['busybox']}\nRUN echo {uuid.uuid4().hex}\n")
    done = jc("build", file, "--engine", engine, "-t", "localhost/jc-helper")
    assert done.stdout == f"localhost/jc-helper:latest is built ({engine})\n"
    assert "localhost/jc-helper:latest can be no kernel yet: " in done.stderr
    assert "no Python" in done.stderr
    assert "FROM python:3.12-slim" in done.stderr


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
    assert re.search(r"^Dockerfile, line 3: warning DL3014: ", done.stdout, re.MULTILINE)
    assert "DL3008" not in done.stdout
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
