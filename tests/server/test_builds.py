"""A notebook's cell built over REST, as JupyterLab does it."""

from __future__ import annotations

import asyncio
import json
import secrets
import time

import pytest

from jupyter_containers.engines.guarded import Guarded
from jupyter_containers.errors import BaseUnknown
from jupyter_containers.server.state import SETTING
from tests.helpers.harness import write_notebook


def cell(images, *lines, options=""):
    """A `%%dockerfile` cell whose image nothing else has."""
    word = secrets.token_hex(8)
    text = "\n".join([f"FROM {images['busybox']}", f"RUN echo {word} > /word", *lines])
    return f"%%dockerfile {options}\n{text}\n"


@pytest.fixture
def notebook(jp_root_dir, own):
    return own(write_notebook(jp_root_dir / "sub" / "n.ipynb", None, "1"))


def request(engine, source, **more):
    settings = {"version": 1, "image": "unbuilt", "engine": engine}
    about = {"path": "sub/n.ipynb", "source": source, "index": 0, "cell_id": "c1"}
    return {**about, "settings": settings, **more}


async def test_a_build_from_its_first_event_to_the_settings_after_it(
    engine, images, notebook, api, job_done
):
    source = cell(images, options="--memory 1g")
    status, job = await api("POST", "builds", request(engine, source))
    assert status == 201, job
    assert job["state"] in ("waiting", "running")
    assert (job["path"], job["index"], job["cell_id"]) == ("sub/n.ipynb", 0, "c1")
    assert (job["kind"], job["engine"], job["title"]) == ("build", engine, "n.ipynb, cell 1")
    events = await job_done(job["id"])
    assert [one["n"] for one in events] == sorted({one["n"] for one in events})
    assert {"step", "end"} <= {one["kind"] for one in events}
    assert "image" not in {one["kind"] for one in events}
    done = events[-1]["job"]
    assert done["state"] == "done", done
    result = done["result"]
    assert result["settings"]["memory"] == "1g"
    assert result["settings"]["image"] == result["reference"]
    assert result["settings"]["build"]["cell"]
    assert result["missing"] == []
    assert not result["reused"]
    # busybox has no Python: that is told, and is no failure of the build.
    assert any("can be no kernel" in one["text"] for one in events if one["kind"] == "notice")

    again = await job_done(job["id"], first=events[-1]["n"])
    assert [one["kind"] for one in again] == ["end"]
    _, second = await api("POST", "builds", request(engine, source))
    events = await job_done(second["id"])
    assert second["id"] != job["id"]
    assert events[-1]["job"]["result"]["reused"]
    _, listed = await api("GET", "builds")
    assert [one["id"] for one in listed["builds"]][:2] == [second["id"], job["id"]]


async def test_what_was_built_is_approved_and_nothing_else(
    engine, images, notebook, api, job_done, save, jp_root_dir
):
    (jp_root_dir / "sub" / "data").mkdir()
    source = cell(images, options="--mount data:/data")
    _, job = await api("POST", "builds", request(engine, source))
    result = (await job_done(job["id"]))[-1]["job"]["result"]
    assert len(result["missing"]) == 1
    assert "/sub/data" in result["missing"][0]
    await save("sub/n.ipynb", result["settings"])
    _, state = await api("GET", "notebook", query={"path": "sub/n.ipynb"})
    assert state["missing"] == result["missing"]
    assert state["image_here"] is True
    assert state["build_same"] is True
    body = {"path": "sub/n.ipynb", "settings": result["settings"], "items": result["missing"]}
    status, state = await api("POST", "approvals", body)
    assert status == 200
    assert state["missing"] == []
    assert len(state["asks"]) == 2


