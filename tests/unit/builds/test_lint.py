from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from jupyter_containers.builds.lint import NOISE, Diagnostic, lint, lint_cell
from jupyter_containers.notebook.file import dockerfile_cells, read_notebook
from jupyter_containers.policy.policy import Policy
from tests.helpers import ROOT

TEXT = """FROM python AS x
RUN cd /x && echo $y
COPY --from=ubuntu:24.04 /a /b
CMD python
"""


def codes(text: str) -> list[tuple[int, str]]:
    return [(one.line, one.code) for one in asyncio.run(lint(text))]


def test_hadolint_and_its_shellcheck() -> None:
    found = asyncio.run(lint(TEXT))
    assert found[0] == Diagnostic(
        1,
        1,
        "warning",
        "DL3006",
        "Always tag the version of an image explicitly",
        "https://github.com/hadolint/hadolint/wiki/DL3006",
    )
    assert {(one.line, one.code) for one in found} >= {(2, "DL3003"), (2, "SC2086"), (4, "DL3025")}
    (quote,) = [one for one in found if one.code == "SC2086"]
    assert quote.url == "https://www.shellcheck.net/wiki/SC2086"


def test_nothing_to_say() -> None:
    assert codes('FROM python:3.12-slim\nRUN true\nCMD ["python"]\n') == []


def test_heredocs() -> None:
    text = "FROM a:1\nRUN <<EOF\ncd /x\nEOF\nCOPY <<E <<F /x/\nE\nF\nRUN cd /x\n"
    text += "CMD a"
    assert [one for one in codes(text) if one[1] == "DL3003"] == [(2, "DL3003"), (8, "DL3003")]
    assert (9, "DL3025") in codes(text)
    assert not [one for one in codes(text) if one[1] == "DL1000"]


@pytest.mark.parametrize(
    ("text", "line"),
    [("FROM a:1\nRUNN b", 2), ("", 1), ("FROM a:1\n\nRUN <<EOF\n", 3), ("FROM a:1\nRUN \x00", 2)],
)
def test_a_mistake_is_ours_to_explain(text: str, line: int) -> None:
    found = [one for one in asyncio.run(lint(text)) if one.level == "error"]
    assert [(one.line, one.code) for one in found] == [(line, "Dockerfile")]
    assert "Dockerfile line" not in found[0].message


def test_a_rule_can_be_switched_off(tmp_path: Path) -> None:
    assert (1, "DL3006") not in codes("# hadolint ignore=DL3006\nFROM python\n")
    (tmp_path / ".hadolint.yaml").write_text("ignored: [DL3006]\n")
    assert asyncio.run(lint("FROM python\n", directory=tmp_path)) == ()
    (tmp_path / ".hadolint.yaml").write_text("ignored: 7\n")
    said = asyncio.run(lint("FROM python\n", directory=tmp_path))
    assert [one.code for one in said] == ["hadolint", "DL3006"]
    assert ".hadolint.yaml" in said[0].message


SCIENTIST = """FROM python:3.12
USER root
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir pandas
RUN cd /tmp && wget https://example.org/$WHAT
RUN true
RUN true
COPY --from=uv /uv /bin/
"""


def test_noise_is_off_by_default() -> None:
    assert {code for _, code in codes(SCIENTIST)} == {
        *("DL3002", "DL3003", "DL3008", "DL3013", "DL3022", "DL3047", "DL3059", "DL3066"),
        "SC2086",
    }
    assert asyncio.run(lint(SCIENTIST, ignored=NOISE)) == ()


def test_the_front_end_has_the_same_defaults() -> None:
    schema = json.loads((ROOT / "labextension/schema/plugin.json").read_text())
    assert schema["properties"]["lintIgnored"]["default"] == sorted(NOISE)


def test_our_own_notebooks_are_clean() -> None:
    cells = [
        (path, cell)
        for path in sorted((ROOT / "notebooks").rglob("*.ipynb"))
        for cell in dockerfile_cells(read_notebook(path))
    ]
    assert len(cells) >= 3
    for path, cell in cells:
        args = cell.options.build_args
        said = asyncio.run(lint(cell.text, args, directory=path.parent, ignored=NOISE))
        assert said == (), path


def test_an_image_that_was_built_here_needs_no_tag() -> None:
    assert codes("FROM localhost/mine AS x\nFROM python\nCOPY --from=x /a /\n") == [(2, "DL3006")]


def test_what_does_not_build_is_said_whatever_is_off() -> None:
    said = asyncio.run(lint("FROM a:1\nRUM b\n", ignored=["Dockerfile", "DL1000"]))
    assert [(one.line, one.level) for one in said] == [(2, "error")]


def test_a_cell_has_the_same_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # no engine's version is remarked on
    source = "\n%%dockerfile\nFROM python:3\nRUN pip install pandas\n"

    def said(*ignored: str) -> list[tuple[int, str]]:
        found = asyncio.run(lint_cell(source, tmp_path, Policy(), *([ignored] if ignored else [])))
        return [(one.line, one.code) for one in found]

    assert said() == [(4, "DL3042")]
    assert said("DL3042") == [(4, "DL3013")]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a:1\nMAINTAINER Jane Doe <jane@example.org>\nADD data /data\n",
        "FROM a\nWORKDIR relative\nRUN sudo apt-get install x\n",
        "FROM a:1\nRUN <<-EOF\n\techo one\n\tEOF\nRUN cat <<A <<B\n(x)\nA\n(y)\nB\n",
    ],
)
def test_what_builds_is_no_error(text: str) -> None:
    found = asyncio.run(lint(text))
    assert [one for one in found if one.level == "error" or one.code == "DL1000"] == []


def test_what_no_engine_builds_is_one() -> None:
    found = asyncio.run(lint("FROM a:1\nCOPY a b /c\n"))
    assert [one.code for one in found if one.level == "error"] == ["DL3021"]


def test_without_buildkit_it_says_so() -> None:
    found = asyncio.run(lint("FROM python:3\n", buildx=["docker", "-H", "unix:///no", "buildx"]))
    assert [(one.level, one.code) for one in found] == [("info", "check")]
    assert "BuildKit's own check was not made" in found[0].message


def test_what_one_engine_does_otherwise() -> None:
    text = 'FROM a:1\nWORKDIR /home/me/app\nCOPY a /opt/a\nUSER me\nCMD ["a"]\n'

    def ours(engine: str) -> list[tuple[int, str]]:
        found = asyncio.run(lint(text, engine=engine))
        return [(one.line, one.code) for one in found if one.code.startswith("Charliecloud")]

    assert ours("charliecloud") == [(2, "CharliecloudHome"), (4, "CharliecloudUser")]
    assert ours("podman") == ours("") == []
