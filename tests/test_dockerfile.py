from __future__ import annotations

import textwrap
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_containers.dockerfile import Dockerfile, Source, demands, parse, triggers
from jupyter_containers.errors import BadInput, ContainersError, DockerfileError
from jupyter_containers.models import parse_image
from jupyter_containers.reader import read
from jupyter_containers.render import CA_ARGS, CA_PATH, CA_SECRET, Rendered, render
from jupyter_containers.variables import platform_args

PYTHON = "docker.io/library/python:3.12"
MOUNT = f"--mount=type=secret,id={CA_SECRET},target={CA_PATH},mode=0444"

CRUMBS = (
    ["FROM a", "RUN ", "COPY --from=", "ARG A=1", "$A", "${A", "<<EOF", "EOF", "\\", "#"]  # noqa: RUF005
    + ["# escape=`", "`", "ONBUILD ", "[", '"', "'", "--mount=", "from=b", ",", "AS x"]
    + ["<<-'E'", "E", "é", "b", "\n", "\n", "\n", " ", "\t", "\u00a0", "|"]
)
PARTS = (
    "RUN a",
    "run \\\n  b",
    "RUN \\\n # c\n\n --mount=type=tmpfs,target=/x a",
    "# x",
    "",
    "RUN <<E\nFROM no\nE",
    "RUN <<-'E' cat\n\tE",
    'RUN ["a"]',
    "ENV A=1",
    "COPY --from=img \\\n x y",
    "COPY <<E /\nE",
    "FROM img",
    "FROM \\\nimg \\\n AS x",
    "USER a\\",
    "RUN --mount=from=img,target=/x \\\n <<E\nE",
    "ONBUILD RUN <<E\nx\nE",
)


def of(text: str, **args: str) -> Dockerfile:
    return parse(textwrap.dedent(text).lstrip("\n"), args)


def images(text: str, **args: str) -> list[str]:
    return [image.removeprefix("docker.io/") for image in demands(of(text, **args)).images]


def paths(text: str, **args: str) -> list[str]:
    return [source.path for source in of(text, **args).sources]


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
            ("FROM a\nSHELL bash", 2, "SHELL", "JSON"),
            ("FROM a\nWORKDIR", 2, "WORKDIR", "exactly 1"),
            ("FROM a\nHEALTHCHECK nope", 2, "HEALTHCHECK", "CMD or NONE"),
            ("FROM a\nONBUILD", 2, "ONBUILD", "follow"),
            ("FROM a\nONBUILD ONBUILD RUN b", 2, "ONBUILD", "cannot be its trigger"),
            ("FROM a\nONBUILD FROM b", 2, "ONBUILD", "cannot be its trigger"),
            ("FROM a\nRU\\\nN b", 2, "RUN", "keyword"),
            ("# escape=x\nFROM a", 1, "#", "escape"),
            ("# escape=`\n# escape=`\nFROM a", 2, "# escape", "first line"),
            ("# check=skip=all\n# escape=`\nFROM a", 2, "# escape", "first line"),
            ("# syntax=b\n#escape = `\nFROM a", 2, "# escape", "first line"),
            ("#!/bin/sh\n# ESCAPE=`\nFROM a", 2, "# escape", "first line"),
            ("# later=x\n  # escape=`\nFROM a", 2, "# escape", "first line"),
            ("FROM a\nRUN cat << EOF\nFROM b\nEOF", 2, "RUN", "alike"),
            ("FROM a\nRUN \u2003<< EOF\n", 2, "RUN", "unterminated"),
            ('FROM a\nRUN ["b"] <<EOF\nRUN x\nEOF', 2, "RUN", "alike"),
            ("FROM a\nONBUILD RUN <<EOF\nx\nEOF", 3, "X", "newer engines say"),
            ("# check=a\n# check=b\nFROM a", 2, "# check", "only once"),
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
        began = time.monotonic()
        try:
            parse(text)
        except DockerfileError as error:
            said = str(error)
        assert time.monotonic() - began < 10
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


