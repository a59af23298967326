"""The store of approvals, where there is too much of it and where there are no locks."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.errors import BadInput
from jupyter_containers.policy.approvals import Approvals, Ask
from jupyter_containers.settings.schema import Settings
from tests.helpers.private_home import private_home

PLAIN = Settings(image="localhost/x:1")


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch) / "n.ipynb"


def test_one_yes_to_more_than_is_kept_is_a_yes_to_all(
    notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_containers.policy.records._MOST", 3)
    asked = [Ask(("secret", f"{number}"), f"secret {number}") for number in range(5)]
    Approvals().check_build(notebook, asked, None)
    Approvals().check_build(notebook, asked)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_without_locks_keeps_what_is_approved(
    number: int, notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    if number == errno.EIO:
        with pytest.raises(BadInput, match="cannot be recorded"):
            Approvals().approve(notebook, PLAIN)
        return
    Approvals().approve(notebook, PLAIN)
    Approvals().check(notebook, PLAIN)
