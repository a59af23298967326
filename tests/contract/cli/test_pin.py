"""What is approved and pinned."""

from __future__ import annotations

import json
import os
from pathlib import Path

from jupyter_containers.cli.main import main
from jupyter_containers.settings.schema import FIELDS
from tests.helpers.command import jc, jc_json, notebook_of


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
    words += ["--pids", "100", "--user", "me", "--port", "8888", "--port", "8080:80", "--read-only"]
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
    assert pinned["ports"] == [8888, "8080:80"]
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
