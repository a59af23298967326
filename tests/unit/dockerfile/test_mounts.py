"""RUN --mount: what the engine gets of it, what is refused, and whose a cache is."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_containers.dockerfile.contents import Inherited
from jupyter_containers.dockerfile.mounts import OURS, hashed, keeps_writes, through_links
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.dockerfile.render import render
from jupyter_containers.errors import DockerfileError
from jupyter_containers.models import NO_ENV
from tests.unit.dockerfile.parsed import upon

BASE = "docker.io/library/a:latest"
MINE, THEIRS = "mine", "theirs"


def flags(text: str, env: Mapping[str, str] = NO_ENV, caches: str = MINE, **args: str) -> list[str]:
    """The mounts of the last RUN as an engine gets them, without `--mount=`. The base is `a`."""
    found = render(parse(text, args, {BASE: Inherited(env=env)}), caches=caches).text
    last = [line for line in found.splitlines() if line.startswith("RUN ")][-1]
    return re.findall(r"--mount=(\S+)", last)


def cache(options: str, before: str = "", env: Mapping[str, str] = NO_ENV, **args: str) -> str:
    """The id that the engine gets for `RUN --mount=type=cache,OPTIONS`."""
    text = f"FROM a\n{before}RUN --mount=type=cache,{options} x\n"
    (flag,) = flags(text, env, **args)
    found = re.fullmatch(rf"type=cache(?:,.*)?,id=({OURS}[0-9a-f]{{32}})", flag)
    assert found, flag
    return found[1]


class TestCacheIds:
    @pytest.mark.parametrize(
        ("options", "before"),
        [
            ("id=../../..,target=/x", ""),
            ("id=/etc,target=/x", ""),
            ("id=a/../../b,target=/x", ""),
            ("id=$B,target=/x", "ARG B=../../..\n"),
            ("id=${B:-../..},target=/x", ""),
            ("id=$B$B/..,target=/x", "ENV B=.\n"),
            (f"id={OURS}{'0' * 32},target=/x", ""),
        ],
    )
    def test_none_is_a_path(self, options: str, before: str) -> None:
        assert "/" not in cache(options, before) and ".." not in cache(options, before)

    def test_each_value_has_its_own(self) -> None:
        """What people write has to keep caches apart, and to find them again."""
        ids = [
            cache("id=pip,target=/x"),
            cache("id=apt,target=/x"),
            cache("target=/root/.cache/pip"),
            cache("target=/root/.cache/uv"),
            cache("id=a/b,target=/x"),
            cache("id=b,target=/x"),
            cache("id=$TARGETARCH,target=/x", "ARG TARGETARCH=arm64\n"),
            cache("id=$TARGETARCH,target=/x", "ARG TARGETARCH\n", TARGETARCH="riscv64"),
            cache("id=go-$V,target=/x", "ARG V=1\n"),
            cache("id=go-$V,target=/x", "ARG V=2\n"),
        ]
        assert len(set(ids)) == len(ids)
        assert cache("id=pip,target=/x") == cache("target=/y,sharing=locked,id=pip")
        assert cache("id=$TARGETARCH,target=/x", "ARG TARGETARCH\n") == cache(
            "id=$BUILDARCH,target=/x", "ARG BUILDARCH\n"
        )

    def test_without_an_id_it_is_the_targets(self) -> None:
        """As BuildKit has it; an empty variable is no id either."""
        ids = {
            cache("target=/root/.cache"),
            cache("dst=/root/.cache/"),
            cache("id=,target=/root/.cache"),
            cache("id=$CACHE_KEY,target=/root/.cache", "ARG CACHE_KEY\n"),
            cache("target=$HOME/.cache", env={"HOME": "/root"}),
            cache("id=/root/.cache,target=/x"),
        }
        assert len(ids) == 1

    def test_each_person_has_their_own(self) -> None:
        text = "FROM a\nRUN --mount=type=cache,id=pip,target=/x y\n"
        (mine,), (theirs,) = flags(text), flags(text, caches=THEIRS)
        assert mine != theirs
        assert mine == f"type=cache,target=/x,id={hashed(MINE, 'pip')}"
        assert flags(text, caches="") == ["type=cache,id=pip,target=/x"]

    def test_nobody_names_one_of_ours_behind_onbuild(self) -> None:
        text = f"RUN --mount=type=cache,id={hashed(MINE, 'pip')},target=/x cat /x/token"
        with pytest.raises(DockerfileError, match="cannot be used"):
            upon([text])


class TestWhatTheEngineGets:
    def test_no_variable_reaches_it(self) -> None:
        """buildah expands a mount first and splits it then: a value would add options."""
        env = {"GOPATH": "/go", "N": "1000"}
        text = (
            "FROM a\nARG D=/d\nENV E=/e\n"
            "RUN --mount=type=cache,target=$GOPATH/pkg,uid=$N,mode=0755 "
            "--mount=type=tmpfs,dst=${D}/t,size=100m --mount=target=$E,src=s,rw x\n"
        )
        assert flags(text, env, caches="") == [
            "type=cache,target=/go/pkg,uid=1000,mode=0755",
            "type=tmpfs,target=/d/t,size=100m",
            "type=bind,target=/e,source=s,rw",
        ]
        assert flags(text, caches="")[0] == "type=cache,target=/pkg,mode=0755"

    @pytest.mark.parametrize(
        "value", ["/x,id=../..", "/x,from=evil", "/x y", "/x'", "/x$Y", "/x\\"]
    )
    @pytest.mark.parametrize("where", ["ARG", "ENV", "base"])
    def test_no_value_adds_an_option(self, value: str, where: str) -> None:
        single = "\\".join(value.split("\\")).replace("'", "'\"'\"'")
        before = "" if where == "base" else f"{where} V='{single}'\n"
        text = f"FROM a\n{before}RUN --mount=type=cache,target=$V x\n"
        with pytest.raises(DockerfileError, match="ends an option"):
            flags(text, {"V": value} if where == "base" else {})

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("type=bind,from=b,src=/c,dst=/d,ro", "type=bind,from={b},source=/c,target=/d,ro"),
            ("source=c,target=d", "type=bind,source=c,target=d"),
            ("TYPE=Cache,Target=/d,Sharing=locked", "type=cache,target=/d,sharing=locked"),
            ("type=cache,dst=/d,readonly", "type=cache,target=/d,ro"),
            ("type=bind,target=/d,readonly=false", "type=bind,target=/d,rw"),
            ("type=bind,target=/d,rw=false", "type=bind,target=/d,ro"),
            ("type=secret,id=npm.rc,required", "type=secret,id=npm.rc,required"),
            (
                "type=secret,id=a,env=TOKEN,required=TRUE",
                "type=secret,id=a,env=TOKEN,required=true",
            ),
            ("type=ssh", "type=ssh"),
            ("type=ssh,id=default,mode=0600,uid=0", "type=ssh,id=default,mode=0600,uid=0"),
            ("type=tmpfs,target=/tmp,size=1.5GiB", "type=tmpfs,target=/tmp,size=1.5GiB"),
            ("type=bind,source=.,target=/d,z", "type=bind,source=.,target=/d,z"),
            ("type=bind,source=.,target=/d,Z", "type=bind,source=.,target=/d,Z"),
            ("type=bind,target=.", "type=bind,target=."),
            ("type=cache,target=/d,U,bind-propagation=rslave", None),
            ("type=bind,source=/,from=b,target=/ctx", "type=bind,source=/,from={b},target=/ctx"),
        ],
    )
    def test_what_people_write(self, written: str, meant: str | None) -> None:
        (found,) = flags(f"FROM a\nRUN --mount={written} x\n", caches="")
        assert found == (meant or written).format(b="docker.io/library/b:latest")

    @pytest.mark.parametrize(
        ("written", "why"),
        [
            ("type=volume,target=/x", "type of a mount cannot be 'volume'"),
            ("type=cache,target=/x,frm=b", "Did you mean from?"),
            ("type=cache,$X", "--mount knows no $x"),
            ("", "--mount wants a value"),
            ("type=cache,,target=/x", "empty option"),
            ("type=cache,target=/x,uid=root", "uid of a mount cannot be"),
            ("type=cache,target=/x,mode=rwx", "mode of a mount cannot be"),
            ("type=cache,target=/x,mode=9", "mode of a mount cannot be"),
            ("type=cache,target=/x,sharing=all", "sharing of a mount cannot be"),
            ("type=tmpfs,target=/x,size=lots", "size of a mount cannot be"),
            ("type=bind,target=/x,rw,ro", "ro or rw"),
            ("type=bind,target=/x,rw,readwrite", "rw twice"),
            ("type=bind,target=/x,ro=perhaps", "ro of a mount cannot be"),
            ("type=bind,target=/x,z=1", "takes no value"),
            ("type=bind,target=/x,shared", "--mount knows no shared"),
            ("type=bind,target=/x,bind-propagation=rshared", "bind-propagation of a mount"),
            ("type=bind,target=/x,bind-propagation=U", "bind-propagation of a mount"),
            ("type=bind,from=b,target=/x,U", "would change the image"),
            ("type=bind,from=b,target=/x,Z", "would change the image"),
            ("type=bind,from=b,target=/x,relabel=private", "would change the image"),
            ("type=tmpfs,target=../x", "leads upwards"),
            ("type=tmpfs,target=/a/../../x", "leads upwards"),
            ("type=tmpfs,target=/proc/sys", "nothing can be mounted"),
            ("type=cache,target=//sys", "nothing can be mounted"),
            ("type=tmpfs,target=/./proc", "nothing can be mounted"),
            ("type=secret,id=../../etc/shadow", "names no secret"),
            ("type=secret,id=/etc/shadow,target=/x", "names no secret"),
            ("type=ssh,id=/run/agent", "names no ssh"),
            ("type=secret,id=a,env=A-B", "env of a mount"),
            ("type=cache,target=/../../x", "leads upwards"),
        ],
    )
    def test_what_is_outside_the_grammar(self, written: str, why: str) -> None:
        with pytest.raises(DockerfileError) as caught:
            flags(f"FROM a\nRUN --mount={written} x\n")
        assert why in str(caught.value) and caught.value.line == 2

    @settings(database=None, deadline=None)
    @given(
        st.lists(st.sampled_from(["type=cache", "id=", "target=/", "$A", "${B:-", "}", ",", ".."]))
        | st.lists(st.text("abAB$/{}.,=-:+\\`\"'", max_size=4)),
        st.text("ab/.,=$\"' \\", max_size=6),
        st.text("ab/.,=$\"' \\", max_size=6),
    )
    def test_whatever_is_written(self, parts: list[str], a: str, b: str) -> None:
        """What comes through says what was judged: one more reading finds the same, and there is
        nothing left for an engine to expand."""
        text = f"FROM a\nRUN --mount=type=cache,{''.join(parts)} x\n"
        try:
            found = flags(text, {"A": a, "B": b})
        except DockerfileError:
            return
        for flag in found:
            assert re.fullmatch(r"[^\s\"'`$\\]+", flag)
            keys = [option.partition("=")[0] for option in flag.split(",")]
            assert len(set(keys)) == len(keys)
            assert [OURS in option for option in flag.split(",")].count(True) == 1
        assert flags(f"FROM a\nRUN --mount={found[0]} x\n", caches="") == found[:1]


def test_what_people_write_elsewhere() -> None:
    """Options, users and directories of real files."""
    for line in (
        "COPY --chown=app:app --chmod=0755 a /b",
        "COPY --chown=1000 --chmod=u=rwX,go=rX a /b",
        "COPY --chown=$UID:$GID --chmod=$MODE a /b",
        "COPY --exclude=*.md --exclude=a/** . /b",
        f"ADD --checksum=sha256:{'0' * 64} https://a/b /c",
        "HEALTHCHECK --interval=1m30s --timeout=0.5s --retries=3 CMD a",
        "HEALTHCHECK --interval=$I NONE",
        "RUN --network=none --security=sandbox a",
        "RUN --device=nvidia.com/gpu=all a",
        "WORKDIR /processes/sys",
        "WORKDIR app",
        "WORKDIR $APP",
        "WORKDIR //srv",
        "VOLUME /data",
        'VOLUME ["/a", "/b c"]',
        "USER 1000:1000",
        "USER $NB_UID",
        "USER app:www-data",
        "USER root # comment",
    ):
        parse(f"FROM --platform=$BUILDPLATFORM a\n{line}\n")
    parse("FROM --platform=linux/arm64/v8 a")


def test_a_long_value_of_a_base_is_no_trouble() -> None:
    text = "FROM a\nARG V=x-1\nRUN --mount=type=cache,target=/c/${V%%-*} y\n"
    (found,) = flags(text, {"NVIDIA_REQUIRE_CUDA": "cuda>=12 " * 10_000}, caches="")
    assert found == "type=cache,target=/c/x"


class TestOnbuild:
    """Engines get it as it is, so nothing can be put in its place."""

    @pytest.mark.parametrize(
        ("mount", "why"),
        [
            ("type=cache,target=$HOME/.cache", "variables do not work in the target"),
            ("type=cache,id=$X,target=/x", "variables do not work in the id"),
            ("type=cache,id=../..,target=/x", "cannot be used"),
            ("type=cache,id=/etc,target=/x", "cannot be used"),
            ("type=cache,target=/x,uid=a", "uid of a mount"),
        ],
    )
    def test_what_would_have_to_be_rewritten(self, mount: str, why: str) -> None:
        kept = f"RUN --mount={mount} x"
        with pytest.raises(DockerfileError, match=re.escape(why)):
            upon([kept], 3)
        with pytest.raises(DockerfileError, match=re.escape(why)):
            parse(f"FROM a AS one\nONBUILD {kept}\nFROM one\n")
        parse(f"FROM a\nONBUILD {kept}\n")  # kept for whoever begins with the image

    def test_what_need_not(self) -> None:
        for mount in (
            "type=cache,id=pip,target=/x",
            "type=cache,target=/x",
            "type=tmpfs,target=/y",
        ):
            assert upon([f"RUN --mount={mount} x"]).mounts[0].options["target"]


class TestOldBuilders:
    """Which mounts reach out of a build there."""

    @pytest.mark.parametrize(
        ("runs", "line"),
        [
            (["--mount=from=b,source=/link,target=/x"], 2),
            (["--mount=from=b,target=/x,source=a/../link"], 2),
            (["--mount=type=cache,from=b,source=/link,target=/x"], 2),
            (["--mount=type=tmpfs,target=/y --mount=from=b,source=/link,target=/x"], 2),
            # A RUN puts a link into the context, and a later one mounts what it leads to.
            (["--mount=target=/x,rw", "--mount=source=d,target=/x"], 3),
            (["--mount=source=d,target=/x,rw", "--mount=source=d/e,target=/x"], 3),
            (["--mount=source=d,target=/x", "--mount=source=./,target=/x,rw"], 2),
            (["--mount=from=b,target=/x"], 0),
            (["--mount=from=b,source=/,target=/x"], 0),
            (["--mount=from=b,source=.,target=/x", "--mount=target=/x,rw"], 0),
            (["--mount=source=d/e,target=/x", "--mount=target=/x"], 0),
            (["--mount=source=d,target=/x,rw", "--mount=source=e,target=/x"], 0),
            (["--mount=type=cache,id=../..,target=/x"], 0),
            (["--mount=type=secret,id=a"], 0),
        ],
    )
    def test_links(self, runs: list[str], line: int) -> None:
        found = parse("\n".join(["FROM a", *(f"RUN {run} x" for run in runs)])).mounts
        first = through_links(found)
        assert (first.line if first else 0) == line

    @pytest.mark.parametrize(
        ("run", "changes"),
        [
            ("--mount=from=b,target=/x,rw", True),
            ("--mount=from=b,target=/x,readwrite=true", True),
            ("--mount=from=b,target=/x,ro=false", True),
            ("--mount=from=b,target=/x", False),
            ("--mount=target=/x,rw", False),
            ("--mount=type=cache,target=/x,rw", False),
        ],
    )
    def test_writes(self, run: str, changes: bool) -> None:
        assert (keeps_writes(parse(f"FROM a\nRUN {run} x").mounts) is not None) == changes

    def test_what_a_base_does(self) -> None:
        found = upon(["RUN --mount=from=b.io/b,source=/link,target=/x y"], 7).mounts
        assert (link := through_links(found)) is not None and link.line == 7

    def test_files_that_the_engine_changes_are_copies(self) -> None:
        """Files of the context are hard links to the person's own."""
        for option, written in (("rw", True), ("z", True), ("Z", True), ("U", True), ("ro", False)):
            (source,) = parse(f"FROM a\nRUN --mount=target=/x,{option} y").sources
            assert source.writable == written
