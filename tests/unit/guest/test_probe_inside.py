"""What the probe reads of an image, which may have anything in the place of a file."""

from __future__ import annotations

import os
from pathlib import Path

from jupyter_containers.guest import probe_inside


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    assert [probe_inside.read(str(tmp_path / name)) for name in ("pipe", "zero", "no")] == [""] * 3
    assert probe_inside.read(str(tmp_path / "file")) == "x" * probe_inside.MAX_FILE
    assert probe_inside.read("/proc/sys/kernel/random/boot_id").strip()


def test_specs_of_kernels_that_hurt() -> None:
    for text in ("[" * 60_000, "7", '{"argv": []}', '{"argv": [7]}', "Infinity"):
        assert not probe_inside.runs(text)


def test_an_interpreter_that_never_ends(tmp_path: Path, monkeypatch) -> None:
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.11.2 && exit\nexec sleep 60\n')
    program.chmod(0o755)
    monkeypatch.setattr(probe_inside, "CHILD_SECONDS", 0.3)
    said = probe_inside.ask(str(program), "x")
    assert said == {
        "path": str(program),
        "said": "Python 3.11.2",
        "trouble": "it did not answer within 0 s.",
    }
