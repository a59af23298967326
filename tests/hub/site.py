"""A site: a directory that everybody can look into, an environment of root's, people with an
engine each, and Hubs. For the fixtures beside it, and for the bench."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .hub import Hub, Person, environment

PASSED_ON = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")


@dataclass(frozen=True)
class Site:
    """Made by `site`."""

    directory: Path
    python: Path
    """Of the environment that Hubs and servers run in."""
    image: str
    """A Debian 12 with Python 3.11, without ipykernel: every person has it."""
    archive: Path
    variables: Mapping[str, str]
    """What an engine needs on a machine for tests, and people on theirs do not."""

    @contextmanager
    def person(self, name: str) -> Iterator[Person]:
        """Somebody with the image in a rootless Podman of their own."""
        person = Person(f"jct-{name}-{os.getpid()}")
        try:
            with self.archive.open("rb") as tar:
                argv = ("podman", "import", "--change", 'CMD ["python3"]', "-", self.image)
                done = person.run(*argv, env=dict(self.variables), stdin=tar)
            assert done.returncode == 0, done.stderr
            yield person
            left = person.others()
            assert not left, "left behind: " + "\n".join(left)
        finally:
            person.remove()

    @contextmanager
    def hub(self, example: str, more: str = "") -> Iterator[Hub]:
        """With one of the package's examples, what it leaves to a site, and `more`."""
        directory = Path(tempfile.mkdtemp(prefix="hub-", dir=self.directory))
        variables = dict(self.variables)
        variables |= {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}
        if authority := os.environ.get("SSL_CERT_FILE"):
            shutil.copy(authority, self.directory / "ca.crt")
            variables["SSL_CERT_FILE"] = str(self.directory / "ca.crt")
        ours = f"c.Spawner.environment.update({variables!r})\n"
        hub = Hub(directory, self.python, example, ours + more)
        try:
            hub.start()
            yield hub
        finally:
            hub.stop()
            print(hub.log)


@contextmanager
def site(said: Mapping[str, Any]) -> Iterator[Site]:
    """`said` is what engines.sh wrote for the tests. Needs root."""
    directory = Path(tempfile.mkdtemp(prefix="jct-hub-", dir="/var/tmp"))
    try:
        directory.chmod(0o755)
        podman = said["engines"]["podman"]["env"]
        shutil.copy(podman["CONTAINERS_CONF"], directory / "containers.conf")
        (directory / "storage.conf").write_text('[storage]\ndriver = "overlay"\n')
        for path in directory.glob("*.conf"):
            path.chmod(0o644)
        yield Site(
            directory,
            environment(directory / "env"),
            said["images"]["python3.11"],
            Path(said["archives"]["python3.11"]),
            {
                "CONTAINERS_CONF": str(directory / "containers.conf"),
                "CONTAINERS_STORAGE_CONF": str(directory / "storage.conf"),
            },
        )
    finally:
        shutil.rmtree(directory)
