"""Collect the context of a Dockerfile's lines."""

from __future__ import annotations

from pathlib import Path

from jupyter_containers.dockerfile.context import Context, collect
from jupyter_containers.dockerfile.parser import parse

GB = 10**9


def take(here: Path, *lines: str, max_bytes: int = GB) -> Context:
    return collect(parse("\n".join(["FROM scratch", *lines])), here, max_bytes=max_bytes)


def names(here: Path, *lines: str) -> list[str]:
    return [file.path for file in take(here, *lines).files if file.kind != "folder"]
