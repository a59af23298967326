"""What Dockerfiles, images and RUN can do to `ch-image` and `ch-run`, which are programs of the
host."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from jupyter_containers.engines.charliecloud import images
from jupyter_containers.engines.charliecloud.build import build_argv
from jupyter_containers.engines.charliecloud.dockerfile import bases, translate
from jupyter_containers.errors import DockerfileError
from jupyter_containers.models import BuildSpec, Image
from tests.contract.builds.building import spec_of
from tests.helpers.namespaces import no_namespaces

APART = "JUPYTER_CONTAINERS_ENV_"


def translated(text: str, env: dict[str, list[str]] | None = None, **args: str) -> list[str]:
    spec = BuildSpec(dockerfile=text, tag="t", args=args)
    lines = translate(spec, {}, env or {}).text.splitlines()
    return [line for line in lines if not line.startswith("ARG JUPYTER_CONTAINERS_BASE=")]


def test_ch_run_gets_no_variable_that_the_hosts_programs_obey() -> None:
    text = """ARG LD_AUDIT=/one.so
FROM a
ARG MALLOC_TRACE GLIBC_TUNABLES
ENV LD_PRELOAD=/e.so TMPDIR=/root/.ssh PYTHONPATH=/p HOME=/h CH_RUNNING=1
ENV LD_LIBRARY_PATH /old form
"""
    lines = translated(text, {}, GLIBC_TUNABLES="x=y")
    assert lines == [
        f"ARG {APART}LD_AUDIT=/one.so",
        "FROM a",
        f"ARG {APART}MALLOC_TRACE",
        f'ARG {APART}GLIBC_TUNABLES="x=y"',
        f'ENV {APART}LD_PRELOAD="/e.so"',
        f'ENV {APART}TMPDIR="/root/.ssh"',
        'ENV PYTHONPATH="/p"',
        'ENV HOME="/h"',
        f'ENV {APART}CH_RUNNING="1"',
        f'ENV {APART}LD_LIBRARY_PATH="/old form"',
    ]


def test_what_refers_to_such_a_variable_finds_it() -> None:
    text = """FROM a
ENV LD_LIBRARY_PATH=/lib:${LD_LIBRARY_PATH} PLAIN=$TMPDIR$PLAIN
WORKDIR $LD_LIBRARY_PATH
COPY a $LD_LIBRARY_PATHS/\\$LD_LIBRARY_PATH
FROM a
ENV OTHER=$LD_LIBRARY_PATH
FROM b
ENV OTHER=$LD_LIBRARY_PATH
"""
    assert translated(text, {"a": ["LD_LIBRARY_PATH", "PATH"]}) == [
        "FROM scratch",  # not needed
        "FROM scratch",
        "FROM b",
        'ENV OTHER="$LD_LIBRARY_PATH"',
    ]
    assert translated(text.partition("FROM b")[0], {"a": ["LD_LIBRARY_PATH"]})[-1] == (
        f'ENV OTHER="${APART}LD_LIBRARY_PATH"'
    )
    assert translated(text.partition("FROM a\nENV OTHER")[0], {"a": ["LD_LIBRARY_PATH"]}) == [
        "FROM a",
        f'ENV {APART}LD_LIBRARY_PATH="/lib:${{{APART}LD_LIBRARY_PATH}}"',
        'ENV PLAIN="$TMPDIR$PLAIN"',
        f"WORKDIR ${APART}LD_LIBRARY_PATH",
        "COPY a $LD_LIBRARY_PATHS/\\$LD_LIBRARY_PATH",
    ]


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "busybox"])
@pytest.mark.parametrize(
    "command", ["sh -c 'echo \"$TMPDIR|$LD_DEBUG_OUTPUT\"'", '["sh", "-c", "echo \\"$TMPDIR|\\""]']
)
def test_a_run_has_them_under_their_names(shell: str, command: str) -> None:
    if which(shell) is None:
        pytest.skip(f"no {shell} here")
    text = f"FROM a AS one\nENV TMPDIR='/a b'\nFROM one\nARG LD_DEBUG_OUTPUT\nRUN {command}\n"
    run = translated(text)[-1].removeprefix("RUN ")
    argv = [shell, *(["sh"] if shell == "busybox" else []), "-euc", run]
    env = {"PATH": os.environ["PATH"], f"{APART}TMPDIR": "/a b"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "/a b|\n"
    # fakeroot, in which `ch-image --force` runs package managers, keeps what it needs.
    done = subprocess.run(argv, env=env | {"TMPDIR": "/f"}, capture_output=True, text=True)
    assert done.stdout == "/f:/a b|\n"


def test_a_value_has_one_reading() -> None:
    text = """FROM a
