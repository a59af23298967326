"""HTTP in and out under `/jupyter-containers/`, and no decisions: those are made in the packages
below, which the command line uses too. `openapi.json` describes every route."""

from __future__ import annotations

from tornado.web import RequestHandler

from . import additions, builds, containers, images, kernelspecs, notebooks, ports, terminals
from .base import Nothing

BASE = "/jupyter-containers/"


def handlers() -> list[tuple[str, type[RequestHandler]]]:
    """All routes for the server's web application; the last answers for what is none."""
    found: list[tuple[str, type[RequestHandler]]] = [
        *additions.HANDLERS,
        *builds.HANDLERS,
        *containers.HANDLERS,
        *images.HANDLERS,
        *kernelspecs.HANDLERS,
        *notebooks.HANDLERS,
        *terminals.HANDLERS,
        *ports.HANDLERS,
        (".*", Nothing),
    ]
    return [(BASE + pattern, handler) for pattern, handler in found]
