"""What an index says of a package: a real uv asks a real server of this machine."""

from __future__ import annotations

import os

import pytest

from jupyter_containers.errors import BadInput
from jupyter_containers.images.facts import Interpreter
from jupyter_containers.images.package_index import Found, look_up, plain_requirement
from tests.helpers.package_index import package_index

PYTHON = Interpreter(
    path="/usr/bin/python3",
    version=(3, 11, 2),
    implementation="cpython",
    machine="x86_64",
    libc="glibc",
    libc_version=(2, 36),
)


@pytest.fixture(autouse=True)
def no_other_index(monkeypatch, tmp_path):
    for name in [one for one in os.environ if one.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))


async def test_a_package_by_its_exact_name(monkeypatch):
    with package_index({"some-name": "1.2.3"}) as (port, asked):
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        found = await look_up(plain_requirement("Some_Name[extra]>=1"), PYTHON)
        assert found == Found("Some_Name", "1.2.3")
        assert {path for path in asked if path.startswith("/simple")} == {"/simple/some-name/"}
        assert (await look_up(plain_requirement("some-name"), None)).version == "1.2.3"
        gone = await look_up(plain_requirement("some-nam"), PYTHON)
        assert gone.missing and gone.message == "The package index has no some-nam."
        other = await look_up(plain_requirement("some-name==9"), PYTHON)
        assert not other.version and other.message.startswith("No version of some-name fits")


async def test_an_index_that_does_not_answer(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:s3cret@127.0.0.1:9/simple")
    found = await look_up(plain_requirement("a"), PYTHON)
    assert not found.version and not found.missing and "could not be checked" in found.message
    assert "NAME==VERSION" in found.hint and "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "text", ["", "../a", "a/b", "a @ https://h/a", "--pre", "a b", "a; os_name == 'x'", "a\n--pre"]
)
def test_what_is_no_name(text):
    with pytest.raises(BadInput, match="names no package"):
        plain_requirement(text)
