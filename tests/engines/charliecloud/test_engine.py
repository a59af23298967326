"""Charliecloud's own: its commands as text, the Dockerfile it gets, its builds read."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jupyter_containers.engines.charliecloud.build import build_argv
from jupyter_containers.engines.charliecloud.dockerfile import bases, translate
from jupyter_containers.engines.charliecloud.engine import Charliecloud
from jupyter_containers.engines.charliecloud.images import chimage
from jupyter_containers.engines.charliecloud.mounts import env_text, write_files
from jupyter_containers.engines.charliecloud.site import PROGRAMS
from jupyter_containers.engines.process_engine.containers import StateDir
from jupyter_containers.engines.process_engine.image_store import Stored
from jupyter_containers.errors import BuildFailed, DockerfileError, Unsupported
from jupyter_containers.models import (
    BuildSecret,
    BuildSpec,
    ContainerSpec,
    Image,
    Mount,
    Progress,
    User,
)
from tests.contract.builds.building import begun, build, gone, lines, spec_of

ME = User(mode="me", uid=1000, gid=1000, host_uid=1000, host_gid=1000)
STORED = Stored(Image(id="sha256:" + "0" * 64, env={"A": "1"}, entrypoint=("/in",)), Path("/i/0"))


def spec(**changes: object) -> ContainerSpec:
    made: dict[str, object] = {
        "name": f"jupyter-{secrets.token_hex(4)}",
        "image": STORED.image.id,
        "argv": ("/bin/true",),
        "user": ME,
        "env": {"SECRET": "s3cret"},
    }
    return ContainerSpec(**made | changes)  # type: ignore[arg-type]


def argv(**changes: object) -> str:
    command = Charliecloud().command(spec(**changes), STORED, StateDir(Path("/place")))
    assert "s3cret" not in " ".join(command.argv)
    assert command.env["TMPDIR"] == "/place/tmp"
    return " ".join(command.argv)


def test_the_command() -> None:
    unshare, ch_run = argv().partition("set -e")[0], argv().partition("exit 0\n ")[2]
    assert unshare == (
        "unshare --user --map-root-user --mount --pid --fork --kill-child --mount-proc --ipc "
        "/place/ch-start -c "
    )
    assert ch_run == (
        "ch-start /place  private  ch-run --unset-env=* --set-env=env --no-passwd "
        "--uid=1000 --gid=1000 --cd=/ --write ./root -- /bin/true"
    )
    assert "--write" not in argv(read_only=True)
    assert " --net " in argv(network="none").partition("set -e")[0]
    assert " --uts " in argv(hostname="lab")
    assert "ch-start /place lab private  ch-run" in argv(hostname="lab")
    assert " private init ch-run" in argv(init=True)
    assert argv(entrypoint="image").endswith("-- /in /bin/true")
    root = User(mode="root", uid=0, gid=0, host_uid=1000, host_gid=1000)
    assert "--uid=0 --gid=0" in argv(user=root)
    assert "--cd=/a b ./root" in argv(workdir="/a b").replace("--write ", "")
    with pytest.raises(Unsupported, match="no GPUs"):
        argv(devices=("nvidia.com/gpu=all",))


def test_values_that_its_file_cannot_say() -> None:
    env = {"ONE": "it's 'one'", "TWO": "a\nb", "EMPTY": "", "THREE": "$A"}
    command = Charliecloud().command(spec(env=env), STORED, StateDir(Path("/place")))
    assert "--set-env=TWO=$JUPYTER_CONTAINERS_LINES_0" in command.argv
    assert command.env["JUPYTER_CONTAINERS_LINES_0"] == "a\nb"
    assert not {"TWO", "THREE"} & set(command.env)
    assert env_text(env) == "ONE='it's 'one''\nEMPTY=''\n"


def test_the_table_of_mounts(tmp_path: Path) -> None:
    tree, state_dir, data = tmp_path / "tree", tmp_path / "place", tmp_path / "my data"
    for one in (tree / "usr", state_dir, data / "private"):
        one.mkdir(parents=True)
    (data / "file").touch()
    (tree / "work").symlink_to("/usr/work")
    wanted = spec(
        mounts=(
            Mount(str(data / "private"), "/srv/private"),
            Mount(str(data), "/work", True),
            Mount(str(data / "file"), "/etc/one"),
            Mount(str(data), "/tmp/in"),
        ),
        shm=1 << 20,
    )
    write_files(wanted, tree, state_dir, {"A": "1"}, overlay=True)
    table = (state_dir / "table").read_text().replace(str(tmp_path), "T").split("\n")
    assert table[0] == (
        "overlay T/place/root overlay lowerdir=image,upperdir=upper,workdir=work,userxattr 0 0"
    )
    assert "T/my\\040data T/place/root/usr/work none rbind 0 0" in table
    assert "T/place/var-tmp T/place/root/var/tmp none rbind 0 0" in table
    assert any(one.startswith("T/my\\040data T/place/tmp/in none bind,ro") for one in table)
    private = [one for one in table if "private" in one]
    assert private[0].startswith("T/my\\040data/private T/place/root/srv/private none bind,ro")
    assert ("tmpfs T/place/dev/shm tmpfs mode=1777,nosuid,nodev,size=1048576 0 0") in table
    assert "T/place/dev /dev none rbind 0 0" in table
    assert (state_dir / "upper/etc/one").is_file()
    assert (state_dir / "upper/usr/work").is_dir()
    assert not (tree / "etc").exists()


def test_the_dockerfile_that_it_gets() -> None:
    text = """# syntax=docker/dockerfile:1
