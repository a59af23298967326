"""What an engine gets is what was judged: no variable of its own, no stage nobody looked at."""

from __future__ import annotations

import pytest

from jupyter_containers.dockerfile.contents import Inherited
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.dockerfile.render import render
from jupyter_containers.errors import DockerfileError
from tests.unit.dockerfile.parsed import of, upon

SECRET = "http://127.0.0.1:8888/api"


def given(text: str, **args: str) -> list[str]:
    """The lines for the engine, without the FROM."""
    return render(parse(f"FROM base\n{text}\n", args)).text.splitlines()[1:]


class TestWords:
    def test_a_builtin_argument_replaces_nothing(self) -> None:
        """buildah knows HTTP_PROXY without an ARG, and takes it from --build-arg."""
        assert given("ADD ${HTTP_PROXY:-https://ok.example/x} /x", HTTP_PROXY=SECRET) == [
            "ADD https://ok.example/x /x"
        ]
        assert given("WORKDIR ${HTTP_PROXY:-/srv}", HTTP_PROXY="/proc/self/fd/8") == [
            "WORKDIR /srv"
        ]

    def test_what_comes_to_nothing_stays_nothing(self) -> None:
        text = "ADD ${HTTP_PROXY:+$HTTP_PROXY/x} /x\nWORKDIR ${HTTP_PROXY:+/proc}"
        assert given(text, HTTP_PROXY=SECRET) == ['ADD "" /x', 'WORKDIR ""']

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("COPY a$V b/${V}/ $V/there", "COPY a1 b/1/ $V/there"),
            ('COPY ["a $V", "b", "$V"]', 'COPY ["a 1", "b", "$V"]'),
            ("COPY --link=true $S b", 'COPY --link=true ["a b", "b"]'),
            ("COPY $Q b", "COPY a\\\"\\'\\$\\\\b b"),
            ("COPY a\\$b c", "COPY a\\$b c"),
            ("COPY --from=x $V b", "COPY --from=docker.io/library/x:latest $V b"),
            ("USER u$V:g", "USER u1:g"),
            ('VOLUME ["/a $V", "/b"]', 'VOLUME ["/a 1", "/b"]'),
            ('WORKDIR "/x/$V"', "WORKDIR /x/1"),
            ("WORKDIR $UNSET", 'WORKDIR ""'),
            ("VOLUME $V /b/$S", 'VOLUME ["1", "/b/a b"]'),
            ("RUN echo $V", "RUN echo $V"),
        ],
    )
    def test_they_are_written_as_they_were_read(self, line: str, expected: str) -> None:
        before = ["ARG V=1", 'ARG S="a b"', "ARG Q=a\\\"\\'\\$\\\\b"]
        found = given("\n".join([*before, line]))
        assert found == [*before, expected]
        assert given("\n".join(found)) == found

    def test_with_another_escape(self) -> None:
        """Within a word buildah knows the backslash alone."""
        text = "# escape=`\nFROM scratch\nARG V=`$HTTP_PROXY\n{}\n"
        for line, expected in (
            ("WORKDIR /pr\\oc/self/fd/8", r"WORKDIR '/pr\oc/self/fd/8'"),
            ("WORKDIR /`$HTTP_PROXY", "WORKDIR '/$HTTP_PROXY'"),
            ("VOLUME /a $V", "VOLUME /a '$HTTP_PROXY'"),
            ("ADD http:\\//ok.example/x /x", r"ADD 'http:\//ok.example/x' /x"),
            ("COPY a`'b$W /x", "COPY 'a'\"'\"'b' /x"),
            ("WORKDIR $W", "WORKDIR ''"),
            ("COPY a C:\\b", "COPY a C:\\b"),
        ):
            found = render(parse(text.format(f"ARG W\n{line}"))).text
            assert found.splitlines()[4] == expected
            assert render(parse(found)).text == found

    def test_with_a_here_document(self) -> None:
        text = "ARG V=1\nCOPY <<EOF a$V /x/\nFROM $V\nEOF"
        assert given(text)[1:] == ["COPY <<EOF a1 /x/", "FROM $V", "EOF"]
        with pytest.raises(DockerfileError, match="beside a here-document"):
            given(text.replace("V=1", 'V="b c"'))

    @pytest.mark.parametrize(
        "address",
        [
            "http://[127.0.0.1]:8888/x",
            "http://[localhost]:8888/x",
            "http://[::1%25lo]:8888/x",
            "http://127%E3%80%820.0.1:8888/",
            "http://%E2%93%9Bocalhost:8888/",
            "http://ⓛocalhost/",
            "http://127。0.0.1/",
            "http://",
            "http:///x",
            "http://ok.example\\@127.0.0.1/",
            "https://ok.example@127.0.0.1/x",
            "https://me:secret@example.org/x.git",
            "http://ok.example:80:80/",
        ],
    )
    def test_an_address_has_one_reading(self, address: str) -> None:
        with pytest.raises(DockerfileError, match=r"is not plain|a user before its host"):
            of(f"FROM a\nADD ['{address}', '/x']".replace("'", '"').replace("\\", "\\\\\\\\"))

    @pytest.mark.parametrize(
        "address",
        [
            "https://ok.example/mine/../others/x",
            "https://ok.example/mine/%2e%2E/others/x",
            "https://ok.example/mine%2f..%2fothers/x",
            "https://ok.example/mine/..",
            "https://ok.example/./x",
            "https://ok.example/x.git#main:../../home/me/.ssh",
            "https://ok.example/x.git#main:a/..",
            "https://ok.example/x.git?branch=main&subdir=../x",
            "git@ok.example:mine/../x.git",
            "git@ok.example:x.git#:..",
        ],
    )
    def test_no_address_leads_upwards(self, address: str) -> None:
        with pytest.raises(DockerfileError, match=r"has a \. or \.\. in its path"):
            of(f"FROM a\nADD {address} /x")

    @pytest.mark.parametrize(
        "address",
        [
            "https://ok.example/x.git#--upload-pack=x",
            "git@ok.example:x.git#--upload-pack=x:docs",
            "ssh://git@ok.example/x#-x",
            "https://ok.example/x.git?branch=%2dx",
        ],
    )
    def test_no_branch_is_an_option(self, address: str) -> None:
        with pytest.raises(DockerfileError, match="branch that begins with -"):
            of(f"FROM a\nADD {address} /x")

    @pytest.mark.parametrize(
        "address",
        [
            "https://example.org/a%20b?c=d@e#f",
            "https://example.org:8443/x",
            "http://[2001:db8::1]:80/x",
            "https://xn--bcher-kva.example/",
            "https://my_host/x",
            "https://github.com/a/b.git#v1:dir",
            "git@github.com:a/b.git#main",
            "ssh://git@host:22/x.git",
            "git://host/x",
            "https://example.org/a..b/.well-known/x...y?at=-1",
            "https://github.com/a/b.git#refs/pull/1/head",
            "git@github.com:a/b.git#v1.0-rc1:docs/.vitepress",
            "HTTPS://Example.ORG",
        ],
    )
    def test_plain_addresses(self, address: str) -> None:
        assert of(f"FROM a\nADD {address} /x").urls == ((2, address),)


