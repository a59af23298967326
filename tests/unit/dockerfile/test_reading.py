"""What a Dockerfile builds on, fetches and copies."""

from __future__ import annotations

import pytest

from jupyter_containers.dockerfile.contents import Source, demands
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.dockerfile.render import render
from jupyter_containers.dockerfile.variables import platform_args
from jupyter_containers.errors import DockerfileError
from tests.unit.dockerfile.parsed import images, of, paths, upon

PYTHON = "docker.io/library/python:3.12"


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
            "# about=mine\n# syntax=evil/x\nFROM a",
            "# about= \n# syntax=evil/x\nFROM a",
            "# about=\u00a0\n# syntax=evil/x\nFROM a",
            "# syntax=example.org/docker/dockerfile:1\nFROM a",
            "# syntax=docker/dockerfile-evil:1\nFROM a",
            "# syntax=Evil:1\nFROM a",
        ],
    )
    def test_no_other_reader_is_let_in(self, text: str) -> None:
        with pytest.raises(DockerfileError, match=r"# syntax"):
            parse(text)

    @pytest.mark.parametrize(
        ("written", "taken"),
        [
            ("docker/dockerfile:1", "1"),
            ("docker/dockerfile:1.4", "1.4"),
            ("docker.io/docker/dockerfile:1.10.2", "1.10.2"),
            ("docker/dockerfile:1.7-labs", "1.7-labs"),
            ("docker/dockerfile", "1"),
            # From before here-documents, whose bodies they take for instructions.
            ("docker/dockerfile:1.2", "1"),
            ("docker/dockerfile:1.0-experimental", "1"),
            ("docker/dockerfile:experimental", "1"),
            ("docker/dockerfile:1.3-labs", "1-labs"),
            ("docker/dockerfile-upstream:master-labs", "1-labs"),
            # A digest may be that of any of them.
            ("docker/dockerfile:1.5@sha256:" + "0" * 64, "1.5"),
        ],
    )
    def test_dockers_own_readers(self, written: str, taken: str) -> None:
        assert images(f"# syntax={written}\nFROM a")[0] == f"docker/dockerfile:{taken}"

    def test_an_escape_counts_behind_a_syntax(self) -> None:
        text = "# syntax=docker/dockerfile:1\n# escape=`\nFROM a\nRUN b `\n  c\nWORKDIR C:\\d"
        found = of(text)
        assert found.marks.escape == "`"
        assert [one.line for one in found.instructions] == [3, 4, 6]
        assert render(found, external=True).text.startswith("# escape=`\n# syntax=docker.io/")

    @pytest.mark.parametrize(
        "text",
        [
            "# c\n# syntax=evil\nFROM a",
            "# c=\n# syntax=evil\nFROM a",
            "FROM a\n# syntax=evil",
            "# syntax= \nFROM a",
        ],
    )
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

    def test_a_here_document_of_a_base_is_one(self) -> None:
        found = upon(['RUN <<"# end"\nADD http://127.0.0.1:2375/x /y\n# end'], 7)
        assert found.heredoc is not None
        assert found.heredoc.line == 7
        assert found.urls == ()

    def test_two_escapes_within_a_comment_or_a_text_end_nothing(self) -> None:
        text = "FROM a\nRUN b \\\n  # c \\\\\n  d\nRUN <<EOF\ne \\\\\nEOF\n"
        assert [one.name for one in of(text).instructions] == ["FROM", "RUN", "RUN"]
        assert len(of("# escape=`\nFROM a\nCOPY b C:\\\\\nRUN c").instructions) == 3

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
        found = upon(["COPY . /src", "RUN --mount=from=docker.io/b ls", "ADD http://c /d"])
        assert [source.path for source in found.sources] == ["."]
        asked = demands(found)
        assert asked.images == ("docker.io/library/base:latest", "docker.io/library/b:latest")
        assert asked.urls == ("http://c",)

    @pytest.mark.parametrize(
        "onbuild",
        [
            ["RUN a \\", "COPY secret /x"],
            ["RUN a \\  "],
            ["RUN a\nADD http://b /c"],
            ["RUN <<EOF", "EOF"],
            ["FROM evil"],
            [""],
            ["# nothing"],
            ["# escape=`\nLABEL a=b", "RUN c \\\n ADD http://d /e"],
            [" \n# a\nRUN b"],
            ["RUN a \\\\"],
        ],
    )
    def test_a_trigger_is_one_instruction_by_itself(self, onbuild: list[str]) -> None:
        with pytest.raises(DockerfileError, match="line 7: FROM: what its base does with ONBUILD"):
            upon(onbuild, 7)

    def test_all_of_a_bases_onbuild_stands_where_the_base_is_named(self) -> None:
        onbuild = ["ARG A=b", "COPY $A /x", "RUN --mount=from=c.io/c ls", "ADD http://d /e"]
        found = upon(onbuild, 7)
        assert [(source.path, source.line) for source in found.sources] == [("b", 7)]
        assert set(demands(found).lines.values()) == {7}
        assert {one.line for one in found.ran} == {7}

    def test_a_list_may_be_kept(self) -> None:
        found = of('FROM a\nONBUILD RUN ["pip", "install"]\nONBUILD CMD ["x"]\n')
        kept = [one.trigger for one in found.instructions if one.trigger is not None]
        assert [(one.name, one.words, one.json) for one in kept] == [
            ("RUN", ("pip", "install"), True),
            ("CMD", ("x",), True),
        ]

    def test_one_image_has_one_name(self) -> None:
        text = "FROM {} AS a\nCOPY --from=index.docker.io/library/b:1 x y\n"
        for base in ("b:1", "docker.io/b:1", "index.docker.io/b:1", "docker.io/library/b:1"):
            assert images(text.format(base)) == ["library/b:1"]

    @pytest.mark.parametrize(
        "text",
        [
            "# Notes\n# escape=`\nFROM a\nRUN b \\\n  c",
            "# Notes\n#\n# escape=`\nFROM a\nRUN b \\\n  c",
        ],
    )
    def test_behind_a_comment_no_directive_counts(self, text: str) -> None:
        assert of(text).marks.escape == "\\"
        assert of(text).instructions[1].words == ("b   c",)

    def test_an_argument_without_a_value_is_empty(self) -> None:
        assert images("ARG SUFFIX\nFROM a:1${SUFFIX}") == ["library/a:1"]
        assert images("ARG SUFFIX\nFROM a:1${SUFFIX}", SUFFIX="-gpu") == ["library/a:1-gpu"]
        assert paths("FROM a\nARG DIR\nCOPY x$DIR /y") == ["x"]
        assert paths("FROM a AS b\nARG DIR\nFROM b\nCOPY x$DIR /y") == ["x"]
        for text in ("FROM a:1$SUFFIX", "ARG SUFFIX\nFROM a\nCOPY x$SUFFIX /y"):
            with pytest.raises(DockerfileError, match=r"\$SUFFIX has no value"):
                parse(text)


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
            ("ARG TARGETARCH\nRUN --mount=type=cache,id=pip..3-$TARGETARCH,target=/b ls", []),
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
