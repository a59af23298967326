"""The command line: its contract (DESIGN §10), what it says, and how it ends."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from jupyter_containers.cli.main import VERBS
from tests.helpers.command import COMMAND, jc


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
    code = "import sys, jupyter_containers.cli.main; print(*sys.modules)"
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
