"""Fixtures of the tests of contexts."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder as people have them beside a notebook, with a secret outside of it."""
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "here"
    for name in (
        "requirements.txt",
        "analysis.ipynb",
        "src/a.py",
        "src/deep/b.py",
        "src/deep/.hidden",
        "src/server.pem",
        "data/1.csv",
        "data/2.csv",
        "data/notes.md",
        ".env",
        ".git/config",
        ".config/app/x.toml",
        ".config/app/key.pem",
        "id_rsa",
        "id_rsa.pub",
        "tls.key",
        "a b.txt",
        "[odd].txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root