FROM a:1 AS first
ARG X Y=2
RUN --mount=type=secret,id=s --mount=type=cache,target=/c echo \\
    # why
    "a b" && \\
    echo c
ENV A=1 B="x \\"y\\"" C='z w'
ENV OLD some words
LABEL one="a b" two=c
USER me
ADD file /there
FROM first
COPY --link --chown=me:me --from=first /a /b
ENTRYPOINT ["a", "b"]
CMD ["c"]
"""
    given = BuildSpec(dockerfile=text, tag="t", args={"X": 'it="s"'})
    told = translate(given, {"a:1": "base"})
    first = [
        'ARG JUPYTER_CONTAINERS_BASE="base"',
        r'ARG X="it=\"s\""',
        "ARG Y=2",
        'RUN echo     "a b" &&     echo c',
        'ENV A="1"',
        r'ENV B="x \"y\""',
        'ENV C="z w"',
        'ENV OLD="some words"',
        "COPY file /there",
    ]
    assert bases(given) == ["a:1"]
    assert told.text.splitlines() == [
        "FROM base",
        *first,
        "FROM base",
        *first,
        "COPY --from=0 /a /b",
    ]
    assert (told.stage.base, told.stage.labels) == ("a:1", {"one": "a b", "two": "c"})
    assert told.stage.entrypoint == ("a", "b")
    assert len(told.steps) == len(told.text.splitlines())
    assert [one.split(":")[0] for one in told.notices] == [
        "Charliecloud keeps no caches (RUN --mount=type=cache) between builds.",
        "Charliecloud ignores USER",
        "Charliecloud ignores --chown",
    ]


def test_variables_in_single_quotes_are_told() -> None:
    text = "FROM a\nENV A='$HOME/x' B=\"$HOME\" C='5 $'\nARG D='${A}'\nLABEL e='$A'\n"
    told = translate(BuildSpec(dockerfile=text, tag="t"), {})
    assert told.notices == [
        "Charliecloud puts variables into A, single quotes or not.",
        "Charliecloud puts variables into D, single quotes or not.",
    ]


def test_the_stage_that_is_wanted_is_the_last() -> None:
    text = "FROM a AS one\nRUN 1\nFROM b AS two\nRUN 2\nFROM c\nRUN 3\n"
    for target, last in (("one", "RUN 1"), ("TWO", "RUN 2"), ("0", "RUN 1"), ("", "RUN 3")):
        told = translate(BuildSpec(dockerfile=text, tag="t", target=target), {})
        assert told.text.splitlines()[-1] == last


def test_stages_are_told_by_number_and_found_by_the_readers_rule() -> None:
    """`ch-image` compares names exactly, and would fetch an image of the other name."""
    text = """FROM localhost/p AS Busybox
