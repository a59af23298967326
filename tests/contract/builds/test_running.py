"""Running builds: followed, cancelled, in turns, limited."""

from __future__ import annotations

import asyncio
import os
import time
import uuid

import pytest

from jupyter_containers import errors
from jupyter_containers.host.paths import cache_directory
from tests.contract.builds.building import begun, gone, leftovers, lines, running
from tests.contract.builds.site import Site, events


async def test_everybody_sees_all_events_and_nobody_is_needed(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN for i in 1 2 3; do echo {word}-$i; sleep 0.5; done\n"
    build = site.start(text)
    async for event in build.events():
        if event.text == f"{word}-1":
            break
    waiting = asyncio.create_task(build.result())
    await asyncio.sleep(0)
    waiting.cancel()
    late = [asyncio.create_task(events(build)) for _ in range(3)]
    await build.result()
    one, two, three = [await task for task in late]
    assert one == two == three == await events(build)
    assert [line for line in lines(one) if word in line] == [f"{word}-{i}" for i in (1, 2, 3)]
    assert await events(build, 5) == one[5:]
    assert one[-1].kind == "image"


async def test_a_changed_dockerfile_cancelled_in_its_sleep(
    site: Site, images: dict[str, str], word: str
) -> None:
    before = leftovers(site.program)
    await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    number = str(uuid.uuid4().int % 10**9 + 10**9)
    build = site.start(f"FROM {images['busybox']}\nRUN echo {word}\nRUN sleep {number}\n")
    await begun(number)
    started = time.monotonic()
    await build.cancel()
    assert not running(number) or await gone(number, 2)
    assert time.monotonic() - started < 10
    assert build.state == "cancelled" and build.ended is not None
    with pytest.raises(errors.BuildCancelled):
        await build.result()
    assert leftovers(site.program) - before == set()


async def test_cancelled_at_any_moment(site: Site, images: dict[str, str], word: str) -> None:
    (site.folder / "large").write_bytes(os.urandom(1 << 20) * 60)
    before = leftovers(site.program)
    for wait in (0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8):
        build = site.start(
            f"FROM {images['busybox']}\nCOPY large /\nRUN sleep 9; echo {word}{wait}\n"
        )
        await asyncio.sleep(wait)
        await build.cancel()
        assert build.state == "cancelled"
        assert list((cache_directory() / "contexts").glob("*")) == []
    assert leftovers(site.program) - before == set()


async def test_builds_wait_for_their_turn(site: Site, images: dict[str, str], word: str) -> None:
    site.policy["max_builds"] = 1
    text = f"FROM {images['busybox']}\nRUN sleep 2; echo {word}"
    one, two = site.start(text + "1\n"), site.start(text + "2\n")
    await asyncio.sleep(0.5)
    assert (one.state, two.state) == ("running", "waiting")
    three = site.start(text + "3\n")
    await three.cancel()
    assert three.state == "cancelled"
    await asyncio.gather(one.result(), two.result())
    assert any("max_builds" in e.text for e in await events(two))


async def test_a_build_that_takes_too_long(site: Site, images: dict[str, str], word: str) -> None:
    site.policy["max_build_seconds"] = 3
    number = str(uuid.uuid4().int % 10**9 + 10**9)
    error = await site.fail(f"FROM {images['busybox']}\nRUN echo {word}; sleep {number}\n")
    assert "Policy.max_build_seconds" in error.message
    assert await gone(number)


async def test_output_is_kept_up_to_the_limit(
    site: Site, images: dict[str, str], word: str
) -> None:
    site.policy["max_build_log"] = 20_000
    build = site.start(f"FROM {images['busybox']}\nRUN echo {word}; seq 5000\n")
    await build.result()
    seen = await events(build)
    assert sum(len(e.text) for e in seen) < 20_000
    assert [e.text for e in seen if "max_build_log" in e.text] == [
        "More output is not kept (Policy.max_build_log)."
    ]
    assert seen[-1].kind == "image"


async def test_closing_ends_all(site: Site, images: dict[str, str], word: str) -> None:
    numbers = [str(uuid.uuid4().int % 10**9 + 10**9) for _ in range(2)]
    builds = [
        site.start(f"FROM {images['busybox']}\nRUN echo {word}; sleep {number}\n")
        for number in numbers
    ]
    for number in numbers:
        await begun(number)
    await site.builds.close()
    assert [build.state for build in builds] == ["cancelled", "cancelled"]
    assert all([await gone(number) for number in numbers])
