"""What is found in a Dockerfile's text."""

from __future__ import annotations

import textwrap

from jupyter_containers.dockerfile.parser import Dockerfile, demands, parse


def of(text: str, **args: str) -> Dockerfile:
    return parse(textwrap.dedent(text).lstrip("\n"), args)


def images(text: str, **args: str) -> list[str]:
    return [image.removeprefix("docker.io/") for image in demands(of(text, **args)).images]


def paths(text: str, **args: str) -> list[str]:
    return [source.path for source in of(text, **args).sources]
