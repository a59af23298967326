"""Images listed, pulled and pruned."""

from __future__ import annotations

import json
import re
import subprocess
import uuid

from tests.helpers.command import jc, jc_json, notebook_of


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


def test_prune_images_removes_what_a_later_build_replaced(
    folder, engine, image, tmp_path, monkeypatch
):
    config = tmp_path / "config"
    config.mkdir()
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(config))
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
    jc_json("prune", "--images", "--engine", engine, "--yes")
    listed = [one["reference"] for one in jc_json("images", "--engine", engine)["images"]]
    assert set(names) <= set(listed)  # Policy.keep_images
    (config / "jupyter_containers_config.py").write_text("c.Policy.keep_images = 0")
    removed = jc_json("prune", "--images", "--engine", engine, "--yes")["removed"]
    listed = [one["reference"] for one in jc_json("images", "--engine", engine)["images"]]
    assert names[1] in listed
    assert names[0] not in listed
    assert [one["size"] > 0 for one in removed if one["name"] == names[0]] == [True]
