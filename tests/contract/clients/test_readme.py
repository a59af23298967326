"""What README tells a reader to paste, pasted."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat

from jupyter_containers.images.bootstrap import BASE
from tests.helpers import ROOT

README = ROOT / "README.md"


def _session() -> str:
    text = README.read_text().partition("## A first session")[2].partition("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    return "\n".join(blocks)


def test_the_first_session(engine: str, image: str, folder: Path, tmp_path: Path) -> None:
    # The reader names no engine: here, the one under test is taken first.
    config = tmp_path / "config"
    config.mkdir()
    (config / "jupyter_containers_config.py").write_text(f"c.Policy.engines = ['{engine}', '*']\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    # `bootstrap` has tests of its own; here the image is there already.
    subprocess.run([engine, "tag", image, f"{BASE}:latest"], check=True)
    try:
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", _session()],
            cwd=folder,
            capture_output=True,
            text=True,
            env=os.environ | {"PATH": path, "JUPYTER_CONFIG_DIR": str(config)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for name in ("hello.ipynb", "converted.ipynb"):
            notebook = nbformat.read(folder / name, as_version=4)
            assert "from inside the container" in str(notebook.cells[1].outputs), name
        assert re.search(r"^ +hello +/", done.stdout, re.MULTILINE), "pinned"
    finally:
        subprocess.run([engine, "rmi", f"{BASE}:latest"], check=True, capture_output=True)
