"""Settings: what any JSON does to them, what they refuse, and what survives a round trip."""

from __future__ import annotations

import logging
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.builds.cells import settings_after
from jupyter_containers.errors import BadSettings, PolicyRefused
from jupyter_containers.models import Mount
from jupyter_containers.notebook.cells import Options
from jupyter_containers.policy.policy import Policy
from jupyter_containers.settings.schema import FIELDS, Build, Settings, format_size, parse_size

HEX = "0123456789abcdef" * 4
DESIGNED: dict[str, Any] = {
    "version": 1,
    "image": "localhost/whisper:1.4",
    "engine": "podman",
    "build": {
        "cell": HEX,
        "context": HEX,
        "bases": {"docker.io/library/python:3.12-slim": f"sha256:{HEX}"},
        "earlier": [HEX[::-1]],
    },
    "digest": f"sha256:{HEX}",
    "mounts": [{"source": "data", "target": "/data", "writable": True}],
    "devices": ["nvidia.com/gpu=all"],
    "cpus": 4,
    "memory": "8g",
    "pids": 1024,
    "shm": "2g",
    "network": "none",
    "ports": [8888, "8080:80"],
    "env": {"A": "b"},
    "user": "root",
    "workdir": "src",
    "hostname": "lab",
    "read_only": True,
    "entrypoint": "image",
    "slurm": {"partition": "gpu"},
    "kernel": "ir",
}


def parse(**more: Any) -> Settings:
    return Settings.parse({"version": 1, "image": "python:3.12"} | more, where="n.ipynb")


def refused(**more: Any) -> BadSettings:
    with pytest.raises(BadSettings) as raised:
        parse(**more)
    return raised.value


def test_every_key_of_the_format_is_read_and_written_back() -> None:
    names = {f.name for f in fields(Settings)} - {"newer"}
    assert set(DESIGNED) == {"version", *FIELDS} == {"version", *names}
    settings = Settings.parse(DESIGNED, where="n.ipynb")
    assert settings.to_json() == DESIGNED
    assert settings.memory == 8 << 30 and settings.shm == 2 << 30
    assert settings.mounts == (Mount("data", "/data", True),)
    assert settings.build == Build(
        cell=HEX, context=HEX, bases=DESIGNED["build"]["bases"], earlier=(HEX[::-1],)
    )


def test_only_what_differs_from_the_defaults_is_written() -> None:
    assert parse().to_json() == {"version": 1, "image": "docker.io/library/python:3.12"}
    assert parse(engine="auto") == parse()
    for key, field in FIELDS.items():
        if key != "image":
            assert getattr(parse(), key) == field.default, key


def test_the_table_names_traits_of_the_policy_and_options_once() -> None:
    traits = {field.trait for field in FIELDS.values() if field.trait}
    assert traits <= set(Policy.class_trait_names(config=True))
    options = [field.option for field in FIELDS.values() if field.option]
    assert len(options) == len(set(options))
    assert all(field.doc.endswith(".") for field in FIELDS.values())


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("memroy", "8g", "Did you mean 'memory'?"),
        ("image ", "x", "Did you mean 'image'?"),
        ("zzzz", 1, "Known are: image, engine"),
        ("mounts", [{"source": "a", "taget": "/a"}], "Did you mean 'target'?"),
        ("mounts", [{"target": "/a"}], "mounts.source"),
        ("build", {"sell": HEX}, "build.sell"),
        ("build", {"earlier": ["x"]}, "build.earlier"),
    ],
)
def test_unknown_and_missing_keys_are_named(key: str, value: Any, said: str) -> None:
    error = refused(**{key: value})
    assert said in str(error)
    assert str(error).startswith("n.ipynb: ")


@pytest.mark.parametrize("data", [None, [], "x", 1, True, {}, {"image": "x"}, {"version": 1}])
def test_what_is_no_object_or_misses_what_it_needs(data: Any) -> None:
    with pytest.raises(BadSettings):
        Settings.parse(data, where="n.ipynb")


