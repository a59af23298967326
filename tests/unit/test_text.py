"""Text from outside, made safe to show; almost all of it is safe already, and that is quick."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers import text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain, tab\t and\nlines — ünïcödé 漢字 🐍", None),
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x1b]0;title\x07b", "ab"),
        ("10%\r50%\r100%", "100%"),
        ("one\r\ntwo\r\n", "one\ntwo\n"),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("nul\x00 bell\x07 del\x7f nel\x85", "nul bell del nel"),
        ("zero\u200bwidth \ufeff\ue000", "zerowidth "),
    ],
)
def test_what_is_kept(said, shown):
    assert text.printable(said) == (said if shown is None else shown)


@given(st.text(st.characters(), max_size=50))
def test_what_is_quick_is_the_same(said):
    """Safe text comes through the long way as it was."""
    if text._is_clean(said):
        assert text._cleaned(said) == said
    once = text.printable(said)
    assert text.printable(once) == once


def test_it_is_cut():
    assert text.printable("x" * 10, 5) == "xxxx…"


def test_a_long_log_takes_no_time():
    line = "drwxr-xr-x 2 root root 4096 Nov 24 06:57 some/path/of/a/package.py"
    begun = time.process_time()
    for _ in range(20_000):
        text.printable(line, 2000)
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize("said", ['{"a": [1, 2.5, -3, null, true]}', b"[18446744073709551615]"])
def test_json_of_ordinary_size_is_read(said: str | bytes) -> None:
    assert text.untrusted_json(said) == json.loads(said)


@pytest.mark.parametrize(
    "said", ["Infinity", "[NaN]", "-1e999", "9" * 21, "9" * 5000, "[" * 100_000, "{", "", b"\xff"]
)
def test_json_that_hurts_is_refused(said: str | bytes) -> None:
    with pytest.raises(ValueError):
        text.untrusted_json(said)


def test_what_is_read_can_be_copied_and_printed() -> None:
    """Where the stack just held for the reading, it would not for those."""
    deep = "[" * 100 + "]" * 100
    assert text.untrusted_json(deep) == json.loads(deep)
    for one in (f"[{deep}]", f'{{"a": [{deep}]}}', (f"[{deep}, 7]").encode("utf-16")):
        with pytest.raises(ValueError, match="too deep"):
            text.untrusted_json(one)
    assert text.untrusted_json('"[[["') == "[[["
    flat = json.dumps([{"[{": ["\\", '"[', [f"{{{number}"]]} for number in range(1000)])
    assert text.untrusted_json(flat) == json.loads(flat)


@given(st.recursive(st.text(max_size=4), lambda inner: st.lists(inner, max_size=4), max_leaves=300))
def test_what_is_flat_enough_is_read(value: object) -> None:
    said = json.dumps({"[": [value] * 60})
    assert text.untrusted_json(said) == json.loads(said)


def test_numbers_and_texts_of_other_types() -> None:
    assert [text.as_int(one) for one in (7, -7, True, 7.0, "7", None, 1 << 63)] == [7, -7] + [0] * 5
    assert (text.as_text("x"), text.as_text(7)) == ("x", "")
    assert (text.as_list([1]), text.as_list({})) == ([1], [])
    assert (text.as_dict({"a": 1}), text.as_dict([])) == ({"a": 1}, {})


def test_a_line_without_end_is_cut_before_the_work() -> None:
    begun = time.process_time()
    shown = text.printable("\x00\x1b[31mx" * 8_000_000, 100)
    assert time.process_time() - begun < 2.0
    assert shown == "x" * 99 + "…"
