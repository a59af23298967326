"""What a kernel in a container promises, on every real engine (DESIGN §5).

`engine` names the engine under test, `image` is a Debian Python without ipykernel, `folder` a
notebook's folder that belongs to whoever runs the tests.
"""

import json
import os
import re
from pathlib import Path

import pytest

from tests.helpers.harness import write_notebook
from tests.helpers.shared_kernel import shared_kernel


@pytest.fixture
def notebook(engine, image, folder):
    """Settings on disk, not yet approved."""

    def write(**settings):
        return write_notebook(folder / "n.ipynb", {"image": image, "engine": engine} | settings)

    return write


@pytest.fixture(scope="module")
def kernel(engine, image, tmp_path_factory):
    """One kernel for the module's tests that do not change it, with GREETING in its environment."""
    folder = tmp_path_factory.mktemp("shared")
    settings = {"image": image, "engine": engine, "env": {"GREETING": "hello $HOME, 'world'"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MY_SECRET_TOKEN", "s3cret")
        patch.setenv("JPY_PARENT_PID", "1")
        patch.setenv("http_proxy", "http://user:pass@proxy.invalid:3128")
        with shared_kernel(write_notebook(folder / "n.ipynb", settings)) as kernel:
            patch.undo()
            yield kernel


@pytest.fixture
def shown(problems):
    """Whether containers see this machine's homes and /tmp, as the engine says itself."""
    return any("what this site shows" in problem.message for problem in problems)


def pytest_runtest_logreport(report):
    """One line a promise and engine, for `python -m tests.contract`."""
    file = os.environ.get("JC_CONTRACT_FILE")
    found = re.search(
        r"tests/contract/kernels/\w+\.py::test_(\w+)\[([a-z0-9+]+)[-\]]", report.nodeid
    )
    if not file or not found or (report.when != "call" and report.passed):
        return
    reason = str(report.longrepr[2]).removeprefix("Skipped: ") if report.skipped else ""
    line = {"promise": found[1], "engine": found[2], "outcome": report.outcome, "reason": reason}
    line["as"] = "root" if os.getuid() == 0 else "user"
    with Path(file).open("a") as out:
        out.write(json.dumps(line) + "\n")
