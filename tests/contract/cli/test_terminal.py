"""What people see."""

from __future__ import annotations

import os
import re
import subprocess
import uuid

from jupyter_containers.cli.terminal import Screen, size
from tests.helpers.command import COMMAND


def test_one_line_per_step_redrawn_on_a_terminal(folder, engine, image):
    file = folder / "Dockerfile"
    file.write_text(f"FROM {image}\nRUN echo {uuid.uuid4().hex}; sleep 1; echo last\n")
    words = " ".join([*COMMAND, "build", str(file), "--engine", engine])
    # CI's own TERM may be none, where nothing is redrawn.
    done = subprocess.run(
        ["script", "-qec", words, "/dev/null"],
        env={**os.environ, "TERM": "xterm"},
        capture_output=True,
        check=True,
    )
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
