"""Builds of `%%dockerfile` cells on real engines: what they reuse, pin, refuse and leave."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from traitlets.config import Config

from jupyter_containers import cache, errors
from jupyter_containers.buildplan import LABEL, NAMESPACE, earlier_images
from jupyter_containers.builds import Build, BuildRequest, Builds, Built
from jupyter_containers.cells import cell_of
from jupyter_containers.engines import open_engine
from jupyter_containers.kernelspecs import pin, unpin
from jupyter_containers.models import Image, Progress
from jupyter_containers.paths import cache_directory
from jupyter_containers.policy import Policy
from jupyter_containers.settings import Settings

from .engines.test_build_progress import begun, gone, leftovers, lines, running


@pytest.fixture(autouse=True)
def private_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@pytest.fixture
def word() -> str:
    """Makes a Dockerfile that no other test, and no earlier run, has built."""
    return uuid.uuid4().hex


class Site:
    """A notebook's folder, an engine, and the builds of one server."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder = folder
        self.program = engine
        self.policy: dict[str, Any] = {"build_ca": "", "min_free_disk": None}
        self.builds = Builds()
        self.name = f"nb-{uuid.uuid4().hex[:8]}"

    def request(self, text: str, line: str = "", **more: Any) -> BuildRequest:
        policy = Policy(config=Config(Policy=Config(self.policy)))
        given: dict[str, Any] = {
            "cell": cell_of(line, text),
            "directory": self.folder,
            "engine": open_engine(self.program, policy),
            "notebook": f"{self.name}.ipynb",
        }
        return BuildRequest(**(given | more))

    def start(self, text: str, line: str = "", **more: Any) -> Build:
        return self.builds.start(self.request(text, line, **more))

    async def build(self, text: str, line: str = "", **more: Any) -> Built:
        build = self.start(text, line, **more)
        await build.result()
        assert build.built is not None and build.state == "done"
        return build.built

    async def fail(self, text: str, line: str = "", **more: Any) -> errors.ContainersError:
        build = self.start(text, line, **more)
        with pytest.raises(errors.ContainersError) as caught:
            await build.result()
        assert build.state == "failed"
        return caught.value

    def run(self, *argv: str) -> str:
        done = subprocess.run([self.program, *argv], capture_output=True, text=True, check=True)
        return done.stdout

    def images(self) -> list[str]:
        """Our own names of this notebook's images."""
        listed = self.run("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        return [name for name in listed if name.startswith(f"{NAMESPACE}/{self.name}:")]


@pytest.fixture
def site(folder: Path, engine: str, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Site]:
    site = Site(folder, engine)
    yield site
    jp_asyncio_loop.run_until_complete(site.builds.close())
    for name in site.images():
        subprocess.run([engine, "rmi", "-f", name], capture_output=True, check=False)
    assert list((cache_directory() / "contexts").glob("*")) == []


class Commands(logging.Handler):
    """What was run, as `--verbose` would print it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextlib.contextmanager
def commands() -> Iterator[list[str]]:
    logger, handler = logging.getLogger("jupyter_containers.commands"), Commands()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield handler.lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


async def events(build: Build, first: int = 0) -> list[Progress]:
    return [event async for event in build.events(first)]


# -- reuse ---------------------------------------------------------------------------------


async def test_unchanged_is_two_questions_and_no_build(
    site: Site, images: dict[str, str], word: str
) -> None:
    """One for the image, and one for the base, which only this machine has."""
    text = f"FROM {images['busybox']}\nCOPY a.txt /\nRUN echo {word} > /b\n"
    (site.folder / "a.txt").write_text("one")
    first = await site.build(text)
    await site.builds.settled()
    with commands() as ran:
        second = await site.build(text)
    assert (first.reused, second.reused) == (False, True)
    assert second.image.id == first.image.id and second.source == first.source
    assert len(ran) == 2 and all("image inspect" in command for command in ran)


async def test_unchanged_on_a_registrys_base_is_one_question(
    site: Site, registry: str, word: str
) -> None:
    text = f"FROM {registry}/test/busybox\nRUN echo {word}\n"
    first = await site.build(text)
    assert list(first.source.bases) == [f"{registry}/test/busybox:latest"]
    await site.builds.settled()
    with commands() as ran:
        assert (await site.build(text)).reused
    assert len(ran) == 1


async def test_only_what_is_named_counts(site: Site, images: dict[str, str], word: str) -> None:
    text = f"FROM {images['busybox']}\nCOPY src/*.txt /src/\nRUN ls -a /src && echo {word}\n"
    (site.folder / "src").mkdir()
    (site.folder / "src/a.txt").write_text("one")
    (site.folder / "src/.env").write_text("not named")
    build = site.start(text)
    await build.result()
    assert "a.txt" in lines(await events(build)) and ".env" not in lines(await events(build))
    (site.folder / "src/.env").write_text("changed")
    (site.folder / "data.bin").write_bytes(b"x" * 1_000_000)
    assert (await site.build(text)).reused
    (site.folder / "src/a.txt").write_text("two")
    changed = await site.build(text)
    assert not changed.reused
    assert changed.source.cell == build.built.source.cell  # type: ignore[union-attr]
    assert changed.source.context != build.built.source.context  # type: ignore[union-attr]


async def test_another_argument_or_target_is_another_build(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']} AS a\nARG X=1\nRUN echo {word}-$X\nFROM a\nRUN echo more\n"
    made = {
        (await site.build(text, line)).name
        for line in ("", "--build-arg X=2", "--target a", "--build-arg X=3 --target a")
    }
    assert len(made) == 4


async def test_an_image_removed_by_hand_is_built_again(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {word}\n"
    first = await site.build(text)
    site.run("rmi", "-f", first.name)
    assert not (await site.build(text)).reused
    assert len(site.images()) == 1


@pytest.mark.parametrize(
    "torn", ["", "{", "[]", '{"x": 1}', '{"REF": {"pin": 1}}', '{"REF": {"pin": "sha256:0"}}']
)
async def test_a_torn_record_costs_a_question_only(
    site: Site, images: dict[str, str], word: str, torn: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {word}\n"
    first = await site.build(text)
    record = cache.place("builds", site.program, first.source.cell)
    assert record.exists()
    record.write_text(torn.replace("REF", images["busybox"]))
    assert (await site.build(text)).reused


async def test_no_cache_builds_anew(site: Site, images: dict[str, str], word: str) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {word}; cat /proc/uptime\n"
    await site.build(text)
    build = site.start(text, "--no-cache")
    await build.result()
    assert word in lines(await events(build))


async def test_a_tag_is_given_and_given_again(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {word}\n"
    tag = f"jc-test-{word[:8]}:v1"
    plain = await site.build(text)
    tagged = await site.build(text, f"-t {tag}")
    try:
        assert tagged.reference == f"docker.io/library/{tag}"
        assert tagged.name == plain.name
        assert (await site.build(text, f"-t {tag}")).reused
    finally:
        site.run("rmi", "-f", tagged.reference)


async def test_the_same_request_is_one_build(site: Site, images: dict[str, str], word: str) -> None:
    text = f"FROM {images['busybox']}\nRUN sleep 1; echo {word}\n"
    one, two = site.start(text), site.start(text)
    assert one is two
    await one.result()
    assert site.start(text) is not one
    await site.builds.close()


async def test_two_processes_build_the_same_once(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN sleep 3; echo {word}\n"
    argv = [sys.executable, "-c", OTHER, site.program, str(site.folder), site.name, text]
    others = [
        await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        for _ in range(2)
    ]
    said = [(await other.communicate())[0].decode().split() for other in others]
    assert sorted(one[0] for one in said) == ["False", "True"]
    assert said[0][1] == said[1][1]


OTHER = """
import asyncio, sys
from pathlib import Path
from traitlets.config import Config
from jupyter_containers.builds import BuildRequest, Builds
from jupyter_containers.cells import cell_of
from jupyter_containers.engines import open_engine
from jupyter_containers.policy import Policy
from jupyter_containers.settings import Settings

async def main():
    program, folder, name, text = sys.argv[1:]
    policy = Policy(config=Config(Policy=Config({"build_ca": "", "min_free_disk": None})))
    build = Builds().start(
        BuildRequest(
            cell=cell_of("", text),
            directory=Path(folder),
            engine=open_engine(program, policy),
            notebook=name + ".ipynb",
        )
    )
    print("started", file=sys.stderr, flush=True)
    image = await build.result()
    print(build.built.reused, image.id)

asyncio.run(main())
"""


# -- bases ---------------------------------------------------------------------------------


async def test_from_an_earlier_cell(site: Site, images: dict[str, str], word: str) -> None:
    base = cell_of("-t jc-earlier", f"FROM {images['busybox']}\nRUN echo {word} > /word\n")
    top = "FROM jc-earlier\nRUN cat /word\n"
    first = await site.build(base.text, base.line)
    build = site.start(top, earlier=earlier_images([(base, first)]))
    await build.result()
    assert word in lines(await events(build))
    assert build.built is not None and not build.built.source.bases
    again = await site.build(top, earlier=earlier_images([(base, first)]))
    assert again.reused
    changed = await site.build(base.text + "RUN echo more >> /word\n", base.line)
    other = await site.build(top, earlier=earlier_images([(base, changed)]))
    assert not other.reused and other.name != again.name
    site.run("rmi", "-f", "docker.io/library/jc-earlier:latest")


class Moving:
    """A tag in a registry that moves on."""

    def __init__(self, site: Site, registry: str, busybox: str) -> None:
        self.site, self.busybox = site, busybox
        self.reference = f"{registry}/test/moving:{uuid.uuid4().hex[:8]}"

    def move(self, content: str) -> None:
        text = f"FROM {self.busybox}\nRUN echo {content} > /content\n"
        subprocess.run(
            [self.site.program, "build", "-t", self.reference, "-"],
            input=text.encode(),
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            capture_output=True,
            check=True,
        )
        self.site.run("push", self.reference)
        self.site.run("rmi", "-f", self.reference)


@pytest.fixture
def moving(site: Site, registry: str, images: dict[str, str]) -> Iterator[Moving]:
    moving = Moving(site, registry, images["busybox"])
    yield moving
    argv = [site.program, "rmi", "-f", moving.reference]
    subprocess.run(argv, capture_output=True, check=False)


async def content(site: Site, text: str, **more: Any) -> tuple[str, Built]:
    build = site.start(text, **more)
    await build.result()
    assert build.built is not None
    return build.built.name, build.built


async def test_a_rebuild_pins_its_base_until_it_is_updated(
    site: Site, moving: Moving, word: str
) -> None:
    moving.move("one")
    text = f"FROM {moving.reference}\nRUN cat /content; echo {word}\n"
    old = await site.build(text)
    moving.move("two")
    # The notebook goes to another machine: nothing is known but its metadata.
    site.run("rmi", "-f", old.name)
    cache.place("builds", site.program, old.source.cell).unlink()
    build = site.start(text, bases=old.source.bases)
    await build.result()
    assert "one" in lines(await events(build)) or build.built.fingerprint == old.fingerprint  # type: ignore[union-attr]
    assert build.built is not None and build.built.source == old.source

    update = site.start(text, bases=old.source.bases, update_bases=True)
    await update.result()
    assert update.built is not None
    assert "two" in lines(await events(update))
    assert update.built.source.bases != old.source.bases
    again = await site.build(text, bases=update.built.source.bases)
    assert again.reused and again.name == update.built.name


async def test_a_changed_cell_keeps_its_base(site: Site, moving: Moving, word: str) -> None:
    moving.move("one")
    old = await site.build(f"FROM {moving.reference}\nRUN echo {word}\n")
    moving.move("two")
    build = site.start(
        f"FROM {moving.reference}\nRUN cat /content; echo {word} more\n", bases=old.source.bases
    )
    await build.result()
    assert "one" in lines(await events(build))


async def test_a_base_of_this_machine_that_changed_is_noticed(
    site: Site, images: dict[str, str], word: str
) -> None:
    base = f"localhost/jc-test-base:{word[:8]}"

    def make(text: str) -> None:
        argv = [site.program, "build", "-t", base, "-"]
        env = {**os.environ, "DOCKER_BUILDKIT": "1"}
        subprocess.run(argv, input=text.encode(), env=env, capture_output=True, check=True)

    make(f"FROM {images['busybox']}\nRUN echo one > /content\n")
    text = f"FROM {base}\nRUN cat /content; echo {word}\n"
    first = await site.build(text)
    make(f"FROM {images['busybox']}\nRUN echo two > /content\n")
    build = site.start(text, bases=first.source.bases)
    await build.result()
    seen = await events(build)
    assert "two" in lines(seen)
    assert any(e.kind == "notice" and "not the image that" in e.text for e in seen)
    site.run("rmi", "-f", base)


async def test_a_stage_that_is_not_reached_fetches_nothing(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = (
        f"FROM no-such-host.invalid/big:1 AS gpu\nRUN true\n"
        f"FROM {images['busybox']} AS cpu\nRUN echo {word}\n"
    )
    assert not (await site.build(text, "--target cpu")).reused
    error = await site.fail(text, "--target gpu")
    assert isinstance(error, errors.NetworkFailed) and error.line == 1


async def test_onbuild_of_a_base_brings_its_files_and_is_judged(
    site: Site, images: dict[str, str], word: str
) -> None:
    base = f"localhost/jc-test-onbuild:{word[:8]}"
    onbuild = f"FROM {images['busybox']}\nONBUILD COPY wanted.txt /wanted.txt\n"
    keeps = ["--format", "docker"] if site.program == "podman" else []
    subprocess.run(
        [site.program, "build", *keeps, "-t", base, "-"],
        input=onbuild.encode(),
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        check=True,
    )
    text = f"FROM {base}\nRUN cat /wanted.txt; echo {word}; exit 0\n"
    try:
        assert isinstance(await site.fail(text), errors.DockerfileError)
        (site.folder / "wanted.txt").write_text("from the folder\n")
        build = site.start(text)
        await build.result()
        seen = await events(build)
        assert "from the folder" in lines(seen)
        assert any(e.kind == "step" and e.line == 2 and e.text.startswith("RUN") for e in seen)
        (site.folder / "wanted.txt").write_text("changed\n")
        assert not (await site.build(text)).reused
    finally:
        site.run("rmi", "-f", base)


# -- what goes into RUN, and what stays out of layers --------------------------------------


@pytest.fixture
def index(site: Site, tmp_path: Path) -> str:
    """A package index behind a private CA, which a RUN serves to itself; the CA is the
    policy's. Returns the text of the CA."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    site.policy["build_ca"] = str(tmp_path / "ca.pem")
    served = site.folder / "index"
    served.mkdir()
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(served / "tls.crt")
    (served / "serve.py").write_text(SERVE)
    return ca.cert_pem.bytes().decode()


SERVE = """
import functools, http.server, ssl, subprocess, sys, threading, zipfile
name = "only_here-1.0-py3-none-any.whl"
with zipfile.ZipFile("/tmp/" + name, "w") as wheel:
    wheel.writestr("only_here.py", "answer = 42")
    about = "only_here-1.0.dist-info/"
    metadata = "Metadata-Version: 2.1", "Name: only-here", "Version: 1.0"
    wheel.writestr(about + "METADATA", "\\n".join(metadata))
    tags = "Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"
    wheel.writestr(about + "WHEEL", "\\n".join(tags))
    wheel.writestr(about + "RECORD", "")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = open("/tmp/" + name, "rb").read()
        if not self.path.endswith(".whl"):
            body = f'<a href="/{name}">{name}</a>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = http.server.HTTPServer(("localhost", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/index/tls.crt")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://localhost:{server.server_port}/simple"
pip = [sys.executable, "-m", "pip", "install", "--break-system-packages", "--no-cache-dir"]
sys.exit(subprocess.call([*pip, "--index-url", url, "only-here"]))
"""

INSTALL = (
    "FROM {image}\nCOPY index/serve.py index/tls.crt /index/\n"
    "RUN python3 /index/serve.py && python3 -c 'import only_here' && echo {word}\n"
    "RUN rm -r /index /tmp/*.whl\n"
)


async def test_pip_behind_a_private_ca_leaves_no_ca_in_any_layer(
    site: Site, image: str, word: str, index: str, tmp_path: Path
) -> None:
    built = await site.build(INSTALL.format(image=image, word=word))
    site.run("run", "--rm", built.name, "python3", "-c", "import only_here")
    env = site.run("run", "--rm", built.name, "env")
    assert "PIP_CERT" not in env and "SSL_CERT_FILE" not in env
    archive = tmp_path / "image.tar"
    site.run("save", "-o", str(archive), built.name)
    needle = index.strip().splitlines()[3].encode()
    assert needle in (tmp_path / "ca.pem").read_bytes()
    searched = 0
    with tarfile.open(archive) as outer:
        for member in outer.getmembers():
            if not member.isfile():
                continue
            file = outer.extractfile(member)
            assert file is not None
            data = file.read()
            searched += len(data)
            # Layers of `save` are plain tars: a file of a few kB stands there as it is.
            assert data[:2] != b"\x1f\x8b", "this engine compresses layers: look inside"
            if b"index/tls.crt" not in data:
                assert needle not in data, member.name
    assert searched > 50_000_000


async def test_without_the_ca_the_error_names_the_trait(
    site: Site, image: str, word: str, index: str
) -> None:
    site.policy["build_ca"] = ""
    error = await site.fail(INSTALL.format(image=image, word=word))
    assert isinstance(error, errors.NetworkFailed)
    assert error.line == 3 and "Policy.build_ca" in error.hint


async def test_proxies_reach_run_and_stay_out_of_the_image(
    site: Site, images: dict[str, str], word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:swordfish@proxy.invalid:3128")
    text = f"FROM {images['busybox']}\nRUN echo {word} $https_proxy\n"
    with commands() as ran:
        build = site.start(text)
        await build.result()
    assert f"{word} http://me:swordfish@proxy.invalid:3128" in lines(await events(build))
    assert not any("swordfish" in command for command in ran)
    assert build.built is not None
    assert "swordfish" not in site.run("image", "inspect", build.built.name)
    assert "swordfish" not in site.run("history", "--no-trunc", build.built.name)


async def test_a_secret_of_the_policy(
    site: Site, images: dict[str, str], word: str, tmp_path: Path
) -> None:
    secret = tmp_path / "the,secret"
    secret.write_text("swordfish")
    site.policy["build_secrets"] = {"token": str(secret)}
    text = (
        f"FROM {images['busybox']}\n"
        f"RUN --mount=type=secret,id=token wc -c < /run/secrets/token; echo {word}\n"
    )
    build = site.start(text, "--secret token")
    await build.result()
    assert "9" in [line.strip() for line in lines(await events(build))]
    refused = await site.fail(text, "--secret other")
    assert isinstance(refused, errors.PolicyRefused)
    assert "Policy.build_secrets" in refused.message
    secret.unlink()
    assert isinstance(await site.fail(text + "RUN true\n", "--secret token"), errors.BadInput)


async def test_lines_are_the_cells_whatever_was_put_in(
    site: Site, images: dict[str, str], word: str, tmp_path: Path
) -> None:
    """The CA adds instructions to what engines get; people see none of them."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    site.policy["build_ca"] = str(tmp_path / "ca.pem")
    text = (
        f"# a comment\nFROM {images['busybox']} AS one\nRUN true \\\n  && echo {word}\n"
        f"FROM {images['busybox']}\nCOPY --from=one /etc /etc\n\nRUN exit 3\n"
    )
    build = site.start(text)
    with pytest.raises(errors.BuildFailed) as caught:
        await build.result()
    assert (caught.value.line, caught.value.code) == (8, 3)
    assert caught.value.instruction == "RUN exit 3"
    seen = await events(build)
    assert {(e.line, e.text.split()[0]) for e in seen if e.kind == "step"} >= {
        (3, "RUN"),
        (6, "COPY"),
        (8, "RUN"),
    }
    assert not any("ARG" in e.text or "CERT" in e.text for e in seen if e.kind != "log")
    assert all(e.steps == 5 for e in seen if e.kind == "step")
    assert any(e.line == 3 and e.text == word for e in seen)


# -- what is refused -----------------------------------------------------------------------


async def test_what_the_policy_refuses_starts_nothing(
    site: Site, images: dict[str, str], word: str
) -> None:
    site.policy["images"] = ["localhost/*"]
    site.policy["build_urls"] = []
    cases = (
        "FROM docker.io/library/evil:1",
        "ARG B=evil\nFROM $B",
        f"FROM {images['busybox']}\nCOPY --from=evil:1 /a /b",
        f"FROM {images['busybox']}\nRUN --mount=type=bind,from=evil:1,target=/m true",
        f"FROM {images['busybox']}\nADD https://example.org/x /x",
        f"FROM {images['busybox']}\nRUN --network=host true",
    )
    with commands() as ran:
        for text in cases:
            assert isinstance(await site.fail(text), errors.PolicyRefused), text
    assert ran == []


async def test_keys_are_not_copied_even_by_name(
    site: Site, images: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(site.folder / "keys"))
    (site.folder / "keys").mkdir()
    (site.folder / "keys/mine.txt").write_text("key")
    (site.folder / "fine.txt").write_text("fine")
    text = f"FROM {images['busybox']}\nCOPY {{}} /x/\n"
    for line, what in (
        ("", "keys/mine.txt"),
        ("", "."),
        ("--context keys", "mine.txt"),
        ("--context /etc", "passwd"),
    ):
        error = await site.fail(text.format(what), line)
        assert isinstance(error, errors.PolicyRefused) and "Policy.mounts" in error.message
    assert not (await site.build(text.format("fine.txt"))).reused


async def test_mistakes_have_their_line(site: Site, images: dict[str, str]) -> None:
    for text, line, what in (
        (f"FROM {images['busybox']}\nRUNN x\n", 2, "RUNN"),
        (f"FROM {images['busybox']}\nCOPY nothing.txt /\n", 2, "nothing.txt"),
        ("RUN true\n", 1, "FROM"),
    ):
        error = await site.fail(text)
        assert isinstance(error, errors.DockerfileError), error
        assert error.line == line and what in error.message
    assert isinstance(await site.fail(f"FROM {images['busybox']}\n", "--target x"), errors.BadInput)


async def test_our_own_names_are_not_given_away(
    site: Site, images: dict[str, str], word: str
) -> None:
    """Else one notebook's image could wait under the name that another's will have."""
    victim = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    text = f"FROM {images['busybox']}\nLABEL {LABEL}={victim.fingerprint}\nRUN echo evil {word}\n"
    assert isinstance(await site.fail(text, f"-t {victim.name}"), errors.BadInput)
    evil = await site.build(text)
    site.run("tag", evil.name, victim.name)  # as if it had got there all the same
    again = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    assert again.image.id != evil.image.id and again.image.labels[LABEL] != evil.image.labels[LABEL]


async def test_an_unknown_base_names_its_line(site: Site, registry: str) -> None:
    error = await site.fail(f"\nFROM {registry}/test/nosuch:1\nRUN true\n")
    assert isinstance(error, errors.BaseUnknown) and error.line == 2
    assert error.message.startswith("Dockerfile line 2:")
    local = await site.fail("FROM localhost/never-built:1\n")
    assert isinstance(local, errors.BaseUnknown) and local.line == 1


async def test_heredocs_are_built_or_refused_but_never_misread(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN <<EOF\necho {word}\nFROM localhost/never-built\nEOF\n"
    features = (await site.request(text).engine.info()).features
    build = site.start(text)
    if "heredocs" in features:
        with pytest.raises(errors.BuildFailed) as caught:  # FROM is no program
            await build.result()
        assert caught.value.line == 2 and word in caught.value.tail
    else:
        with pytest.raises(errors.DockerfileError) as refused:
            await build.result()
        assert refused.value.line == 2 and "here-documents" in refused.value.message


# -- running -------------------------------------------------------------------------------


async def test_everybody_sees_all_events_and_nobody_is_needed(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN for i in 1 2 3; do echo {word}-$i; sleep 0.5; done\n"
    build = site.start(text)
    async for event in build.events():
        if event.text == f"{word}-1":
            break
    waiting = asyncio.create_task(build.result())
    await asyncio.sleep(0)
    waiting.cancel()
    late = [asyncio.create_task(events(build)) for _ in range(3)]
    await build.result()
    one, two, three = [await task for task in late]
    assert one == two == three == await events(build)
    assert [line for line in lines(one) if word in line] == [f"{word}-{i}" for i in (1, 2, 3)]
    assert await events(build, 5) == one[5:]
    assert one[-1].kind == "image"


async def test_a_changed_dockerfile_cancelled_in_its_sleep(
    site: Site, images: dict[str, str], word: str
) -> None:
    before = leftovers(site.program)
    await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    number = str(uuid.uuid4().int % 10**9 + 10**9)
    build = site.start(f"FROM {images['busybox']}\nRUN echo {word}\nRUN sleep {number}\n")
    await begun(number)
    started = time.monotonic()
    await build.cancel()
    assert not running(number) or await gone(number, 2)
    assert time.monotonic() - started < 10
    assert build.state == "cancelled" and build.ended is not None
    with pytest.raises(errors.BuildCancelled):
        await build.result()
    assert leftovers(site.program) - before == set()


async def test_cancelled_at_any_moment(site: Site, images: dict[str, str], word: str) -> None:
    (site.folder / "large").write_bytes(os.urandom(1 << 20) * 60)
    before = leftovers(site.program)
    for wait in (0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8):
        build = site.start(
            f"FROM {images['busybox']}\nCOPY large /\nRUN sleep 9; echo {word}{wait}\n"
        )
        await asyncio.sleep(wait)
        await build.cancel()
        assert build.state == "cancelled"
        assert list((cache_directory() / "contexts").glob("*")) == []
    assert leftovers(site.program) - before == set()


async def test_builds_wait_for_their_turn(site: Site, images: dict[str, str], word: str) -> None:
    site.policy["max_builds"] = 1
    text = f"FROM {images['busybox']}\nRUN sleep 2; echo {word}"
    one, two = site.start(text + "1\n"), site.start(text + "2\n")
    await asyncio.sleep(0.5)
    assert (one.state, two.state) == ("running", "waiting")
    three = site.start(text + "3\n")
    await three.cancel()
    assert three.state == "cancelled"
    await asyncio.gather(one.result(), two.result())
    assert any("max_builds" in e.text for e in await events(two))


async def test_a_build_that_takes_too_long(site: Site, images: dict[str, str], word: str) -> None:
    site.policy["max_build_seconds"] = 3
    number = str(uuid.uuid4().int % 10**9 + 10**9)
    error = await site.fail(f"FROM {images['busybox']}\nRUN echo {word}; sleep {number}\n")
    assert "Policy.max_build_seconds" in error.message
    assert await gone(number)


async def test_output_is_kept_up_to_the_limit(
    site: Site, images: dict[str, str], word: str
) -> None:
    site.policy["max_build_log"] = 20_000
    build = site.start(f"FROM {images['busybox']}\nRUN echo {word}; seq 5000\n")
    await build.result()
    seen = await events(build)
    assert sum(len(e.text) for e in seen) < 20_000
    assert [e.text for e in seen if "max_build_log" in e.text] == [
        "More output is not kept (Policy.max_build_log)."
    ]
    assert seen[-1].kind == "image"


async def test_closing_ends_all(site: Site, images: dict[str, str], word: str) -> None:
    numbers = [str(uuid.uuid4().int % 10**9 + 10**9) for _ in range(2)]
    builds = [
        site.start(f"FROM {images['busybox']}\nRUN echo {word}; sleep {number}\n")
        for number in numbers
    ]
    for number in numbers:
        await begun(number)
    await site.builds.close()
    assert [build.state for build in builds] == ["cancelled", "cancelled"]
    assert all([await gone(number) for number in numbers])


async def test_superseded_images_are_kept_a_few_deep(
    site: Site, images: dict[str, str], word: str
) -> None:
    site.policy["keep_images"] = 1
    made = []
    for number in range(4):
        line = f"-t jc-kept:{word[:8]}" if number == 0 else ""
        made.append(await site.build(f"FROM {images['busybox']}\nRUN echo {word}{number}\n", line))
        await site.builds.settled()
    assert sorted(site.images()) == sorted(one.name for one in made[2:])
    kept = await site.request("FROM scratch\n").engine.image(made[0].reference)
    assert isinstance(kept, Image) and kept.id == made[0].image.id
    site.run("rmi", "-f", made[0].reference)


async def test_an_image_in_use_stays(site: Site, images: dict[str, str], word: str) -> None:
    site.policy["keep_images"] = 0
    first = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    user = site.run("run", "-d", first.name, "sleep", "300").strip()
    try:
        await site.build(f"FROM {images['busybox']}\nRUN echo {word} more\n")
        await site.builds.settled()
        assert first.name in site.images()
    finally:
        site.run("rm", "-f", user)


async def test_a_pinned_image_stays(site: Site, images: dict[str, str], word: str) -> None:
    site.policy["keep_images"] = 0
    first = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    pin(first.name, f"jc-{word[:8]}", Settings(image=first.name))
    try:
        await site.build(f"FROM {images['busybox']}\nRUN echo {word} more\n")
        await site.builds.settled()
        assert first.name in site.images()
    finally:
        unpin(f"jc-{word[:8]}")


async def test_the_label_says_what_it_is(site: Site, images: dict[str, str], word: str) -> None:
    built = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    [said] = json.loads(site.run("image", "inspect", built.name))
    label = said["Config"]["Labels"][LABEL]
    assert label.split(" ")[0] == built.fingerprint
    assert str(site.folder) not in json.dumps(said["Config"])


# -- full disks ----------------------------------------------------------------------------


async def test_no_build_starts_below_the_floor(site: Site, images: dict[str, str]) -> None:
    site.policy["min_free_disk"] = 1 << 49
    error = await site.fail(f"FROM {images['busybox']}\nRUN true\n")
    assert isinstance(error, errors.DiskFull) and "Policy.min_free_disk" in error.message


async def test_a_full_disk_in_run(site: Site, images: dict[str, str], word: str) -> None:
    text = (
        f"FROM {images['busybox']}\n"
        f"RUN echo {word}; dd if=/dev/zero of=/dev/shm/full bs=1M count=200\n"
    )
    error = await site.fail(text)
    assert isinstance(error, errors.DiskFull) and error.line == 2
    assert "prune" in error.hint


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root; the tests as root do it")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", place], check=True)
    yield place
    subprocess.run(["umount", "-R", "--lazy", place], check=True)


async def test_a_full_disk_under_our_cache(
    site: Site, images: dict[str, str], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(small))
    (site.folder / "large").write_bytes(os.urandom(1 << 20) * 40)
    error = await site.fail(f"FROM {images['busybox']}\nCOPY large /\n")
    assert isinstance(error, errors.DiskFull)
    assert list((small / "jupyter-containers/contexts").glob("*")) == []


async def test_a_full_disk_under_podmans_storage(
    site: Site, small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str
) -> None:
    if site.program != "podman":
        pytest.skip("a daemon's storage is not ours to choose")
    conf = tmp_path / "storage.conf"
    conf.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{small}/storage"\nrunroot = "{small}/run"\n'
    )
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(conf))
    (site.folder / "large").write_bytes(os.urandom(1 << 20) * 40)
    for text in (
        f"FROM scratch\nCOPY large /large{word}\n",
        "FROM scratch\nCOPY large /a\nCOPY large /b\n",
    ):
        error = await site.fail(text)
        assert isinstance(error, errors.DiskFull), error
    assert site.run("ps", "--all", "--external", "--quiet") == ""