class TestTriggers:
    """ONBUILD of a base runs with the variables of the stage, and reaches the engine as it is."""

    def test_what_it_sets_counts(self) -> None:
        rest = "ADD ${U:-https://ok.example/x} /x\n"
        assert upon([f"ENV U={SECRET}"], rest=rest).urls == ((2, SECRET),)
        assert upon(["ARG U=https://ok.example/y"], rest=rest, args={"U": SECRET}).urls == (
            (2, SECRET),
        )

    @pytest.mark.parametrize(
        "trigger", ["ADD ${U:-https://ok.example/x} /x", "ADD $U /x", 'ADD ["$U", "/x"]']
    )
    def test_what_it_adds_has_no_variables(self, trigger: str) -> None:
        with pytest.raises(DockerfileError, match=r"FROM: what its base .* ADD that ONBUILD keeps"):
            upon([f"ARG U={SECRET}", trigger], U=SECRET)
        assert upon(["ADD https://ok.example/x /x"]).urls == ((1, "https://ok.example/x"),)

    def test_where_it_works(self) -> None:
        with pytest.raises(DockerfileError, match="no directory of the image"):
            upon(["WORKDIR $W"], W="/proc/self/fd/8")
        with pytest.raises(DockerfileError, match="no directory of the image"):
            upon(["WORKDIR /proc"], rest="WORKDIR self/fd/8\n")
        upon(["WORKDIR $W"], W="/srv")
        with pytest.raises(DockerfileError, match="no directory of the image"):
            upon(['ENV "W"=/proc/self/fd/8', "WORKDIR $W"], W="/srv")
        with pytest.raises(DockerfileError, match="no directory of the image"):
            upon(['ARG "W"=/srv', "WORKDIR $W"], args={"W": "/proc/self/fd/8"})

    @pytest.mark.parametrize("kept", ["WORKDIR {}", 'VOLUME ["/a", "{}"]', "USER {}"])
    def test_what_an_engine_knows_by_itself(self, kept: str) -> None:
        """buildah knows HTTP_PROXY without an ARG; what the stage has, it takes as others do."""
        args = {"HTTP_PROXY": "proxy.example"}
        trigger, own = kept.format("${HTTP_PROXY:-x}"), kept.format("${NB_USER:-x}")
        with pytest.raises(DockerfileError, match=r"line 1: FROM: .*no variable of the stage"):
            upon([trigger], args=args)
        text = f"FROM base AS a\nONBUILD {trigger}\nFROM a\n"
        parse(text, args, {})
        with pytest.raises(DockerfileError, match=r"line 2: .*no variable of the stage"):
            parse(text, args, {"docker.io/library/base:latest": Inherited()})
        for before in (
            ["ENV W=${HTTP_PROXY:-x}"],
            ["ARG W=$HTTP_PROXY"],
            ["ENV V=$HTTP_PROXY", "ENV W=$V V=y", "ARG W"],
        ):
            with pytest.raises(DockerfileError, match="no variable of the stage"):
                upon([*before, kept.format("$W")], args={"W": "y", **args} if before[2:] else args)
        above = f"ARG W=${{HTTP_PROXY:-x}}\n{text.replace(trigger, kept.format('$W'))}"
        with pytest.raises(DockerfileError, match="no variable of the stage"):
            parse(above.replace("AS a", "AS a\nARG W"), args)
        upon([trigger])
        upon(["ARG HTTP_PROXY", "ENV W=$HTTP_PROXY", trigger, kept.format("$W")], args=args)
        upon(["ENV W=$HTTP_PROXY", "ENV W=y", kept.format("$W")], args=args)
        upon([own], args={"NB_USER": "me", **args}, NB_USER="jovyan")
        upon(["ARG NB_USER", own], args={"NB_USER": "me"})

    def test_the_escape_of_its_own_dockerfile_counts_for_none(self) -> None:
        for line in ("RUN a \\", "WORKDIR /pr\\oc"):
            text = f"# escape=`\nFROM a AS b\nONBUILD {line}\nFROM b\n"
            with pytest.raises(DockerfileError, match=r"line 3: .*(by itself|another escape)"):
                parse(text)

    @pytest.mark.parametrize("workdir", ["/proc", "/proc/self/fd/8", "//sys/", "/a/../proc"])
    def test_where_a_base_works(self, workdir: str) -> None:
        bases = {"docker.io/library/base:latest": Inherited(workdir=workdir)}
        with pytest.raises(DockerfileError, match=r"line 1: FROM: .* no directory of the image"):
            parse("FROM base\nRUN a\n", {}, bases)

    def test_a_short_name_is_no_image(self) -> None:
        """podman's own rules may lead it elsewhere."""
        for kept in ("COPY --from=fedora /x /y", "RUN --mount=from=fedora:40,target=/x a"):
            with pytest.raises(DockerfileError, match="without its registry"):
                upon([kept])
            whole = kept.replace("fedora", "docker.io/fedora")
            assert upon([whole]).fetches[1].reference.startswith("docker.io/library/fedora:")

    def test_files(self) -> None:
        found = upon(["ARG D=x", "COPY $D $E /y/"], args={"D": "src"}, E="lib")
        assert [source.path for source in found.sources] == ["src", "lib"]

    def test_it_takes_from_the_stages_before(self) -> None:
        text = "FROM a AS tools\nFROM base\n"
        base = upon(["COPY --from=a.io/tools /x /y"]).fetches
        assert [fetch.written for fetch in base] == ["base", "a.io/tools"]
        found = parse(text, {}, {"docker.io/library/base:latest": _kept("COPY --from=Tools /x /y")})
        assert [fetch.written for fetch in found.fetches] == ["a", "base"]
        assert found.uses == (frozenset(), frozenset({0}))
        with pytest.raises(DockerfileError, match="must be a stage's name"):
            parse(text, {}, {"docker.io/library/base:latest": _kept("COPY --from=0 /x /y")})


