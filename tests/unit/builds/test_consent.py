"""What a build may read unasked: the notebook's own folder, where that is mounted unasked too."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.builds.consent import BY_HAND, Consent, of_this_machine
from jupyter_containers.dockerfile.context import collect
from jupyter_containers.dockerfile.openat import SafeDir
from jupyter_containers.dockerfile.parser import parse
from jupyter_containers.errors import BadInput, BuildNotApproved
from jupyter_containers.policy.approvals import asks_of_build
from tests.helpers.private_home import private_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return private_home(tmp_path, monkeypatch)


@pytest.fixture
def work(home: Path) -> Path:
    made = home / "work"
    (made / "data").mkdir(parents=True)
    for name in ("a.txt", "data/b.csv"):
        (made / name).write_text("x")
    documents = home / "Documents"
    documents.mkdir()
    for number in range(30):
        (documents / f"letter{number}.txt").write_text("dear")
    return made


def asked(
    text: str,
    directory: Path,
    own: Path,
    secrets: tuple[str, ...] = (),
    consent: Consent | None = None,
) -> list[str]:
    """What stands in the question, of a build whose files are below `directory`."""
    consent = consent or Consent(notebook=own / "n.ipynb")
    read: list[bool] = []

    def allow(where, named):
        assert where == directory
        consent.check(own, where, named, secrets)
        read.append(True)

    try:
        collect(parse(f"FROM scratch\n{text}\n", {}), directory, allow=allow)
    except BuildNotApproved as error:
        return list(error.items)
    assert read
    return []


def test_the_notebooks_own_folder_needs_no_yes(work: Path) -> None:
    assert asked("COPY . /x", work, work) == []
    assert asked("COPY b.csv /x", work / "data", work) == []


def test_what_lies_elsewhere_is_named(work: Path, home: Path) -> None:
    documents = home / "Documents"
    assert asked("COPY letter1.txt letter2.txt /x/", documents, work) == [
        f"the file {documents}/letter1.txt, read by its build",
        f"the file {documents}/letter2.txt, read by its build",
    ]
    whole = f"the folder {documents}, with all that is in it, read by its build"
    assert asked("COPY . /x", documents, work) == [whole]
    # Thirty files are no list that somebody reads.
    assert asked("COPY letter*.txt /x/", documents, work) == [whole]
    assert asked("COPY a.txt data /x/", work, work / "data") == [
        f"the file {work}/a.txt, read by its build",
        f"the folder {work}/data, with all that is in it, read by its build",
    ]
    assert asked("RUN --mount=type=bind,source=data,target=/d ls /d", work, home / "other")
    assert asked("COPY Documents/letter1.txt /x", home, work) == [
        f"the file {documents}/letter1.txt, read by its build"
    ]
    assert asked("COPY nothing* /x/", documents, work) == []


def test_the_notebooks_folder_is_what_it_was(work: Path, home: Path) -> None:
    """A cell of a kernel that can write above it put a link there since the build was asked for."""
    own, documents = work / "sub", home / "Documents"
    own.symlink_to(documents)
    consent, copied = Consent(notebook=own / "n.ipynb"), parse("FROM x\nCOPY letter1.txt /x\n", {})
    with pytest.raises(BuildNotApproved) as raised:
        collect(copied, own, allow=lambda where, named: consent.check(own, where, named))
    assert list(raised.value.items) == [f"the file {documents}/letter1.txt, read by its build"]


def test_nothing_is_read_before_the_yes(
    work: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = home / "Documents"
    (documents / ".dockerignore").write_text("a[")  # an error, where it is read
    whole = f"the folder {documents}, with all that is in it, read by its build"
    for limit in (200_000, 5):
        monkeypatch.setattr("jupyter_containers.dockerfile.collect.MAX_FILES", limit)
        assert asked("COPY . /x", documents, work) == [whole]
        assert asked("COPY --parents **/letter1.txt /x", documents, work) == [whole]
    with pytest.raises(BadInput, match="cannot be read"):
        asked("COPY . /x", documents, work, consent=BY_HAND)


def test_patterns_do_not_walk_either(
    work: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        (home / f"d{number}").mkdir()
    line, own = "COPY */letter1*.txt /x", home / "other"
    assert len(asked(line, home, own)) == 1
    seen: list[str] = []
    names = SafeDir.names

    def watched(self: SafeDir, path: str) -> list[tuple[str, os.stat_result]]:
        seen.append(path)
        return names(self, path)

    monkeypatch.setattr(SafeDir, "names", watched)
    monkeypatch.setattr("jupyter_containers.dockerfile.collect.MAX_LOOKED", 5)
    assert asked(line, home, own) == [
        f"the folder {home}, with all that is in it, read by its build"
    ]
    assert seen == [""]
    asked(line, home, own, consent=BY_HAND)
    assert "Documents" in seen


def test_where_a_walk_is_led_is_asked_too(work: Path, home: Path) -> None:
    (home / "Documents" / "b.csv").symlink_to(Path("..", work.name, "data", "b.csv"))
    line, own = "COPY --parents Documents/**/b.csv /x", home / "other"
    items = asked(line, home, own)
    assert items == [f"the folder {home}/Documents, with all that is in it, read by its build"]
    more = asked(line, home, own, consent=Consent(notebook=own / "n.ipynb", shown=items))
    assert more == [f"the file {work}/data/b.csv, read by its build"]
    assert asked(line, home, own, consent=Consent(notebook=own / "n.ipynb", shown=more)) == []


def test_a_home_that_is_not_mounted_is_not_read(work: Path, home: Path) -> None:
    assert asked("COPY Documents /x", home, home) == [
        f"the folder {home}/Documents, with all that is in it, read by its build"
    ]
    assert asked("COPY letter1.txt /x", home / "Documents", home)


def test_secrets_are_named(work: Path) -> None:
    assert asked("RUN true", work, work, ("pip", "token")) == [
        "the secret pip, read by its build",
        "the secret token, read by its build",
    ]


def test_a_yes_is_remembered_for_the_notebook(work: Path, home: Path) -> None:
    documents = home / "Documents"
    items = asked("COPY . /x", documents, work, ("pip",))
    assert len(items) == 2
    yes = Consent(notebook=work / "n.ipynb", shown=items)
    assert asked("COPY . /x", documents, work, ("pip",), yes) == []
    assert asked("COPY letter1.txt /x", documents, work, ("pip",)) == []
    assert asked("COPY . /x", documents, work, consent=Consent(notebook=work / "other.ipynb"))


def test_what_was_typed_is_a_yes_and_is_not_remembered(work: Path, home: Path) -> None:
    assert asked("COPY . /x", home / "Documents", work, ("pip",), BY_HAND) == []
    assert asked("COPY . /x", home / "Documents", work, consent=Consent())


def test_what_was_typed_in_a_cell_is_a_yes(work: Path, home: Path) -> None:
    documents = home / "Documents"

    def typed(context: Path, text: str, directory: Path) -> list[str]:
        consent = Consent(notebook=work / "typed.ipynb", typed_context=context)
        return asked(text, directory, work, consent=consent)

    (home / "alias").symlink_to("Documents")
    # What was typed is `alias`, which somebody may have put there.
    assert len(typed(home / "alias", "COPY letter1.txt /x", documents)) == 1
    assert typed(documents, "COPY letter1.txt /x", documents) == []
    # Somebody else's cell in the same notebook: what was read is remembered, and no more.
    consent = Consent(notebook=work / "typed.ipynb")
    assert asked("COPY letter1.txt /x", documents, work, consent=consent) == []
    assert len(asked("COPY letter2.txt /x", documents, work, consent=consent)) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8888/api/contents",
        "http://localhost/x",
        "http://LOCALHOST:1/x",
        "http://someone@127.0.0.1/x",
        "http://127.1/x",
        "http://2130706433/x",
        "http://0/x",
        "http://0.0.0.0:8888/x",
        "http://[::1]:8888/x",
        "http://[::ffff:127.0.0.1]/x",
        "git@127.0.0.1:notes.git",
        "git://localhost/notes.git",
        "http://localhost.:8888/x",
        "http://api.localhost/x",
    ],
)
async def test_what_add_downloads_from_this_machine_is_named(url: str, work: Path) -> None:
    found = await of_this_machine([url, "https://192.0.2.1/x"])
    assert found == {url: True}
    (item,) = asks_of_build([], [], found)
    assert url in item.text
    notebook = work / "n.ipynb"
    with pytest.raises(BuildNotApproved) as raised:
        Consent(notebook=notebook).check(work, work, {}, (), found)
    assert raised.value.items == (item.text,)
    Consent(notebook=notebook, shown=[item.text]).check(work, work, {}, (), found)
    Consent(notebook=notebook).check(work, work, {}, (), found)
    BY_HAND.check(work, work, {}, (), found)


@pytest.mark.parametrize(
    "url",
    [
        "https://192.0.2.1/127.0.0.1",
        "http://127.0.0.1.name.invalid/x",
        "http://[",
        "http://",
        "http://" + "a" * 300,
        "http://192.0.2.1/#@127.0.0.1",
        "git@192.0.2.1:127.0.0.1.git",
    ],
)
async def test_what_add_downloads_elsewhere_needs_no_yes(url: str) -> None:
    assert await of_this_machine([url]) == {}


async def test_a_name_that_is_not_known_in_time_is_asked_for(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*args: Any, **options: Any) -> list[Any]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", slow)
    monkeypatch.setattr("jupyter_containers.builds.consent._RESOLVES", 0.01)
    url, notebook = "http://slow.example/x", work / "n.ipynb"
    found = await of_this_machine([url])
    items = [f"{url} whose host could not be looked up in time, downloaded by its build"]
    assert [ask.text for ask in asks_of_build([], [], found)] == items
    Consent(notebook=notebook, shown=items).check(work, work, {}, (), found)
    with pytest.raises(BuildNotApproved, match="of this machine"):
        Consent(notebook=notebook).check(work, work, {}, (), {url: True})


def test_typed_options_are_no_yes_to_what_stands_in_a_dockerfile(work: Path, home: Path) -> None:
    file, url = work / "Dockerfile", {"http://127.0.0.1:8888/api": True}
    named = {"letter1.txt": False}
    typed = Consent(notebook=file, typed=True)
    typed.check(work, home / "Documents", named, ("pip",), {})
    with pytest.raises(BuildNotApproved) as raised:
        typed.check(work, home / "Documents", named, ("pip",), url)
    [item] = raised.value.items
    assert item.startswith("http://127.0.0.1:8888/api of this machine")
    Consent(notebook=file, typed=True, shown=None).check(work, work, {}, (), url)
    typed.check(work, work, {}, (), url)
