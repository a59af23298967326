"""What of an image's extensions a server lacks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.images import labextensions
from jupyter_containers.images.facts import ImageFacts
from jupyter_containers.images.labextensions import lacking, server_extensions
from jupyter_containers.images.probe_output import parse_facts
from jupyter_containers.models import Image


def facts_of(names: Any, owners: Any = (), **distributions: Any) -> ImageFacts:
    python = {"path": "/p", "version": [3, 12], "owners": owners, "distributions": distributions}
    said = {"labextensions": names, "interpreters": [python]}
    return parse_facts(said, Image(id="sha256:0"), "sockets")


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server has its extensions: one, and some that are broken."""
    for name, text in {
        "here": json.dumps({"name": "here"}),
        "@a/b": json.dumps({"name": "@a/b"}),
        "list": "[]",
        "nothing": "",
        "unnamed": "{}",
    }.items():
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "package.json").write_text(text)
    monkeypatch.setattr(labextensions, "jupyter_path", lambda _: [str(tmp_path), "/no"])
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    return tmp_path


def test_what_the_server_lacks_and_how_it_is_installed() -> None:
    assert server_extensions() == {"here", "@a/b"}
    owners = {"widgets": "jupyterlab_widgets", "odd": "ipympl", "evil": "evil", "here": "here"}
    names = ["here", "@a/b", "widgets", "odd", "evil", "unowned"]
    facts = facts_of(names, owners, jupyterlab_widgets="1.2", evil="1")
    pip = f"{sys.executable} -m pip install"
    assert [(one.extension, one.package, one.version, one.command) for one in lacking(facts)] == [
        ("widgets", "jupyterlab_widgets", "1.2", f"{pip} jupyterlab_widgets==1.2"),
        ("odd", "ipympl", "", f"{pip} ipympl"),
        ("evil", "evil", "1", ""),  # not to be installed because an image says so
        ("unowned", "", "", ""),
    ]


def test_under_a_hub_somebody_else_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/me/")
    [one] = lacking(facts_of(["x"], {"x": "y"}, y="1"))
    assert (one.package, one.command) == ("y", "")


@pytest.mark.parametrize(
    "names",
    [None, 7, "x", {"x": 1}, [7, None, [], "", "../x", "a/b", "@a/b/c", "a b", "x\n", "x" * 300]],
)
def test_names_that_are_none(names: Any) -> None:
    assert facts_of(names).labextensions == ()


@pytest.mark.parametrize("owners", [None, [], {"x": 7}, {"x": "y; rm -rf"}, {"x": "--index-url"}])
def test_packages_that_are_none(owners: Any) -> None:
    [one] = lacking(facts_of(["x"], owners))
    assert (one.package, one.command) == ("", "")