async def test_asked_again_after_other_settings_and_another_name(
    engine, images, notebook, api, job_done, save, jp_fetch
):
    source = cell(images)
    _, job = await api("POST", "builds", request(engine, source))
    first = (await job_done(job["id"]))[-1]["job"]["result"]["settings"]
    applied = {**request(engine, source)["settings"], "memory": "2g", "build": first["build"]}
    _, job = await api("POST", "builds", request(engine, source, settings=applied))
    again = (await job_done(job["id"]))[-1]["job"]["result"]
    assert again["reused"]
    assert again["settings"] == {**first, "memory": "2g"}

    other = json.dumps({"path": "sub/other.ipynb"})
    await jp_fetch("api", "contents", "sub", "n.ipynb", method="PATCH", body=other)
    asked = request(engine, source, path="sub/other.ipynb", settings=applied)
    _, job = await api("POST", "builds", asked)
    moved = (await job_done(job["id"]))[-1]["job"]["result"]["settings"]
    await save("sub/other.ipynb", moved)
    _, state = await api("GET", "notebook", query={"path": "sub/other.ipynb"})
    assert (state["missing"], moved["build"]) == ([], first["build"])


async def test_a_failed_instruction_has_its_line_and_last_output(
    engine, images, notebook, api, job_done
):
    source = cell(images, "RUN echo before && exit 7")
    _, job = await api("POST", "builds", request(engine, source))
    done = (await job_done(job["id"]))[-1]["job"]
    assert done["state"] == "failed"
    assert done["result"] is None
    error = done["error"]
    assert (error["type"], error["line"]) == ("BuildFailed", 3)
    assert "RUN echo before" in error["instruction"]
    assert "before" in error["tail"]


async def test_a_cancelled_build_is_gone(engine, images, notebook, api, job_done):
    source = cell(images, "RUN sleep 1000")
    _, job = await api("POST", "builds", request(engine, source))
    await asyncio.sleep(3)
    _, meanwhile = await api("GET", "notebook", query={"path": "sub/n.ipynb"})
    status, ended = await api("DELETE", f"builds/{job['id']}")
    _, after = await api("GET", "notebook", query={"path": "sub/n.ipynb"})
    assert status == 200
    assert (meanwhile["building"], after["building"]) == (True, False)
    assert ended["state"] == "cancelled"
    assert ended["error"]["type"] == "BuildCancelled"
    assert (await job_done(job["id"]))[-1]["job"]["state"] == "cancelled"


async def test_from_the_image_of_an_earlier_cell(engine, images, notebook, api, job_done):
    tag = f"localhost/earlier-{secrets.token_hex(4)}:1"
    first = cell(images, options=f"--tag {tag} --no-switch")
    _, job = await api("POST", "builds", request(engine, first))
    assert (await job_done(job["id"]))[-1]["job"]["result"]["settings"] is None
    second = f"%%dockerfile\nFROM {tag}\nRUN test -s /word\n"
    _, job = await api("POST", "builds", request(engine, second, index=1, earlier=[first]))
    done = (await job_done(job["id"]))[-1]["job"]
    assert done["state"] == "done", done
    # A base of one's own notebook is none to pin.
    assert "bases" not in done["result"]["settings"]["build"]


async def test_asking_for_a_build_fetches_nothing(
    engine, images, notebook, api, job_done, monkeypatch
):
    pulled = []

    def pull(self, reference, stands_for=""):
        pulled.append(reference)
        raise BaseUnknown(reference, None, "no")

    monkeypatch.setattr(Guarded, "pull", pull)
    tag = f"localhost/earlier-{secrets.token_hex(4)}:1"
    first = f"%%dockerfile --tag {tag} --no-switch\nFROM example.org/no/such:1\n"
    second = f"%%dockerfile\nFROM {tag}\n"
    status, job = await api("POST", "builds", request(engine, second, index=1, earlier=[first]))
    assert (status, pulled) == (201, [])
    error = (await job_done(job["id"]))[-1]["job"]["error"]
    assert (error["type"], error["line"]) == ("BaseUnknown", 1)


