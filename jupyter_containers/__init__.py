"""A notebook's Dockerfile becomes its kernel. Jupyter's hooks; imports nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ._version import __version__

__all__ = ["__version__"]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the front end in a development install."""
    return [{"src": "labextension", "dest": "jupyter-containers"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """What jupyter_server loads; `jupyter_server_config.d` enables it."""
    module = f"{__name__}.server.app"
    return [{"module": module, "app": import_module(module).ContainersApp}]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext jupyter_containers`: a kernel on the host learns `%%dockerfile`."""
    import_module(".magics", __name__).load(shell)
