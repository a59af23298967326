"""The front end that an installation brings along: only where it was built."""

import json
from pathlib import Path

from jupyter_core.paths import jupyter_path


def test_jupyterlab_finds_the_front_end() -> None:
    places = [Path(one, "labextensions/jupyter-containers") for one in jupyter_path()]
    (installed,) = [place for place in places if place.is_dir()]
    built = json.loads((installed / "package.json").read_text())["jupyterlab"]["_build"]
    assert (installed / built["load"]).is_file()
    assert json.loads((installed / "install.json").read_text())["packageName"] == (
        "jupyter-containers"
    )
