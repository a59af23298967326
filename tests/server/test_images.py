"""Images, engines and this host's devices over REST."""

from __future__ import annotations

import json
import secrets
import subprocess

import pytest

from jupyter_containers.devices.gpus import find_devices
from tests.helpers import cdi


async def test_engines(engine, api):
    status, said = await api("GET", "engines")
    assert status == 200
    by = {one["name"]: one for one in said["engines"]}
    assert by[engine]["usable"]
    assert said["default"] in by


@pytest.mark.parametrize("policy", [{"engines": ["no-such"]}])
async def test_an_engine_that_the_policy_forbids(engine, image, api):
    _, said = await api("GET", "engines")
    by = {one["name"]: one for one in said["engines"]}
    assert not by[engine]["usable"]
    assert "(Policy.engines)" in by[engine]["problems"][0]["message"]
    assert said["default"] is None
    for named, refusal in ((engine, (403, "PolicyRefused")), (None, (503, "EngineMissing"))):
        status, said = await api("POST", "pulls", {"engine": named, "reference": image})
        assert (status, said["type"]) == refusal, said
    assert (await api("GET", "images"))[1] == {"images": [], "problems": []}


async def test_images_and_their_pins(engine, image, api):
    settings = {"version": 1, "image": image, "engine": engine}
    status, _ = await api("POST", "kernelspecs", {"name": "of-test", "settings": settings})
    assert status == 201
    status, said = await api("GET", "images", query={"engine": engine})
    assert status == 200
    assert said["problems"] == []
    by = {one["reference"]: one for one in said["images"]}
    assert by[image]["pinned"] == "of-test"
    assert by[image]["size"] > 1 << 20
    await api("DELETE", "kernelspecs/of-test")


async def test_all_that_is_known_of_an_image(engine, image, api):
    status, said = await api("POST", "images/detail", {"engine": engine, "reference": image})
    assert status == 200, said
    assert said["reference"] == image
    assert said["layers"][0]["size"] > 0
    assert said["kernels"][0]["language"] == "python"
    assert said["kernel_problem"] is None


async def test_an_image_that_nobody_looked_into(engine, engine_program, images, api):
    name = f"localhost/other-{secrets.token_hex(4)}:1"
    text = f"FROM {images['busybox']}\nENV A={secrets.token_hex(4)}\n"
    subprocess.run(
        [engine_program, "build", "-q", "-t", name, "-"], input=text.encode(), check=True
    )
    query = {"engine": engine, "reference": name}
    # A GET starts nothing, whatever it says: an <img> of a notebook's cell could send it.
    for more in ({}, {"probe": "1"}):
        _, said = await api("GET", "images/detail", query=query | more)
        assert (said["kernels"], said["kernel_problem"]) == (None, None)
    _, said = await api("POST", "images/detail", query)
    assert said["kernels"] == []
    assert "no Python" in said["kernel_problem"]["message"]
    assert (await api("DELETE", "images", query=query))[0] == 204
    status, said = await api("DELETE", "images", query=query)
    assert (status, said["type"]) == (404, "ImageNotHere")


async def test_a_pull_of_what_is_nowhere(engine, api, job_done):
    body = {"engine": engine, "reference": "127.0.0.1:1/no/such:1"}
    status, job = await api("POST", "pulls", body)
    assert status == 201, job
    assert (job["kind"], job["path"]) == ("pull", None)
    done = (await job_done(job["id"]))[-1]["job"]
    assert done["state"] == "failed"
    assert done["error"]["hint"]
    _, listed = await api("GET", "builds")
    assert [one["kind"] for one in listed["builds"]] == ["pull"]


async def test_a_pull_with_its_kernel(engine, registry, api, job_done):
    body = {"engine": engine, "reference": f"{registry}/test/busybox:latest"}
    _, job = await api("POST", "pulls", body)
    done = (await job_done(job["id"]))[-1]["job"]
    assert done["state"] == "done", done
    assert done["result"]["image_id"].startswith("sha256:")
    assert done["result"]["settings"] is None


async def test_devices(api, tmp_path, monkeypatch):
    status, said = await api("GET", "devices")
    assert status == 200
    assert len(said["looked"]) == 3
    (tmp_path / cdi.FILE).write_text(json.dumps(cdi.SPECIFICATION))
    monkeypatch.setattr(find_devices, "__defaults__", ([tmp_path], tmp_path))
    _, said = await api("GET", "devices")
    (found,) = [one for one in said["devices"] if one["kind"] == "example.org/harmless"]
    assert (found["name"], found["kernels"]) == (cdi.NAME, [])
    assert str(tmp_path / cdi.FILE) in said["looked"][1]
