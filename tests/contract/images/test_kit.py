"""ipykernel in images that lack it: real kernels, in real images, around what those have."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import cast

import pytest

from jupyter_containers.engines.base import Engine, Output
from jupyter_containers.engines.registry import _instance
from jupyter_containers.errors import KitFailed
from jupyter_containers.images.kit import Kit, fit
from jupyter_containers.images.probe import Interpreter, choose, probe
from jupyter_containers.layout import KIT_TARGET
from jupyter_containers.models import ContainerSpec, Image, User
from tests.helpers.derived import MakeImage, make_image
from tests.helpers.kit_kernels import check, kernel_in, kit_cache, own_cache

__all__ = ["kit_cache", "make_image", "own_cache"]

DIST_PACKAGES = "/usr/local/lib/python{}/dist-packages"
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
            compiled = kit.bytecode / KIT_TARGET[1:] / f"{module}.cpython-313.pyc"
            flags, seconds, size = struct.unpack("<4xIII", compiled.read_bytes()[:16])
            source = (kit.directory / f"{module}.py").stat()
            assert (flags, seconds, size) == (0, int(source.st_mtime), source.st_size)
        assert not list(kit.directory.rglob("*.pyc"))
        # Only the kit's own modules look there.
        assert await kernel.value("import sys; print(sys.pycache_prefix)") == "None"
        outside = "import json.tool; print(json.tool.__cached__)"
        assert (await kernel.value(outside)).startswith("/usr/lib/python3.13/")


async def test_an_images_environment_changes_no_path(
    engine: str, image: str, make_image: MakeImage
) -> None:
    """What it sets for its own Python reaches ours: where a plain kernel starts, ours does."""
    plain = "import sys; print(sys.path)"
    async with kernel_in(engine, image) as kernel:
        path = await kernel.value(plain)
    without = path.replace("'', ", "")  # IPython leaves the working directory out, as Python does
    cases = {
        "safe": ("PYTHONSAFEPATH=1", without),
        "ascii": ("LC_ALL=C PYTHONUTF8=0", path),
        "bare": ("PYTHONOPTIMIZE=2", path),
    }
    for name, (setting, expected) in cases.items():
        reference = await make_image(f"env-{name}", f"FROM {image}\nENV {setting}\n")
        async with kernel_in(engine, reference) as kernel:
            assert await kernel.value(plain) == expected, setting


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
        assert KIT_TARGET not in await kernel.value("import sys; print(sys.path)")


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
    found, me, interpreter = await _looked_into(engine, image)
    first = await fit(_instance(engine), found, me, interpreter)
    assert await fit(_silent(engine), found, me, interpreter, offline=True) == first


async def test_an_image_built_on_a_fitted_one_is_not_fitted_again(
    engine: str, image: str, make_image: MakeImage
) -> None:
    first = await fit(_instance(engine), *await _looked_into(engine, image))
    above = await make_image("above", f"FROM {image}\nRUN touch /more\nENV MORE=1\n")
    found, me, interpreter = await _looked_into(engine, above)
    assert await fit(_silent(engine), found, me, interpreter, offline=True) == first
    more = await make_image(
        "more",
        f"FROM {image}\nCOPY site {DIST_PACKAGES.format('3.11')}\n",
        wheels={"site": ["3.11", "decorator"]},
    )
    found, me, interpreter = await _looked_into(engine, more)
    with pytest.raises(AssertionError, match="ran a container"):
        await fit(_silent(engine), found, me, interpreter)


async def _looked_into(engine: str, reference: str) -> tuple[Image, User, Interpreter]:
    real = _instance(engine)
    found = await real.image(reference)
    assert found is not None
    me = await real.user("me", (0, 0))
    facts = await probe(real, found, me, Path(tempfile.gettempdir()))
    interpreter = choose(facts).interpreter
    assert interpreter is not None
    return found, me, interpreter


def _silent(engine: str) -> Engine:
    """An engine that fits nothing."""

    class Silent:
        name = engine

        def remove_argv(self, id: str) -> list[str]:
            return ["true"]

        async def run(self, spec: ContainerSpec, timeout: float) -> Output:
            raise AssertionError("ran a container again")

    return cast(Engine, Silent())
