"""What a build takes over from an earlier one."""

from __future__ import annotations

import asyncio
import sys

import pytest

from jupyter_containers.host import cache
from tests.contract.builds.building import lines
from tests.contract.builds.site import Site, about_this, commands, events


async def test_unchanged_is_one_question_and_no_build(
    site: Site, images: dict[str, str], word: str
) -> None:
    """For the image and for the base, which only this machine has."""
    text = f"FROM {images['busybox']}\nCOPY a.txt /\nRUN echo {word} > /b\n"
    (site.folder / "a.txt").write_text("one")
    first = await site.build(text)
    await site.builds.settled()
    with commands() as ran:
        second = await site.build(text)
    assert (first.reused, second.reused) == (False, True)
    assert second.image.id == first.image.id and second.source == first.source
    (question,) = about_this(ran)
    assert "image inspect" in question


async def test_unchanged_on_a_registrys_base_is_one_question(
    site: Site, registry: str, word: str
) -> None:
    text = f"FROM {registry}/test/busybox\nRUN echo {word}\n"
    first = await site.build(text)
    assert list(first.source.bases) == [f"{registry}/test/busybox:latest"]
    await site.builds.settled()
    with commands() as ran:
        assert (await site.build(text)).reused
    assert len(about_this(ran)) == 1


async def test_only_what_is_named_counts(site: Site, images: dict[str, str], word: str) -> None:
    text = f"FROM {images['busybox']}\nCOPY src/*.txt /src/\nRUN ls -a /src && echo {word}\n"
    (site.folder / "src").mkdir()
    (site.folder / "src/a.txt").write_text("one")
    (site.folder / "src/.env").write_text("not named")
    build = site.start(text)
    await build.result()
    first = build.built
    assert first is not None
    assert "a.txt" in lines(await events(build)) and ".env" not in lines(await events(build))
    (site.folder / "src/.env").write_text("changed")
    (site.folder / "data.bin").write_bytes(b"x" * 1_000_000)
    assert (await site.build(text)).reused
    (site.folder / "src/a.txt").write_text("two")
    changed = await site.build(text)
    assert not changed.reused
    assert changed.source.cell == first.source.cell
    assert changed.source.context != first.source.context


async def test_another_argument_or_target_is_another_build(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']} AS a\nARG X=1\nRUN echo {word}-$X\nFROM a\nRUN echo more\n"
    made = {
        (await site.build(text, line)).name
        for line in ("", "--build-arg X=2", "--target a", "--build-arg X=3 --target a")
    }
    assert len(made) == 4


async def test_an_image_removed_by_hand_is_built_again(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {word}\n"
    first = await site.build(text)
    site.run("rmi", "-f", first.name)
    assert not (await site.build(text)).reused
    assert len(site.images()) == 1


@pytest.mark.parametrize(
    "torn", ["", "{", "[]", '{"x": 1}', '{"REF": {"pin": 1}}', '{"REF": {"pin": "sha256:0"}}']
)
async def test_a_torn_record_costs_a_question_only(
    site: Site, images: dict[str, str], word: str, torn: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {word}\n"
    first = await site.build(text)
    record = cache.place("builds", site.program, first.source.cell)
    assert record.exists()
    record.write_text(torn.replace("REF", images["busybox"]))
    assert (await site.build(text)).reused


async def test_no_cache_builds_anew(site: Site, images: dict[str, str], word: str) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {word}; cat /proc/uptime\n"
    await site.build(text)
    build = site.start(text, "--no-cache")
    await build.result()
    assert word in lines(await events(build))


async def test_a_tag_is_given_and_given_again(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN echo {word}\n"
    tag = f"jc-test-{word[:8]}:v1"
    plain = await site.build(text)
    tagged = await site.build(text, f"-t {tag}")
    try:
        assert tagged.reference == f"docker.io/library/{tag}"
        assert tagged.name == plain.name
        assert (await site.build(text, f"-t {tag}")).reused
    finally:
        site.run("rmi", "-f", tagged.reference)


async def test_the_same_request_is_one_build(site: Site, images: dict[str, str], word: str) -> None:
    text = f"FROM {images['busybox']}\nRUN sleep 1; echo {word}\n"
    one, two = site.start(text), site.start(text)
    assert one is two
    await one.result()
    assert site.start(text) is not one
    await site.builds.close()


async def test_two_processes_build_the_same_once(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN sleep 3; echo {word}\n"
    argv = [sys.executable, "-c", OTHER, site.program, str(site.folder), site.name, text]
    others = [
        await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        for _ in range(2)
    ]
    said = [(await other.communicate())[0].decode().split() for other in others]
    assert sorted(one[0] for one in said) == ["False", "True"]
    assert said[0][1] == said[1][1]


OTHER = """
import asyncio, sys
from pathlib import Path
from traitlets.config import Config
from jupyter_containers.builds.manager import BuildRequest, Builds
from jupyter_containers.notebook.cells import cell_of
from jupyter_containers.engines.registry import open_engine
from jupyter_containers.policy.policy import Policy
from jupyter_containers.settings.schema import Settings

async def main():
    program, folder, name, text = sys.argv[1:]
    policy = Policy(config=Config(Policy=Config({"build_ca": "", "min_free_disk": None})))
    engine = open_engine(program, policy)
    build = Builds().start(
        BuildRequest(
            cell=cell_of("", text),
            directory=Path(folder),
            engine=engine,
            builder=engine,
            notebook=name + ".ipynb",
        )
    )
    print("started", file=sys.stderr, flush=True)
    image = await build.result()
    print(build.built.reused, image.id)

asyncio.run(main())
"""
