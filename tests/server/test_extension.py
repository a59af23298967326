"""A notebook's session through jupyter_server, as JupyterLab opens one."""

import json
import shutil
from pathlib import Path

import pytest

import jupyter_containers
from tests.helpers.harness import approve, containers, write_notebook

PATIENCE = 120.0
SPECS = Path(jupyter_containers.__file__).parent / "kernelspec"


@pytest.fixture
def jp_server_config(jp_data_dir):
    """A server that finds the generic spec, which the package installs outside its fixtures."""
    shutil.copytree(SPECS, jp_data_dir / "kernels", dirs_exist_ok=True)
    return {"ServerApp": {"allow_unauthenticated_access": False}}


async def open_session(jp_fetch, path, name="container"):
    body = {"path": path, "name": Path(path).name, "type": "notebook", "kernel": {"name": name}}
    asked = json.dumps(body)
    answer = await jp_fetch("api", "sessions", method="POST", body=asked, request_timeout=PATIENCE)
    return json.loads(answer.body)


async def run(jp_serverapp, jp_ws_fetch, kernel_id, code):
    """The texts and the error of a cell over the websocket."""
    manager = jp_serverapp.kernel_manager.get_kernel(kernel_id)
    socket = await jp_ws_fetch("api", "kernels", kernel_id, "channels")
    message = manager.session.msg(
        "execute_request",
        {"code": code, "silent": False, "allow_stdin": False, "store_history": True},
    )
    message["channel"] = "shell"
    await socket.write_message(json.dumps(message, default=str))
    text, error = "", ""
    while True:
        got = json.loads(await socket.read_message())
        if got["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if got["msg_type"] == "stream":
            text += got["content"]["text"]
        if got["msg_type"] == "error":
            error = got["content"]["evalue"]
        if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
            socket.close()
            return text, error


async def test_a_session_runs_in_the_notebooks_image(
    engine, image, engine_program, jp_serverapp, jp_root_dir, jp_fetch, jp_ws_fetch
):
    path = write_notebook(jp_root_dir / "sub" / "n.ipynb", {"image": image, "engine": engine})
    refused = await open_session(jp_fetch, "sub/n.ipynb")
    kernel = refused["kernel"]["id"]
    text, error = await run(jp_serverapp, jp_ws_fetch, kernel, "print(1)")
    assert not text
    assert "not approved" in error
    assert containers(engine_program) == []

    approve(path)
    await jp_fetch(
        *("api", "kernels", kernel, "restart"),
        method="POST",
        allow_nonstandard_methods=True,
        request_timeout=PATIENCE,
    )
    code = "import os; print(os.getcwd(), os.environ['JUPYTER_CONTAINERS_IMAGE'])"
    text, error = await run(jp_serverapp, jp_ws_fetch, kernel, code)
    assert not error
    assert text.split() == [str(jp_root_dir / "sub"), image]
    await jp_fetch("api", "sessions", refused["id"], method="DELETE")
    assert containers(engine_program) == []


async def test_a_session_named_as_a_file_elsewhere_gets_no_settings(
    engine, image, tmp_path, engine_program, jp_serverapp, jp_fetch, jp_ws_fetch
):
    outside = write_notebook(tmp_path / "other.ipynb", {"image": image, "engine": engine})
    approve(outside)
    session = await open_session(jp_fetch, str(outside))
    _, error = await run(jp_serverapp, jp_ws_fetch, session["kernel"]["id"], "print(1)")
    assert "no notebook was found" in error
    assert containers(engine_program) == []
    await jp_fetch("api", "sessions", session["id"], method="DELETE")


async def test_the_generic_spec_is_offered(jp_fetch):
    specs = json.loads((await jp_fetch("api", "kernelspecs")).body)["kernelspecs"]
    assert specs["container"]["spec"]["display_name"] == "Container (this notebook)"
