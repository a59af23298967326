"""The line of options behind `%%dockerfile`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jupyter_containers.builds.cells import settings_after
from jupyter_containers.errors import BadInput, ContainersError
from jupyter_containers.guest.cell import OPTIONS
from jupyter_containers.notebook.cells import parse_options
from jupyter_containers.notebook.file import Options
from jupyter_containers.settings.schema import FIELDS
from tests import helpers

WRITTEN: list[dict[str, Any]] = json.loads(
    Path(helpers.__file__).with_name("cell_options.json").read_text("utf-8")
)
"""What the form writes into a cell for a field's value; the front end's tests write the same."""


class TestOptions:
    def test_all_of_them(self) -> None:
        options = parse_options(
            "-t lab/one:2 --engine podman --build-arg A=1 --build-arg 'B=x y' --target last "
            "--context .. --secret token --no-cache --no-switch --mount data:/data:ro "
            "--mount /a:/b --device nvidia.com/gpu=0 --cpus 1.5 --memory 8g --network none "
            "--env C=d=e --user root --shm 1g --pids 99 --read-only --port 8888 "
            "--port 8080:80 --kernel ir"
        )
        assert options == Options(
            tag="lab/one:2",
            engine="podman",
            build_args={"A": "1", "B": "x y"},
            target="last",
            context="..",
            secrets=("token",),
            no_cache=True,
            no_switch=True,
            settings={
                "engine": "podman",
                "mounts": [
                    {"source": "data", "target": "/data", "writable": False},
                    {"source": "/a", "target": "/b", "writable": True},
                ],
                "devices": ["nvidia.com/gpu=0"],
                "cpus": 1.5,
                "memory": "8g",
                "pids": 99,
                "shm": "1g",
                "network": "none",
                "ports": [8888, "8080:80"],
                "env": {"C": "d=e"},
                "user": "root",
                "read_only": True,
                "kernel": "ir",
            },
        )

    @pytest.mark.parametrize("name", [".net-csharp", "_x", "x-"])
    def test_kernels_are_named_as_jupyter_allows(self, name: str) -> None:
        assert parse_options(f"--kernel {name}").settings == {"kernel": name}

    @pytest.mark.parametrize(
        "line",
        [
            "-t --privileged",
            "--tag=--privileged",
            "--tag=-v",
            "-t a -t b",
            "-t A",
            "-t 'a b'",
            "-t a,b",
            "-t ../a",
            "-t a@sha256:" + "0" * 64,
            "-t",
            "stray",
            "-- stray",
            "--",
            "--ta x",
            "--help",
            "-h",
            "--no-cache=1",
            "--build-arg A",
            "--build-arg =1",
            "--build-arg A-B=1",
            "--build-arg 'A=1\x002'",
            "--build-arg 'A=\x1b[31m'",
            "--build-arg 'A=a\u2028b'",
            "--env PATH",
            "--engine 'docker --privileged'",
            "--engine -x",
            "--target -x",
            "--target 'a\nb'",
            "--secret a,b",
            "--secret id=x,src=/etc/shadow",
            "--mount a",
            "--mount a:",
            "--mount :b",
            "--mount a:b:c",
            "--mount a:b:ro:x",
            "--cpus none",
            "--cpus nan",
            "--cpus inf",
            "--cpus -1",
            "--cpus 0",
            "--pids 1.5",
            "--pids 0",
            "--port http",
            "--memory lots",
            "--network host",
            "--user admin",
            "--mount a:relative",
            "--mount a:/c:rx",
            "--device /dev/sda",
            "--engine nonsense/x",
            "--kernel ../../x",
            "--port -5",
            "--port 8080:",
            "--port 80 --port 8080:80",
            "'unclosed",
            "\\",
            "@/etc/passwd",
        ],
    )
    def test_what_is_refused(self, line: str) -> None:
        with pytest.raises(BadInput):
            parse_options(line)

    @settings(database=None)
    @given(
        st.text(max_size=60)
        | st.lists(
            st.sampled_from(
                [
                    "-t",
                    "--tag=",
                    "a",
                    "--",
                    "--mount",
                    "a:b",
                    "--env",
                    "K=V",
                    "=",
                    "'",
                    "\\",
                    "--cpus",
                ]
            )
        ).map(" ".join)
    )
    def test_anything_is_options_or_an_error_of_ours(self, line: str) -> None:
        try:
            options = parse_options(line)
        except ContainersError:
            return
        words = [options.tag, options.engine, options.target, *options.secrets]
        assert not any(word.startswith("-") for word in words)


@pytest.mark.parametrize(
    ("option", "source", "target", "writable"),
    [
        ("a:/c", "a", "/c", True),
        ("'Lee, Kim:/data:ro'", "Lee, Kim", "/data", False),
        ("10:30:/data", "10:30", "/data", True),
        ("10:30:/data:rw", "10:30", "/data", True),
        ("/home/lee/10:30/data:/data:ro", "/home/lee/10:30/data", "/data", False),
    ],
)
def test_a_mount_whose_folder_has_any_name(
    option: str, source: str, target: str, writable: bool
) -> None:
    (mount,) = parse_options(f"--mount {option}").settings["mounts"]
    assert mount == {"source": source, "target": target, "writable": writable}


class TestApplied:
    """A run of the cell does not undo what was applied in the form, which wrote it there."""

    def test_there_is_one_of_each_field_that_a_cell_can_set(self) -> None:
        can = [key for key, field in FIELDS.items() if field.option in OPTIONS]
        assert sorted(one["key"] for one in WRITTEN) == sorted(can)

    @pytest.mark.parametrize("written", WRITTEN, ids=lambda one: str(one["key"]))
    def test_a_value_is_read_as_it_was_applied(self, written: dict[str, Any]) -> None:
        key, value = written["key"], written["value"]
        applied = {"version": 1, "image": "a:1", key: value}
        after = settings_after(applied, parse_options(written["line"]), "b:1", None)
        assert after.to_json()[key] == value
        assert parse_options(written["line"]).settings == {key: value}

    @pytest.mark.parametrize("written", WRITTEN, ids=lambda one: str(one["key"]))
    def test_a_value_of_the_form_alone_stays(self, written: dict[str, Any]) -> None:
        key, value = written["key"], written["value"]
        applied = {"version": 1, "image": "a:1", key: value}
        after = settings_after(applied, parse_options("-t b:1 --target last"), "b:1", None)
        assert after.to_json() == {**applied, "image": after.image}
