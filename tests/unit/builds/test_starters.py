"""A first cell from a file beside the notebook, of which anything may be there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from jupyter_containers.builds.starters import CONDA, PYTHON, find_starters, make_cell
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.errors import BadInput, ContainersError
from jupyter_containers.notebook.cells import parse_cell

SECRET = "hunter2"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path


def put(here: Path, **files: str) -> None:
    for name, text in files.items():
        (here / name).write_text(text)


def made(here: Path, name: str, text: str, base: str = "") -> str:
    """The cell from that file, which is one that a build would take."""
    (here / name).parent.mkdir(exist_ok=True)
    (here / name).write_text(text)
    source = make_cell(here, name, base)
    cell = parse_cell(source)
    assert cell is not None
    parse(cell.text)
    assert SECRET not in source
    return source


def test_requirements_are_copied_and_installed_from_the_copy(here: Path) -> None:
    assert made(here, "requirements.txt", "numpy\n") == "\n".join(
        [
            "%%dockerfile",
            f"FROM {PYTHON}",
            "COPY requirements.txt /tmp/needs/",
            "RUN --mount=type=cache,target=/root/.cache/pip \\",
            "    pip install -r /tmp/needs/requirements.txt",
        ]
    )
    assert "FROM here/python:3.13\n" in made(here, "requirements.txt", "", "here/python:3.13")


def test_what_requirements_include_is_copied_to_the_same_place(here: Path) -> None:
    (here / "more").mkdir()
    put(here / "more", **{"base.txt": "-c limits.txt\n", "limits.txt": "numpy<3\n"})
    source = made(here, "requirements.txt", "-r more/base.txt\n-rhttps://x.org/r.txt\n")
    assert "COPY requirements.txt /tmp/needs/\n" in source
    assert "COPY more/base.txt /tmp/needs/more/\n" in source
    assert "COPY more/limits.txt /tmp/needs/more/\n" in source
    assert "#" not in source


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-r ../base.txt", "-r ../base.txt, which this cell cannot copy"),
        ("--requirement=/etc/base.txt", "which this cell cannot copy"),
        ("-r gone.txt", "includes gone.txt, which cannot be read"),
        ("-r requirements.txt", ""),
        ("-e .", "installs -e ., which"),
        ("./wheels/x.whl", "installs ./wheels/x.whl, which"),
        ("--find-links wheels", "installs --find-links wheels, which"),
        ("--find-links=https://example.org/wheels", ""),
        ("x[y] @ file:///home/me/x.whl ; python_version > '3'", "installs x[y] @ file:///home/me"),
        ("--index-url https://index.example.org/simple", ""),
        ("git+ssh://git@github.com/a/b", ""),
        ("numpy  # -r gone.txt", ""),
    ],
)
def test_what_cannot_be_carried_over_is_said(line: str, said: str, here: Path) -> None:
    source = made(here, "requirements.txt", f"{line}\n")
    notes = [one for one in source.splitlines() if one.startswith("# ")]
    assert len(notes) == bool(said)
    assert all(said in note for note in notes)


@pytest.mark.parametrize(
    "url", ["https://index.example.org/simple?token=s3cret", "https://c.example.org/t/s3cret/main"]
)
def test_a_token_comes_into_neither_cell_nor_image(url: str, here: Path) -> None:
    source = made(here, "requirements.txt", f"--index-url {url}\nnumpy\n")
    assert "s3cret" not in source and "COPY" not in source
    assert "--mount=type=bind,source=requirements.txt," in source


@pytest.mark.parametrize("name", ["requirements.txt", "environment.yml"])
@pytest.mark.parametrize("address", [f"me:{SECRET}@example.org/x", f"example.org/t/{SECRET}-1/x"])
def test_a_password_comes_into_neither_cell_nor_image(name: str, address: str, here: Path) -> None:
    text = f"--extra-index-url https://{address}\nnumpy\n"
    source = made(here, name, text)
    assert "COPY" not in source
    assert f"--mount=type=bind,source={name},target=/tmp/needs/{name}" in source
    assert "in neither this cell nor the image" in source


def test_conda_and_pyproject(here: Path) -> None:
    put(here, **{"pip.txt": "numpy\n"})
    conda = made(here, "environment.yml", "dependencies:\n- python\n- pip:\n  - -r pip.txt\n")
    assert f"FROM {CONDA}\n" in conda
    assert "COPY pip.txt /tmp/needs/" in conda
    assert "conda env update --name base --file /tmp/needs/environment.yml" in conda
    project = '[project]\ndependencies = ["numpy"]\n[project.optional-dependencies]\ndocs = ["x"]\n'
    source = made(here, "pyproject.toml", project)
    assert "uv pip install --system -r /tmp/needs/pyproject.toml" in source
    assert "optional: docs." in source
    with pytest.raises(BadInput, match="lists no dependencies"):
        made(here, "pyproject.toml", "[project]\ndynamic = ['dependencies']")


@pytest.mark.parametrize(
    ("lock", "project", "export"),
    [
        ("uv.lock", "[project]\ndependencies = ['six']", "uv export -q --frozen"),
        ("poetry.lock", "[project]\ndependencies = ['six']", "poetry export"),
        ("poetry.lock", "[tool.poetry.dependencies]\nsix = '1'", "poetry export"),
        ("poetry.lock", "[tool.poetry]\npackage-mode = false\ndependencies = {}", "poetry export"),
        ("uv.lock", "[tool.poetry.dependencies]\nsix = '1'", ""),
        ("", "[tool.poetry.dependencies]\nsix = '1'", ""),
    ],
)
def test_a_lock_says_the_versions(lock: str, project: str, export: str, here: Path) -> None:
    if lock:
        put(here, **{lock: "#" * (2 << 20)})
    source = made(here, "pyproject.toml", project)
    assert (f"COPY {lock} /tmp/needs/\n" in source) == bool(export)
    assert ("-r /tmp/locked.txt" in source) == bool(export)
    assert export in source
    if not export:
        assert "uv pip install --system -r /tmp/needs/pyproject.toml" in source


def test_a_project_of_poetrys_without_package_and_lock(here: Path) -> None:
    text = "[tool.poetry]\npackage-mode = false\ndependencies = {six = '1'}"
    with pytest.raises(BadInput, match=r"without a poetry\.lock"):
        made(here, "pyproject.toml", text)


@pytest.mark.parametrize(
    ("wanted", "minor", "said"),
    [
        *[("", 12, False), (">=3.13", 13, False), ("<3.12", 11, False), ("==2.7.*", 12, True)],
        *[("nonsense", 12, False), (">=3.9,<4", 12, False), ("==3.10.4", 12, True)],
    ],
)
def test_the_python_that_a_project_wants(wanted: str, minor: int, said: bool, here: Path) -> None:
    project = f"[project]\nrequires-python = {wanted!r}\ndependencies = ['six']\n"
    source = made(here, "pyproject.toml", project)
    assert f"FROM docker.io/library/python:3.{minor}-slim\n" in source
    assert ("wants Python" in source) == said
    assert "FROM here\n" in made(here, "pyproject.toml", project, "here")


def test_what_a_project_takes_from_this_machine_is_said(here: Path) -> None:
    project = "[project]\ndependencies = ['a']\n[tool.uv.sources]\na = {path = '../a'}\n"
    assert "takes a from this machine" in made(here, "pyproject.toml", project)


def test_a_dockerfile_is_copied_as_it_is(here: Path) -> None:
    lines = ["# syntax=docker/dockerfile:1", "FROM x", *(f"RUN echo {n}" for n in range(5000))]
    text = "\r\n".join([*lines, f"RUN pip install -i https://me:{SECRET}@x.org y", ""])
    source = made(here, "Dockerfile", text).splitlines()
    assert source[:2] == ["%%dockerfile", "# syntax=docker/dockerfile:1"]
    assert source[4:-1] == lines[1:]
    assert source[-1] == "RUN pip install -i https://x.org y"
    assert "Passwords in URLs were left out" in source[3]


DEVCONTAINER = """{
  // an image "with" comments
  "image": "mcr.microsoft.com/devcontainers/python:3.12", /* and */
  "features": {"ghcr.io/a/features/node:1": {}},
  "containerEnv": {"A": "say \\"//hi\\"", "HOME_": "${localEnv:HOME}", "B\\nRUN x": "y",
                   "API_KEY": "hunter2"},
  "mounts": ["source=x,target=/x,type=volume"],
  "forwardPorts": [8000], "appPort": ["8080:80"], "hostRequirements": {"cpus": 4},
  "remoteUser": "vscode",
  "postCreateCommand": "pip install -r requirements.txt",
}"""


def test_a_devcontainer_with_an_image(here: Path) -> None:
    source = made(here, ".devcontainer/devcontainer.json", DEVCONTAINER)
    assert source.splitlines() == [
        "%%dockerfile",
        "# Variables that were left out: HOME_, B RUN x, API_KEY.",
        "# Features were left out: ghcr.io/a/features/node:1. RUN can install the same.",
        "# The postCreateCommand was left out: pip install -r requirements.txt",
        "# Mounts were left out: 1. Add --mount to the first line.",
        "# The appPort was left out. Add --port to the first line, if others need it.",
        "# Left out, since a Dockerfile has nothing like it: hostRequirements.",
        "FROM mcr.microsoft.com/devcontainers/python:3.12",
        'ENV A="say \\"//hi\\""',
        "USER vscode",
    ]


def test_a_devcontainer_with_a_dockerfile(here: Path) -> None:
    (here / ".devcontainer").mkdir()
    put(here / ".devcontainer", Dockerfile="FROM here\nRUN true\n")
    build = '"dockerfile": "Dockerfile", "context": "..", "args": {"V": "1"}, "target": "a"'
    text = f'{{"build": {{{build}}}}}'
    source = made(here, ".devcontainer/devcontainer.json", text)
    assert "FROM here\nRUN true" in source
    assert "context" not in source
    assert "build arguments were left out: V." in source
    assert "add --target" in source
    for out in ("../../Dockerfile", "/etc/passwd"):
        with pytest.raises(BadInput, match="not in the notebook's folder"):
            made(here, "devcontainer.json", json.dumps({"dockerFile": out}))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "1e999", '{"a": ' * 5000, "/*" * 500_000, '{"image": "-x"}']
)
def test_a_devcontainer_that_is_none(text: str, here: Path) -> None:
    with pytest.raises(BadInput, match=r"devcontainer\.json (is no|names no)"):
        made(here, "devcontainer.json", text)


def test_only_files_of_the_folder_count(
    here: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text(SECRET)
    (here / "requirements.txt").symlink_to(outside)
    os.mkfifo(here / "environment.yml")
    (here / "Dockerfile").mkdir()
    put(here, **{"pyproject.toml": "", "Containerfile": "FROM x"})
    assert find_starters(here) == {"pyproject.toml": "pyproject", "Containerfile": "dockerfile"}
    for name in ("requirements.txt", "environment.yml", "Dockerfile", "environment.yaml"):
        with pytest.raises(BadInput, match="cannot be read"):
            make_cell(here, name)
    for name in ("../x", "/etc/passwd", "setup.py"):
        with pytest.raises(BadInput, match="No cell is made from"):
            make_cell(here, name)


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"#" * (2 << 20), "larger than 1 MiB"), (b"\xff\xfe", "UTF-8"), (b"a\0b", "NUL")],
)
def test_what_is_no_small_text_is_refused(data: bytes, why: str, here: Path) -> None:
    (here / "requirements.txt").write_bytes(data)
    with pytest.raises(BadInput, match=why):
        make_cell(here, "requirements.txt")


def test_a_base_is_an_image(here: Path) -> None:
    put(here, **{"requirements.txt": ""})
    with pytest.raises(ContainersError, match="not an image reference"):
        make_cell(here, "requirements.txt", "x\nRUN evil")
