"""A notebook's kernel and its container, seen over REST."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.helpers.harness import approve, containers, eventually, write_notebook


@pytest.fixture
def notebook(jp_root_dir, engine, image):
    settings = {"image": image, "engine": engine, "memory": "512m"}
    return write_notebook(jp_root_dir / "n.ipynb", settings, "1")


@pytest.fixture
def start(jp_fetch):
    """`await start()` → the session of n.ipynb, once its kernel runs."""

    async def session(name="container", path="n.ipynb"):
        kernel = {"name": name}
        body = {"path": path, "name": "n.ipynb", "type": "notebook", "kernel": kernel}
        answer = await jp_fetch(
            "api", "sessions", method="POST", body=json.dumps(body), request_timeout=120
        )
        return json.loads(answer.body)

    return session


async def kernel_of(api):
    status, said = await api("GET", "notebook", query={"path": "n.ipynb"})
    assert status == 200, said
    return said["kernel"]


async def test_a_kernel_from_its_start_to_its_end(
    notebook, api, start, engine, engine_program, image, jp_serverapp, enforces_memory
):
    heard = []

    async def listener(logger, schema_id, data):
        if data["what"] == "container":
            heard.append((data["path"], data["state"]))

    jp_serverapp.event_logger.add_listener(
        schema_id="https://schema.jupyter-containers.org/change/v1", listener=listener
    )
    approve(notebook)
    assert await kernel_of(api) is None
    starting = asyncio.ensure_future(start())
    seen = []
    while not starting.done():
        seen.append(await kernel_of(api))
        await asyncio.sleep(0.02)
    session = await starting
    early = [one for one in seen if one is not None and one["state"] == "starting"]
    assert early
    assert all(one["phase"] for one in early)

    kernel = await kernel_of(api)
    assert kernel["id"] == session["kernel"]["id"]
    assert (kernel["state"], kernel["phase"], kernel["trouble"]) == ("running", "", None)
    assert (kernel["engine"], kernel["image"]) == (engine, image)
    asked = {"version": 1, "image": image, "engine": engine, "memory": "512m"}
    assert kernel["running"] == asked
    if enforces_memory:
        assert kernel["applied"]["memory"] == 512 << 20
    assert kernel["container"] in containers(engine_program)

    _, listed = await api("GET", "containers")
    (row,) = [one for one in listed["containers"] if one["name"] == kernel["container"]]
    assert row["mine"] is True
    assert (row["running"], row["orphan"], row["kernel_id"]) == (True, False, kernel["id"])
    assert (row["notebook"], row["image"]) == ("n.ipynb", image)
    status, one = await api("GET", f"containers/{kernel['container']}")
    assert status == 200, one
    assert one["applied"] == kernel["applied"]
    if enforces_memory:  # where the engine cannot limit, it cannot measure either
        assert one["stats"]["memory_bytes"] > 1 << 20
    status, said = await api("GET", f"containers/{kernel['container']}/logs")
    assert (status, isinstance(said["text"], str)) == (200, True)

    assert (await api("DELETE", f"containers/{kernel['container']}"))[0] == 204
    assert kernel["container"] not in containers(engine_program)
    assert await kernel_of(api) is None
    await eventually(lambda: heard[-1][1] == "ended")
    states = [state for path, state in heard if path == "n.ipynb"]
    assert "Starting the container" in states
    assert "running" in states


async def test_a_container_knows_where_its_notebook_lies(
    api, start, engine, image, jp_root_dir, jp_fetch
):
    settings = {"image": image, "engine": engine}
    approve(write_notebook(jp_root_dir / "sub" / "n.ipynb", settings, "1"))
    session = await start(path="sub/n.ipynb")

    async def row():
        _, listed = await api("GET", "containers")
        (one,) = [
            one for one in listed["containers"] if one["kernel_id"] == session["kernel"]["id"]
        ]
        assert (await api("GET", f"containers/{one['name']}"))[1]["path"] == one["path"]
        return one["notebook"], one["path"]

    assert await row() == ("n.ipynb", "sub/n.ipynb")
    where = ("api", "sessions", session["id"])
    await jp_fetch(*where, method="PATCH", body=json.dumps({"path": "sub/renamed.ipynb"}))
    assert await row() == ("n.ipynb", "sub/renamed.ipynb")
    await jp_fetch(*where, method="DELETE")


async def test_a_start_that_was_not_approved_says_so(notebook, api, start, jp_fetch):
    session = await start()
    kernel = await kernel_of(api)
    assert kernel["state"] == "failed"
    assert "not approved" in kernel["trouble"]["message"]
    assert (kernel["container"], kernel["running"]) == (None, None)
    approve(notebook)
    await jp_fetch(
        *("api", "kernels", session["kernel"]["id"], "restart"),
        method="POST",
        allow_nonstandard_methods=True,
        request_timeout=120,
    )
    kernel = await kernel_of(api)
    assert (kernel["state"], kernel["trouble"]) == ("running", None)
    await jp_fetch("api", "sessions", session["id"], method="DELETE")


async def test_a_killed_container_is_a_dead_kernel(
    notebook, api, start, engine_program, jp_fetch, jp_serverapp
):
    approve(notebook)
    session = await start()
    jp_serverapp.kernel_manager.get_kernel(session["kernel"]["id"]).stop_restarter()
    kernel = await kernel_of(api)
    process = await asyncio.create_subprocess_exec(
        engine_program, "kill", kernel["container"], stdout=asyncio.subprocess.DEVNULL
    )
    await process.wait()
    for _ in range(50):
        if (now := await kernel_of(api))["state"] == "dead":
            break
        await asyncio.sleep(0.1)
    assert now["state"] == "dead"
    await jp_fetch("api", "sessions", session["id"], method="DELETE")


async def test_a_failed_install_says_why(api, start, engine, image, jp_root_dir, jp_fetch):
    settings = {"image": image, "engine": engine, "network": "none"}
    approve(write_notebook(jp_root_dir / "n.ipynb", settings, "1"))
    session = await start()

    async def notes(output):
        body = {"path": "n.ipynb", "source": "%pip install a", "output": output, "packages": {}}
        status, said = await api("POST", "additions", {**body, "dockerfile": ""})
        assert (status, said["packages"], said["lines"]) == (200, [], [])
        return said["notes"]

    failed = "ERROR: No matching distribution found for a"
    assert await notes(failed) == []
    (told,) = await notes(f"[Errno -3] Temporary failure in name resolution\n{failed}")
    assert "no network" in told
    (told,) = await notes(f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed\n{failed}")
    assert "c.Policy.kernel_ca = 'auto'" in told
    assert await notes("certificate verify failed\nSuccessfully installed b-1") == []
    await jp_fetch("api", "sessions", session["id"], method="DELETE")


async def test_a_kernel_on_the_host_is_none_of_ours(jp_root_dir, api, start, jp_fetch):
    write_notebook(jp_root_dir / "n.ipynb", None, "1")
    session = await start("python3")
    assert await kernel_of(api) is None
    await jp_fetch("api", "sessions", session["id"], method="DELETE")
