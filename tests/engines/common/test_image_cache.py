"""What an engine said of its images, for who asks again at once; each image inspected once."""

from __future__ import annotations

import asyncio

import pytest

from jupyter_containers.engines import image_cache
from jupyter_containers.engines.docker.inspect import Listing, read_table, stamp_of, storage_tables
from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.errors import EngineDown
from jupyter_containers.host.process import Completed
from jupyter_containers.models import BuildSpec, Image, Progress
from jupyter_containers.policy.policy import Policy

ONE = Image(id="sha256:1", references=("localhost/one:latest", "busybox:1"))


class Slow:
    """Counts its questions, and answers when it is let."""

    name = "slow"
    program = "slow"

    def __init__(self, image: Image | None = ONE) -> None:
        self.asked: list[str] = []
        self.may = asyncio.Event()
        self.may.set()
        self.now = image

    async def image(self, reference):
        self.asked.append(reference)
        found = self.now
        await self.may.wait()
        if isinstance(found, Exception):
            raise found
        return found

    async def images(self):
        self.asked.append("*")
        await self.may.wait()
        return [self.now]

    async def build(self, spec):
        yield Progress(kind="log", text="x")
        yield Progress(kind="image", image=self.now)

    pull = build

    async def remove_image(self, reference):
        self.now = None


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def engine(slow):
    return Guarded(slow, Policy())


async def test_all_who_ask_at_once_are_told_once(engine, slow):
    slow.may.clear()
    asking = [asyncio.ensure_future(engine.recent_image("localhost/one")) for _ in range(5)]
    await asyncio.sleep(0.01)
    slow.may.set()
    assert await asyncio.gather(*asking) == [ONE] * 5
    assert len(slow.asked) == 1


async def test_a_caller_that_goes_takes_nothing_from_the_others(engine, slow):
    slow.may.clear()
    first, second = (asyncio.ensure_future(engine.recent_image("localhost/one")) for _ in "ab")
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    slow.may.set()
    assert await second == ONE


async def test_the_last_that_goes_ends_the_question(engine, slow):
    slow.may.clear()
    asking = asyncio.ensure_future(engine.recent_image("localhost/one"))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert {asyncio.current_task()} == asyncio.all_tasks()


async def test_an_answer_is_good_for_a_second(engine, slow, monkeypatch):
    await engine.recent_image("localhost/one")
    # Its other names were told with it; `busybox:1` is Docker's short one.
    for name in ("localhost/one", "localhost/one:latest", "docker.io/library/busybox:1"):
        assert await engine.recent_image(name) == ONE
    assert len(slow.asked) == 1
    monkeypatch.setattr(image_cache, "FRESH", 0.0)
    await engine.recent_image("localhost/one")
    assert len(slow.asked) == 2


async def test_who_starts_something_asks_anew(engine, slow):
    await engine.image("localhost/one")
    assert await engine.recent_image("localhost/one:latest") == ONE
    assert len(slow.asked) == 1
    await engine.image("localhost/one")
    assert len(slow.asked) == 2


async def test_that_it_is_not_here_is_an_answer_too(slow, engine):
    slow.now = None
    assert await engine.recent_image("localhost/none") is None
    assert await engine.recent_image("localhost/none") is None
    assert len(slow.asked) == 1


async def test_an_error_is_told_and_not_kept(slow, engine):
    slow.now = EngineDown("gone")
    for _ in range(2):
        with pytest.raises(EngineDown):
            await engine.recent_image("localhost/one")
    assert len(slow.asked) == 2


async def test_what_we_did_ourselves_shows_at_once(slow, engine):
    slow.now = None
    assert await engine.recent_image("localhost/one") is None
    slow.now = ONE
    async for event in engine.build(BuildSpec(dockerfile="", tag="localhost/one")):
        if event.image is not None:
            assert await engine.recent_image("localhost/one") == ONE
    await engine.remove_image("localhost/one")
    assert await engine.recent_image("localhost/one") is None


async def test_an_answer_on_its_way_is_no_answer_after_that(slow, engine):
    slow.may.clear()
    slow.now = None
    early = asyncio.ensure_future(engine.recent_image("localhost/one"))
    await asyncio.sleep(0.01)
    slow.now = ONE
    _ = [event async for event in engine.pull("localhost/one")]
    slow.may.set()
    assert await engine.recent_image("localhost/one") == ONE
    assert await early is None
    assert await engine.recent_image("localhost/one") == ONE


async def test_lists_are_shared(slow, engine):
    slow.may.clear()
    asking = [asyncio.ensure_future(engine.images()) for _ in range(3)]
    await asyncio.sleep(0.01)
    slow.may.set()
    assert await asyncio.gather(*asking) == [[ONE]] * 3
    assert slow.asked == ["*"]


TABLE = """\
sha256:aa localhost/one:latest
sha256:aa localhost/two:1
sha256:bb <none>:<none>
cc docker.io/library/x:<none>
"""


def test_a_table():
    assert read_table(TABLE) == {
        "sha256:aa": {"localhost/one:latest", "localhost/two:1"},
        "sha256:bb": set(),
        "sha256:cc": set(),
    }


async def test_each_image_is_inspected_once():
    tables, inspected = ["sha256:aa a:1\nsha256:bb b:1\n"], []

    async def checked(argv):
        return Completed(tuple(argv), 0, tables[-1], "")

    async def run(argv):
        inspected.append(argv[2:])
        said = ",".join(f'{{"Id": "{id}", "RepoTags": ["{id[-1]}:1"]}}' for id in argv[2:])
        return Completed(tuple(argv), 0, f"[{said}]", "")

    listing = Listing()
    for _ in range(2):
        assert [image.id for image in await listing.images(checked, run)] == [
            "sha256:aa",
            "sha256:bb",
        ]
    assert inspected == [["sha256:aa", "sha256:bb"]]
    tables.append("sha256:aa a:1\nsha256:bb b:1\nsha256:bb b:2\n")  # another name
    await listing.images(checked, run)
    assert inspected[1:] == [["sha256:bb"]]
    tables.append("sha256:aa a:1\n")
    assert [image.id for image in await listing.images(checked, run)] == ["sha256:aa"]
    assert len(inspected) == 2


async def test_podman_is_asked_again_when_its_storage_changed(tmp_path):
    asked = []

    async def checked(argv):
        asked.append(argv)
        return Completed(tuple(argv), 0, "", "")

    store = {"graphRoot": str(tmp_path), "graphDriverName": "overlay", "graphOptions": {}}
    tables = storage_tables(store, {"serviceIsRemote": False})
    assert stamp_of(tables) is None
    table = tmp_path / "overlay-images" / "images.json"
    table.parent.mkdir()
    table.write_text("[]")
    listing = Listing()
    for _ in range(3):
        await listing.images(checked, checked, stamp_of(tables))
    assert len(asked) == 1
    table.with_name("new").write_text("[]")
    table.with_name("new").replace(table)
    await listing.images(checked, checked, stamp_of(tables))
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("options", "host"),
    [
        ({}, {"serviceIsRemote": True}),
        ({}, {}),
        ({"overlay.additionalImageStores": "/x"}, {"serviceIsRemote": False}),
    ],
)
def test_storage_that_is_not_ours_alone_is_no_sign(options, host):
    store = {"graphRoot": "/x", "graphDriverName": "overlay", "graphOptions": options}
    assert storage_tables(store, host) == ()
    assert stamp_of(()) is None
