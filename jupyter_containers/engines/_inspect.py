"""What `inspect` prints, as our dataclasses. Docker and podman print the same shape.

Everything here came from an engine that may hold hostile images: types are checked, labels and
names made printable.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ..models import Container, Image
from ..text import one_line, printable


def parse_object(text: str) -> dict[str, Any]:
    """One JSON object, or an empty one where the engine printed something else."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def parse_array(text: str) -> list[dict[str, Any]]:
    """The objects of a JSON array. `inspect` prints `[]` before an error."""
    try:
        value = json.loads(text)
    except ValueError:
        return []
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def image(said: dict[str, Any]) -> Image:
    """One element of `image inspect`."""
    config = said.get("Config") or {}
    identity = str(said.get("Id", ""))
    return Image(
        id=identity if identity.startswith("sha256:") else f"sha256:{identity}",
        references=tuple(one_line(str(tag)) for tag in said.get("RepoTags") or ()),
        digests=tuple(one_line(str(digest)) for digest in said.get("RepoDigests") or ()),
        size=int(said.get("Size") or 0),
        created=one_line(str(said.get("Created", ""))),
        labels=_labels(config.get("Labels") or said.get("Labels")),
        user=one_line(str(config.get("User") or "")),
        env=_env(config.get("Env")),
        entrypoint=tuple(str(word) for word in config.get("Entrypoint") or ()),
        onbuild=tuple(printable(str(line)) for line in config.get("OnBuild") or ()),
        architecture=one_line(str(said.get("Architecture", ""))),
    )


def container(said: dict[str, Any]) -> Container:
    """One element of `container inspect`."""
    config, state = said.get("Config") or {}, said.get("State") or {}
    return Container(
        id=str(said.get("Id", "")),
        name=one_line(str(said.get("Name", ""))).removeprefix("/"),
        image=one_line(str(config.get("Image") or said.get("ImageName") or "")),
        running=bool(state.get("Running")),
        labels=_labels(config.get("Labels")),
        created=one_line(str(said.get("Created", ""))),
    )


def code(state: dict[str, Any]) -> int:
    """The exit code as Popen says it: 128 + n is signal n, as both engines report one."""
    value = int(state.get("ExitCode") or 0)
    return 128 - value if 128 < value < 160 else value


def at_least(version: str, major: int, minor: int) -> bool:
    """Whether an engine's version (`20.10.24+dfsg1`, `4.8.0-rc1`) is as new as that."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (major, minor)


def _labels(said: object) -> dict[str, str]:
    if not isinstance(said, dict):
        return {}
    return {one_line(str(key)): printable(str(value), 1000) for key, value in said.items()}


def _env(said: object) -> dict[str, str]:
    pairs = (str(item).partition("=") for item in said) if isinstance(said, list) else ()
    return {name: value for name, _, value in pairs}