async def test_events_come_while_the_build_runs_and_outlive_a_reader(
    engine, images, notebook, api, job_done, jp_http_port, jp_auth_header, jp_base_url
):
    source = cell(images, "RUN echo one; sleep 3; echo two")
    _, job = await api("POST", "builds", request(engine, source))
    reader, writer = await asyncio.open_connection("127.0.0.1", jp_http_port)
    token = jp_auth_header["Authorization"]
    where = f"{jp_base_url}jupyter-containers/builds/{job['id']}/events"
    writer.write(
        f"GET {where} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n\r\n".encode()
    )
    seen = b""
    async with asyncio.timeout(30):
        while b'"one"' not in seen:
            more = await reader.read(4096)
            assert more, seen
            seen += more
    assert b'"two"' not in seen
    assert b"x-ndjson" in seen
    writer.close()
    await asyncio.sleep(0.5)
    _, now = await api("GET", f"builds/{job['id']}")
    assert now["state"] == "running"
    events = await job_done(job["id"])
    assert [one["text"] for one in events if one["kind"] == "log"] == ["one", "two"]


async def test_a_heartbeat_while_nothing_happens(
    engine, images, notebook, api, monkeypatch, jp_fetch
):
    monkeypatch.setattr("jupyter_containers.server.handlers.builds.HEARTBEAT", 0.3)
    source = cell(images, "RUN sleep 2")
    _, job = await api("POST", "builds", request(engine, source))
    path = ("jupyter-containers", "builds", job["id"], "events")
    lines = (await jp_fetch(*path, request_timeout=60)).body.decode().split("\n")
    assert lines.count("") > 3
    assert json.loads([line for line in lines if line][-1])["kind"] == "end"


async def test_a_long_log_is_read_in_full_and_holds_nobody_up(
    engine, images, notebook, api, job_done
):
    source = cell(images, "RUN seq 1 50000")
    _, job = await api("POST", "builds", request(engine, source))
    events = await job_done(job["id"])
    lines = [one["text"] for one in events if one["kind"] == "log"]
    whole = [str(number) for number in range(1, 50001)]
    if engine == "docker" and lines != whole:
        # BuildKit itself keeps 2 MiB of a step, and no more than 100 KiB a second (logs.go).
        assert "output clipped" in lines[-1]
        lines, whole = lines[:100], whole[:100]
    assert lines == whole
    reading = asyncio.ensure_future(job_done(job["id"]))
    begun = time.monotonic()
    await api("GET", "settings")
    assert time.monotonic() - begun < 2
    assert await reading == events


async def test_a_notebook_in_another_language_is_not_moved_into_python(
    engine, image, notebook, api, job_done, own
):
    document = json.loads(notebook.read_text())
    r = {"name": "ir", "display_name": "R", "language": "R"}
    document["metadata"]["kernelspec"] = r
    notebook.write_text(json.dumps(document))
    own(notebook)
    source = f"%%dockerfile\nFROM {image}\nRUN echo {secrets.token_hex(8)}\n"
    _, job = await api("POST", "builds", request(engine, source))
    done = (await job_done(job["id"]))[-1]["job"]
    assert done["state"] == "failed", done
    assert "is written in R, and its image would have no kernel" in done["error"]["message"]
    assert "Nothing was built" in done["error"]["message"]
    assert done["error"]["hint"].endswith("%%dockerfile --kernel python3")
    # Who says which one means it.
    named = source.replace("%%dockerfile", "%%dockerfile --kernel python3", 1)
    _, job = await api("POST", "builds", request(engine, named))
    result = (await job_done(job["id"]))[-1]["job"]["result"]
    assert result["settings"]["kernel"] == "python3"
    assert json.loads(notebook.read_text())["metadata"]["kernelspec"] == r


@pytest.fixture
def rename(jp_fetch):
    """In the file browser."""

    async def call(old, new):
        where = ("api", "contents", *old.split("/"))
        await jp_fetch(*where, method="PATCH", body=json.dumps({"path": new}))

    return call


@pytest.fixture
def copy(jp_fetch):
    """In the file browser; returns the copy's path."""

    async def call(path):
        body = json.dumps({"copy_from": path})
        answer = await jp_fetch("api", "contents", "sub", method="POST", body=body)
        return json.loads(answer.body)["path"]

    return call


