"""What an installation brings along, and that it is all declared."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution, entry_points, packages_distributions, requires
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpecManager

import jupyter_containers
from tests.helpers import ROOT

PACKAGE = Path(jupyter_containers.__file__).parent


def _name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def _imported() -> Iterator[tuple[str, Path]]:
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] in ("guest", "examples"):
            continue  # what an image has, or the kit; what a Hub has
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((alias.name.partition(".")[0], path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0], path


def test_what_is_imported_is_declared() -> None:
    asked = requires("jupyter-containers") or []
    declared = {_name(one) for one in asked if "extra ==" not in one}
    extra = {_name(one) for one in asked if re.search(r"extra == .kubernetes.", one)}
    owners = packages_distributions()
    imported = {(name, path) for name, path in _imported() if name not in sys.stdlib_module_names}
    assert len(imported) > 10
    missing = {
        (name, path.name)
        for name, path in imported
        if not (path.parent / f"{name}.py").exists()  # beside it: the reaper's run as files
        and not declared & {_name(owner) for owner in owners.get(name, [])}
        and not (path.parent.name == "kubernetes" and _name(name) in extra)
    }
    assert not missing


def test_one_version() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert jupyter_containers.__version__ == distribution("jupyter-containers").version
    assert package["version"] == lock["version"] == jupyter_containers.__version__


def test_the_lock_names_no_host() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    assert not [name for name, one in lock["packages"].items() if "resolved" in one]


def test_no_other_cell_executor_stays_on() -> None:
    """JupyterLab gives a cell to the executor that was registered last, which a federated
    extension of ours never is; so it switches off those of the others.
    """
    package = json.loads((ROOT / "package.json").read_text())
    assert set(package["jupyterlab"]["disabledExtensions"]) >= {
        "@jupyterlab/notebook-extension:cell-executor",
        "@jupyter/docprovider-extension:notebook-cell-executor",
        "@datalayer/jupyter-server-nbmodel:notebook-cell-executor",
        "@jupyter-ai-contrib/server-documents:server-cell-executor",
    }


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("jupyter_client.kernel_provisioners", "container-provisioner"),
        ("console_scripts", "jupyter-containers"),
    ],
)
def test_entry_points_load(group: str, name: str) -> None:
    (point,) = entry_points(group=group, name=name)
    assert callable(point.load())


def test_jupyter_finds_the_kernel() -> None:
    spec = KernelSpecManager().get_kernel_spec("container")
    provisioner = spec.metadata["kernel_provisioner"]["provisioner_name"]
    assert provisioner == "container-provisioner"


def test_importing_the_package_is_light() -> None:
    code = "import sys, jupyter_containers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "tornado", "traitlets", "zmq", "jupyter_client", "IPython"}
    assert not heavy & set(done.stdout.split())


def test_nothing_starts_commands_but_one_door() -> None:
    """The lint rule that holds this has exceptions only for the door, and for the guest and the
    examples, which are no part of the server."""
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "subprocess" in ruff["flake8-tidy-imports"]["banned-api"]
    excepted = {name for name, rules in ruff["per-file-ignores"].items() if "TID251" in rules}
    assert excepted == {
        "jupyter_containers/host/process.py",
        "jupyter_containers/host/reaper/*.py",
        "jupyter_containers/examples/**",  # configuration of others
        "jupyter_containers/guest/**",
        "tests/**",
    }
    unlinted = [path.name for path in PACKAGE.rglob("*.py") if "noqa: TID251" in path.read_text()]
    assert not unlinted
