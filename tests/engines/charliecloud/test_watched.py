"""What an image holds runs nothing on this machine by way of `ch-image`: its pickles, links, `..`,
and what a RUN leaves running. `programs/ch_image.py` watches it."""

from __future__ import annotations

import copyreg
import os
import pickle
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_containers.engines.charliecloud import site
from jupyter_containers.engines.charliecloud.engine import Charliecloud
from jupyter_containers.engines.process_engine.image_store import TREE
from jupyter_containers.errors import ContainersError
from jupyter_containers.models import BuildSpec, Progress
from tests.contract.builds.building import spec_of
from tests.helpers.namespaces import no_namespaces

WATCH = site.PROGRAMS / "ch_image.py"


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """With two images, a cache, and a file that is nobody else's to write."""
    root = (tmp_path / "storage").resolve()
    for name in ("img/mine/usr", "img/other", "bucache/hooks", "bularge"):
        (root / name).mkdir(parents=True)
    for name in ("img/mine/file", "img/other/file", "bucache/config"):
        (root / name).write_text("honest")
    return root


def watched(storage: Path, text: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Runs `text` in the place of `ch-image`, whose modules lie beside it."""
    (storage.parent / "ch-image").write_text(text)
    return subprocess.run(
        [*before, sys.executable, WATCH, storage.parent / "ch-image", "build", "--x"],
        env={**os.environ, "CH_IMAGE_STORAGE": str(storage)},
        cwd=storage / "img/mine",
        capture_output=True,
        text=True,
    )


def test_it_runs_as_if_by_its_own_first_line(storage: Path) -> None:
    text = """import inspect, sys
print(sys.argv, __name__, __file__, sys.path[0], inspect.currentframe().f_code.co_filename)
sys.exit(7)
"""
    done = watched(storage, text)
    path = str(storage.parent / "ch-image")
    said = f"{[path, 'build', '--x']} __main__ {path} {storage.parent} {path}\n"
    assert (done.stdout, done.returncode, done.stderr) == (said, 7, "")


def test_a_storage_with_links_is_refused(storage: Path) -> None:
    (storage.parent / "link").symlink_to(storage)
    done = watched(storage.parent / "link", "print('ran')")
    assert done.returncode == 1 and "another path" in done.stderr and not done.stdout


# -- pickles -------------------------------------------------------------------------------

MODULES = {
    "build_cache.py": "class File_Metadata:\n   unpickle = eval\n",
    "filesystem.py": "import pathlib\nclass Path(pathlib.PosixPath):\n   pass\n",
    "charliecloud.py": "import filesystem\nPath = filesystem.Path\n",
}
LOAD = "import pickle, sys\nx = pickle.loads(bytes.fromhex({!r}))\nprint(type(x), x.__dict__)\n"


@pytest.fixture
def modules(storage: Path) -> Path:
    for name, text in MODULES.items():
        (storage.parent / name).write_text(text)
    return storage


def test_its_own_pickles_are_read(modules: Path) -> None:
    text = """import build_cache, filesystem, pickle
one = build_cache.File_Metadata()
one.children = {"a": build_cache.File_Metadata()}
one.hardlink_to = filesystem.Path("usr/bin")
print(pickle.loads(pickle.dumps(one, protocol=4)).hardlink_to)
print(pickle.loads(b"ccharliecloud\\nPath\\n(Vold\\ntR."))
"""
    done = watched(modules, text)
    assert (done.stdout, done.stderr) == ("usr/bin\nold\n", "")


EXTENSION = 77


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"cposix\nsystem\n(Vtouch canary\ntR.", "posix.system"),
        (b"cbuiltins\neval\n(V1\ntR.", "builtins.eval"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"(S'touch canary'\niposix\nsystem\n.", "posix.system"),
        (b"\x80\x04\x8c\x0bbuild_cache\x8c\x16File_Metadata.unpickle\x93(V1\ntR.", "unpickle"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93(Vtouch canary\ntR.", "posix.system"),
        (pickle.PROTO + b"\x02" + pickle.EXT1 + bytes([EXTENSION]) + b".", "posix.system"),
    ],
)
@pytest.mark.parametrize("how", ["pickle.loads", "pickle._loads"])
def test_no_other_pickle_is(modules: Path, data: bytes, named: str, how: str) -> None:
    register = f"import copyreg\ncopyreg.add_extension('posix', 'system', {EXTENSION})\n"
    done = watched(modules, register + LOAD.replace("pickle.loads", how).format(data.hex()))
    assert f"{named}, which ch-image does not write" in done.stderr
    assert done.returncode == 1 and not done.stdout
    assert not (modules / "img/mine/canary").exists()


def test_the_extension_of_that_test_is_nobodys() -> None:
    assert EXTENSION not in copyreg._inverted_registry  # type: ignore[attr-defined]


# -- places --------------------------------------------------------------------------------

LINKS = "os.symlink('../../bucache/hooks', 'rel'); os.symlink('/var/tmp', 'abs')\n"
WRITING = [
    "open('../../bucache/hooks/pre-commit', 'w')",
    "open(b'rel/pre-commit', 'ab')",
    "os.open('rel/pre-commit', os.O_CREAT)",
    "pathlib.Path('rel/pre-commit').write_text('x')",
    "pathlib.Path('rel', 'sub').mkdir()",
    "os.makedirs('../other/sub')",
    "os.symlink('x', 'rel/pre-commit')",
    "os.symlink('rel/new', 'to'); open('to', 'w')",
    "os.symlink('../other/file', 'to'); os.truncate('to', 0)",
    "os.link('../../bucache/config', 'config')",
    "os.link('file', 'rel/pre-commit')",
    "os.rename('file', 'rel/pre-commit')",
    "os.rename('../../bucache/config', 'config')",
    "os.remove('../../bucache/config')",
    "os.rmdir('../../bucache/hooks')",
    "shutil.rmtree('usr/../../other')",
    "shutil.copy2('file', 'rel', follow_symlinks=False)",
    "shutil.copytree('usr', 'abs/jc-test-nobodys')",
    "os.link(f'{storage}/bularge/../bucache/config', 'config')",
    "open('usr/x', 'w'); os.rename('usr', 'was'); os.symlink('rel', 'usr'); open('usr/x', 'w')",
]


@pytest.mark.parametrize("deed", WRITING)
@pytest.mark.parametrize("absolute", [True, False])
def test_nothing_is_written_outside_of_its_image(storage: Path, deed: str, absolute: bool) -> None:
    if absolute:
        deed = deed.replace("('../", f"('{storage}/img/mine/../").replace(
            "('rel", f"('{storage}/img/mine/rel"
        )
    text = f"import os, pathlib, shutil\nstorage = {str(storage)!r}\n{LINKS}{deed}\nprint('done')\n"
    before = sorted(storage.glob("bu*/**/*")) + sorted(storage.glob("img/other/**/*"))
    done = watched(storage, text)
    assert "leads out of the image" in done.stderr
    assert done.returncode == 1 and not done.stdout
    assert sorted(storage.glob("bu*/**/*")) + sorted(storage.glob("img/other/**/*")) == before
    assert (storage / "img/other/file").read_text() == "honest"
    assert (storage / "bucache/config").read_text() == "honest"
    assert not os.path.exists("/var/tmp/jc-test-nobodys")


@pytest.mark.parametrize(
    "link", ["os.mkdir('ch'); os.symlink('x', 'ch/git.pickle')", "os.symlink('usr', 'ch')"]
)
def test_its_own_file_is_no_link(storage: Path, link: str) -> None:
    done = watched(storage, f"import os\n{link}\nopen('ch/git.pickle', 'w')\n")
    assert done.returncode == 1 and "is a link" in done.stderr
    assert not (storage / "img/mine/usr/git.pickle").exists()


def test_all_else_is_written(storage: Path) -> None:
    text = f"""import os, pathlib, shutil
storage = pathlib.Path({str(storage)!r})
os.symlink("usr", "in")
os.symlink("usr/new", "to")
for name in ("in/one", "usr/../two", "to", "../../bucache/../img/mine/three"):
    open(name, "w").close() if "buc" not in name else None
os.symlink("/etc/passwd", "reads")
open("reads").close()
os.remove("reads")
os.makedirs("usr/a/b")
os.mkdir("ch")
open("ch/git.pickle", "w").close()
os.link("file", "usr/second")
shutil.copytree("usr", "copy", symlinks=True)
shutil.rmtree("copy")
os.rename("file", storage / "bularge/large")
with open(storage / "bucache/config", "r+"):
    pass
(storage / "img/new").mkdir()
shutil.rmtree(storage / "img/other")
os.rename(storage / "img/mine", storage / "imgtmp")
os.rename(storage / "imgtmp", storage / "img/mine")
open(storage.parent / "elsewhere", "w").close()
print(sorted(os.listdir(storage / "img/mine/usr")))
"""
    done = watched(storage, text)
    assert (done.stdout, done.stderr) == ("['a', 'new', 'one', 'second']\n", "")


# -- processes -----------------------------------------------------------------------------

LEAVES = """import os, subprocess, sys
subprocess.run([os.path.dirname(__file__) + "/ch-run"])
{then}
print([name for name in os.listdir("/proc") if name.isdigit()])
"""
NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")


@pytest.mark.parametrize("then", ["open('x', 'w')", "subprocess.run('true')"])
def test_a_run_leaves_no_process(storage: Path, then: str) -> None:
    script = storage.parent / "ch-run"
    script.write_text("#!/bin/sh\n(setsid sh -c 'while :; do :; done' &)\n(sleep 99 &)\n")
    script.chmod(0o755)
    done = watched(storage, LEAVES.format(then=then), *NAMESPACE)
    if "unshare" in done.stderr:
        no_namespaces(done.stderr)
    assert (done.stdout, done.stderr) == ("['1']\n", "")
    done = watched(storage, LEAVES.format(then="pass"), *NAMESPACE)
    assert len(done.stdout.split(",")) == 3


def test_elsewhere_it_ends_no_process(storage: Path) -> None:
    script = storage.parent / "ch-run"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    done = watched(storage, LEAVES.format(then="open('x', 'w')"))
    assert "without process numbers of its own" in done.stderr and not done.stdout


# -- which program -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("#!/usr/bin/env python3", ["/usr/bin/env", "python3"]),
        ("#! /opt/python/bin/python3.9", ["/opt/python/bin/python3.9"]),
        ("#!/usr/bin/env -S python3 -E", ["/usr/bin/env", "-S python3 -E"]),
    ],
)
def test_the_python_of_its_first_line_runs_it(tmp_path, monkeypatch, first, words) -> None:
    program = tmp_path / "ch-image"
    program.write_text(f"{first}\npass\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert site.chimage_argv() == [*words, str(WATCH), str(program)]


async def test_a_program_that_cannot_be_watched_builds_nothing(tmp_path, monkeypatch) -> None:
    program = tmp_path / "ch-image"
    program.write_text("#!/bin/sh\nexec /opt/charliecloud/bin/ch-image\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    problem = await site.no_image_tool()
    assert problem is not None and "is no Python program" in problem.message


# -- the real one --------------------------------------------------------------------------


@pytest.fixture
def charliecloud(engine: str) -> Iterator[Charliecloud]:
    if engine != "charliecloud":
        pytest.skip("of Charliecloud's builds")
    program = Charliecloud()
    yield program
    for stored in program.store.all():
        for name in stored.image.references:
            if name.startswith("localhost/jc-test-watched"):
                program.store.remove(name)


@pytest.fixture
def canary(charliecloud: Charliecloud) -> Iterator[Path]:
    """A file that code of an image makes, on this machine, where a build's programs can write."""
    path = Path(site.storage(), f"canary-{secrets.token_hex(4)}")
    yield path
    path.unlink(missing_ok=True)
    Path(site.storage(), "bucache/hooks/post-checkout").unlink(missing_ok=True)


def spec(text: str, context: Path | None = None) -> BuildSpec:
    tag = f"localhost/jc-test-watched:{secrets.token_hex(6)}"
    return BuildSpec(**{**vars(spec_of(text, tag)), "context": str(context) if context else None})


async def outcome(engine: Charliecloud, given: BuildSpec) -> tuple[str, list[Progress]]:
    """The error's sentence, or nothing; and what came before."""
    events: list[Progress] = []
    try:
        async for event in engine.build(given):
            events.append(event)
    except ContainersError as error:
        return f"{error}\n{getattr(error, 'tail', '')}", events
    return "", events


def evil(canary: Path) -> str:
    return f"RUN printf 'cposix\\nsystem\\n(Vtouch {canary}\\ntR.' > /evil"


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        ("RUN cp /evil /ch/git.pickle\nRUN true", ""),
        ("RUN rm /ch/git.pickle; ln -s ../x /ch/git.pickle\nRUN cp /evil /x; false", "is a link"),
        ("RUN mv /ch /x; ln -s x /ch\nRUN cp /evil /x/git.pickle; false", "is a link"),
        ("RUN cp /evil /ch/git.pickle; false", "exit code 1"),
        (
            "RUN rm /ch/git.pickle; ln -s /tmp/x /ch/git.pickle\nRUN cp /evil /tmp/x; false",
            "/tmp/x",
        ),
        (
            "RUN (setsid sh -c 'while :; do cp /evil /ch/git.pickle; done' >/dev/null 2>&1 &)\n"
            "RUN sleep 1\nRUN false",
            "exit code 1",
        ),
        ("COPY hook /../../bucache/hooks/post-checkout\nRUN true", "leads out of the image"),
        (
            "RUN mkdir /t; ln -s {storage}/bucache/hooks/post-checkout /t\nCOPY sub /t/\nRUN true",
            "leads out of the image",
        ),
    ],
)
async def test_an_image_runs_nothing_on_this_machine(
    charliecloud, images, canary, tmp_path, attack: str, said: str
) -> None:
    (tmp_path / "sub").mkdir()
    for hook in (tmp_path / "hook", tmp_path / "sub/post-checkout"):
        hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
        hook.chmod(0o755)
    attack = attack.replace("{storage}", site.storage())
    text = f"FROM {images['busybox']}\n{evil(canary)}\n{attack}\n"
    told, events = await outcome(charliecloud, spec(text, tmp_path))
    await outcome(charliecloud, spec(text, tmp_path))  # what was kept is checked out again
    assert not canary.exists()
    assert any("RUN printf" in event.text for event in events)
    assert said in told and bool(said) == bool(told)


