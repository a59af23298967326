"""What a kernel in a container promises, on every real engine (DESIGN §5).

`engine` names the engine under test, `image` is a Debian Python without ipykernel, `folder` a
notebook's folder that belongs to whoever runs the tests.
"""

import pytest

from tests.harness import write_notebook


@pytest.fixture
def notebook(engine, image, folder):
    """Settings on disk, not yet approved."""

    def write(**settings):
        return write_notebook(folder / "n.ipynb", {"image": image, "engine": engine} | settings)

    return write
