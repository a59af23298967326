"""RUN --mount in a cell reaches nothing of the host, on any builder, and works where it is honest.

An attack is judged by the canary: a file of the host with a word that no Dockerfile has, in a
directory that no build may write to.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from jupyter_containers import errors
from jupyter_containers.builds.manager import Build
from tests.contract.builds.site import Site, events

pytestmark = pytest.mark.engine

UP = "../" * 24
READ_AND_WRITE = "cat /x/file; ls /x; echo pwned > /x/pwned; true"


@dataclass(frozen=True)
class Canary:
    path: Path
    word: str

    @property
    def outside(self) -> str:
        """Its path from the root on, without the slash."""
        return str(self.path).lstrip("/")

    def untouched(self) -> bool:
        return [file.name for file in self.path.iterdir()] == ["file"] and (
            self.path / "file"
        ).read_text() == self.word


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    canary = Canary(tmp_path / "canary", f"canary-{uuid.uuid4().hex}")
    canary.path.mkdir()
    canary.path.chmod(0o777)
    (canary.path / "file").write_text(canary.word)
    return canary


ATTACKS = {
    "a cache id": "RUN --mount=type=cache,id={up}{outside},target=/x {do}",
    "a cache id below another": "RUN --mount=type=cache,id=a/{up}{outside},target=/x {do}",
    "an absolute cache id": "RUN --mount=type=cache,id={canary},target=/x {do}",
    "a cache id by ARG": "ARG ID={up}{outside}\nRUN --mount=type=cache,id=$ID,target=/x {do}",
    "a cache id by parts": (
        "ENV DOT=. ID={outside}\nARG UP=$DOT$DOT/$DOT$DOT/$DOT$DOT/$DOT$DOT/$DOT$DOT/$DOT$DOT/\n"
        "RUN --mount=type=cache,id=$UP$UP$UP$ID,target=/x {do}"
    ),
    "a default": "RUN --mount=type=cache,id=${{NO:-{up}{outside}}},target=/x {do}",
    "an option in a value": ('ARG T="/x,id={up}{outside}"\nRUN --mount=type=cache,target=$T {do}'),
    "an option in a number": (
        'ENV N="0,id={up}{outside}"\nRUN --mount=type=cache,target=/x,uid=$N {do}'
    ),
    "the source of a cache": "RUN --mount=type=cache,source={up}{outside},target=/x {do}",
    "a link of a stage": "RUN --mount=type=bind,from=stage,source=/link,target=/x,rw {do}",
    "a link of a stage, read": "RUN --mount=from=stage,source=/link,target=/x {do}",
    "below a link of a stage": (
        "RUN --mount=type=bind,from=stage,source=/root-link/{outside},target=/x,rw {do}"
    ),
    "a chain of links": "RUN --mount=type=bind,from=stage,source=/chain,target=/x,rw {do}",
    "a link in a cache's stage": "RUN --mount=type=cache,from=stage,source=/link,target=/x {do}",
    "a source by a variable": (
        "ARG LINK=link\nRUN --mount=type=bind,from=stage,source=/$LINK,target=/x,rw {do}"
    ),
    "upwards from a stage": (
        "RUN --mount=type=bind,from=stage,source={up}{outside},target=/x,rw {do}"
    ),
    "a stage that a RUN changes": (
        "RUN --mount=type=bind,from=stage,target=/y,rw rm -rf /y/plain; ln -s {canary} /y/plain\n"
        "RUN --mount=type=bind,from=stage,source=/plain,target=/x,rw {do}"
    ),
    "the context that a RUN changes": (
        "RUN --mount=type=bind,target=/y,rw rm -rf /y/sub; ln -s {canary} /y/sub; true\n"
        "RUN --mount=type=bind,source=sub,target=/x,rw {do}"
    ),
    "a link of the context": "RUN --mount=type=bind,source=out,target=/x,rw {do}",
    "below a link of the context": "RUN --mount=type=bind,source=sub/out,target=/x,rw {do}",
    "upwards from the context": "RUN --mount=type=bind,source={up}{outside},target=/x,rw {do}",
    "a copied link": "COPY --from=stage /link/ /x/\nRUN {do}",
    "a copied link of the context": (
        "COPY sub /y/\nRUN cat /y/out/file; echo pwned > /y/out/pwned; true"
    ),
    "a copy to a link": "RUN ln -s {canary} /x\nCOPY sub/plain /x/pwned\nRUN cat /x/file; true",
    "a directory at a link": "RUN ln -s {canary} /x\nWORKDIR /x/pwned\nRUN {do}",
    "a volume at a link": "RUN ln -s {canary} /x\nVOLUME /x/pwned\nRUN {do}",
    "an open directory": "WORKDIR /proc/self/fd/8\nRUN cat {up}{outside}/file",
    "a trigger of the file": (
        "ONBUILD RUN --mount=type=cache,id={up}{outside},target=/x {do}\nFROM last"
    ),
    "a link in a trigger of the file": (
        "ONBUILD RUN --mount=from=stage,source=/link,target=/x,rw {do}\nFROM last"
    ),
}


def stage(base: str, canary: Canary) -> str:
    return (
        f"FROM {base} AS stage\n"
        f"RUN mkdir /plain; ln -s {canary.path} /link; ln -s / /root-link; ln -s link /chain\n"
        f"FROM {base} AS last\n"
    )


def judge(build: Build, printed: str, canary: Canary) -> None:
    """It was refused, or steps of it ran and came to nothing."""
    ran = any(line.startswith(("RUN ", "ONBUILD RUN ")) for line in printed.splitlines())
    assert ran or isinstance(build.error, errors.DockerfileError), build.error
    assert canary.untouched()
    assert canary.word not in printed


async def said(build: Build) -> str:
    """All that a build printed, whichever way it ended."""
    with contextlib.suppress(errors.ContainersError):
        await build.result()
    error = str(build.error or "") + getattr(build.error, "tail", "")
    return "\n".join([event.text for event in await events(build)] + [error])


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_a_cell_reaches_nothing_of_the_host(
    site: Site, images: dict[str, str], canary: Canary, attack: str
) -> None:
    (site.folder / "sub").mkdir()
    (site.folder / "sub" / "plain").write_text("plain")
    (site.folder / "sub" / "out").symlink_to(canary.path)
    (site.folder / "out").symlink_to(canary.path)
    text = stage(images["busybox"], canary) + attack.format(
        up=UP, canary=canary.path, outside=canary.outside, do=READ_AND_WRITE
    )
    build = site.start(text)
    judge(build, await said(build), canary)


@pytest.mark.parametrize(
    "run",
    [
        "RUN --mount=type=cache,target=$EVIL {do}",
        "RUN --mount=type=cache,id=$ID,target=/x {do}",
        "RUN --mount=type=bind,from=stage,source=$LINK,target=/x,rw {do}",
        "RUN --mount=type=tmpfs,target=/y,size=$SIZE {do}",
        "WORKDIR $OPEN\nRUN cat {up}{outside}/file",
    ],
)
async def test_a_base_brings_no_options(
    site: Site, images: dict[str, str], canary: Canary, run: str
) -> None:
    """The variables of an image are its maker's: engines put them into what is mounted."""
    escape = f"{UP}{canary.outside}"
    evil = await site.build(
        f"FROM {images['busybox']}\n"
        f'ENV EVIL="/x,id={escape}" ID={escape} LINK=/link OPEN=/proc/self/fd/8\n'
        'ENV SIZE="1m --mount=type=bind,from=stage,source=/link,target=/x,rw"\n'
    )
    text = stage(evil.name, canary)
    build = site.start(text + run.format(up=UP, outside=canary.outside, do=READ_AND_WRITE))
    judge(build, await said(build), canary)


