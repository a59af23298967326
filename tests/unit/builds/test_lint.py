from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from jupyter_containers.builds.lint import Diagnostic, lint

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