class TestStages:
    def test_lines_names_and_bases(self) -> None:
        found = of("""
            ARG V=3.12
            # comment
            FROM --platform=linux/amd64 python:${V} AS Build
            RUN true
            from build
            FROM scratch
        """)
        one, two, three = found.stages
        assert (one.name, one.line, one.base) == ("build", 3, "python:${V}")
        assert (one.reference, one.parent) == (PYTHON, None)
        assert (two.name, two.reference, two.parent) == ("", "", 0)
        assert (three.reference, three.parent) == ("", None)
        assert [(i.name, i.line, i.end) for i in found.instructions] == [
            ("ARG", 1, 1),
            ("FROM", 3, 3),
            ("RUN", 4, 4),
            ("FROM", 5, 5),
            ("FROM", 6, 6),
        ]

    @pytest.mark.parametrize(
        ("text", "args", "expected"),
        [
            ("FROM a", {}, ["library/a:latest"]),
            ("ARG A=b\nFROM $A", {}, ["library/b:latest"]),
            ("ARG A=b\nFROM $A", {"A": "ghcr.io/c:1"}, ["ghcr.io/c:1"]),
            ("ARG A\nFROM $A", {"A": "c"}, ["library/c:latest"]),
            ("ARG A=b\nARG B=${A}:1\nFROM ${B}", {}, ["library/b:1"]),
            ("ARG A=b\nARG B=${A}:1\nFROM ${B}", {"A": "c"}, ["library/c:1"]),
            ('ARG A="b"\nFROM "$A"', {}, ["library/b:latest"]),
            ("FROM ${A:-b}", {}, ["library/b:latest"]),
            ("ARG A=b\nFROM ${A:+c}", {}, ["library/c:latest"]),
            ("ARG A=py.x\nFROM ${A%.x}", {}, ["library/py:latest"]),
            ("FROM a-${TARGETARCH}", {"TARGETARCH": "s390x"}, ["library/a-s390x:latest"]),
            ("ARG A=b C=d\nFROM $A:$C", {}, ["library/b:d"]),
            ("FROM localhost:5000/a/b:c", {}, ["localhost:5000/a/b:c"]),
            ("FROM a@sha256:" + "0" * 64, {}, ["library/a@sha256:" + "0" * 64]),
        ],
    )
    def test_arguments_in_from(self, text: str, args: dict[str, str], expected: list[str]) -> None:
        assert images(text, **args) == expected

    def test_an_undeclared_build_argument_is_not_seen(self) -> None:
        with pytest.raises(DockerfileError, match=r"\$A has no value"):
            parse("FROM $A", {"A": "b"})

    def test_the_platform_is_known(self) -> None:
        arch = platform_args()["TARGETARCH"]
        assert images("FROM --platform=$BUILDPLATFORM a:$TARGETARCH") == [f"library/a:{arch}"]


class TestDemands:
    def test_everything_that_fetches(self) -> None:
        found = demands(
            of("""
            # syntax=docker/dockerfile:1.7-labs extra
            ARG BASE=quay.io/a/b:1
            FROM ${BASE} AS one
            FROM c
            COPY --from=one /a /b
            COPY --from=0 /a /b
            COPY --from=ghcr.io/d:2 /a /b
            RUN --mount=type=bind,from=e,source=/a,target=/b --mount=FROM=f,type=cache,target=/c ls
            RUN --mount=type=bind,from=one,source=/a,target=/b true
            ADD https://example.org/x.tar git@github.com:a/b.git local /d/
            ADD ssh://git@host/x.git /d/
            FROM scratch
            COPY --from=one /a /b
        """)
        )
        assert [image.removeprefix("docker.io/") for image in found.images] == [
            "docker/dockerfile:1.7-labs",
            "quay.io/a/b:1",
            "library/c:latest",
            "ghcr.io/d:2",
            "library/e:latest",
            "library/f:latest",
        ]
        assert found.urls == (
            "https://example.org/x.tar",
            "git@github.com:a/b.git",
            "ssh://git@host/x.git",
        )
        assert found.lines["ghcr.io/d:2"] == 7
        assert found.lines["ssh://git@host/x.git"] == 11
        assert found.entitlements == ()

    @pytest.mark.parametrize(
        "text",
        [
            "# syntax=evil/x\nFROM a",
            "#syntax = evil/x\nFROM a",
            "# SYNTAX=evil/x more\nFROM a",
            "\ufeff# syntax=evil/x\nFROM a",
            "#!/usr/bin/env docker\n# syntax=evil/x\nFROM a",
            "# escape=`\n# syntax=evil/x\nFROM a",
            "# check=skip=all\r\n# syntax=evil/x\r\nFROM a",
            "  # syntax=evil/x\nFROM a",
        ],
    )
    def test_no_syntax_line_is_missed(self, text: str) -> None:
        assert "evil/x:latest" in images(text)

    @pytest.mark.parametrize("text", ["# c\n# syntax=evil\nFROM a", "FROM a\n# syntax=evil"])
    def test_a_comment_is_no_directive(self, text: str) -> None:
        assert images(text) == ["library/a:latest"]

    def test_entitlements(self) -> None:
        found = demands(
            of("""
            FROM a
            RUN --network=host b
            RUN --security=insecure b
            RUN --device=nvidia.com/gpu=all b
            RUN --network=none --security=sandbox b
            RUN --network=default b
        """)
        )
        assert found.entitlements == (
            "RUN --network=host",
            "RUN --security=insecure",
            "RUN --device=nvidia.com/gpu=all",
        )
        assert found.lines["RUN --security=insecure"] == 3

    def test_heredoc_bodies_are_no_instructions(self) -> None:
        found = of("""
            FROM a
            RUN <<EOF
            FROM evil
            COPY --from=evil a b
            EOF
            COPY <<a <<-"b" /x/
            ADD http://evil /
            a
            $b
            \tb
        """)
        assert demands(found).images == ("docker.io/library/a:latest",)
        assert demands(found).urls == ()
        assert found.sources == ()
        assert found.heredoc is not None
        assert found.heredoc.line == 2
        assert of("FROM a\nRUN b").heredoc is None

    def test_onbuild_counts_where_it_runs(self) -> None:
        # Kept for other builds: nothing is fetched now.
        assert images("FROM a\nONBUILD COPY --from=b c d") == ["library/a:latest"]
        # A later stage of the file begins with it: then it runs.
        found = of("FROM a AS x\nONBUILD COPY c d\nONBUILD RUN --network=host e\nFROM x\n")
        assert [source.path for source in found.sources] == ["c"]
        assert demands(found).entitlements == ("RUN --network=host",)
        with pytest.raises(DockerfileError, match="line 2: COPY: an ONBUILD that fetches"):
            parse("FROM a AS x\nONBUILD COPY --from=b c d\nFROM x\n")

    def test_a_base_images_onbuild(self) -> None:
        found = triggers(["COPY . /src", "RUN --mount=from=b ls", "ADD http://c /d"])
        assert [source.path for source in found.sources] == ["."]
        both = demands(of("FROM a"), found)
        assert both.images == ("docker.io/library/a:latest", "docker.io/library/b:latest")
        assert both.urls == ("http://c",)


