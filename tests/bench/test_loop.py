"""What the event loop's row is made of."""

from __future__ import annotations

import asyncio
import time

import pytest

from .lag import measure
from .loop import percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([3, 1, 2], 50, 2), (range(1, 101), 99, 99), ([7], 99, 7), (range(1, 11), 99, 10)],
)
def test_percentile(values, percent, expected):
    assert percentile(list(values), percent) == expected


async def test_who_blocks_the_loop_is_seen():
    lags: list[float] = []
    measuring = asyncio.create_task(measure(lags))
    await asyncio.sleep(0.05)
    time.sleep(0.1)
    await asyncio.sleep(0.05)
    measuring.cancel()
    assert max(lags) > 0.09
    assert percentile(lags, 50) < 0.09
