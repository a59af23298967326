"""Hundreds of starts while code in a kernel of the same folder swaps what is mounted.

How often `data` was mounted, how often the start was refused and how often the secret was seen is
printed: `pytest -s tests/soak/test_race.py`. RACE_STARTS says how many (500).
"""

import os
from collections import Counter

import pytest

from tests.helpers.derived import make_image as make_image
from tests.helpers.harness import containers, running, write_notebook
from tests.helpers.swapping import FINE, Data, looking_image, loop_inside, started

STARTS = int(os.environ.get("RACE_STARTS", "500"))


@pytest.mark.timeout(10_000)
async def test_the_secret_is_never_mounted(engine, image, folder, make_image, engine_program):
    data = Data(folder)
    path = data.notebook(engine, await looking_image(make_image, image))
    other = write_notebook(folder / "other.ipynb", {"image": image, "engine": engine})
    said: Counter[str] = Counter()
    async with running(other) as kernel:
        done = await kernel.run(loop_inside(data))
        assert done["status"] == "ok", done["error"]
        for _ in range(STARTS):
            said[(await started(path))[:100]] += 1
        (folder / "over").touch()
        assert await kernel.value("loop.wait()") == "0"
    seen = Counter(data.seen)
    print(f"\n{engine}: {STARTS} starts; the canary's content, as containers saw it: {dict(seen)}")
    for why, times in said.most_common():
        print(f"  {times:4}  {why or 'started'}")
    assert seen[data.word] == 0
    assert seen[FINE] == said[""] > 0
    assert containers(engine_program) == []
