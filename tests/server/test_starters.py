"""A new notebook without an image: no failure, and files that a first cell is made from. No engine
runs here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.helpers.harness import write_notebook


@pytest.fixture
def notebook(jp_root_dir):
    return write_notebook(jp_root_dir / "new.ipynb", None, "1")


async def test_a_kernel_without_an_image_is_empty_and_answers_calmly(
    notebook, api, jp_fetch, jp_serverapp
):
    kernel = {"name": "container"}
    body = {"path": "new.ipynb", "name": "new.ipynb", "type": "notebook", "kernel": kernel}
    answer = await jp_fetch(
        "api", "sessions", method="POST", body=json.dumps(body), request_timeout=120
    )
    session = json.loads(answer.body)
    _, said = await api("GET", "notebook", query={"path": "new.ipynb"})
    assert (said["kernel"]["state"], said["error"], said["asked"]) == ("empty", None, None)
    assert "has no image yet" in said["kernel"]["trouble"]["message"]

    client = jp_serverapp.kernel_manager.get_kernel(session["kernel"]["id"]).client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    shown: list[dict[str, Any]] = []
    reply = await client.execute_interactive("1", timeout=60, output_hook=shown.append)
    client.stop_channels()
    assert reply["content"]["status"] == "error"  # a run of all cells ends here
    kinds = [one["msg_type"] for one in shown if one["msg_type"] != "status"]
    assert (kinds.count("stream"), kinds.count("error")) == (1, 0)
    await jp_fetch("api", "sessions", session["id"], method="DELETE")


async def test_files_and_the_cells_that_are_made_from_them(notebook, api):
    (notebook.parent / "requirements.txt").write_text("numpy\n")
    status, said = await api("GET", "starters", query={"path": "new.ipynb"})
    assert (status, said) == (200, {"files": [{"name": "requirements.txt", "kind": "pip"}]})
    body = {"path": "new.ipynb", "file": "requirements.txt", "base": "localhost/here:1"}
    status, said = await api("POST", "starters", body)
    assert status == 200
    assert said["source"].startswith("%%dockerfile\nFROM localhost/here:1\nCOPY requirements.txt ")
    assert "1" in notebook.read_text()


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        ({"path": "new.ipynb", "file": "../x"}, 400, "No cell is made from"),
        ({"path": "new.ipynb", "file": "Dockerfile"}, 400, "cannot be read"),
        ({"path": "gone.ipynb", "file": "Dockerfile"}, 404, "no notebook"),
        ({"path": "new.ipynb", "file": 1}, 400, "must be a string"),
        ({"path": "new.ipynb", "file": "x" * 201}, 400, "characters"),
    ],
)
async def test_what_is_no_file_of_the_folder_is_refused(body, status, word, notebook, api):
    got, said = await api("POST", "starters", body)
    assert got == status
    assert word in said["message"]