RUN 1
FROM busybox AS Two
RUN 2
FROM docker.io/library/two:latest
COPY --from=TWO /a /b
COPY --from=0 /c /d
"""
    given = BuildSpec(dockerfile=text, tag="t")
    assert bases(given) == ["localhost/p", "docker.io/library/two:latest"]
    lines = translate(given, {}).text.splitlines()
    assert [line for line in lines if line.startswith(("FROM", "COPY"))] == [
        "FROM localhost/p",
        "FROM localhost/p",
        "FROM docker.io/library/two:latest",
        "COPY --from=1 /a /b",
        "COPY --from=0 /c /d",
    ]


def test_a_stage_that_is_not_needed_is_empty() -> None:
    text = "FROM a AS one\nRUN 1\nFROM b AS two\nRUN 2\nFROM c\nCOPY --from=two /x /y\n"
    given = BuildSpec(dockerfile=text, tag="t")
    assert bases(given) == ["scratch", "b", "c"]
    lines = translate(given, {}).text.splitlines()
    assert [line for line in lines if not line.startswith("ARG ")] == [
        *("FROM scratch", "FROM b", "RUN 2", "FROM c", "COPY --from=1 /x /y"),
    ]


def test_a_target_is_a_stages_name_and_not_an_images() -> None:
    text = "FROM scratch\nRUN 1\nFROM a AS scratch\nRUN 2\nFROM b\nRUN 3\n"
    told = translate(BuildSpec(dockerfile=text, tag="t", target="scratch"), {})
    assert told.text.splitlines()[-1] == "RUN 2"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ADD https://a/b /c", "neither fetches nor unpacks"),
        ("ADD a.tar.gz /c", "neither fetches nor unpacks"),
        ("RUN --mount=type=bind,source=x,target=/y true", "no mounts of the type bind"),
        ("RUN --mount=type=cache,from=x,target=/y true", "mounts nothing of other stages"),
        ("COPY --from=busybox /bin/sh /sh", "copies from stages only, and busybox is none"),
        ("COPY --from=0 /a /b", "copies from stages only, and 0 is none"),
        ("COPY --chmod=755 a /b", "knows no --chmod"),
        ("RUN --mount=type=secret,id=s,target=/root/.netrc true", "/run/secrets only"),
        ("RUN --network=none true", "knows no --network"),
    ],
)
def test_what_it_cannot_do_is_said_with_the_line(line: str, why: str) -> None:
    with pytest.raises(DockerfileError, match=why) as failed:
        translate(spec_of(f"FROM a\n{line}\n", "t"), {})
    assert failed.value.line == 2


def test_the_command_for_a_build() -> None:
    given = BuildSpec(
        dockerfile="",
        tag="t",
        context="/c/context",
        no_cache=True,
        network="none",
        secrets=(BuildSecret(id="s", source="/s"),),
    )
    words = build_argv(given, "name", "/d", "/s", ["python", "/ch_image.py", "/bin/ch-image"])
    at = words.index("-c") + 1
    assert " ".join(words[:at]) == (
        "unshare --user --map-root-user --mount --pid --fork --kill-child --mount-proc --net sh -c"
    )
    assert words[at].startswith("set -e\n")
    assert " ".join(words[at + 1 :]) == (
        f"ch-start /d /s /c/context {PROGRAMS} python /ch_image.py /bin/ch-image build "
        "--force --rebuild --bind=/d/secrets:/run/secrets --tag=name --file=- ./context"
    )


@pytest.fixture
def charliecloud(engine: str) -> Iterator[Charliecloud]:
    if engine != "charliecloud":
        pytest.skip("of Charliecloud's builds")
    program = Charliecloud()
    yield program
    for stored in program.store.all():
        for name in stored.image.references:
            if name.startswith("localhost/jc-test-build"):
                program.store.remove(name)


def named(text: str) -> BuildSpec:
    return spec_of(text, f"localhost/jc-test-build:{secrets.token_hex(6)}")


def told(events: list[Progress]) -> list[tuple[str, int, int]]:
    return [(e.kind, e.line, e.step) for e in events if e.kind in ("step", "cached")]


async def test_a_build_and_the_same_again(charliecloud: Charliecloud, images, tmp_path) -> None:
    secret = tmp_path / "s"
    secret.write_text("hush")
    mark = secrets.token_hex(6)
    text = (
        f"FROM {images['busybox']} AS one\nENV MARK={mark}\n"
        "RUN --mount=type=secret,id=s cat /run/secrets/s; echo; echo 'about $MARK'\n"
        'FROM one\nRUN echo "  4. RUN like a step"; echo $MARK > /made\nLABEL l=1\n'
    )
    given = named(text)
    given = replace(
        given,
        labels={"ours": "2"},
        secrets=(BuildSecret(id="s", source=str(secret)),),
        also=("localhost/jc-test-build-also:1",),
    )
    events = await build(charliecloud, given)
    image = events[-1].image
    assert image is not None
    assert image.references == (given.tag, "localhost/jc-test-build-also:1")
    assert dict(image.labels) == {"l": "1", "ours": "2"}
    assert image.env["MARK"] == mark
    begun_at = [one[1:] for one in told(events) if one[0] == "step"]
    assert begun_at == [(number, number) for number in range(1, 6)]
    assert {"hush", "about $MARK", "  4. RUN like a step"} <= set(lines(events))
    stored = charliecloud.store.find(image.id)
    assert stored is not None
    tree = stored.directory / "tree"
    assert (tree / "made").read_text() == f"{mark}\n"
    assert not (tree / "run/secrets").exists()
    again = await build(charliecloud, replace(given, tag=f"{given.tag}-again"))
    assert ("cached", 5, 5) in told(again)
    assert "hush" not in lines(again)


async def test_images_that_begin_with_others_are_told_apart(charliecloud, images) -> None:
    made = []
    for name in ("one", "two"):
        given = named(f"FROM {images['busybox']}\nRUN touch /{name}\n")
        await build(charliecloud, given)
        last = await build(charliecloud, named(f"FROM {given.tag}\nRUN ls / > /made\n"))
        made.append(last[-1].text)
    texts = [charliecloud.store.find(one).directory / "tree/made" for one in made]
    assert ["one" in text.read_text().split() for text in texts] == [True, False]
    assert ["two" in text.read_text().split() for text in texts] == [False, True]


async def test_a_failing_step_is_named(charliecloud: Charliecloud, images) -> None:
    text = f"FROM {images['busybox']}\n\nRUN echo before; \\\n  exit 7\n"
    with pytest.raises(BuildFailed) as failed:
        await build(charliecloud, named(text))
    assert (failed.value.line, failed.value.code, failed.value.tail) == (3, 7, "before")


@pytest.mark.parametrize(
    "attack",
    [
        "RUN mkdir /t; ln -s {canary}/new /t/plain\nCOPY {sub} /t/",
        "RUN mkdir /t; ln -s {canary}/file /t/plain\nCOPY {sub} /t/",
        "RUN ln -s {canary} /t\nCOPY {sub}/plain /t/new",
        "RUN ln -s {canary} /t\nWORKDIR /t/new\nRUN echo x > new",
        "RUN echo pwned > /tmp/{name}/new; cat /tmp/{name}/file; true",
        "RUN ln -s {canary}/file /f\nFROM {base}\nCOPY --from=one /f /f\nRUN cat /f",
        "RUN ln -s {canary} /d\nFROM {base}\nCOPY --from=one /d/file /f\nRUN cat /f",
        "RUN mkdir /d; ln -s {canary}/file /d/f\nFROM {base}\nCOPY --from=one /d /d\nRUN cat /d/f",
        "RUN mkdir -p {canary}; ln -s {canary} /d\nRUN echo x > /d/new; echo x > /d/file",
    ],
)
async def test_a_build_reaches_nothing_of_the_host(
    charliecloud: Charliecloud, images: dict[str, str], attack: str
) -> None:
    """Judged by a file of the host and its directory, which a link in the image leads to."""
    word = secrets.token_hex(8)
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as canary,
        tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as above,
    ):
        (Path(canary) / "file").write_text(word)
        sub = Path(above, "context", "sub")
        sub.mkdir(parents=True)
        (sub / "plain").write_text("plain")
        base = images["busybox"]
        text = f"FROM {base} AS one\nENV MARK={word[::-1]}\n" + attack.format(
            canary=canary, name=Path(canary).name, sub="sub", base=base
        )
        printed = ""
        with contextlib.suppress(BuildFailed):
            async for event in charliecloud.build(
                replace(named(text + "\n"), context=str(sub.parent))
            ):
                printed += event.text + "\n"
        assert "RUN" in printed and word not in printed
        assert [file.name for file in Path(canary).iterdir()] == ["file"]
        assert (Path(canary) / "file").read_text() == word


async def test_the_caches_git_reads_no_git_of_an_image(charliecloud: Charliecloud, images) -> None:
    """Judged by a file that git's configuration in the image has it make."""
    storage = Path((await chimage("gestalt", "storage-path")).stdout.strip())
    canary = storage / f"canary-{secrets.token_hex(4)}"  # what a build's programs can write
    config = f'[core]\\n\\tfsmonitor = "touch {canary}; false"\\n'
    text = f"""FROM {images["busybox"]}
ENV MARK={canary.name}
RUN rm -rf /.git && mkdir -p /.git/objects /.git/refs && echo 'ref: refs/heads/x' > /.git/HEAD
RUN printf '{config}' > /.git/config; grep -c fsmonitor /.git/config
RUN echo more > /more
"""
    assert "1" in lines(await build(charliecloud, named(text)))
    await build(charliecloud, named(text))
    assert not canary.exists()


