"""A notebook's Dockerfile becomes its kernel. Jupyter's hooks; imports nothing heavy."""

from __future__ import annotations

__version__ = "0.1.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the front end in a development install."""
    return [{"src": "labextension", "dest": "jupyter-containers"}]
