"""What is wrong with a Dockerfile, said before any engine sees it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_containers.dockerfile.contents import demands
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.dockerfile.render import render
from jupyter_containers.errors import BadInput, ContainersError, DockerfileError
from jupyter_containers.models import parse_image
from tests.unit.dockerfile.parsed import of

CRUMBS = (
    ["FROM a", "RUN ", "COPY --from=", "ARG A=1", "$A", "${A", "<<EOF", "EOF", "\\", "#"]  # noqa: RUF005
    + ["# escape=`", "`", "ONBUILD ", "[", '"', "'", "--mount=", "from=b", ",", "AS x"]
    + ["<<-'E'", "E", "é", "b", "\n", "\n", "\n", " ", "\t", "\u00a0", "|"]
)


class TestMistakes:
    """Each with its line and instruction, before any engine sees it."""

    @pytest.mark.parametrize(
        ("text", "line", "instruction", "why"),
        [
            ("", 1, "text", "empty"),
            (" \n\n", 1, "text", "empty"),
            ("# only a comment\n", 1, "text", "no instructions"),
            ("RUN a", 1, "RUN", "before the first FROM"),
            ("ARG A=1", 1, "ARG", "no FROM follows"),
            ("ARG A=1\nENV B=2\nFROM a", 2, "ENV", "before the first FROM"),
            ("FRUM a", 1, "FRUM", "no such instruction"),
            ("FROM a\n\nrunn b", 3, "RUNN", "no such instruction"),
            ("FROM a\nRUN \\\n\n# c\n b\nRNU", 6, "RNU", "no such instruction"),
            ("FROM a\nRUN\u00a0b", 2, "RUN\u00a0B", "no such instruction"),
            ("FROM", 1, "FROM", "image"),
            ("FROM a b", 1, "FROM", "AS"),
            ("FROM a as", 1, "FROM", "AS"),
            ("FROM a as b c", 1, "FROM", "AS"),
            ("FROM a as 1b", 1, "FROM", "cannot name a stage"),
            ("FROM a as b\nFROM c as B", 2, "FROM", "already"),
            ("FROM --nope=1 a", 1, "FROM", "no flag --nope"),
            ("FROM --privileged", 1, "FROM", "no flag"),
            ("FROM -v", 1, "FROM", "not an image reference"),
            ("FROM ../a", 1, "FROM", "not an image reference"),
            ("FROM a,b", 1, "FROM", "not an image reference"),
            ("FROM Scratch", 1, "FROM", "not an image reference"),
            ("FROM a@sha256:12", 1, "FROM", "not an image reference"),
            ("FROM $A", 1, "FROM", "$A has no value"),
            ("ARG A\nFROM a:${A}", 2, "FROM", "$A has no value"),
            ("ARG A=\nFROM $A", 2, "FROM", "comes to nothing"),
            ("ARG A=$B\nFROM a:$A", 2, "FROM", "not an image reference"),
            ("FROM a\nARG B=c\nFROM $B", 3, "FROM", "$B has no value"),
            ("FROM ${A:?needed}", 1, "FROM", "needed"),
            ("FROM ${A", 1, "FROM", "}"),
            ("FROM a\nRUN <<EOF\nb\n", 2, "RUN", "unterminated heredoc"),
            ("FROM a\nRUN <<EOF\nb\n EOF\n", 2, "RUN", "unterminated heredoc"),
            ("FROM a\nENV a", 2, "ENV", "two arguments"),
            ("FROM a\nENV a=1 b", 2, "ENV", "="),
            ("FROM a\nENV =1", 2, "ENV", "name"),
            ("FROM a\nARG", 2, "ARG", "at least 1"),
            ("FROM a\nARG =1", 2, "ARG", "name"),
            ("FROM a\nRUN", 2, "RUN", "at least 1"),
            ("FROM a\nCOPY a", 2, "COPY", "at least 2"),
            ("FROM a\nCOPY a <<EOF\nb\nEOF\n", 2, "COPY", "destination"),
            ("FROM a\nCOPY --form=b c d", 2, "COPY", "--form"),
            ("FROM a\nCOPY --from= c d", 2, "COPY", "--from wants a value"),
            ("FROM a\nCOPY --from c d", 2, "COPY", "--from wants a value"),
            ("FROM a\nCOPY --from=b --from=c d e", 2, "COPY", "twice"),
            ("FROM a\nCOPY --link=maybe c d", 2, "COPY", "true or false"),
            ("FROM a\nCOPY --from=$B c d", 2, "COPY", "variables"),
            ("FROM a\nCOPY --from=0 c d", 2, "COPY", "does not come before"),
            ("FROM a AS b\nCOPY --from=b c d", 2, "COPY", "this stage itself"),
            ("FROM a\nCOPY --from=later c d\nFROM b AS later", 2, "COPY", "comes later"),
            ("FROM a\nCOPY http://x/y d", 2, "COPY", "ADD downloads"),
            ("FROM a\nCOPY $B d", 2, "COPY", "$B has no value"),
            ("FROM a\nCOPY 'b d", 2, "COPY", "quote"),
            ("FROM a\nRUN --mount=type=bind,from=$B b", 2, "RUN", "variables"),
            ("FROM a\nRUN --mount=type=$B b", 2, "RUN", "variables"),
            ("FROM a\nRUN --mount=from=b,from=c d", 2, "RUN", "twice"),
            ("FROM a\nRUN --mount=from=b,FROM=c d", 2, "RUN", "twice"),
            ("FROM a\nRUN --mount=src=b,source=c d", 2, "RUN", "twice"),
            ("FROM a\nRUN --mount='\"from=b\"' c", 2, "RUN", "quotes"),
            ("FROM a\nRUN --mount=from=0 c", 2, "RUN", "name or an image"),
            ("FROM a\nRUN --privileged b", 2, "RUN", "no flag --privileged"),
            ("FROM a\nRUN --network=bridge b", 2, "RUN", "--network cannot be"),
            ("FROM a\nARG N=host\nRUN --network=$N b", 3, "RUN", "do not work in --network"),
            ("FROM a\nRUN --security=none b", 2, "RUN", "--security cannot be"),
            ("FROM a\nRUN --device=/dev/sda b", 2, "RUN", "--device cannot be"),
            ("FROM a\nCOPY --chown=../x b c", 2, "COPY", "--chown cannot be"),
            ("FROM a\nCOPY --chmod=rwx b c", 2, "COPY", "--chmod cannot be"),
            ("FROM a\nADD --checksum=x:y b c", 2, "ADD", "--checksum cannot be"),
            ("FROM --platform=../x a", 1, "FROM", "--platform cannot be"),
            ("FROM a\nHEALTHCHECK --interval=often CMD b", 2, "HEALTHCHECK", "--interval cannot"),
            ("FROM a\nWORKDIR /proc/self/fd/8", 2, "WORKDIR", "no directory of the image"),
            ("FROM a\nWORKDIR //proc/./self", 2, "WORKDIR", "no directory of the image"),
            ("FROM a\nWORKDIR /a/../sys", 2, "WORKDIR", "no directory of the image"),
            ("FROM a\nWORKDIR /\nRUN x\nWORKDIR proc/self/fd/8", 4, "WORKDIR", "no directory"),
            ("FROM a AS b\nWORKDIR /a\nFROM b\nWORKDIR ../proc", 4, "WORKDIR", "no directory"),
            ("FROM a\nARG P=/proc\nWORKDIR $P/1/cwd", 3, "WORKDIR", "no directory"),
            ('FROM a\nVOLUME ["/a", "/proc/1"]', 2, "VOLUME", "no directory of the image"),
            ("FROM a\nVOLUME /a/../../b", 2, "VOLUME", "leads upwards"),
            ("FROM a\nUSER ../b", 2, "USER", "names no user"),
            ("FROM a\nSHELL bash", 2, "SHELL", "JSON"),
            ("FROM a\nWORKDIR", 2, "WORKDIR", "exactly 1"),
            ("FROM a\nHEALTHCHECK nope", 2, "HEALTHCHECK", "CMD or NONE"),
            ("FROM a\nONBUILD", 2, "ONBUILD", "follow"),
            ("FROM a\nONBUILD ONBUILD RUN b", 2, "ONBUILD", "cannot be its trigger"),
            ("FROM a\nONBUILD FROM b", 2, "ONBUILD", "cannot be its trigger"),
            ("FROM a\nRU\\\nN b", 2, "RUN", "keyword"),
            ("# escape=x\nFROM a", 1, "#", "escape"),
            ("# escape=`\n# escape=`\nFROM a", 2, "# escape", "first line"),
            ("#!/bin/sh\n# ESCAPE=`\nFROM a", 2, "# escape", "first line"),
            ("# later=x\n  # escape=`\nFROM a", 2, "# escape", "first line"),
            ("FROM a\nRUN cat << EOF\nFROM b\nEOF", 2, "RUN", "alike"),
            ("FROM a\nRUN \u2003<< EOF\n", 2, "RUN", "unterminated"),
            ('FROM a\nRUN ["b"] <<EOF\nRUN x\nEOF', 2, "RUN", "alike"),
            ("FROM a\nONBUILD RUN <<EOF\nx\nEOF", 3, "X", "newer engines say"),
            ("# check=a\n# check=b\nFROM a", 2, "# check", "only once"),
            ("# syntax= \n# syntax=evil\nFROM a", 2, "# syntax", "only once"),
            ("# escape= \nFROM a", 1, "#", "escape"),
            (
                'FROM a\nCMD b \\\\\nRUN <<"LABEL c=d"\nADD http://e /f\nLABEL c=d',
                2,
                "CMD",
                "ends with",
            ),
            ("FROM a\nRUN b \\\n  c \\\\ \t\nFROM d AS e", 2, "RUN", "ends with"),
            ("# escape=`\nFROM a\nLABEL b=```\nRUN c", 3, "LABEL", "ends with"),
            ("FROM a\nRUN b\0c", 2, "text", "U+0000"),
            ("FROM a\0b\nRUN c", 1, "text", "U+0000"),
            ("FROM a\rRUN b", 1, "text", "U+000D"),
            ("FROM a\n\nRUN \x1b[2J", 3, "text", "U+001B"),
            ("FROM a\nRUN \ud800", 2, "text", "U+D800"),
            ("FROM a\nRUN " + "b" * 70_000, 2, "RUN", "64 KiB"),
            ("FROM a\n" + "RUN b\n" * 300_000, 1, "text", "over"),
            ("// syntax=evil\nFROM a", 1, "//", "no such instruction"),
            ('{"syntax": "evil"}', 1, '{"SYNTAX":', "no such instruction"),
        ],
    )
    def test_line_and_instruction(self, text: str, line: int, instruction: str, why: str) -> None:
        with pytest.raises(DockerfileError) as caught:
            parse(text)
        error = caught.value
        assert (error.line, error.instruction) == (line, instruction)
        assert why in str(error)
        assert f"line {line}" in error.message

    @pytest.mark.parametrize(
        "text",
        [
            "# syntax=a" + " " * 60_000 + "a\nFROM a",
            "#" + " " * 60_000 + "syntax=a\nFROM a",
            "FROM a\nENV V0="
            + "x" * 1000
            + "".join(f"\nENV V{n}=$V{n - 1}$V{n - 1}" for n in range(1, 60)),
            "FROM a\nENV A=" + "x" * 60_000 + "\nENV B=" + "$A" * 30_000,
            "ARG A=" + "a" * 60_000 + "\nFROM ${A//a*a*a*a*a*b/c}",
            "ARG A=" + "a" * 3_000 + "\nFROM ${A//a*a*a*a*a*b/c}",
            "ARG A=" + "a" * 60_000 + "\nFROM ${A%%a*a*b}",
            "FROM " + "${A:-" * 10_000 + "}" * 10_000,
            "FROM a\nCOPY " + "\\" * 60_000 + " /x",
            "FROM a\nCOPY " + "<" * 60_000 + " /x",
            "FROM a\nRUN --mount=" + "," * 60_000 + " x",
            "FROM a\n" + "x" * 60_000,
            "FROM a\n" + "RUN x\n" * 50_000 + "RUNN",
        ],
        ids=range(13),
    )
    def test_none_takes_long(self, text: str) -> None:
        said = ""
        began = time.process_time()  # how much, and not how long: machines are busy
        try:
            parse(text)
        except DockerfileError as error:
            said = str(error)
        assert time.process_time() - began < 10
        assert len(said) < 2000

    def test_a_slip_of_the_pen_gets_a_suggestion(self) -> None:
        with pytest.raises(DockerfileError, match="Did you mean COPY"):
            parse("FROM a\nCPOY a b")
        with pytest.raises(DockerfileError, match="Did you mean --from"):
            parse("FROM a\nCOPY --form=b a b")

    def test_a_frontend_cannot_be_put_in_by_an_argument(self) -> None:
        with pytest.raises(BadInput, match="BUILDKIT_SYNTAX"):
            parse("FROM a", {"BUILDKIT_SYNTAX": "evil"})

    def test_targets(self) -> None:
        found = of("FROM a AS builder\nFROM b\n")
        for fine in ("", "builder", "BUILDER", "0", "1"):
            found.check_target(fine)
        with pytest.raises(BadInput, match="Did you mean builder"):
            found.check_target("bilder")
        with pytest.raises(BadInput):
            found.check_target("2")

    @settings(database=None)
    @given(
        st.lists(
            st.sampled_from(CRUMBS),
            max_size=25,
        ).map("".join)
        | st.text(max_size=50)
    )
    def test_anything_is_a_dockerfile_or_an_error_of_ours(self, text: str) -> None:
        try:
            found = parse(text)
        except ContainersError:
            return
        for image in demands(found).images:
            assert parse_image(image) == image
        render(found, ca=True)
