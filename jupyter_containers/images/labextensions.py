"""Which of JupyterLab's extensions a server has, and which of an image's it lacks."""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jupyter_core.paths import jupyter_path
from packaging.utils import canonicalize_name

from .facts import ImageFacts

PLOTLY = "jupyterlab-plotly"
_KNOWN = frozenset(
    {
        *("anywidget", "bqplot", "ipycanvas", "ipycytoscape", "ipydatagrid", "ipyevents", "ipympl"),
        *("ipytree", "ipyvolume", "itables", "jupyter-bokeh", "jupyter-leaflet", "jupyter-vuetify"),
        *("jupyterlab-widgets", "k3d", "nglview", "perspective-python", "plotly", "pythreejs"),
        *("pyviz-comms", "sidecar"),
    }
)
"""Packages that a command is told for. An image names its packages itself: nobody is told to put
what a stranger's image names into the environment of their server."""


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """An extension that draws outputs of an image's packages, and which this server lacks."""

    extension: str
    package: str
    """The Python package that brings it; empty where the image does not say."""
    version: str
    command: str
    """What installs it beside this server; empty where the person does not run the server, and for
    a package that is not well known."""


def server_extensions() -> frozenset[str]:
    """The names of the prebuilt extensions that JupyterLab finds. Reads files."""
    found = set()
    for folder in map(Path, jupyter_path("labextensions")):
        for pattern in ("[!@]*/package.json", "@*/*/package.json"):
            for path in folder.glob(pattern):
                with suppress(OSError, ValueError, LookupError, TypeError):
                    found.add(str(json.loads(path.read_bytes())["name"]))
    return frozenset(found)


def lacking(facts: ImageFacts) -> tuple[Lacking, ...]:
    """What of an image's extensions this server lacks. Reads files."""
    if not facts.labextensions:
        return ()
    here = server_extensions()
    return tuple(
        Lacking(
            extension=one.name,
            package=one.package,
            version=one.version,
            command=_command(one.package, one.version),
        )
        for one in facts.labextensions
        if one.name not in here
    )


def _command(package: str, version: str) -> str:
    """The same version, since the two halves of a widget have to fit."""
    is_known = canonicalize_name(package) in _KNOWN
    if not is_known or "JUPYTERHUB_SERVICE_PREFIX" in os.environ:
        return ""
    wanted = f"{package}=={version}" if version else package
    return shlex.join((sys.executable, "-m", "pip", "install", wanted))
