"""The text that an engine gets: pinned, with the CA, and its lines led back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_containers.dockerfile.lexer import read
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.dockerfile.render import CA_ARGS, CA_PATH, CA_SECRET, Rendered, render
from jupyter_containers.errors import DockerfileError
from tests.unit.dockerfile.parsed import of

MOUNT = f"--mount=type=secret,id={CA_SECRET},target={CA_PATH},mode=0444"

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
            #  syntax =  docker/dockerfile:1.2  rest
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
        pins = {"a": "A@x", "c": "localhost/c:1", "d": "E@x"}
        full = {f"docker.io/library/{name}:latest": pin for name, pin in pins.items()}
        found = render(of(text), full, external=True)
        assert found.text.splitlines() == [
            "# syntax=docker.io/docker/dockerfile:1",
            "from --platform=$BUILDPLATFORM A@x as b",
            "COPY --chown=1 --from=localhost/c:1    x y",
            f"RUN --mount=type=cache,target=/x --mount=type=bind,{other}    <<EOF cat",
            "  FROM a",
            "EOF",
            "USER me",
        ]
        assert found.lines == (1, 2, 6, 8, 10, 11, 12)
        assert [found.original(line) for line in (0, 1, 4, 7, 8)] == [0, 1, 8, 12, 0]
        without = render(of(text), full)
        assert without.text.splitlines() == found.text.splitlines()[1:]
        assert without.lines == found.lines[1:]

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

    def test_a_stage_has_one_name(self) -> None:
        """buildah tells `Busybox` from `busybox`, and would pull the other."""
        text = """
            FROM a AS Busybox
            FROM busybox AS Two
            COPY --from=BUSYBOX x y
            RUN --mount=type=bind,from=twO,target=/z ls
            FROM TWO
            RUN --mount=from=Busybox,target=/z ls
        """.replace("from=twO", "from=busyBox")
        assert self.rendered(text).text.splitlines() == [
            "FROM docker.io/library/a:latest AS busybox",
            "FROM busybox AS two",
            "COPY --from=busybox x y",
            "RUN --mount=type=bind,from=busybox,target=/z ls",
            "FROM two",
            "RUN --mount=type=bind,from=busybox,target=/z ls",
        ]

    @pytest.mark.parametrize(
        "comment", ["# syntax=evil.example/x", "# escape=`", "# check=error=true", "\n# escape=`"]
    )
    def test_what_is_left_out_makes_no_comment_a_directive(self, comment: str) -> None:
        text = f"FROM a AS unused\n{comment}\nFROM scratch\nRUN b \\\n  c\n"
        found = render(parse(text), stages=[1])
        assert found.text == "FROM scratch\nRUN b \\\n  c\n"
        assert [found.original(line) for line in (1, 3)] == [text.count("\n") - n for n in (2, 0)]

    def test_directives_stay(self) -> None:
        text = "#!/x\n# check=skip=all\n\n# of the base\nFROM scratch\n# of the end\n"
        found = render(parse(text))
        assert found.text == "# check=skip=all\nFROM scratch\n# of the end\n"
        assert found.lines == (2, 5, 6)

    def test_line_ends_and_marks_are_made_plain(self) -> None:
        text = "\ufeffFROM scratch\r\nRUN a \\\r\n  b\r\n"
        assert render(parse(text), ca=True).text == (
            f"FROM scratch\nARG {' '.join(CA_ARGS)}\nRUN {MOUNT} a \\\n  b\n"
        )

    def test_flags_may_be_quoted(self) -> None:
        text = """
            FROM --platform="linux/amd64" a
            RUN --mount=type=tmpfs,dst="/x" echo "--not a flag"
            RUN  --network='none'   --mount="type=tmpfs,dst=/x"   echo --neither
            COPY --chown="1:1" --from=b --exclude='*.md'  /x  "/y"
        """
        assert self.lines(text) == [
            "FROM --platform=linux/amd64 docker.io/library/a:latest",
            'RUN --mount=type=tmpfs,target=/x echo "--not a flag"',
            "RUN --network=none --mount=type=tmpfs,target=/x   echo --neither",
            'COPY --chown=1:1 --from=docker.io/library/b:latest --exclude=*.md  /x  "/y"',
        ]

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