async def test_a_build_has_a_tmp_of_its_own(charliecloud: Charliecloud, images) -> None:
    mark = secrets.token_hex(8)
    text = f"FROM {images['busybox']}\nRUN echo {mark} > /tmp/m\nRUN cat /tmp/m; ls /tmp\n"
    events = await build(charliecloud, named(text))
    # The build's own directory is there, where this machine's temporary one is /tmp.
    seen = [line for line in lines(events) if not line.startswith("jupyter-containers-build-")]
    assert seen[-2:] == [mark, "m"]
    assert not Path("/tmp/m").exists()


async def test_a_closed_build_leaves_no_process(charliecloud: Charliecloud, images) -> None:
    word = str(4_000_000 + secrets.randbelow(900_000))
    text = f"FROM {images['python3.11']}\nRUN echo now; exec sleep {word}\n"
    events = charliecloud.build(named(text))
    async for event in events:
        if event.text == "now":
            break
    await begun(word)
    await events.aclose()
    assert await gone(word)


async def test_an_image_goes_to_other_engines(charliecloud, images, tmp_path) -> None:
    image = await charliecloud.image(images["busybox"])
    archive = tmp_path / "image.tar"
    [_ async for _ in charliecloud.save(image.id, archive)]
    copy = Image(id="sha256:" + secrets.token_hex(32), references=("localhost/jc-test-build:x",))
    events = [event async for event in charliecloud.load(archive, copy)]
    assert events[-1].image.id == copy.id
