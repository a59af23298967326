"""What a builder is too old for: left away where no image changes, else told before a build."""

from __future__ import annotations

import pytest

from jupyter_containers.dockerfile.late import LATE, external, missing
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.dockerfile.render import render
from jupyter_containers.engines.charliecloud.dockerfile import translate
from jupyter_containers.engines.common.build_grammar import DOCKER, PODMAN, lacks
from jupyter_containers.models import BuildSpec, EngineInfo
from tests.unit.dockerfile.parsed import upon


def podman(version: str = "4.3.1") -> EngineInfo:
    return EngineInfo(name="podman", version=version, lacks=lacks(PODMAN, version))


def docker(version: str) -> EngineInfo:
    return EngineInfo(name="docker", version=version, lacks=lacks(DOCKER, version))


CHARLIECLOUD = EngineInfo(name="charliecloud", version="0.31", lacks=LATE)
LEFT_AWAY = (
    ("COPY --link a /a", "COPY a /a"),
    ("COPY --chown=1 --link=true a /a", "COPY --chown=1 a /a"),
    ("ADD --link=false a /a", "ADD a /a"),
    ("COPY --parents=false a /a", "COPY a /a"),
    ("ADD --keep-git-dir=false --unpack=FALSE a /a", "ADD a /a"),
    ("RUN --network=default true", "RUN true"),
    ("RUN --security=sandbox --network=none true", "RUN --network=none true"),
    ("HEALTHCHECK --timeout=9s --start-interval=1s CMD a", "HEALTHCHECK --timeout=9s CMD a"),
)
REFUSED = (
    ("ADD --checksum=sha256:aa https://example.org/a /a", "ADD --checksum=sha256:aa"),
    ("ADD --keep-git-dir https://example.org/a.git /a", "ADD --keep-git-dir"),
    ("ADD --unpack=true a.tar /a", "ADD --unpack=true"),
    ("COPY --chmod=u+x a /a", "COPY --chmod=u+x"),
    ("COPY --parents a/b /a/", "COPY --parents"),
    ("COPY --exclude=*.csv a /a/", "COPY --exclude=*.csv"),
    ("RUN --network=none true", "RUN --network=none"),
    ("RUN --mount=type=secret,id=x,env=X true", "env= of RUN --mount=type=secret"),
    ("RUN --mount=type=tmpfs,target=/t,size=1m true", "size= of RUN --mount=type=tmpfs"),
    ("ENV A=${PATH#/usr}", "${PATH#…}"),
)
NOT_YET = (
    ("ENV A=${B-x}", "${B-…}", "Write a colon: ${NAME:-…}"),
    ("ENV A=${B+x} C=${D+y}", "${D+…}", "Write a colon: ${NAME:-…}"),
    ("ENV B=1\nLABEL a=${B?x}", "${B?…}", "Write a colon: ${NAME:?…}"),
    ("COPY --chown=${B-1} a /a", "${B-…}", "Write a colon: ${NAME:-…}"),
    ("COPY a /a${B-1}", "${B-…}", "Write a colon: ${NAME:-…}"),
)


@pytest.mark.parametrize(("line", "without"), LEFT_AWAY)
def test_what_changes_no_image_is_left_away(line: str, without: str) -> None:
    found = parse(f"FROM a\n{line}\n")
    told = {one.name for one in missing(found, podman())}
    assert told == ({"network"} if "none" in line else set())
    assert render(found, lacks=podman().lacks - told).text.splitlines()[1] == without
    assert render(found).text.splitlines()[1] == line  # who knows it gets it


@pytest.mark.parametrize(("line", "what"), REFUSED)
def test_what_changes_an_image_is_told(line: str, what: str) -> None:
    found = parse(f"FROM a\n\n{line}\n")
    [one] = missing(found, podman())
    assert (one.at.line, one.written) == (3, what)
    assert one.why(podman()) == f"the builder of podman 4.3.1 does not know {what}."
    assert one.hint and one.hint != "Begin with another base."
    assert list(missing(found, docker("29.1.0"))) == []


@pytest.mark.parametrize(("lines", "what", "hint"), NOT_YET)
def test_what_no_podman_knows(lines: str, what: str, hint: str) -> None:
    [one] = missing(parse(f"FROM a\n{lines}\n"), podman("5.4.0"))
    assert (one.written, one.hint) == (what, hint)
    assert list(missing(parse(f"FROM a\n{lines}\n"), docker("25.0.0"))) == []
    known = "?" in what  # docker has always known that one
    assert (list(missing(parse(f"FROM a\n{lines}\n"), docker("24.0.7"))) == []) is known


def test_what_is_put_in_here_is_no_builders_to_know() -> None:
    text = "FROM a\nARG B\nWORKDIR ${B-x}\nUSER ${B+y}\nCOPY ${B-z} /z\nRUN echo ${B-x}\n"
    assert list(missing(parse(text), podman())) == []
    assert [one.name for one in missing(upon(["WORKDIR ${B-x}"]), podman())] == ["unset"]