async def test_a_pickle_that_git_takes_for_its_own_is_refused(
    charliecloud, images, canary, monkeypatch
) -> None:
    """git compares size and second, where the index is of a later second: in large images."""
    rewrite = "cp -p /ch/git.pickle /was; dd if=/evil of=/ch/git.pickle conv=notrunc"
    text = f"""FROM {images["busybox"]}
{evil(canary)}
RUN {rewrite}; touch -r /was /ch/git.pickle; false
"""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        slow = Path(place, "git")
        slow.write_text(f"""#!/bin/sh
if [ "$1" = add ]; then sleep 1.1; fi
exec {shutil.which("git")} "$@"
""")
        slow.chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
        told, _ = await outcome(charliecloud, spec(text))
    assert not canary.exists()
    assert "names posix.system, which ch-image does not write" in told


async def test_a_base_leads_it_to_no_file_of_this_machine(charliecloud, images, tmp_path) -> None:
    victim = tmp_path / "bashrc"
    victim.write_text("mine")
    given = spec(f"FROM {images['busybox']}\nRUN echo {secrets.token_hex(4)} > /mark\n")
    assert (await outcome(charliecloud, given))[0] == ""
    tree = charliecloud.store.find(given.tag).directory / TREE
    (tree / "ch/git.pickle").symlink_to(victim)
    told, _ = await outcome(charliecloud, spec(f"FROM {given.tag}\nRUN true\n"))
    assert "/ch/git.pickle leads out of the image" in told
    assert victim.read_text() == "mine"


async def test_it_is_watched_from_below_tmp_too(charliecloud, images, monkeypatch) -> None:
    """A build's own /tmp does not hide our programs."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        programs = Path(shutil.copytree(site.PROGRAMS, f"{place}/programs"))
        monkeypatch.setattr("jupyter_containers.engines.charliecloud.site.PROGRAMS", programs)
        monkeypatch.setattr("jupyter_containers.engines.charliecloud.build.PROGRAMS", programs)
        text = f"FROM {images['busybox']}\nRUN echo {secrets.token_hex(4)}\n"
        assert (await outcome(charliecloud, spec(text)))[0] == ""
