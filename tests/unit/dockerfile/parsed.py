"""What is found in a Dockerfile's text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from jupyter_containers.dockerfile.contents import Dockerfile, Inherited, demands
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.models import NO_ENV


def of(text: str, **args: str) -> Dockerfile:
    return parse(textwrap.dedent(text).lstrip("\n"), args)


def upon(
    onbuild: Sequence[str],
    line: int = 1,
    rest: str = "",
    args: Mapping[str, str] = NO_ENV,
    **env: str,
) -> Dockerfile:
    """A Dockerfile with FROM at that line, of a base that keeps these and has these variables."""
    base = Inherited(env=env, onbuild=tuple(onbuild))
    text = "\n" * (line - 1) + f"FROM base\n{rest}"
    return parse(text, args, {"docker.io/library/base:latest": base})


def images(text: str, **args: str) -> list[str]:
    return [image.removeprefix("docker.io/") for image in demands(of(text, **args)).images]


def paths(text: str, **args: str) -> list[str]:
    return [source.path for source in of(text, **args).sources]
