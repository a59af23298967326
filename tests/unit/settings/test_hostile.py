"""Settings that somebody hostile wrote: refused by their key, whatever JSON they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.engines.common.run_argv import env_file
from jupyter_containers.errors import BadReference, BadSettings
from jupyter_containers.settings.schema import FIELDS, Settings
from tests.unit.settings.test_schema import HEX, parse, refused

BAD_SOURCES: list[Any] = [
    *("", "a\nb", "a\x1b[2J", "a\u202eb", "\udc80", "x" * 5000, 1, None),
    *("${A", "${A}x", "${A}/../b", "${A}/b/.."),
]
BAD_TARGETS: list[Any] = [
    *("", "a", "/", "//proc", "/a/", "/a/../etc", "/a\tb", "/proc", "/proc/1", "/sys", 1, None),
    *("/dev/shm", "/etc", "/etc/passwd", "/opt", "/opt/jupyter-containers/guest", "/a\n"),
    *("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/ld.so.conf.d/a", "/etc/ld-musl-x86_64.path"),
]
BAD: dict[str, list[Any]] = {
    "version": [None, True, 0, 2, "2", "1.x", "x", -1, 1e400, -1e400, 10**400, -(10**400), []],
    "engine": [1, "", "--host", "a b", "a\nb", "x" * 200],
    "memory": [True, 0, -1, "8x", "8 gb b", "1e9", "", "1m", "9" * 12 + "t", 1.5],
    "shm": [None, "1b", []],
    "cpus": ["4", True, 0, -1, float("nan"), float("inf"), 10**400, 5000, None],
    "pids": [1.5, 0, "1", False, 10**9],
    "network": ["host", "", None, ["none"], "container:x"],
    "user": ["1000", "0", 0, None],
    "ports": [
        *(8888, ["8888"], [0], [65536], [True], [20003], [[1]], "8"),
        *([bad] for bad in ("0:80", "80:0", "65536:80", "80:65536", "1:20003", ":80", "80:")),
        *([bad] for bad in ("127.0.0.1:1:80", "80:80/udp", "80:80 ", "-1:80", "१:80", "8-9:80")),
        *([80, "8080:80"], ["8080:80", "8081:80"], ["8080:80", "8080:81"]),
    ],
    "env": [
        *([], ["A=b"], {"1A": "x"}, {"A-B": "x"}, {"A": 1}, {"": "x"}, {"A\n": "x"}, {"Ä": "x"}),
        *({"A": bad} for bad in ("a\nb", "a\0", "a\rb", "\ud800", "x" * 40_000)),
        *({bad: "x"} for bad in ("JPY_PARENT_PID", "JUPYTER_TOKEN", "LD_PRELOAD", "LD_AUDIT")),
        *({bad: "x"} for bad in ("NVIDIA_VISIBLE_DEVICES", "NVIDIA_IMEX_CHANNELS")),
    ],
    "hostname": ["-x", "a_b", "a..b", "", "x" * 64, "a\n", "--privileged", 7],
    "devices": [
        *("nvidia.com/gpu=0", {"a": 1}, [None], ["nvidia.com/gpu=0\n"]),
        *([bad] for bad in ("gpu=0", "nvidia.com/gpu", "/dev/sda", "a/b=c,d", "-a/b=c", "")),
    ],
    "digest": ["sha256:1", HEX, "sha512:" + HEX],
    "workdir": ["", "/a/../b", "a\tb", "a\nb", None, "/a//b"],
    "read_only": [1, "true", None],
    "entrypoint": ["bash", True],
    "kernel": ["../x", ".", "..", "...", "", "-x", "a/b", "a+b", "a\n", "x" * 129, 1],
    "slurm": [
        *({"a b": "x"}, {"--wrap": "x"}, {"wrap": "a\nb"}, {"x": None}, "gpu"),
        *({"gpus": bad} for bad in (True, -1, 1.5, [1], 10**12)),
    ],
    "build": [
        *("x", {"cell": "x"}, {"context": HEX[1:]}, {"cell": None}, {"bases": {"x": "y"}}),
        *({"bases": bad} for bad in ({"--a": f"sha256:{HEX}"}, {"x": 1}, [1], {"x": ""})),
    ],
    "mounts": [
        *("a:/a", [["a", "/a"]], {"source": "a"}, [{}], [None]),
        [{"source": "a", "target": "/a"}, {"source": "b", "target": "/a"}],
        [{"source": "a", "target": "/a", "writable": "yes"}],
        *([{"source": bad, "target": "/a"}] for bad in BAD_SOURCES),
        *([{"source": "a", "target": bad}] for bad in BAD_TARGETS),
    ],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in BAD.items() for value in values]
)
def test_bad_values_are_refused_by_their_key(key: str, value: Any) -> None:
    error = refused(**{key: value})
    assert error.key.split(".")[0] == key
    assert str(error).replace("\n", "").isprintable()
    assert len(str(error)) < 700


@pytest.mark.parametrize(
    "image", ["--privileged", "a b", "A/b", "", "x" * 600, "a@sha256:1", "a\n"]
)
def test_images_are_references(image: str) -> None:
    with pytest.raises(BadReference, match=r"^n\.ipynb: "):
        parse(image=image)


@pytest.mark.parametrize("image", [None, 1, [], {}, True])
def test_images_are_text(image: Any) -> None:
    assert refused(image=image).key == "image"


_KEYS = st.sampled_from([*FIELDS, "version", "source", "target", "writable", "cell", "A", ""])
_WORDS = st.sampled_from(
    ["me", "none", "8g", "a", "/a", "nvidia.com/gpu=0", "${A}/b", f"sha256:{HEX}"]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | _WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.dictionaries(_KEYS | st.text(max_size=5), _JSON, max_size=6) | _JSON)
def test_hostile_json_raises_nothing_else(data: Any) -> None:
    if isinstance(data, dict):
        data = {"version": 1, "image": "x"} | data
    try:
        settings = Settings.parse(data, where="n.ipynb")
    except (BadSettings, BadReference) as error:
        str(error).encode()
        return
    again = Settings.parse(json.loads(json.dumps(settings.to_json())), where="again")
    assert again == settings
    text = env_file(settings.env).decode()
    lines = dict(line.split("=", 1) for line in text.split("\n")[:-1])
    assert lines == dict(settings.env)


@pytest.mark.parametrize("key", FIELDS)
@given(value=_JSON)
def test_each_key_alone(key: str, value: Any) -> None:
    try:
        settings = parse(**{key: value})
    except (BadSettings, BadReference):
        return
    assert parse(**settings.to_json()) == settings
    for mount in settings.mounts:
        assert not set(mount.source + mount.target) & set(',:"\n\0\\')


def test_large_numbers_are_no_way_to_crash() -> None:
    for key in ("version", *FIELDS):  # Python refuses to write such a number as text
        assert refused(**{key: 10**5000}).key == key


def test_deep_nesting_is_no_way_to_crash() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    for key in FIELDS:
        with pytest.raises((BadSettings, BadReference)):
            parse(**{key: deep})
