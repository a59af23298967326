"""A build reads nothing outside of the notebook's folder before somebody said yes to it."""

from __future__ import annotations

import json
import uuid

import pytest

from tests.helpers.command import jc, notebook_of
from tests.helpers.listening import serving


@pytest.fixture(autouse=True)
def private_places() -> None:
    """None: kernels run here, and to make their kit again for each test takes long."""


def test_a_context_elsewhere_is_asked_for(folder, engine, image, tmp_path):
    word = uuid.uuid4().hex
    documents = tmp_path / "Documents"
    documents.mkdir()
    (documents / "letter.txt").write_text(word)
    cell = (
        f"%%dockerfile --context ../Documents --engine {engine}\nFROM {image}\nCOPY letter.txt /x"
    )
    path = notebook_of(folder / "n.ipynb", cell, "open('/x').read()")
    item = f"the file {documents}/letter.txt, read by its build"

    for verb in ("build", "run"):
        refused = jc(verb, str(path), code=1)
        assert item in refused.stderr and "--approve" in refused.stderr
        assert word not in path.read_text()
    approved = jc("build", "--approve", str(path))
    assert "is built" in approved.stdout
    # It is remembered, also for who runs it; and a yes to a file is none to what lies beside it.
    jc("run", str(path))
    assert word in path.read_text()
    (documents / "other.txt").write_text("other")
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["source"] = cell.replace("letter.txt", "other.txt")
    path.write_text(json.dumps(notebook))
    refused = jc("build", str(path), code=1)
    assert f"the file {documents}/other.txt, read by its build" in refused.stderr
    assert item not in refused.stderr


def test_a_folder_that_is_not_mounted_is_asked_for(folder, engine, image):
    folder.chmod(0o1777)
    (folder / "data").mkdir()
    lines = f"FROM {image}\nCOPY data /x\n"
    path = notebook_of(folder / "n.ipynb", f"%%dockerfile --engine {engine}\n{lines}")
    refused = jc("build", str(path), code=1)
    item = f"the folder {folder}/data, with all that is in it, read by its build"
    assert item in refused.stderr
    # A Dockerfile's options, and where it is, were typed.
    (folder / "Dockerfile").write_text(lines)
    jc("build", str(folder / "Dockerfile"), "--engine", engine)


def test_a_secret_is_asked_for(folder, engine, image, tmp_path, monkeypatch):
    secret = tmp_path / "pip.conf"
    secret.write_text("swordfish")
    config = tmp_path / "config"
    config.mkdir()
    (config / "jupyter_containers_config.py").write_text(
        f"c.Policy.build_secrets = {{'pip': {str(secret)!r}}}"
    )
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(config))
    cell = (
        f"%%dockerfile --secret pip --engine {engine}\nFROM {image}\n"
        f"RUN --mount=type=secret,id=pip wc -c < /run/secrets/pip > /size # {uuid.uuid4().hex}"
    )
    path = notebook_of(folder / "n.ipynb", cell)
    refused = jc("build", str(path), code=1)
    assert "the secret pip, read by its build" in refused.stderr
    jc("build", "--approve", str(path))
    jc("build", str(path))


def test_what_add_downloads_from_this_machine_is_asked_for(folder, engine, image):
    with serving(b"swordfish") as (url, asked):
        cell = f"%%dockerfile --engine {engine}\nFROM {image}\nADD {url} /x\nRUN chmod a+r /x"
        path = notebook_of(folder / "n.ipynb", cell, "open('/x').read()")
        refused = jc("build", str(path), code=1)
        assert f"{url} of this machine, downloaded by its build" in refused.stderr
        assert asked == []
        jc("run", "--approve", str(path))
    assert "swordfish" in path.read_text()
    assert asked
