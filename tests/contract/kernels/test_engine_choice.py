"""Which engine runs a notebook: the one it names, or what this machine has."""

from __future__ import annotations

import shutil

import pytest

from jupyter_containers.engines.registry import ENGINES, choose_engine, instead_of, preferred_engine
from jupyter_containers.errors import EngineMissing, Unsupported
from jupyter_containers.policy.loader import load_policy
from tests.helpers.command import jc, notebook_of
from tests.helpers.harness import approve, running, write_notebook


@pytest.fixture
def absent() -> str:
    """An engine that is not installed where the tests run."""
    found = [name for name in ENGINES if name != "charliecloud" and shutil.which(name) is None]
    if not found:
        pytest.skip("every engine is installed here")
    return found[0]


async def test_a_notebook_for_another_machines_engine(engine, image, absent, folder, caplog):
    chosen = await preferred_engine(absent, load_policy(None))
    assert chosen.name != absent
    if chosen.name != engine:
        pytest.skip(f"{chosen.name} comes first here")
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": absent})
    approve(path)
    async with running(path) as kernel:
        assert await kernel.value("1+1") == "2"
    assert f"{absent}, which the notebook names, is not on this machine" in caplog.text


async def test_a_name_that_is_none(engine):
    with pytest.raises(Unsupported, match="no engine named"):
        await preferred_engine("dokcer", load_policy(None))


async def test_who_asks_by_hand_gets_that_one(engine, absent):
    with pytest.raises(EngineMissing, match="not installed"):
        await choose_engine(absent, load_policy(None))


def test_run_says_that_the_typed_engine_is_missing(engine, image, absent, folder):
    path = notebook_of(folder / "n.ipynb", f"%%dockerfile\nFROM {image}", "1+1")
    done = jc("run", str(path), "--engine", absent, code=1)
    assert f"{absent} is not installed" in done.stderr


async def test_what_is_told(engine):
    chosen = await choose_engine(engine, load_policy(None))
    assert instead_of("", chosen) == instead_of("auto", chosen) == instead_of(engine, chosen) == ""
    assert "is not on this machine" in instead_of("another", chosen)