def _kept(trigger: str) -> Inherited:
    return Inherited(onbuild=(trigger,))


class TestStages:
    @pytest.mark.parametrize("number", ["00", "01", "٠", "9" * 5000, "2"])
    def test_a_number_has_one_spelling(self, number: str) -> None:
        with pytest.raises(DockerfileError, match=r"not come before this one|not read it alike"):
            of(f"FROM evil AS a\nFROM ok\nCOPY --from={number} /x /y\n")

    def test_those_that_nothing_reaches_are_left_out(self) -> None:
        text = """
            ARG V=1
            FROM a AS unused
            RUN <<EOF
            FROM c
            EOF
            # of the second
            FROM b
            RUN one
            FROM unused AS also
            FROM c
            COPY --from=1 x y
        """
        found = render(of(text), stages=[1, 3])
        assert found.text.splitlines() == [
            "ARG V=1",
            "# of the second",
            "FROM docker.io/library/b:latest",
            "RUN one",
            "FROM docker.io/library/c:latest",
            "COPY --from=0 x y",
        ]
        assert found.lines == (1, 6, 7, 8, 10, 11)


def test_what_may_depend_on_the_base_waits_for_it() -> None:
    text = "FROM base\nADD https://x/${ARCH}/k /k\nCOPY ${APP}.jar /x\nCOPY z /z\n"
    waiting = parse(text, {}, {})
    assert waiting.urls == () and [source.path for source in waiting.sources] == ["z"]
    found = upon([], rest=text.partition("\n")[2], ARCH="amd64", APP="app")
    assert found.urls == ((2, "https://x/amd64/k"),)
    with pytest.raises(DockerfileError, match=r"\$ARCH has no value"):
        upon([], rest=text.partition("\n")[2], APP="app")


@pytest.mark.parametrize(
    "line",
    [
        "COPY ${NB_USER:?}/x /y",
        "ADD https://x/${NB_USER:?missing}/k /k",
        "WORKDIR ${NB_USER?}",
        "USER ${NB_USER:?}",
        "ENV A=${NB_USER:?missing}",
        "ARG A=${NB_USER?}",
        "RUN --mount=source=${NB_USER:?},target=/x a",
    ],
)
def test_what_must_have_a_value_waits_for_the_base_too(line: str) -> None:
    parse(f"FROM base\n{line}\n", {}, {})
    upon([], rest=line, NB_USER="jovyan")
    with pytest.raises(DockerfileError, match="NB_USER"):
        upon([], rest=line)
    with pytest.raises(DockerfileError, match="B: none"):
        parse("FROM ${B:?none}", {}, {})
