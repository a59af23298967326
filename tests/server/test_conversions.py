"""An image of one engine for another, over REST. It takes two engines that work here."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from collections.abc import Callable, Iterator

import pytest

from jupyter_containers.engines.registry import working_engines
from jupyter_containers.policy.loader import load_policy
from tests.helpers.harness import DAEMONS


@pytest.fixture
def engines(engine):
    """One that builds and another: the engine under test is among them."""
    usable = [one.name for one in asyncio.run(working_engines("", load_policy(None)))]
    source = engine if engine in DAEMONS else next((n for n in usable if n in DAEMONS), None)
    target = next((n for n in [engine, *usable] if n != source and n not in DAEMONS), None)
    if source is None or target is None:
        pytest.skip(f"no two engines work here that could give each other images: {usable}")
    return source, target


@pytest.fixture
def make(engines) -> Iterator[Callable[[str], str]]:
    """`make(base)` is the name of an image that no engine had before."""
    made: list[str] = []

    def build(base: str) -> str:
        made.append(f"localhost/converted-{secrets.token_hex(4)}:1")
        text = f"FROM {base}\nENV A={secrets.token_hex(4)}\n".encode()
        argv = [engines[0], "build", "-q", "-t", made[-1], "-"]
        subprocess.run(argv, input=text, check=True, capture_output=True)
        return made[-1]

    yield build
    for name in made:
        subprocess.run([engines[0], "rmi", name], check=True, capture_output=True)


async def test_an_image_is_converted_once(engines, make, images, api, job_done):
    source, target = engines
    name = make(images["busybox"])
    body = {"engine": source, "reference": name, "to": target}
    status, job = await api("POST", "conversions", body)
    assert status == 201, job
    assert (job["kind"], job["engine"], job["path"]) == ("convert", target, None)
    assert job["title"] == f"{name}: {source} → {target}"
    events = await job_done(job["id"])
    done = events[-1]["job"]
    assert (done["state"], done["result"]["reference"]) == ("done", name)
    assert any("Copying the image" in event["text"] for event in events)

    _, listed = await api("GET", "images", query={"engine": target})
    assert name in [one["reference"] for one in listed["images"]]
    _, again = await api("POST", "conversions", body)
    events = await job_done(again["id"])
    assert events[-1]["job"]["result"] == done["result"]
    assert not any("Copying the image" in event["text"] for event in events)
    assert (await api("DELETE", "images", query={"engine": target, "reference": name}))[0] == 204


async def test_one_that_runs_is_joined_and_cancelled(engines, make, image, api, job_done):
    source, target = engines
    name = make(image)
    body = {"engine": source, "reference": name, "to": target}
    _, first = await api("POST", "conversions", body)
    _, second = await api("POST", "conversions", body)
    assert first["id"] == second["id"]
    status, ended = await api("DELETE", f"builds/{first['id']}")
    assert (status, ended["state"]) == (200, "cancelled")
    assert ended["error"]["message"] == "The conversion was cancelled."
    _, listed = await api("GET", "images", query={"engine": target})
    assert name not in [one["reference"] for one in listed["images"]]


async def test_what_cannot_be_converted(engines, api, job_done):
    source, target = engines
    body = {"engine": source, "reference": "localhost/not-there:1", "to": target}
    _, job = await api("POST", "conversions", body)
    error = (await job_done(job["id"]))[-1]["job"]["error"]
    assert error["type"] == "ImageNotHere"
    status, said = await api("POST", "conversions", body | {"to": source})
    assert (status, said["type"]) == (400, "BadInput")
    status, said = await api("POST", "conversions", body | {"to": "no-such"})
    assert (status, said["type"]) == (501, "Unsupported")
