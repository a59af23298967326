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
