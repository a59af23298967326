"""Images that tests need, built on the engine under test from its base images.

No build needs a network: wheels are fetched here, by pip with the person's own settings, and
copied in. An image is built once per engine and session, and removed at its end.
"""

from __future__ import annotations

import contextlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

MakeImage = Callable[..., str]
"""make(name, dockerfile, wheels={"site": [python version, *requirements]}, files={name: text})"""

_PLATFORMS = [f"{tag}_{platform.machine()}" for tag in ("manylinux2014", "manylinux_2_28")]


def unpack_wheels(target: Path, python: str, *requirements: str) -> None:
    """Install into a directory for another Python, as it would lie in site-packages."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"),
            *("--only-binary=:all:", f"--target={target}", f"--python-version={python}"),
            *(f"--platform={tag}" for tag in _PLATFORMS),
            *requirements,
        ],
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="session")
def make_image(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeImage]:
    """Build an image on the engine under test; returns its reference."""
    made: dict[str, str] = {}

    def make(
        name: str,
        dockerfile: str,
        wheels: Mapping[str, list[str]] | None = None,
        files: Mapping[str, str | bytes] | None = None,
    ) -> str:
        if name not in made:
            context = tmp_path_factory.mktemp(name)
            for folder, (python, *requirements) in (wheels or {}).items():
                unpack_wheels(context / folder, python, *requirements)
            for path, content in (files or {}).items():
                data = content.encode() if isinstance(content, str) else content
                (context / path).parent.mkdir(parents=True, exist_ok=True)
                (context / path).write_bytes(data)
                (context / path).chmod(0o755)
            (context / "Dockerfile").write_text(dockerfile)
            reference = f"localhost/jupyter-containers-test/derived-{name}:latest"
            argv = [engine, "build", "--quiet", "--tag", reference, str(context)]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            made[name] = reference
            shutil.rmtree(context)
        return made[name]

    yield make
    for reference in made.values():
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run([engine, "rmi", "--force", reference], check=True, capture_output=True)
