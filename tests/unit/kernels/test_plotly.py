"""Which renderer plotly is told to use. https://plotly.com/python/renderers/"""

from __future__ import annotations

import pytest

from jupyter_containers.images import labextensions
from jupyter_containers.images.facts import ImageFacts, LabExtension
from jupyter_containers.kernels.spec import plotly_environment
from jupyter_containers.models import Image

TOLD = {"PLOTLY_RENDERER": "plotly_mimetype+notebook_connected"}


@pytest.mark.parametrize(
    ("inside", "here", "env", "told"),
    [
        ("jupyterlab-plotly", "other", {}, TOLD),
        ("jupyterlab-plotly", "jupyterlab-plotly", {}, {}),
        ("other", "", {}, {}),
        ("jupyterlab-plotly", "", {"PLOTLY_RENDERER": "svg"}, {}),
        ("jupyterlab-plotly", "", {"PLOTLY_RENDERER": ""}, {}),
    ],
)
def test_html_only_where_nothing_draws_figures(inside, here, env, told, monkeypatch) -> None:
    monkeypatch.setattr(labextensions, "server_extensions", lambda: frozenset({here}))
    facts = ImageFacts(labextensions=(LabExtension(name=inside),))
    assert plotly_environment(facts, Image(id="sha256:0", env=env)) == told