@pytest.mark.parametrize(
    "kept",
    [
        "--mount=type=cache,id={escape},target=/x",
        "--mount=type=cache,target=$EVIL",
        "--mount=type=bind,from={base},source=/link,target=/x,rw",
    ],
)
async def test_a_base_does_no_more(
    site: Site, images: dict[str, str], canary: Canary, kept: str
) -> None:
    """Its ONBUILD goes to the builder as it is."""
    escape = f"{UP}{canary.outside}"
    linked = await site.build(f"FROM {images['busybox']}\nRUN ln -s {canary.path} /link\n")
    run = kept.format(escape=escape, base=linked.name)
    evil = await site.build(
        f'FROM {images["busybox"]}\nENV EVIL="/x,id={escape}"\nONBUILD RUN {run} {READ_AND_WRITE}\n'
    )
    build = site.start(f"FROM {evil.name}\nRUN true\n")
    judge(build, await said(build), canary)


async def test_an_image_stays_what_it_is(site: Site, images: dict[str, str], word: str) -> None:
    """Neither the base of others nor a stage is changed by whoever mounts it."""
    base = await site.build(f"FROM {images['busybox']}\nRUN mkdir /plain; echo {word} > /plain/f\n")
    await said(
        site.start(
            f"FROM {images['busybox']}\n"
            f"RUN --mount=type=bind,from={base.name},target=/x,rw echo evil > /x/plain/f; true\n"
        )
    )
    printed = await said(site.start(f"FROM {base.name}\nRUN cat /plain/f; echo {word[::-1]}\n"))
    assert f"\n{word}\n" in printed and "\nevil\n" not in printed


