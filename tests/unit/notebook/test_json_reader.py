"""JSON of large files: the same as `json.loads`, and other threads have their turn."""

from __future__ import annotations

import json
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.notebook import json_reader

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch):
    monkeypatch.setattr(json_reader, "_SMALL", 0)


@given(VALUES, st.sampled_from([None, 1, "\t"]))
def test_the_same_as_json(value, indent):
    text = json.dumps(value, indent=indent)
    assert repr(json_reader.loads(text)) == repr(json.loads(text))


@given(VALUES, st.data())
def test_what_json_refuses_is_refused(value, data):
    text = json.dumps({"cells": [value], "metadata": value})
    at = data.draw(st.integers(0, len(text)))
    broken = (
        text[:at] + data.draw(st.sampled_from(["", "}", "]", ",", ":", "x", '"'])) + text[at + 1 :]
    )
    try:
        expected = repr(json.loads(broken))
    except ValueError:
        with pytest.raises(ValueError):
            json_reader.loads(broken)
    else:
        assert repr(json_reader.loads(broken)) == expected


@pytest.mark.parametrize("text", ["", "{", "[1, 2", '{"a": 1} x', '{"a": [1,]}', "{1: 2}", "nul"])
def test_broken(text):
    with pytest.raises(ValueError):
        json_reader.loads(text)


def test_a_large_notebook_holds_nobody_up():
    output = {"output_type": "stream", "name": "stdout", "text": ["some line\n"] * 5000}
    cells = [{"cell_type": "code", "source": "", "outputs": [output]}] * 200
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4})
    ended, longest = threading.Event(), 0.0

    def wake() -> None:
        nonlocal longest
        while not ended.is_set():
            due = time.monotonic() + 0.005
            time.sleep(0.005)
            longest = max(longest, time.monotonic() - due)

    waking = threading.Thread(target=wake)
    waking.start()
    begun = time.monotonic()
    try:
        assert json_reader.loads(text)["nbformat"] == 4
    finally:
        seconds = time.monotonic() - begun
        ended.set()
        waking.join()
    assert longest < max(0.1, seconds / 2), (longest, seconds)