ENV A="x"\\ LD_PRELOAD=/e PATH="/a b":$PATH C='d'"e" D=\\"
ENV OLD some "words" here
"""
    assert translated(text)[1:] == [
        *('ENV A="x LD_PRELOAD=/e"', 'ENV PATH="/a b:$PATH"', 'ENV C="de"', r'ENV D="\""'),
        'ENV OLD="some words here"',
    ]


@pytest.mark.parametrize("line", ['ENV A=b"', 'ENV "LD_PRELOAD"=/e', "ARG 'A'=/e"])
def test_one_that_has_two_is_refused(line: str) -> None:
    with pytest.raises(DockerfileError, match="one pair of quotes") as failed:
        translate(spec_of(f"FROM a\n{line}\n", "t"), {})
    assert failed.value.line == 2


def test_instructions_are_those_that_were_judged() -> None:
    text = """# escape=`
FROM\tdocker.io/library/busybox:latest
RUN echo a \\\\ &&`
  # a comment, and an empty line

  APT-GET install -y curl
RUN\techo\tHi
"""
    spec = BuildSpec(dockerfile=text, tag="t")
    assert bases(spec) == ["docker.io/library/busybox:latest"]
    assert translated(text) == [
        "FROM docker.io/library/busybox:latest",
        "RUN echo a \\\\ &&  APT-GET install -y curl",
        "RUN echo\tHi",
    ]
    text = "# a comment\n# escape=`\nFROM a\nRUN echo a \\\n  FROM evil\n"
    assert bases(BuildSpec(dockerfile=text, tag="t")) == ["a"]


@pytest.mark.parametrize(
    "text", ["FROM a\nRUN echo \\\\\nRUN b\n", "# escape=`\nFROM a\nRUN a\\\n"]
)
def test_a_line_that_ch_image_would_continue_is_refused(text: str) -> None:
    with pytest.raises(DockerfileError, match=r"ends? with"):
        translated(text)


@pytest.mark.parametrize(
    "told", [{"env": {"LD_PRELOAD": "/e.so", "A": "1"}, "labels": None}, [], 1]
)
def test_an_image_tells_ch_image_nothing_else(tmp_path: Path, told: object) -> None:
    """Its tree's own words, which a registry's image or a RUN wrote, are written anew."""
    place = tmp_path / images.METADATA
    place.parent.mkdir()
    place.write_text(json.dumps(told))
    image = images._described(tmp_path, Image(id="x"))
    written = json.loads(place.read_text())
    if isinstance(told, dict):
        assert dict(image.env) == {"LD_PRELOAD": "/e.so", "A": "1"}
        assert written["env"] == {f"{APART}LD_PRELOAD": "/e.so", "A": "1"}
        assert images._described(tmp_path, Image(id="x")).env == image.env
    else:
        assert written["env"] == {}


def test_a_link_leads_its_words_nowhere(tmp_path: Path) -> None:
    tree, other = tmp_path / "tree", tmp_path / "other"
    for one in (tree, other):
        one.mkdir()
    (other / "metadata.json").write_text('{"env": {"A": "1"}}')
    (tree / "ch").symlink_to(other)
    assert images._described(tree, Image(id="x", env={"B": "2"})).env == {"B": "2"}
    assert (other / "metadata.json").read_text() == '{"env": {"A": "1"}}'


@pytest.fixture
def apart() -> Iterator[Path]:
    """A directory that is not below /tmp, of which builds have their own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        yield Path(made)


def test_what_gets_out_of_a_build_changes_and_ends_nothing(apart: Path) -> None:
    """The command itself, in the place of a `ch-image` that RUN has misled."""
    for name in ("d/tmp", "d/empty", "storage", "canary"):
        (apart / name).mkdir(parents=True)
    spec = BuildSpec(dockerfile="", tag="t")
    argv = build_argv(spec, "t", f"{apart}/d", f"{apart}/storage", ["ch-image"])
    attack = (
        'echo ran > "$1/storage/ran"; kill -0 "$2" && echo seen > "$1/storage/seen"; '
        'point=$1; until mountpoint -q "$point"; do point=$(dirname "$point"); done; '
        'mount -o remount,bind,rw "$point"; umount "$point"; mount -o remount,bind,rw /; '
        'echo x > "$1/canary/new"; true'
    )
    argv = [*argv[: argv.index("ch-image")], "sh", "-c", attack, "sh", str(apart)]
    done = subprocess.run([*argv, str(os.getpid())], capture_output=True, text=True)
    if not (apart / "storage/ran").exists():
        no_namespaces(done.stderr[-200:])
    assert [one.name for one in (apart / "storage").iterdir()] == ["ran"]
    assert not list((apart / "canary").iterdir())
