"""ipykernel in images that lack it: real kernels, in real images, around what those have."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

from jupyter_containers import kit as kits
from jupyter_containers import kit_uv
from jupyter_containers.engines import _instance
from jupyter_containers.engines.base import Engine, Output
from jupyter_containers.errors import KitFailed
from jupyter_containers.facts import Interpreter
from jupyter_containers.kit import BYTECODE_TARGET, TARGET, Kit, fit, kit_for
from jupyter_containers.models import ContainerSpec, Mount
from jupyter_containers.probe import choose, probe

from .derived import MakeImage, make_image

__all__ = ["make_image"]

GUEST = Path(kits.__file__).parent / "guest"
INSIDE = "/opt/jupyter-containers"
DIST_PACKAGES = "/usr/local/lib/python{}/dist-packages"


@pytest.fixture(scope="session")
def kit_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Kits made by these tests are kept for the session."""
    directory = tmp_path_factory.mktemp("kits")
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(autouse=True)
def cache(kit_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("jupyter_containers.cache.cache_directory", lambda: kit_cache)
    return kit_cache


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "cache"
    monkeypatch.setattr("jupyter_containers.cache.cache_directory", lambda: directory)
    return directory


def python(**changes: Any) -> Interpreter:
    """A Debian 12 Python without any package."""
    plain = Interpreter(
        path="/usr/bin/python3",
        version=(3, 11, 2),
        implementation="cpython",
        machine="x86_64",
        prefix="/usr",
        libc="glibc",
        libc_version=(2, 36),
    )
    return replace(plain, **changes)


class Kernel:
    """A kernel in a container without network, by the client's end of its sockets."""

    def __init__(self, client: AsyncKernelClient, kit: Kit, interpreter: Interpreter) -> None:
        self.client = client
        self.kit = kit
        self.python = interpreter

    async def value(self, code: str) -> str:
        """What code prints; fails where it raises."""
        text: list[str] = []

        def hook(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                text.append(message["content"]["text"])

        reply = await self.client.execute_interactive(code, timeout=60, output_hook=hook)
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(text).strip()

    async def debug(self, command: str, **arguments: Any) -> dict[str, Any]:
        """One request of the debug adapter protocol, answered over the control channel."""
        content = {"type": "request", "seq": 1, "command": command, "arguments": arguments}
        message = self.client.session.msg("debug_request", content)
        self.client.control_channel.send(message)
        while True:
            reply = await self.client.get_control_msg(timeout=60)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                body: dict[str, Any] = reply["content"]
                return body


@asynccontextmanager
async def kernel_in(engine_name: str, reference: str) -> AsyncIterator[Kernel]:
    """Probe, fit and start as the provisioner does, without it."""
    engine = _instance(engine_name)
    image = await engine.image(reference)
    assert image is not None, reference
    me = await engine.user("me", (0, 0))
    room = Path(tempfile.mkdtemp(prefix="jc"))
    try:
        facts = await probe(engine, image, me, room)
        interpreter = choose(facts).interpreter
        assert interpreter is not None
        kit = await fit(engine, image, me, interpreter)
        for name in ("run", "home"):
            (room / name).mkdir()
        key = secrets.token_hex(16).encode()
        names = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
        ports = {name: number for number, name in enumerate(names, 1)}
        write_connection_file(
            str(room / "c.json"), ip=f"{INSIDE}/run/k", transport="ipc", key=key, **ports
        )
        kit_mounts = []
        if kit.directory is not None:
            assert kit.bytecode is not None
            kit_mounts = [
                Mount(str(kit.directory), TARGET),
                Mount(str(kit.bytecode), BYTECODE_TARGET),
            ]
        spec = ContainerSpec(
            name=f"jupyter-test-{secrets.token_hex(4)}",
            image=image.id,
            argv=(
                *(interpreter.path, f"{INSIDE}/guest/boot.py"),
                *(TARGET if kit_mounts else "-", f"{INSIDE}/c.json"),
            ),
            user=me,
            own=(
                Mount(str(GUEST), f"{INSIDE}/guest"),
                Mount(str(room / "run"), f"{INSIDE}/run", writable=True),
                Mount(str(room / "home"), "/home/me", writable=True),
                Mount(str(room / "c.json"), f"{INSIDE}/c.json"),
                *kit_mounts,
            ),
            env={"HOME": "/home/me"},
            network="none",
            init=True,
        )
        await engine.start(spec)
        client = AsyncKernelClient(
            transport="ipc", ip=str(room / "run" / "k"), **ports, session=Session(key=key)
        )
        client.start_channels()
        try:
            if not await _answers(client, engine, spec.name):
                pytest.fail(f"no kernel: {await engine.logs(spec.name, 40)}")
            yield Kernel(client, kit, interpreter)
        finally:
            client.stop_channels()
            client.context.destroy(linger=0)
            await engine.remove(spec.name)
    finally:
        shutil.rmtree(room)


async def _answers(client: AsyncKernelClient, engine: Engine, container: str) -> bool:
    """Until a reply and a message on iopub came. (`wait_for_ready` without a manager takes a
    kernel that needs more than a second to start for dead.)"""
    for _ in range(60):
        try:
            await client.kernel_info(reply=True, timeout=1)
            await client.get_iopub_msg(timeout=1)
        except (Empty, TimeoutError):
            if await engine.poll(container) is not None:
                return False
            continue
        return True
    return False


FRESH_PYTHON = """import subprocess, sys
code = '''import importlib.metadata, json, sys
names = [one.metadata["Name"] for one in importlib.metadata.distributions()]
print(json.dumps({"names": names, "path": sys.path[1:]}))'''
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)"""

BEFORE_THE_KIT = f"""import json, sys
print(json.dumps(sys.path[: sys.path.index({TARGET!r})]))"""


async def check(kernel: Kernel) -> None:
    """What holds in every image."""
    info = await kernel.client.kernel_info(reply=True, timeout=30)
    assert info["content"]["status"] == "ok"
    assert info["content"]["language_info"]["version"] == kernel.python.dotted
    assert await kernel.value("print(1 + 1)") == "2"
    assert await kernel.value("import ipykernel; print(ipykernel.__version__)") == (
        kernel.kit.ipykernel
    )
    # The kit comes last, and only here.
    assert kernel.kit.directory is not None
    environment = await kernel.value("import os; print(dict(os.environ))")
    assert "PYTHONPATH" not in environment
    assert TARGET not in environment
    fresh = json.loads(await kernel.value(FRESH_PYTHON))
    assert "ipykernel" not in fresh["names"]
    assert TARGET not in fresh["path"]
    before = json.loads(await kernel.value(BEFORE_THE_KIT))
    assert set(fresh["path"]) <= set(before)
    # The image's versions win.
    for name, version in kernel.python.distributions.items():
        seen = f"import importlib.metadata as m; print(m.version({name!r}))"
        assert await kernel.value(seen) == version
    held = {pin.partition("==")[0] for pin in kernel.kit.packages}
    assert not held & set(kernel.python.distributions)


SUITES = {"3.9": "python3.9", "3.11": "python3.11", "3.13": "python3.13"}


@pytest.mark.parametrize("version", sorted(SUITES))
async def test_plain_images(engine: str, images: dict[str, str], version: str) -> None:
    async with kernel_in(engine, images[SUITES[version]]) as kernel:
        await check(kernel)
        assert kernel.python.version[:2] == tuple(int(n) for n in version.split("."))
        assert int(kernel.kit.ipykernel.split(".")[0]) >= 6


@pytest.mark.parametrize(
    ("name", "wheels"),
    [
        ("traitlets4", ["traitlets==4.3.3", "ipython==7.34.0"]),
        ("ipython7", ["ipython==7.34.0"]),
        ("old-client", ["jupyter_client==5.3.5", "tornado==6.2", "pyzmq==24.0.1"]),
        ("new-traitlets", ["traitlets", "psutil", "numpy"]),
    ],
)
async def test_around_what_the_image_has(
    engine: str, image: str, make_image: MakeImage, name: str, wheels: list[str]
) -> None:
    reference = await make_image(
        name,
        f"FROM {image}\nCOPY site {DIST_PACKAGES.format('3.11')}\n",
        wheels={"site": ["3.11", *wheels]},
    )
    async with kernel_in(engine, reference) as kernel:
        await check(kernel)
        for requirement in wheels:
            wanted, _, version = requirement.partition("==")
            seen = f"import importlib.metadata as m; print(m.version({wanted!r}))"
            assert version in await kernel.value(seen)
            module = {"ipython": "IPython", "pyzmq": "zmq"}.get(wanted, wanted)
            where = await kernel.value(f"import {module}; print({module}.__file__)")
            assert where.startswith(DIST_PACKAGES.format("3.11"))


@pytest.mark.parametrize(
    ("name", "prefix", "options", "extra"),
    [
        ("venv", "/srv/venv", "", "ENV PATH=/srv/venv/bin:$PATH"),
        (
            "conda",
            "/opt/conda",
            "--copies",
            """RUN mkdir /opt/conda/conda-meta
ENV CONDA_PREFIX=/opt/conda CONDA_DEFAULT_ENV=base PATH=/opt/conda/bin:$PATH""",
        ),
    ],
)
async def test_prefixes(
    engine: str, image: str, make_image: MakeImage, name: str, prefix: str, options: str, extra: str
) -> None:
    reference = await make_image(
        f"prefix-{name}",
        f"FROM {image}\nRUN python3 -m venv --without-pip {options} {prefix}\n"
        f"COPY site {prefix}/lib/python3.11/site-packages\n{extra}\n",
        wheels={"site": ["3.11", "ipython==8.20.0", "numpy"]},
    )
    async with kernel_in(engine, reference) as kernel:
        await check(kernel)
        assert kernel.python.prefix == prefix
        assert await kernel.value("import sys; print(sys.prefix)") == prefix
        assert (await kernel.value("import IPython; print(IPython.__file__)")).startswith(prefix)
        assert await kernel.value("import numpy; print(numpy.ones(3).sum())") == "3.0"


async def test_debugger(engine: str, image: str) -> None:
    async with kernel_in(engine, image) as kernel:
        client = kernel.client
        ready = await kernel.debug("initialize", clientID="t", adapterID="", pathFormat="path")
        assert ready["success"], ready
        attached = await kernel.debug("attach")
        assert attached["success"], attached
        code = "x = 40\ny = x + 2\nprint(y)\n"
        dumped = await kernel.debug("dumpCell", code=code)
        path = dumped["body"]["sourcePath"]
        stops = {"source": {"path": path}, "breakpoints": [{"line": 2}], "sourceModified": False}
        placed = await kernel.debug("setBreakpoints", **stops)
        assert placed["body"]["breakpoints"][0]["verified"], placed
        assert (await kernel.debug("configurationDone"))["success"]
        client.execute(code)
        while True:
            message = await client.get_iopub_msg(timeout=60)
            event = message["content"].get("event")
            if message["msg_type"] == "debug_event" and event == "stopped":
                break
        assert message["content"]["body"]["reason"] == "breakpoint"
        thread = message["content"]["body"]["threadId"]
        trace = await kernel.debug("stackTrace", threadId=thread)
        assert trace["body"]["stackFrames"][0]["line"] == 2
        await kernel.debug("continue", threadId=thread)
        assert (await client.get_shell_msg(timeout=60))["content"]["status"] == "ok"


async def test_bytecode_is_the_images_and_used(
    engine: str, images: dict[str, str], make_image: MakeImage
) -> None:
    # Many images set this; the kit is compiled all the same.
    reference = await make_image(
        "no-bytecode", f"FROM {images['python3.13']}\nENV PYTHONDONTWRITEBYTECODE=1\n"
    )
    async with kernel_in(engine, reference) as kernel:
        await check(kernel)
        kit = kernel.kit
        assert kit.directory is not None
        assert kit.bytecode is not None
        for module in ("ipykernel/kernelapp", "IPython/core/interactiveshell", "jedi/api/__init__"):
            compiled = kit.bytecode / TARGET[1:] / f"{module}.cpython-313.pyc"
            flags, seconds, size = struct.unpack("<4xIII", compiled.read_bytes()[:16])
            source = (kit.directory / f"{module}.py").stat()
            assert (flags, seconds, size) == (0, int(source.st_mtime), source.st_size)
        assert not list(kit.directory.rglob("*.pyc"))
        # Only the kit's own modules look there.
        assert await kernel.value("import sys; print(sys.pycache_prefix)") == "None"
        outside = "import json.tool; print(json.tool.__cached__)"
        assert (await kernel.value(outside)).startswith("/usr/lib/python3.13/")


async def test_its_own_ipykernel(engine: str, image: str, make_image: MakeImage) -> None:
    site = DIST_PACKAGES.format("3.11")
    reference = await make_image(
        "own",
        f"FROM {image}\nCOPY site {site}\n",
        wheels={"site": ["3.11", "ipykernel==6.29.5"]},
    )
    async with kernel_in(engine, reference) as kernel:
        assert kernel.kit == Kit(ipykernel="6.29.5")
        assert not kernel.kit.encrypts
        assert await kernel.value("import ipykernel; print(ipykernel.__version__)") == "6.29.5"
        assert TARGET not in await kernel.value("import sys; print(sys.path)")


async def test_its_own_ipykernel_is_broken(engine: str, image: str, make_image: MakeImage) -> None:
    reference = await make_image(
        "broken",
        f"FROM {image}\nCOPY site {DIST_PACKAGES.format('3.11')}\n"
        f"COPY old {DIST_PACKAGES.format('3.11')}\n",
        wheels={"site": ["3.11", "ipykernel==6.29.5"], "old": ["3.11", "traitlets==4.3.3"]},
    )
    with pytest.raises(KitFailed, match=r"own ipykernel 6\.29\.5 cannot be imported") as raised:
        async with kernel_in(engine, reference):
            pass
    assert "traitlets" in raised.value.message
    assert "RUN /usr/bin/python3 -m pip install --upgrade ipykernel" in raised.value.hint


async def test_what_cannot_be_fitted(
    engine: str, images: dict[str, str], make_image: MakeImage
) -> None:
    # Every ipykernel that goes with traitlets 4 imports `imp`, which Python 3.12 dropped.
    reference = await make_image(
        "unfit",
        f"FROM {images['python3.13']}\nCOPY site {DIST_PACKAGES.format('3.13')}\n",
        wheels={"site": ["3.13", "traitlets==4.3.3"]},
    )
    with pytest.raises(KitFailed) as raised:
        async with kernel_in(engine, reference):
            pass
    assert "traitlets==4.3.3" in raised.value.message
    assert "No module named 'imp'" in raised.value.message
    assert "Add to the Dockerfile: RUN /usr/bin/python3 -m pip install" in raised.value.hint


async def test_fitted_once(engine: str, image: str) -> None:
    real = _instance(engine)
    found = await real.image(image)
    assert found is not None
    me = await real.user("me", (0, 0))
    facts = await probe(real, found, me, Path(tempfile.gettempdir()))
    interpreter = choose(facts).interpreter
    assert interpreter is not None
    first = await fit(real, found, me, interpreter)

    class Silent:
        name = engine

        async def run(self, spec: ContainerSpec, timeout: float) -> Output:
            raise AssertionError("ran a container again")

    assert await fit(Silent(), found, me, interpreter, offline=True) == first  # type: ignore[arg-type]


# -- without an engine -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        ({"libc": "musl", "libc_version": (1, 2), "version": (3, 11, 9)}, "musllinux"),
        ({"libc": "musl", "libc_version": (1, 2), "version": (3, 12, 3)}, "musllinux"),
        ({"libc_version": (2, 31), "version": (3, 9, 2)}, "manylinux"),
        ({"libc_version": (2, 41), "version": (3, 13, 5)}, "manylinux"),
        ({"libc_version": (2, 28), "machine": "aarch64", "version": (3, 12, 1)}, "manylinux"),
        ({"libc_version": (2, 17), "version": (3, 10, 4)}, "manylinux"),
    ],
)
async def test_wheels_for(changes: dict[str, Any], tag: str) -> None:
    interpreter = python(**changes)
    kit = await kit_for(interpreter)
    assert kit.directory is not None
    names = {pin.partition("==")[0] for pin in kit.packages}
    assert {"ipykernel", "ipython", "pyzmq", "debugpy", "traitlets"} <= names
    [wheel] = kit.directory.glob("pyzmq-*.dist-info/WHEEL")
    tags = [line for line in wheel.read_text().splitlines() if line.startswith("Tag:")]
    assert any(tag in line and interpreter.machine in line for line in tags), tags
    assert list((kit.directory / "zmq" / "backend").rglob("*.so")), "pyzmq has no compiled part"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "x86_64-manylinux_2_36"),
        ({"libc_version": (2, 39)}, "x86_64-manylinux_2_39"),
        ({"libc_version": (2, 99)}, "x86_64-manylinux_2_40"),
        ({"libc_version": (2, 30)}, "x86_64-manylinux_2_28"),
        ({"machine": "aarch64", "libc_version": (2, 17)}, "aarch64-manylinux_2_17"),
        ({"libc": "musl", "libc_version": (1, 2)}, "x86_64-unknown-linux-musl"),
    ],
)
def test_platforms(changes: dict[str, Any], expected: str) -> None:
    assert kit_uv.platform(python(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"libc_version": (2, 12)}, "C library without wheels (glibc 2.12)"),
        ({"libc": "musl", "libc_version": (1, 1)}, "C library without wheels (musl 1.1)"),
        ({"libc": "", "libc_version": ()}, "C library without wheels (unknown)"),
        ({"machine": "sparc64"}, "sparc64"),
        ({"bits": 32}, "32 bits"),
        ({"threaded": True}, "not the usual CPython"),
        ({"implementation": "pypy"}, "not the usual CPython"),
    ],
)
async def test_no_wheels_for(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(KitFailed) as raised:
        await kit_for(python(**changes))
    assert why in raised.value.message
    assert raised.value.hint.endswith("RUN /usr/bin/python3 -m pip install --upgrade ipykernel")


async def test_versions_that_no_index_has() -> None:
    own = {
        "tornado": "6.1+local.7",
        "pyzmq": "24.0.1.dev3",
        "traitlets": "5.9.0",
        "psutil": "a version of our own",
        "no-such-package-anywhere": "1.0",
    }
    kit = await kit_for(python(distributions=own))
    assert set(kit.constraints) >= {"tornado==6.1+local.7", "pyzmq==24.0.1.dev3"}
    assert not {"tornado", "pyzmq", "traitlets"} & {pin.partition("==")[0] for pin in kit.packages}


async def test_an_older_ipykernel_where_a_new_one_does_not_fit() -> None:
    kit = await kit_for(python(distributions={"ipython": "7.34.0", "traitlets": "5.0.5"}))
    assert kit_uv.Version("5") <= kit_uv.Version(kit.ipykernel) < kit_uv.Version("6.10")


async def test_offline_what_was_made_before_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = await kit_for(python())
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    assert await kit_for(python(), offline=True) == made


@pytest.mark.parametrize("offline", [True, False])
async def test_without_an_index(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offline: bool
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    with pytest.raises(KitFailed, match="package index was not reached") as raised:
        await kit_for(python(), offline=offline)
    assert "127.0.0.1" not in raised.value.message
    assert "RUN /usr/bin/python3 -m pip install --upgrade ipykernel" in raised.value.hint
    assert not [path for path in empty_cache.rglob("*") if path.is_file()]
    assert not list(empty_cache.glob("*/new-*"))


async def test_pips_settings_are_honoured(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    (index / "ipykernel").mkdir(parents=True)
    (index / "ipykernel" / "index.html").write_text("<html></html>")
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(KitFailed, match="No ipykernel fits"):
        await kit_for(python(version=(3, 11, 7)))


def test_pip_in_uvs_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "HTTPS_PROXY", "UV_INDEX_STRATEGY", "UV_INSECURE_HOST"):
        monkeypatch.delenv(name, raising=False)
    listed = """:env:.index-url='https://env.example/simple'
download.index-url='https://other.example/simple'
global.cert='/etc/ssl/corp.pem'
global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'
global.index-url='https://global.example/simple'
global.find-links='/w1 /w2'
install.index-url='https://install.example/simple'
global.no-index='false'
nonsense
global.broken='
"""
    assert kit_uv.uv_environment(kit_uv.pip_settings(listed)) == {
        "UV_DEFAULT_INDEX": "https://env.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/w1,/w2",
        "SSL_CERT_FILE": "/etc/ssl/corp.pem",
    }
    monkeypatch.setenv("SSL_CERT_FILE", "/mine.pem")
    assert "SSL_CERT_FILE" not in kit_uv.uv_environment({"cert": "/etc/ssl/corp.pem"})


async def test_two_makers_at_once(empty_cache: Path) -> None:
    one, two, three = await asyncio.gather(*(kit_for(python()) for _ in range(3)))
    assert one == two == three
    assert [path.name for path in (empty_cache / "kits").iterdir()] == [one.directory.name]  # type: ignore[union-attr]


async def test_a_cancelled_maker_leaves_nothing(empty_cache: Path) -> None:
    task = asyncio.create_task(kit_for(python(version=(3, 11, 1))))
    await asyncio.sleep(0.8)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list(empty_cache.glob("*/new-*"))
