"""What `inspect` prints, as our dataclasses. Docker and podman print the same shape.

Everything here came from an engine that may hold hostile images: types are checked, labels and
names made printable.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from ...models import Container, Image
from ...text import one_line, printable


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
        layers=tuple(str(one) for one in (said.get("RootFS") or {}).get("Layers") or ()),
        onbuild=tuple(printable(str(line)) for line in config.get("OnBuild") or ()),
        architecture=one_line(str(said.get("Architecture", ""))),
    )


def storage_root(said: dict[str, Any]) -> str | None:
    """Where podman keeps an inspected image, which may be an additional store; None where its
    driver (vfs) does not say."""
    driver = said.get("GraphDriver") or {}
    upper = str((driver.get("Data") or {}).get("UpperDir", ""))
    root, found, _ = upper.rpartition(f"/{driver.get('Name')}/")
    return root if found else None


def onbuild(said: dict[str, Any], root: str) -> tuple[str, ...]:
    """The triggers of an image that podman has. Its inspect leaves them out (4.3, 5.4), though
    its builds run them: they stand in the image's configuration, in the storage.
    https://github.com/containers/storage/blob/main/images.go (`makeBigDataBaseName`)
    """
    identity = str(said.get("Id", "")).removeprefix("sha256:")
    name = "=" + base64.b64encode(f"sha256:{identity}".encode()).decode()
    for path in Path(root).glob(f"*-images/{identity}/{name}"):
        try:
            config = parse_object(path.read_text()).get("config") or {}
        except (OSError, ValueError):
            continue
        return tuple(printable(str(line)) for line in config.get("OnBuild") or ())
    # Not to be read (another machine's): what the history tells of itself.
    history = (str(one.get("created_by", "")) for one in said.get("History") or ())
    lines = (line.partition("ONBUILD ") for line in history)
    return tuple(printable(line) for _, found, line in lines if found)


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
