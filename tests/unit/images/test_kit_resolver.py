"""Which wheels a kit holds, from where, and what is said where there are none. No engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from jupyter_containers.errors import KitFailed
from jupyter_containers.images import kit_resolver
from jupyter_containers.images.facts import Interpreter
from jupyter_containers.images.kit import kit_for
from tests.helpers.kit_kernels import kit_cache, own_cache

__all__ = ["kit_cache", "own_cache"]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "cache"
    monkeypatch.setattr("jupyter_containers.host.cache.cache_directory", lambda: directory)
    return directory


def python(**changes: Any) -> Interpreter:
    """A Debian 12 Python without any package."""
    plain = Interpreter(
        path="/usr/bin/python3",
        version=(3, 11, 2),
        implementation="cpython",
        machine="x86_64",
        prefix="/usr",
        libc="glibc",
        libc_version=(2, 36),
    )
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        ({"libc": "musl", "libc_version": (1, 2), "version": (3, 11, 9)}, "musllinux"),
        ({"libc": "musl", "libc_version": (1, 2), "version": (3, 12, 3)}, "musllinux"),
        ({"libc_version": (2, 31), "version": (3, 9, 2)}, "manylinux"),
        ({"libc_version": (2, 41), "version": (3, 13, 5)}, "manylinux"),
        ({"libc_version": (2, 28), "machine": "aarch64", "version": (3, 12, 1)}, "manylinux"),
        ({"libc_version": (2, 17), "version": (3, 10, 4)}, "manylinux"),
    ],
)
async def test_wheels_for(changes: dict[str, Any], tag: str) -> None:
    interpreter = python(**changes)
    kit = await kit_for(interpreter)
    assert kit.directory is not None
    names = {pin.partition("==")[0] for pin in kit.packages}
    assert {"ipykernel", "ipython", "pyzmq", "debugpy", "traitlets"} <= names
    [wheel] = kit.directory.glob("pyzmq-*.dist-info/WHEEL")
    tags = [line for line in wheel.read_text().splitlines() if line.startswith("Tag:")]
    assert any(tag in line and interpreter.machine in line for line in tags), tags
    assert list((kit.directory / "zmq" / "backend").rglob("*.so")), "pyzmq has no compiled part"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "x86_64-manylinux_2_36"),
        ({"libc_version": (2, 39)}, "x86_64-manylinux_2_39"),
        ({"libc_version": (2, 99)}, "x86_64-manylinux_2_40"),
        ({"libc_version": (2, 30)}, "x86_64-manylinux_2_28"),
        ({"machine": "aarch64", "libc_version": (2, 17)}, "aarch64-manylinux_2_17"),
        ({"libc": "musl", "libc_version": (1, 2)}, "x86_64-unknown-linux-musl"),
    ],
)
def test_platforms(changes: dict[str, Any], expected: str) -> None:
    assert kit_resolver.platform(python(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"libc_version": (2, 12)}, "C library without wheels (glibc 2.12)"),
        ({"libc": "musl", "libc_version": (1, 1)}, "C library without wheels (musl 1.1)"),
        ({"libc": "", "libc_version": ()}, "C library without wheels (unknown)"),
        ({"machine": "sparc64"}, "sparc64"),
        ({"bits": 32}, "32 bits"),
        ({"threaded": True}, "not the usual CPython"),
        ({"implementation": "pypy"}, "not the usual CPython"),
    ],
)
async def test_no_wheels_for(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(KitFailed) as raised:
        await kit_for(python(**changes))
    assert why in raised.value.message
    assert raised.value.hint.endswith("RUN /usr/bin/python3 -m pip install --upgrade ipykernel")


async def test_versions_that_no_index_has() -> None:
    own = {
        "tornado": "6.1+local.7",
        "pyzmq": "24.0.1.dev3",
        "traitlets": "5.9.0",
        "psutil": "a version of our own",
        "no-such-package-anywhere": "1.0",
    }
    kit = await kit_for(python(distributions=own))
    assert set(kit.constraints) >= {"tornado==6.1+local.7", "pyzmq==24.0.1.dev3"}
    assert not {"tornado", "pyzmq", "traitlets"} & {pin.partition("==")[0] for pin in kit.packages}


async def test_an_older_ipykernel_where_a_new_one_does_not_fit() -> None:
    kit = await kit_for(python(distributions={"ipython": "7.34.0", "traitlets": "5.0.5"}))
    assert Version("5") <= Version(kit.ipykernel) < Version("6.10")


async def test_offline_what_was_made_before_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = await kit_for(python())
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    assert await kit_for(python(), offline=True) == made


@pytest.mark.parametrize("offline", [True, False])
async def test_without_an_index(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offline: bool
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    with pytest.raises(KitFailed, match="package index was not reached") as raised:
        await kit_for(python(), offline=offline)
    assert "127.0.0.1" not in raised.value.message
    assert "RUN /usr/bin/python3 -m pip install --upgrade ipykernel" in raised.value.hint
    assert not [path for path in empty_cache.rglob("*") if path.is_file()]
    assert not list(empty_cache.glob("*/new-*"))


async def test_pips_settings_are_honoured(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    (index / "ipykernel").mkdir(parents=True)
    (index / "ipykernel" / "index.html").write_text("<html></html>")
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", index.as_uri())
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(KitFailed, match="No ipykernel fits"):
        await kit_for(python(version=(3, 11, 7)))


def test_pip_in_uvs_words(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "HTTPS_PROXY", "UV_INDEX_STRATEGY", "UV_INSECURE_HOST"):
        monkeypatch.delenv(name, raising=False)
    listed = """:env:.index-url='https://env.example/simple'
download.index-url='https://other.example/simple'
global.cert='/etc/ssl/corp.pem'
global.extra-index-url='https://a.example/simple\\nhttps://b.example/simple'
global.index-url='https://global.example/simple'
global.find-links='/w1 /w2'
install.index-url='https://install.example/simple'
global.no-index='false'
nonsense
global.broken='
"""
    assert kit_resolver.uv_environment(kit_resolver.pip_settings(listed)) == {
        "UV_DEFAULT_INDEX": "https://env.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/w1,/w2",
        "SSL_CERT_FILE": "/etc/ssl/corp.pem",
    }
    monkeypatch.setenv("SSL_CERT_FILE", "/mine.pem")
    assert "SSL_CERT_FILE" not in kit_resolver.uv_environment({"cert": "/etc/ssl/corp.pem"})


async def test_two_makers_at_once(empty_cache: Path) -> None:
    one, two, three = await asyncio.gather(*(kit_for(python()) for _ in range(3)))
    assert one == two == three
    assert [path.name for path in (empty_cache / "kits").iterdir()] == [one.directory.name]  # type: ignore[union-attr]


async def test_a_cancelled_maker_leaves_nothing(empty_cache: Path) -> None:
    task = asyncio.create_task(kit_for(python(version=(3, 11, 1))))
    await asyncio.sleep(0.8)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list(empty_cache.glob("*/new-*"))