class TestSources:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("COPY a b", ["a"]),
            ("COPY a b c/", ["a", "b"]),
            ("copy --chown=1:1 --chmod=755 --link a /b", ["a"]),
            ('COPY ["a b", "c", "/d"]', ["a b", "c"]),
            ("COPY --from=x a b", []),
            ("COPY *.txt d?r/[a-b] /c/", ["*.txt", "d?r/[a-b]"]),
            ("ADD a.tar http://b /c", ["a.tar"]),
            ("COPY <<EOF a /c/\nx\nEOF", ["a"]),
            ("ARG S=src\nCOPY ${S}/a b", ["src/a"]),
            ("ENV S=src\nCOPY $S/a b", ["src/a"]),
            ("ARG S=no\nENV S=src\nCOPY $S b", ["src"]),
            ("ENV S=src\nARG S=no\nCOPY $S b", ["src"]),
            ("ENV A=1 B=$A\nCOPY ${B:-z} b", ["z"]),
            ("ARG TOP\nCOPY $TOP b", ["top"]),
            ("ARG TARGETOS\nCOPY $TARGETOS b", ["linux"]),
            ("COPY ${X:-a} b", ["a"]),
            ("COPY a\\$b c", ["a$b"]),
            ("RUN --mount=target=/src ls", ["."]),
            ("RUN --mount=type=bind,source=a,target=/b ls", ["a"]),
            ("RUN --mount=type=BIND,SRC=a,dst=/b ls", ["a"]),
            ("RUN --mount=type=cache,target=/b ls", []),
            ("RUN --mount=type=secret,id=a ls", []),
            ("RUN --mount=type=bind,from=x,source=a,target=/b ls", []),
            ("ONBUILD COPY a b", []),
            ("COPY --parents a/**/b.txt c", ["a/**/b.txt"]),
        ],
    )
    def test_which_paths_are_named(self, text: str, expected: list[str]) -> None:
        assert paths(f"ARG TOP=top\nFROM base\n{text}\n") == expected

    def test_details(self) -> None:
        found = of("FROM a\nRUN --mount=source=b*,target=/c ls\nCOPY --parents d e\n")
        assert found.sources == (
            Source(2, "RUN --mount", "b*", wildcards=False),
            Source(3, "COPY", "d", parents=True),
        )

    def test_variables_go_along_with_a_stage(self) -> None:
        text = "FROM a AS b\nARG S=x\nENV T=y\nFROM b\nCOPY $S $T z\nFROM a\nCOPY ${S:-no} z"
        assert paths(text) == ["x", "y", "no"]


