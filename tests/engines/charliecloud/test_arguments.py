"""What `ARG` comes to where `ch-image` builds."""

from __future__ import annotations

from dataclasses import replace

from tests.contract.builds.building import build, lines
from tests.engines.charliecloud.test_engine import charliecloud, named

__all__ = ["charliecloud"]


async def test_arguments_are_what_was_written(charliecloud, images) -> None:
    text = f"""FROM {images["busybox"]}
ARG WORD=/a/b
ARG QUOTED="/a/b"
ARG SPACED="a b"
ARG SINGLE='c'
ARG EQUALS=a=b
ARG GIVEN
RUN echo "[$WORD][$QUOTED][$SPACED][$SINGLE][$EQUALS][$GIVEN]"
"""
    given = replace(named(text), args={"GIVEN": "/x y"}, no_cache=True)
    assert "[/a/b][/a/b][a b][c][a=b][/x y]" in lines(await build(charliecloud, given))


async def test_what_the_hosts_programs_obey_is_the_images_own(charliecloud, images) -> None:
    """`ch-run` would mount TMPDIR on /tmp, and the loader of the host look for libraries."""
    first = named(
        f"""FROM {images["busybox"]}
ENV LD_LIBRARY_PATH="/a b" TMPDIR=/etc
ENV LD_LIBRARY_PATH=/c:$LD_LIBRARY_PATH
RUN echo "[$LD_LIBRARY_PATH][$TMPDIR]"; ls /tmp
RUN ["sh", "-c", "echo [$TMPDIR]"]
"""
    )
    events = await build(charliecloud, replace(first, no_cache=True))
    assert {"[/c:/a b][/etc]", "[/etc]"} <= set(lines(events))
    assert "hosts" not in lines(events)
    image = events[-1].image
    assert image is not None
    assert (image.env["LD_LIBRARY_PATH"], image.env["TMPDIR"]) == ("/c:/a b", "/etc")
    text = f'FROM {first.tag}\nRUN echo "[$LD_LIBRARY_PATH][$TMPDIR]"\n'
    assert "[/c:/a b][/etc]" in lines(await build(charliecloud, named(text)))
