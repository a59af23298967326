"""What the tests of clusters share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def notebook(tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """See `kernels.Notebook`."""
    from .kernels import made  # `make test` has not got the packages that it needs

    with made(tmp_path, short_path, monkeypatch) as notebook:
        yield notebook
