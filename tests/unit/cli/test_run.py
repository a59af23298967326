"""`run` when something goes wrong that nobody foresaw: what ran before it is in the file."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from jupyter_containers.cli import execution, run
from jupyter_containers.cli.execution import CellFailed, Execution, _InMemory
from jupyter_containers.cli.terminal import Screen
from jupyter_containers.errors import EngineDown, SystemRefused
from jupyter_containers.policy.approvals import Approvals
from jupyter_containers.policy.loader import load_policy
from jupyter_containers.settings.schema import Settings

SEND = """kernel = get_ipython().kernel
kernel.session.send(kernel.iopub_socket, {!r}, {!r}, parent=kernel.get_parent())"""
ODD_KERNEL = """
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
class Odd(Kernel):
    implementation, implementation_version, banner = "odd", "1", ""
    language_info = [1]
    def do_execute(self, code, silent, *_, **__):
        content = {"name": "stdout", "text": code}
        self.send_response(self.iopub_socket, "stream", content)
        return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
IPKernelApp.launch_instance(kernel_class=Odd)
"""


class OnThisMachine(Execution):
    """Its kernels are processes and not containers; all else is real."""

    argv: ClassVar[list[str]] = [sys.executable, "-m", "ipykernel_launcher"]

    async def enter(self, settings: Settings, image_id: str) -> bool:
        if self._manager is not None:
            return False
        specs = _InMemory()
        specs.spec = KernelSpec(argv=[*self.argv, "-f", "{connection_file}"])
        manager = self._client.km = self._manager = AsyncKernelManager(kernel_spec_manager=specs)
        await manager.start_kernel()
        await self._connect(manager)
        return True


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))

    async def begin(runner: Any) -> None:
        runner._runs_in = (Settings.parse({"version": 1, "image": "x"}, where="n"), "id")

    monkeypatch.setattr(run, "Execution", OnThisMachine)
    monkeypatch.setattr(run._Runner, "_begin", begin)


def ran(tmp_path: Path, *sources: str, metadata: Any = None, **asked: Any) -> tuple[list[Any], str]:
    """The cells' outputs afterwards, and what stood on the screen; raises what `run` does."""
    path, said = tmp_path / "n.ipynb", io.StringIO()
    cells = [
        {"cell_type": "code", "source": source, "metadata": metadata or {}} for source in sources
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}}))
    job = run.Run(notebook=path, output=path, **asked)
    asyncio.run(run.run_notebook(job, load_policy(None), Screen(said)))
    return outputs(tmp_path), said.getvalue()


def outputs(tmp_path: Path) -> list[Any]:
    return [cell["outputs"] for cell in json.loads((tmp_path / "n.ipynb").read_text())["cells"]]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = '\ud800'", "UnicodeEncodeError"),
        ("display({'text/html': None}, raw=True)", "NotebookValidationError"),
        ("x = []\nfor _ in range(500): x = [x]\ndisplay({'a/json': x}, raw=True)", "too deeply"),
        (SEND.format("stream", {"name": "stdout"}), "KeyError"),
        (SEND.format("comm_open", {"comm_id": "a", "data": None}), "TypeError"),
        (SEND.format("status", {}), "KeyError"),
        (SEND.format("error", {"ename": "a", "evalue": "b", "traceback": [1]}), "Validation"),
    ],
)
def test_what_ran_before_is_kept(source: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CellFailed, match="cell 2/3 failed") as caught:
        ran(tmp_path, "print('hour of work')", source, "1")
    assert said in caught.value.message
    first, second, third = outputs(tmp_path)
    assert first[0]["text"] == ["hour of work\n"]
    assert second[-1]["output_type"] == "error" and said in second[-1]["evalue"]
    assert third == []


def test_a_notebook_stays_as_small_as_one_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_MOST", 30_000)
    flood = "for _ in range(3): print('x' * 20_000, flush=True); time.sleep(0.3)"
    many = "display({'application/json': [1] * 5_000}, raw=True)"
    sources = ("import time; print('hour of work')", flood, "print('y' * 5_000)", many)
    (work, flooded, fits, cut), said = ran(tmp_path, *sources)
    assert work[0]["text"] == ["hour of work\n"]
    assert [len(one["text"][0]) > 10_000 for one in flooded] == [True, False]
    assert "More of this was not kept" in flooded[1]["text"][0] and "More of this" in said
    assert fits[0]["text"] == ["y" * 5_000 + "\n"] and cut == flooded[1:]
    assert (tmp_path / "n.ipynb").stat().st_size < 40_000