HONEST = {
    "by its target": "RUN --mount=type=cache,target=/root/.cache/pip touch /root/.cache/pip/a",
    "by a name": "RUN --mount=type=cache,id=pip,target=/c,sharing=locked touch /c/a",
    "a path for a name": "RUN --mount=type=cache,id=/root/.cache,target=/c touch /c/a",
    "by the platform": (
        "ARG TARGETPLATFORM\nARG TARGETARCH\n"
        "RUN --mount=type=cache,id=$TARGETPLATFORM,target=/p "
        "--mount=type=cache,id=apt-${{TARGETARCH}},target=/a touch /p/a && test ! -e /a/a"
    ),
    "by a variable without a value": (
        "ARG CACHE_KEY\nRUN --mount=type=cache,id=${{CACHE_KEY}},target=/c touch /c/a"
    ),
    "by a variable of the stage": (
        "ENV POETRY_CACHE_DIR=/tmp/poetry\n"
        "RUN --mount=type=cache,target=$POETRY_CACHE_DIR touch /tmp/poetry/a"
    ),
    "each its own": (
        "RUN --mount=type=cache,id=a-{word},target=/a --mount=type=cache,id=b-{word},target=/b "
        "--mount=type=cache,id=a-{word},target=/again "
        "touch /a/f && test -e /again/f && test ! -e /b/f"
    ),
    "by its owner": (
        "RUN --mount=type=cache,target=/o-{word},uid=1000,gid=1000,mode=0700 "
        "ls -dn /o-{word} | grep 1000"
    ),
    "memory": "RUN --mount=type=tmpfs,target=/t touch /t/a",
    "a file of the context": (
        "RUN --mount=type=bind,source=sub/plain,target=/plain.txt grep plain /plain.txt"
    ),
    "the context": "RUN --mount=type=bind,target=/all grep plain /all/sub/plain",
    "the context, written": (
        "RUN --mount=type=bind,source=sub,target=/all,rw echo more >> /all/plain"
    ),
    "a whole stage": "RUN --mount=type=bind,from=stage,source=/,target=/ctx grep made /ctx/made/f",
    "a copy from a stage": "COPY --from=stage /made/f /f\nRUN grep made /f",
}


@pytest.mark.parametrize("honest", HONEST.values(), ids=HONEST.keys())
async def test_what_is_honest_works(
    site: Site, images: dict[str, str], word: str, honest: str
) -> None:
    (site.folder / "sub").mkdir()
    (site.folder / "sub" / "plain").write_text("plain")
    base = images["busybox"]
    text = (
        f"FROM {base} AS stage\nENV WORD={word}\nRUN mkdir /made && echo made > /made/f\n"
        f"FROM {base}\nENV WORD={word}\n{honest.format(word=word[:8])}\n"
    )
    assert not (await site.build(text)).reused
    assert (site.folder / "sub" / "plain").read_text() == "plain"


async def test_a_base_may_say_where(site: Site, images: dict[str, str], word: str) -> None:
    """As the images of Go and Rust do."""
    base = await site.build(f"FROM {images['busybox']}\nENV GOPATH=/go WORD={word}\n")
    run = "RUN --mount=type=cache,target=$GOPATH/pkg/mod touch /go/pkg/mod/a && test -d /go/pkg/mod"
    assert not (await site.build(f"FROM {base.name}\n{run}\n")).reused


@pytest.mark.parametrize(
    ("option", "fault"), [("source=/made,target=/x", "links"), ("target=/x,rw", "writes")]
)
async def test_a_mount_of_a_stage_works_or_is_refused(
    site: Site, images: dict[str, str], word: str, option: str, fault: str
) -> None:
    """Refused where the builder was seen to be unsafe, with the way out."""
    base = images["busybox"]
    build = site.start(
        f"FROM {base} AS stage\nRUN mkdir /made && echo {word} > /made/f\n"
        f"FROM {base}\nRUN --mount=type=bind,from=stage,{option} cat /x/f /x/made/f; true\n"
    )
    printed = await said(build)
    faults = await site.request("FROM scratch").builder.builder_faults()
    if getattr(faults, fault):
        assert isinstance(build.error, errors.DockerfileError), build.error
        assert build.error.line == 4 and "COPY --from=stage" in build.error.hint
    else:
        assert build.error is None and f"\n{word}\n" in printed
