"""A server with the extension, and what tests ask of its routes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from tornado.httpclient import HTTPClientError

import jupyter_containers

from .contract import keeps_to_the_contract
from .proxying import app, ask, dial, kernel, notebook, ports, trusted  # noqa: F401

PACKAGE = Path(jupyter_containers.__file__).parent


@pytest.fixture
def policy():
    """The administrator's traits; tests override it."""
    return {}


@pytest.fixture
def jp_server_config(jp_data_dir, policy):
    shutil.copytree(PACKAGE / "kernelspec", jp_data_dir / "kernels", dirs_exist_ok=True)
    return {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_containers": True},
            "allow_unauthenticated_access": False,
        },
        "ContainersApp": {"reap": False},
        "Policy": policy,
    }


@pytest.fixture
def api(jp_fetch):
    """`await api("POST", "builds", {…}, query={…})` → (status, JSON or None), which is what
    openapi.json says it is."""

    async def call(method, path, body=None, query=None, **options):
        given = json.dumps(body) if isinstance(body, dict | list) else body
        try:
            answer = await jp_fetch(
                "jupyter-containers",
                *path.split("/"),
                method=method,
                params=query or {},
                body=given,
                allow_nonstandard_methods=True,
                request_timeout=120,
                **options,
            )
        except HTTPClientError as error:
            answer = error.response
        text = answer.body.decode()
        is_json = "application/json" in answer.headers.get("Content-Type", "")
        said = json.loads(text) if text and is_json else text or None
        keeps_to_the_contract(method, path, answer.code, said)
        return answer.code, said

    return call


@pytest.fixture
def own(jp_serverapp):
    """A notebook that this person wrote: Jupyter's signature is on it."""

    def sign(path):
        jp_serverapp.contents_manager.notary.sign(nbformat.read(path, as_version=4))
        return path

    return sign


@pytest.fixture
def save(jp_fetch):
    """The settings that JupyterLab has in a notebook's metadata, saved with it."""

    async def put(path, settings):
        where = ("api", "contents", *path.split("/"))
        model = json.loads((await jp_fetch(*where)).body)
        model["content"]["metadata"]["jupyter_containers"] = settings
        body = {"type": "notebook", "content": model["content"]}
        await jp_fetch(*where, method="PUT", body=json.dumps(body))

    return put


@pytest.fixture
def job_done(jp_fetch):
    """`await job_done(id)` → its events; the last one holds the job."""

    async def follow(id, first=0):
        answer = await jp_fetch(
            *("jupyter-containers", "builds", id, "events"),
            params={"first": first},
            request_timeout=240,
        )
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.body.decode().splitlines() if line]

    return follow
