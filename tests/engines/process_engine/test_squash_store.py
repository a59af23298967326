"""Whose images podman-hpc takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from jupyter_containers.engines.podman import hpc


def test_a_squash_store_that_others_can_write_to_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "storage"
    monkeypatch.setenv("SQUASH_DIR", str(store))
    assert hpc._foreign_store() == []
    store.mkdir(mode=0o700)
    assert hpc._foreign_store() == []
    store.chmod(0o777)
    (problem,) = hpc._foreign_store()
    assert str(store) in problem.message and "SQUASH_DIR" in problem.fix