@pytest.mark.parametrize("version", [1.1, "1.2", "1.10"])
def test_a_newer_minor_version_only_warns(version: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "jupyter_containers"):
        settings = parse(version=version, colour="blue", memory="1g")
    assert settings == parse(memory="1g")
    assert "colour" in caplog.text
    with pytest.raises(BadSettings):  # what it knows it still reads strictly
        parse(version=version, memory="1x")


def test_what_a_newer_minor_version_added_stays() -> None:
    written = {"version": "1.3", "image": "localhost/a:1", "memory": "1g", "future": {"x": [1]}}
    assert Settings.parse(written, where="").to_json() == written
    switched = settings_after(written, Options(settings={"cpus": 2}), "localhost/b:1", None)
    assert switched.to_json() == written | {"image": "localhost/b:1", "cpus": 2}


@pytest.mark.parametrize("version", [1, 1.0, "1", "1.0"])
def test_this_version_refuses_what_it_does_not_know(version: Any) -> None:
    with pytest.raises(BadSettings):
        parse(version=version, colour="blue")


def test_good_values_at_the_edges() -> None:
    assert parse(memory="1.5 GiB").memory == 3 << 29
    assert parse(memory=8 << 30).memory == parse(memory="8192M").memory
    assert parse(cpus=0.5).cpus == 0.5 and parse(cpus=4).to_json()["cpus"] == 4
    assert parse(ports=[8888, 8888, "8080:80"]).ports == ((0, 8888), (8080, 80))
    assert parse(env={"LD_LIBRARY_PATH": "/x", "CUDA_VISIBLE_DEVICES": "0", "A": ""}).env["A"] == ""
    assert parse(devices=["nvidia.com/gpu=GPU-1a2b", "amd.com/gpu=0"]).devices[1] == "amd.com/gpu=0"
    assert parse(slurm={"gpus": 2, "time": "1:00:00"}).slurm == {"gpus": "2", "time": "01:00:00"}
    for name in (".net-csharp", "_x", "x-", "julia-1.11"):
        assert parse(kernel=name).kernel == name
    assert parse(workdir="-x").workdir == "./-x" and parse(workdir="/").workdir == "/"
    assert parse(image=f"sha256:{HEX}").image == f"sha256:{HEX}"


@given(st.integers(min_value=1, max_value=1 << 50))
def test_sizes_survive(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_sizes_are_short() -> None:
    assert [format_size(n) for n in (8 << 30, 1536 << 20, 1000, 1024)] == [
        "8g",
        "1536m",
        "1000b",
        "1k",
    ]


class _Places:
    """The policy's part in `resolved`."""

    def __init__(self, places: dict[str, str]) -> None:
        self.places = places

    def source_of(self, name: str) -> str:
        if name not in self.places:
            raise PolicyRefused(f"${{{name}}}", "Policy.mount_names")
        return self.places[name]

    def with_defaults(self, settings: Settings) -> Settings:
        return replace(settings, pids=7)


def test_sources_are_resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    sources = ["data", "link/x", "../up", "/abs", "~", "~/mine", "${LAB}", "${LAB}/sub", "$x"]
    asked = [{"source": source, "target": f"/m{n}"} for n, source in enumerate(sources)]
    settings = parse(mounts=asked).resolved(tmp_path, _Places({"LAB": "/lab"}))
    assert [mount.source for mount in settings.mounts] == [
        f"{tmp_path}/data",
        f"{tmp_path}/real/x",
        f"{tmp_path.parent}/up",
        "/abs",
        f"{tmp_path}/home",
        f"{tmp_path}/home/mine",
        "/lab",
        "/lab/sub",
        f"{tmp_path}/$x",
    ]
    assert settings.pids == 7


def test_sources_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "odd\nname").mkdir()
    (tmp_path / "odd").symlink_to("odd\nname")
    for source in ("loop", "odd", "x" * 3000):
        settings = parse(mounts=[{"source": source, "target": "/a"}])
        if source == "x" * 3000:
            settings.resolved(tmp_path, _Places({}))  # the policy finds that it is not there
            continue
        with pytest.raises(BadSettings):
            settings.resolved(tmp_path, _Places({}))
    with pytest.raises(PolicyRefused):
        parse(mounts=[{"source": "${X}", "target": "/a"}]).resolved(tmp_path, _Places({}))