def test_what_is_replaced_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "_MOST", 30_000)
    source = """from IPython.display import clear_output
for number in range(5):
    clear_output(wait=True)
    display({"text/plain": str(number) * 9_000}, raw=True)"""
    (shown,), _ = ran(tmp_path, source)
    assert [one["data"]["text/plain"] for one in shown] == [["4" * 9_000]]


def test_an_error_of_megabytes_is_told_in_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "_MOST", 30_000)
    with pytest.raises(CellFailed, match="ValueError"):
        ran(tmp_path, "raise ValueError('x' * 1_000_000)")
    assert (tmp_path / "n.ipynb").stat().st_size < 40_000


def test_what_a_cell_prints_after_an_odd_output_is_kept(tmp_path: Path) -> None:
    with pytest.raises(CellFailed, match="NotebookValidationError"):
        ran(tmp_path, "display({'text/html': None}, raw=True)\nprint('later')")
    printed, failed = outputs(tmp_path)[0]
    assert (printed["text"], failed["output_type"]) == (["later\n"], "error")


def test_a_kernel_that_says_odd_things_of_itself_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd.py").write_text(ODD_KERNEL)
    monkeypatch.setattr(OnThisMachine, "argv", [sys.executable, str(tmp_path / "odd.py")])
    ((shown,),), _ = ran(tmp_path, "said")
    assert shown["text"] == ["said"]
    assert "language_info" not in json.loads((tmp_path / "n.ipynb").read_text())["metadata"]


def test_a_full_disk_is_told_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OnThisMachine.execute

    async def execute(self: OnThisMachine, index: int) -> None:
        if index == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        await real(self, index)

    monkeypatch.setattr(OnThisMachine, "execute", execute)
    with pytest.raises(SystemRefused, match="cell 2/2: There is no space left"):
        ran(tmp_path, "print('hour of work')", "1")
    assert outputs(tmp_path)[0][0]["text"] == ["hour of work\n"]


@pytest.mark.parametrize("last", ["1", "1 / 0"])
def test_an_engine_that_goes_away_at_the_end_costs_nothing(
    last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OnThisMachine.close

    async def close(self: OnThisMachine, *, now: bool = False) -> None:
        await real(self, now=now)
        raise EngineDown("docker", "no answer")

    monkeypatch.setattr(OnThisMachine, "close", close)
    if last == "1":
        _, said = ran(tmp_path, "print('hour of work')", last)
        assert "docker" in said and "jupyter containers prune" in said
    else:
        with pytest.raises(CellFailed, match="ZeroDivisionError"):
            ran(tmp_path, "print('hour of work')", last)
    assert outputs(tmp_path)[0][0]["text"] == ["hour of work\n"]


def test_only_a_limit_that_was_set_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def enter(self: OnThisMachine, *_: object) -> bool:
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    monkeypatch.setattr(OnThisMachine, "enter", enter)
    for asked in ({}, {"timeout": 60.0, "total_timeout": 60.0}):
        with pytest.raises(CellFailed, match="Connection timed out") as caught:
            ran(tmp_path, "1", **asked)
        assert "--" not in caught.value.hint


def test_the_whole_run_begins_before_its_first_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin(runner: Any) -> None:
        await asyncio.sleep(100)

    monkeypatch.setattr(run._Runner, "_begin", begin)
    with pytest.raises(CellFailed, match=r"was not done after 0\.2 s") as caught:
        ran(tmp_path, "1", total_timeout=0.2)
    assert "--total-timeout" in caught.value.hint


def test_a_yes_for_an_output_elsewhere_is_one_for_its_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There, `.` is another folder: nobody has seen it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    project, shared = tmp_path / "home/project", tmp_path / "shared"
    project.mkdir(parents=True)
    shared.mkdir()
    shared.chmod(0o3777)
    (project / "n.ipynb").write_text('{"cells": [], "metadata": {}}')
    mounts = [{"source": ".", "target": str(shared), "writable": True}]
    settings = Settings.parse({"version": 1, "image": "x", "mounts": mounts}, where="n")
    policy, approvals = load_policy(None), Approvals()
    for output, left in ((project / "out.ipynb", 0), (shared / "out.ipynb", 1)):
        job = run.Run(notebook=project / "n.ipynb", output=output, approve=True)
        run._Runner(job, policy, Screen(io.StringIO()))._approve(settings)
        for notebook, missing in ((project / "n.ipynb", 0), (output, left)):
            resolved = settings.resolved(notebook.parent, policy)
            assert len(approvals.missing(notebook, resolved)) == missing
    assert approvals.why_not_mounted(shared)


@pytest.mark.parametrize("tags", [None, 5])
def test_odd_tags_are_nobodys_business(tags: object, tmp_path: Path) -> None:
    ((shown,),), _ = ran(tmp_path, "print(7)", metadata={"tags": tags})
    assert shown["text"] == ["7\n"]