class TestRender:
    def lines(self, text: str, *, ca: bool = False, **pins: str) -> list[str]:
        return self.rendered(text, ca=ca, **pins).text.splitlines()

    def rendered(self, text: str, *, ca: bool = False, **pins: str) -> Rendered:
        full = {f"docker.io/library/{name}:latest": pin for name, pin in pins.items()}
        return render(of(text), full, ca=ca)

    def test_what_names_no_image_stays_as_it_is(self) -> None:
        text = "FROM scratch AS a\n\n# c\nRUN b \\\n  # d\n  c\nFROM a\nCOPY --from=a x y\n"
        assert self.rendered(text) == Rendered(text, tuple(range(1, 9)))

    def test_images_are_written_in_full(self) -> None:
        text = "ARG V=1\nFROM python:$V AS x\nFROM $TARGETOS\nCOPY --from=a b c"
        assert self.lines(text) == [
            "ARG V=1",
            "FROM docker.io/library/python:1 AS x",
            "FROM docker.io/library/linux:latest",
            "COPY --from=docker.io/library/a:latest b c",
        ]

    def test_stages_by_expression_are_written_out(self) -> None:
        text = "ARG S=one N=scratch\nFROM $N AS one\nFROM ${S}\n"
        assert self.lines(text)[1:] == ["FROM scratch AS one", "FROM one"]

    def test_pins_everywhere(self) -> None:
        text = """
            #  syntax =  dd  rest
            from \\
              # why
              --platform=$BUILDPLATFORM a \\
              as b
            COPY --chown=1 --from=c \\
               x y
            RUN --mount=type=cache,target=/x --mount=source=/,from=d,target=/y \\
               <<EOF cat
              FROM a
            EOF
            USER me
        """
        other = "source=/,from=E@x,target=/y"
        found = self.rendered(text, dd="D@x", a="A@x", c="localhost/c:1", d="E@x")
        assert found.text.splitlines() == [
            "#  syntax =  D@x  rest",
            "from --platform=$BUILDPLATFORM A@x as b",
            "COPY --chown=1 --from=localhost/c:1    x y",
            f"RUN --mount=type=cache,target=/x --mount=type=bind,{other}    <<EOF cat",
            "  FROM a",
            "EOF",
            "USER me",
        ]
        assert found.lines == (1, 2, 6, 8, 10, 11, 12)
        assert [found.original(line) for line in (0, 1, 4, 7, 8)] == [0, 1, 8, 12, 0]

    def test_the_ca(self) -> None:
        text = """
            # escape=`
            FROM scratch AS one
            run a
            RUN `
              --mount=type=cache,target=/x `
              b
            RUN["a", "b"]
            RUN ["a", "b"]
            RUN <<EOF
            RUN no
            EOF
            ONBUILD RUN c
              RUN	d
            FROM one
            CMD x
        """.replace('            RUN["a", "b"]\n', "")
        found = self.rendered(text, ca=True)
        args = "ARG " + " ".join(CA_ARGS)
        assert found.text.splitlines() == [
            "# escape=`",
            "FROM scratch AS one",
            args,
            f"run {MOUNT} a",
            f"RUN {MOUNT} `",
            "  --mount=type=cache,target=/x `",
            "  b",
            f'RUN {MOUNT} ["a", "b"]',
            f"RUN {MOUNT} <<EOF",
            "RUN no",
            "EOF",
            "ONBUILD RUN c",
            f"  RUN {MOUNT}	d",
            "FROM one",
            "CMD x",
        ]
        assert found.lines == (1, 2, 2, *range(3, 15))

    def test_line_ends_and_marks_are_made_plain(self) -> None:
        text = "\ufeffFROM scratch\r\nRUN a \\\r\n  b\r\n"
        assert render(parse(text), ca=True).text == (
            f"FROM scratch\nARG {' '.join(CA_ARGS)}\nRUN {MOUNT} a \\\n  b\n"
        )

    def test_flags_that_cannot_be_quoted(self) -> None:
        with pytest.raises(DockerfileError, match="line 2: COPY: its flags"):
            self.rendered('FROM scratch\nCOPY --from="a" b c')

    def test_a_pin_is_a_reference(self) -> None:
        with pytest.raises(ValueError, match="not a reference"):
            self.rendered("FROM a", a="b\nRUN evil")

    @settings(database=None)
    @given(st.lists(st.sampled_from(PARTS), max_size=12), st.booleans())
    def test_the_map_of_lines_leads_back(self, parts: list[str], ca: bool) -> None:
        text = "\n".join(["FROM img", *parts])
        try:
            found = parse(text)
        except DockerfileError:
            return
        out = render(found, {"docker.io/library/img:latest": "img@sha256:" + "1" * 64}, ca=ca)
        made = [one for one in read(out.text) if one.words != tuple(CA_ARGS)]
        assert [out.original(one.line) for one in made] == [one.line for one in found.instructions]
        assert len(out.lines) == out.text.count("\n")
        again = parse(out.text)
        assert len(again.stages) == len(found.stages)
        assert {fetch.reference for fetch in again.fetches} == {
            "docker.io/library/img@sha256:" + "1" * 64
        }