async def test_a_renamed_a_copied_and_an_uploaded_notebook_have_the_image(
    engine, images, notebook, api, job_done, save, rename, copy, jp_fetch
):
    source = cell(images)
    _, job = await api("POST", "builds", request(engine, source))
    first = (await job_done(job["id"]))[-1]["job"]["result"]
    await save("sub/n.ipynb", first["settings"])
    await rename("sub/n.ipynb", "sub/other.ipynb")
    model = json.loads((await jp_fetch("api", "contents", "sub", "other.ipynb")).body)
    body = {"type": "notebook", "format": "json", "content": model["content"]}
    uploaded = ("api", "contents", "uploaded.ipynb")
    await jp_fetch(*uploaded, method="PUT", body=json.dumps(body))
    _, state = await api("GET", "notebook", query={"path": "uploaded.ipynb"})
    assert len(state["missing"]) == 1  # until its cell is run
    for path in ("sub/other.ipynb", await copy("sub/other.ipynb"), "uploaded.ipynb"):
        more = {"path": path, "settings": first["settings"]}
        _, job = await api("POST", "builds", request(engine, source, **more))
        assert (await job_done(job["id"]))[-1]["job"]["result"] == {**first, "reused": True}
        _, state = await api("GET", "notebook", query={"path": path})
        assert (state["missing"], state["image_here"], state["build_same"]) == ([], True, True)


async def test_a_build_follows_its_notebook(
    engine, images, notebook, api, job_done, save, rename, jp_root_dir
):
    (jp_root_dir / "new").mkdir()
    _, job = await api("POST", "builds", request(engine, cell(images, "RUN sleep 3")))
    await asyncio.sleep(1)
    await rename("sub/n.ipynb", "new/other.ipynb")
    _, state = await api("GET", "notebook", query={"path": "new/other.ipynb"})
    assert state["building"]
    done = (await job_done(job["id"]))[-1]["job"]
    assert (done["state"], done["path"]) == ("done", "new/other.ipynb"), done
    assert (done["title"], done["result"]["missing"]) == ("other.ipynb, cell 1", [])
    await save("new/other.ipynb", done["result"]["settings"])
    _, state = await api("GET", "notebook", query={"path": "new/other.ipynb"})
    assert state["missing"] == []


class TestOneAtATime:
    @pytest.fixture
    def policy(self):
        return {"max_builds": 1}

    async def test_a_build_that_waits_reads_from_where_its_notebook_is_by_then(
        self, engine, images, notebook, api, job_done, rename, own, jp_root_dir
    ):
        own(write_notebook(jp_root_dir / "late" / "n.ipynb", None, "1"))
        (jp_root_dir / "late" / "a.txt").write_text("a")
        await api("POST", "builds", request(engine, cell(images, "RUN sleep 3")))
        waits = request(engine, cell(images, "COPY a.txt /a.txt"), path="late/n.ipynb")
        _, job = await api("POST", "builds", waits)
        assert job["state"] == "waiting"
        await rename("late", "later")
        done = (await job_done(job["id"]))[-1]["job"]
        assert (done["state"], done["path"]) == ("done", "later/n.ipynb"), done


class TestNoneKept:
    @pytest.fixture
    def policy(self):
        return {"keep_images": 0}

    async def test_no_copy_loses_its_image_to_the_others_builds(
        self, engine, images, notebook, api, job_done, save, copy, jp_serverapp, jp_root_dir
    ):
        async def build(source):
            _, job = await api("POST", "builds", request(engine, source))
            result = (await job_done(job["id"]))[-1]["job"]["result"]
            await jp_serverapp.web_app.settings[SETTING].builds.settled()
            return result

        async def here():
            _, listed = await api("GET", "images")
            return {one["reference"] for one in listed["images"]}

        first = await build(cell(images))
        await save("sub/n.ipynb", first["settings"])
        path = await copy("sub/n.ipynb")
        second = await build(cell(images))
        assert await here() >= {first["name"], second["name"]}
        (jp_root_dir / path).unlink()
        third = await build(cell(images))
        left = await here()
        assert third["name"] in left
        assert left.isdisjoint({first["name"], second["name"]})
