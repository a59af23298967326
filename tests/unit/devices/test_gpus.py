"""GPUs as `nvidia-smi` and CDI specifications name them."""

from __future__ import annotations

import json
import os

import pytest

from jupyter_containers.devices.gpus import find_devices, read_smi
from jupyter_containers.models import Device

SPEC = """---
cdiVersion: 0.5.0
containerEdits:
  env:
  - NVIDIA_VISIBLE_DEVICES=void
  hooks:
  - hookName: createContainer
    path: /usr/bin/nvidia-cdi-hook
devices:
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: "0"
- containerEdits:
    deviceNodes:
    - path: /dev/nvidia0
  name: all
kind: nvidia.com/gpu
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH of its own; `programs(text)` makes an nvidia-smi that prints it."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))

    def smi(text, code=0):
        program = directory / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n/bin/cat <<'E'\n{text}\nE\nexit {code}\n")
        program.chmod(0o755)

    return smi


@pytest.fixture
def look(tmp_path):
    """`await look()` with an own /etc/cdi and /dev."""
    (tmp_path / "cdi").mkdir()
    (tmp_path / "dev").mkdir()
    return lambda: find_devices([tmp_path / "cdi", tmp_path / "none"], tmp_path / "dev")


def test_what_nvidia_smi_prints():
    found = read_smi("0, 81559, 12, 35\n1, [N/A], [N/A], [N/A]\nnonsense\n")
    assert found == [
        Device(
            name="nvidia.com/gpu=0",
            kind="nvidia.com/gpu",
            memory_total=81559 << 20,
            memory_used=12 << 20,
            load_percent=35,
        ),
        Device(name="nvidia.com/gpu=1", kind="nvidia.com/gpu"),
    ]


async def test_where_nothing_is_all_that_was_looked_for_is_said(programs, look):
    here = await look()
    assert here.devices == ()
    assert [one.split(":")[0] for one in here.looked] == ["NVIDIA", "CDI", "ROCm and Intel"]


async def test_names_of_a_specification_with_the_drivers_numbers(programs, look, tmp_path):
    programs("0, 1000, 10, 5")
    (tmp_path / "cdi" / "nvidia.yaml").write_text(SPEC)
    here = await look()
    assert [one.name for one in here.devices] == ["nvidia.com/gpu=0", "nvidia.com/gpu=all"]
    assert here.devices[0].load_percent == 5
    assert "1 GPU." in here.looked[0]


async def test_a_gpu_without_a_specification_says_how_to_get_one(programs, look):
    programs("0, 1000, 10, 5")
    here = await look()
    assert "nvidia-ctk cdi generate" in here.looked[1]


async def test_json_and_what_is_no_specification(programs, look, tmp_path):
    good = {"kind": "vendor.com/net", "devices": [{"name": "one"}, {"name": "-x"}, 7]}
    (tmp_path / "cdi" / "a.json").write_text(json.dumps(good))
    (tmp_path / "cdi" / "b.json").write_text("[" * 100_000)
    (tmp_path / "cdi" / "c.json").write_text('{"kind": "no slash", "devices": [{"name": "x"}]}')
    (tmp_path / "cdi" / "d.yaml").write_bytes(b"\xff\xfe")
    assert [one.name for one in (await look()).devices] == ["vendor.com/net=one"]


async def test_a_driver_that_fails_is_told(programs, look):
    programs("NVIDIA-SMI has failed because it couldn't communicate with the driver.", 9)
    assert "couldn't communicate" in (await look()).looked[0]


async def test_amd_and_intel_are_seen_by_their_files(programs, look, tmp_path):
    (tmp_path / "dev" / "dri").mkdir()
    (tmp_path / "dev" / "dri" / "renderD128").touch()
    assert "Intel or other: renderD128" in (await look()).looked[2]
    (tmp_path / "dev" / "kfd").touch()
    assert "amd-ctk cdi generate" in (await look()).looked[2]


@pytest.fixture
def ordinary():
    """Root reads everything: these tests are an ordinary user's."""
    if os.getuid() == 0:
        pytest.skip("root may read every file")


async def test_a_directory_that_cannot_be_read_is_told(programs, look, tmp_path, ordinary):
    (tmp_path / "cdi").chmod(0)
    (tmp_path / "dev" / "dri").mkdir(mode=0)
    here = await look()
    assert here.devices == ()
    assert f"{tmp_path}/cdi could not be read: Permission denied." in here.looked[1]
    assert f"{tmp_path}/dev/dri could not be read: Permission denied." in here.looked[2]


async def test_what_cannot_be_searched_is_told(programs, tmp_path, ordinary):
    outer = tmp_path / "outer"
    outer.mkdir(mode=0)
    here = await find_devices([outer / "cdi"], outer)
    assert f"{outer}/cdi could not be read: Permission denied." in here.looked[1]
    assert f"{outer}/dri could not be read: Permission denied." in here.looked[2]


async def test_a_file_that_cannot_be_read_hides_no_other(programs, look, tmp_path, ordinary):
    (tmp_path / "cdi" / "nvidia.yaml").write_text(SPEC)
    (tmp_path / "cdi" / "secret.yaml").touch(mode=0)
    here = await look()
    assert [one.name for one in here.devices] == ["nvidia.com/gpu=0", "nvidia.com/gpu=all"]
    assert f"{tmp_path}/cdi/secret.yaml could not be read: Permission denied." in here.looked[1]


async def test_yaml_however_it_is_written(programs, look, tmp_path):
    flow = "{kind: vendor.com/net, devices: [{name: one}, &it {name: 2}, *it, [], {nick: x}]}"
    (tmp_path / "cdi" / "flow.yaml").write_text(flow)
    (tmp_path / "cdi" / "tag.yaml").write_text("kind: !!python/object/apply:os.abort []")
    (tmp_path / "cdi" / "list.yml").write_text("- kind: vendor.com/net")
    here = await look()
    assert [one.name for one in here.devices] == ["vendor.com/net=2", "vendor.com/net=one"]
    for name in ("tag.yaml", "list.yml"):
        assert f"{tmp_path}/cdi/{name} could not be read: it is damaged." in here.looked[1]
