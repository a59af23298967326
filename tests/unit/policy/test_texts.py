"""The words of a question: no two read alike, and nothing in them hides."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.models import Mount, parse_image
from jupyter_containers.policy.approvals import asks, asks_of_build
from jupyter_containers.settings.schema import Settings


def with_(**more: Any) -> Settings:
    return replace(Settings(image="localhost/x:1"), **more)


VALUES = st.text(max_size=12) | st.sampled_from(["a, read-only", "/a, at /b", 'x"', "A, as B"])
PATHS = VALUES.map(lambda text: "/" + text.replace("\0", ""))
ASKED = (
    st.builds(lambda a, b: {"env": {a: b}}, VALUES, VALUES)
    | st.builds(lambda a, b, w: {"mounts": (Mount(a, b, w),)}, PATHS, PATHS, st.booleans())
    | st.builds(lambda a: {"devices": (a,)}, VALUES)
    | st.builds(lambda a, b: {"slurm": {"partition": a, "account": b}}, VALUES, VALUES)
)


@given(ASKED, ASKED)
def test_no_two_questions_share_a_text(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = asks(with_(**one))[-1], asks(with_(**other))[-1]
    assert (first.text == second.text) == (first.key == second.key)
    assert first.text.isprintable()


def test_what_is_too_long_to_read_has_its_hash() -> None:
    one, other = ({"A": "x" * 5000 + end} for end in "12")
    texts = [asks(with_(env=env))[-1].text for env in (one, other)]
    assert texts[0] != texts[1]
    assert all(" (5001 characters, SHA-256 " in text and len(text) < 400 for text in texts)
    assert all(f'x{end}" (5001' in text for text, end in zip(texts, "12", strict=True))


def test_no_two_images_share_a_text() -> None:
    first = ("", "docker.io/", "index.docker.io/", "localhost/", "ghcr.io/", "c:5/", "me/")
    more = ("", "library/", "docker.io/", "localhost/", "ghcr.io/", "a__b.c/")
    names = ["".join(parts) + "x" for parts in itertools.product(first, more, more)]
    found = [asks(with_(image=parse_image(name)))[0] for name in names]
    assert len({ask.text for ask in found}) == len({ask.key for ask in found}) > 100


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("docker.io/localhost/x:1", "docker.io/localhost/x:1"),
        ("docker.io/library/ghcr.io/org/img:1", "library/ghcr.io/org/img:1"),
        ("docker.io/quay.io/y:1", "docker.io/quay.io/y:1"),
        ("docker.io/library/library/y:1", "library/library/y:1"),
        ("docker.io/me/y:1", "me/y:1"),
    ],
)
def test_an_image_is_called_as_it_could_be_written(name: str, text: str) -> None:
    assert asks(with_(image=name))[0].text == f"the image {text}"


@pytest.mark.parametrize("blank", ["\u3164", "\u115f", "\u2800", "\ufe0f", "\u034f", "\uffa0"])
def test_what_nobody_sees_is_written_out(blank: str) -> None:
    [ask] = asks_of_build([], [(Path(f"/data/a{blank}"), False)])
    assert blank not in ask.text and f"\\u{ord(blank):04x}" in ask.text


@pytest.mark.parametrize(
    "path", ["/home/é/Übung", "/データ/資料", "/बेटा/क्षि", "/한글/데이터", "/مجلد"]
)
def test_letters_of_all_scripts_stay_readable(path: str) -> None:
    [ask] = asks_of_build([], [(Path(path), False)])
    assert path in ask.text
