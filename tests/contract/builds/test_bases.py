"""Base images: pinned, updated, of earlier cells, with ONBUILD."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from jupyter_containers import errors
from jupyter_containers.builds.plan import earlier_images
from jupyter_containers.host import cache
from jupyter_containers.notebook.cells import cell_of
from tests.contract.builds.building import lines
from tests.contract.builds.site import Site, events
from tests.helpers.moving import Moving


async def test_from_an_earlier_cell(site: Site, images: dict[str, str], word: str) -> None:
    base = cell_of("-t jc-earlier", f"FROM {images['busybox']}\nRUN echo {word} > /word\n")
    top = "FROM jc-earlier\nRUN cat /word\n"
    first = await site.build(base.text, base.line)
    build = site.start(top, earlier=earlier_images([(base, first)]))
    await build.result()
    assert word in lines(await events(build))
    assert build.built is not None and not build.built.source.bases
    again = await site.build(top, earlier=earlier_images([(base, first)]))
    assert again.reused
    changed = await site.build(base.text + "RUN echo more >> /word\n", base.line)
    other = await site.build(top, earlier=earlier_images([(base, changed)]))
    assert not other.reused and other.name != again.name
    site.run("rmi", "-f", "docker.io/library/jc-earlier:latest")


@pytest.fixture
def moving(site: Site, registry: str, images: dict[str, str]) -> Iterator[Moving]:
    moving = Moving(site.program, registry, images["busybox"])
    yield moving
    moving.forget()


async def test_a_rebuild_pins_its_base_until_it_is_updated(
    site: Site, moving: Moving, word: str
) -> None:
    moving.move("one")
    text = f"FROM {moving.reference}\nRUN cat /content; echo {word}\n"
    old = await site.build(text)
    moving.move("two")
    # The notebook goes to another machine: nothing is known but its metadata.
    site.run("rmi", "-f", old.name)
    cache.place("builds", site.program, old.source.cell).unlink()
    rebuilt = await site.build(text, bases=old.source.bases)
    assert rebuilt.source == old.source
    assert site.run("run", "--rm", rebuilt.name, "cat", "/content").strip() == "one"

    update = site.start(text, bases=old.source.bases, update_bases=True)
    await update.result()
    assert update.built is not None
    assert "two" in lines(await events(update))
    assert update.built.source.bases != old.source.bases
    again = await site.build(text, bases=update.built.source.bases)
    assert again.reused and again.name == update.built.name


async def test_a_changed_cell_keeps_its_base(site: Site, moving: Moving, word: str) -> None:
    moving.move("one")
    old = await site.build(f"FROM {moving.reference}\nRUN echo {word}\n")
    moving.move("two")
    build = site.start(
        f"FROM {moving.reference}\nRUN cat /content; echo {word} more\n", bases=old.source.bases
    )
    await build.result()
    assert "one" in lines(await events(build))


async def test_a_base_of_this_machine_that_changed_is_noticed(
    site: Site, images: dict[str, str], word: str
) -> None:
    base = f"localhost/jc-test-base:{word[:8]}"

    def make(text: str) -> None:
        argv = [site.program, "build", "-t", base, "-"]
        env = {**os.environ, "DOCKER_BUILDKIT": "1"}
        subprocess.run(argv, input=text.encode(), env=env, capture_output=True, check=True)

    make(f"FROM {images['busybox']}\nRUN echo one > /content\n")
    text = f"FROM {base}\nRUN cat /content; echo {word}\n"
    first = await site.build(text)
    make(f"FROM {images['busybox']}\nRUN echo two > /content\n")
    build = site.start(text, bases=first.source.bases)
    await build.result()
    seen = await events(build)
    assert "two" in lines(seen)
    assert any(e.kind == "notice" and "not the image that" in e.text for e in seen)
    site.run("rmi", "-f", base)


async def test_a_stage_that_is_not_reached_fetches_nothing(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = (
        f"FROM no-such-host.invalid/big:1 AS gpu\nRUN true\n"
        f"FROM {images['busybox']} AS cpu\nRUN echo {word}\n"
    )
    assert not (await site.build(text, "--target cpu")).reused
    error = await site.fail(text, "--target gpu")
    assert isinstance(error, errors.NetworkFailed) and error.line == 1


async def test_onbuild_of_a_base_brings_its_files_and_is_judged(
    site: Site, images: dict[str, str], word: str
) -> None:
    base = f"localhost/jc-test-onbuild:{word[:8]}"
    onbuild = f"FROM {images['busybox']}\nONBUILD COPY wanted.txt /wanted.txt\n"
    keeps = ["--format", "docker"] if site.program == "podman" else []
    subprocess.run(
        [site.program, "build", *keeps, "-t", base, "-"],
        input=onbuild.encode(),
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
        capture_output=True,
        check=True,
    )
    text = f"FROM {base}\nRUN cat /wanted.txt; echo {word}; exit 0\n"
    try:
        assert isinstance(await site.fail(text), errors.DockerfileError)
        (site.folder / "wanted.txt").write_text("from the folder\n")
        build = site.start(text)
        await build.result()
        seen = await events(build)
        assert "from the folder" in lines(seen)
        assert any(e.kind == "step" and e.line == 2 and e.text.startswith("RUN") for e in seen)
        (site.folder / "wanted.txt").write_text("changed\n")
        assert not (await site.build(text)).reused
    finally:
        site.run("rmi", "-f", base)