def test_what_old_builders_know() -> None:
    text = r"""FROM --platform=$BUILDPLATFORM a AS one
FROM --platform=linux/riscv64 a
ARG A=${B:-c}
COPY --from=one --chown=1:2 --chmod=755 /a /b
COPY --from=busybox /bin/sh /sh
RUN --mount=type=cache,target=/c --mount=type=secret,id=x true
HEALTHCHECK --interval=5s --start-period=1s CMD true
ENV D=\${E#f}
"""
    assert list(missing(parse(text), podman())) == []
    assert list(missing(parse(text), docker("20.10.24+dfsg1"))) == []
    told = [(one.at.line, one.name) for one in missing(parse(text), CHARLIECLOUD)]
    assert told == [(2, "platform"), (4, "chmod"), (5, "from-image")]


@pytest.mark.parametrize(
    ("builder", "unknown"),
    [
        (docker("20.10.24"), {"checksum", "network", "parents", "chmod-letters"}),
        (docker("24.0.7"), {"checksum", "parents", "chmod-letters"}),
        (docker("28.5.1"), {"parents"}),
        (podman("5.4.0"), {"parents", "chmod-letters"}),
        (podman("6.0.0"), {"chmod-letters"}),
    ],
)
def test_newer_builders_know_more(builder: EngineInfo, unknown: set[str]) -> None:
    text = """FROM a
ADD --checksum=sha256:aa https://example.org/a /a
RUN --network=none true
COPY --parents --chmod=u+x a/b /a/
"""
    assert {one.name for one in missing(parse(text), builder)} == unknown


def test_docker_fetches_the_reader_that_a_dockerfile_names() -> None:
    text = "# syntax=docker/dockerfile:1\nFROM a\nCOPY --parents a/b /a/\n"
    assert list(missing(parse(text), docker("20.10.24"))) == []
    assert [one.name for one in missing(parse(text), podman())] == ["parents"]
    assert external(parse(text), docker("20.10.24"))
    assert not external(parse(text), docker("29.1.0"))
    assert not external(parse(text), podman())
    heredoc = text.replace("COPY --parents a/b /a/", "RUN <<EOF\ntrue\nEOF")
    assert external(parse(heredoc), docker("20.10.24"))
    assert not external(parse(heredoc.partition("\n")[2]), docker("20.10.24"))


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("https://example.org/a.git#main:docs", "ADD …#main:docs"),
        ("git@example.org:a.git#:docs", "ADD …#:docs"),
        ("https://example.org/a.git?sub%64ir=docs", "ADD …?subdir=docs"),
    ],
)
def test_a_folder_of_a_repository_is_not_given_to_who_follows_its_links(
    address: str, written: str
) -> None:
    text = f"# syntax=docker/dockerfile:1\nFROM a\nADD {address} /a\n"
    for builder in (podman("4.3.1"), podman("5.8.0"), docker("20.10.24"), docker("29.3.0")):
        [one] = missing(parse(text), builder)
        assert (one.at.line, one.written) == (3, written)
        assert one.why(builder).endswith(f"out to this machine with {written}.")
        assert "git clone" in one.hint
        assert not external(parse(text), builder)
    assert [one.name for one in missing(upon([f"ADD {address} /a"], 7), podman("5.8.0"))]
    assert list(missing(parse(text), podman("6.0.0"))) == []
    assert list(missing(parse(text), docker("29.4.0"))) == []
    whole = parse("FROM a\nADD https://example.org/a.git#main /a\nADD https://example.org/b:c /b\n")
    assert list(missing(whole, podman())) == []


def test_of_what_a_base_keeps_nothing_can_be_left_away() -> None:
    [one] = missing(upon(["COPY --link a /a"], 7), podman())
    assert (one.at.line, one.written) == (7, "COPY --link")


def test_charliecloud_gets_what_is_left() -> None:
    text = "FROM --platform=$TARGETPLATFORM a\nCOPY --link --chown=1 a /a\nHEALTHCHECK NONE\n"
    found = parse(text)
    assert list(missing(found, CHARLIECLOUD)) == []
    spec = BuildSpec(dockerfile=render(found, lacks=LATE).text, tag="t")
    done = translate(spec, {"docker.io/library/a:latest": "base"})
    lines = [line for line in done.text.splitlines() if not line.startswith("ARG ")]
    assert lines == ["FROM base", "COPY a /a"]


def test_a_lock_within_the_cache_is_not_asked_for() -> None:
    """podman 4.3 opens the lock where a link of its name leads, which a RUN can put there."""
    text = "FROM a\nRUN --mount=type=cache,target=/c,sharing=locked true\n"
    found = parse(text)
    assert list(missing(found, podman())) == []
    assert "sharing" not in render(found, lacks=podman().lacks).text
    assert "sharing=locked" in render(found, lacks=podman("4.4.0").lacks).text
    private = parse(text.replace("locked", "private"))  # no podman takes it
    assert list(missing(private, podman("5.4.0"))) == []
    assert "sharing" not in render(private, lacks=podman("5.4.0").lacks).text
    assert "sharing=private" in render(private, lacks=docker("20.10.24").lacks).text
    [one] = missing(upon([text.splitlines()[1]], 7), podman())
    assert (one.at.line, one.hint) == (7, "Leave out sharing.")
