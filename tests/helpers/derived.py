"""Images that tests need, built on the engine under test from its base images.

No build needs a network: wheels are fetched here, with the person's own settings of pip and uv,
and copied in. An image is built once per engine and session, and goes after it.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest
from uv import find_uv_bin

from jupyter_containers.engines.process_engine.image_store import Store
from jupyter_containers.engines.registry import choose_engine
from jupyter_containers.host.process import run
from jupyter_containers.images.convert import convert
from jupyter_containers.images.kit_resolver import index_environment
from jupyter_containers.policy.loader import load_policy
from tests.helpers.harness import DAEMONS

MakeImage = Callable[..., Awaitable[str]]
"""await make(name, dockerfile, wheels={"site": [python, *requirements]}, files={name: text})"""


async def unpack_wheels(target: Path, python: str, *requirements: str) -> None:
    """Install into a directory for another Python, as it would lie in site-packages."""
    argv = [
        *(find_uv_bin(), "pip", "install", "--quiet", "--only-binary=:all:"),
        *(f"--target={target}", f"--python={sys.executable}", f"--python-version={python}"),
        *(f"--python-platform={platform.machine()}-manylinux_2_28", *requirements),
    ]
    done = await run(argv, env=await index_environment(), timeout=300)
    assert done.code == 0, done.stderr


async def hand_over(reference: str, builder: str, engine: str) -> None:
    """Convert an image, and leave it to the test to be the first that looks into it."""
    policy = load_policy(None)
    source, target = await choose_engine(builder, policy), await choose_engine(engine, policy)
    image = await source.image(reference)
    assert image is not None
    async with aclosing(convert(source, image, target)) as events:
        async for _ in events:
            pass


@pytest.fixture(scope="session")
def make_image(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeImage]:
    """Build an image on the engine under test; returns its reference."""
    made: dict[str, str] = {}

    async def make(
        name: str,
        dockerfile: str,
        wheels: Mapping[str, list[str]] | None = None,
        files: Mapping[str, str | bytes] | None = None,
    ) -> str:
        if name not in made:
            context = tmp_path_factory.mktemp(name)
            for folder, (python, *requirements) in (wheels or {}).items():
                await unpack_wheels(context / folder, python, *requirements)
            for path, content in (files or {}).items():
                data = content.encode() if isinstance(content, str) else content
                (context / path).parent.mkdir(parents=True, exist_ok=True)
                (context / path).write_bytes(data)
                (context / path).chmod(0o755)
            (context / "Dockerfile").write_text(dockerfile)
            reference = f"localhost/jupyter-containers-test/derived-{name}:latest"
            builder = engine if engine in DAEMONS else "podman"
            argv = [builder, "build", "--quiet", "--tag", reference, str(context)]
            done = await run(argv, timeout=300)
            assert done.code == 0, done.stderr
            if builder != engine:
                await hand_over(reference, builder, engine)
            made[name] = reference
            shutil.rmtree(context)
        return made[name]

    yield make
    # Podman's storage is the tests' own and goes as a whole: `rmi` would take minutes.
    if engine == "docker" and made:
        subprocess.run(["docker", "rmi", "--force", *made.values()], capture_output=True)
    for reference in () if engine in DAEMONS else made.values():
        Store(engine).remove(reference)
