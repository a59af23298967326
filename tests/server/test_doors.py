"""Who may ask, and what is made of hostile requests. No engine runs here."""

from __future__ import annotations

import json
import os

import pytest

from jupyter_containers.server.handlers import handlers
from jupyter_containers.server.handlers.ports import Page
from tests.helpers.harness import write_notebook

ROUTES = [
    ("GET", "engines"),
    ("GET", "images"),
    ("GET", "images/detail"),
    ("POST", "images/detail"),
    ("DELETE", "images"),
    ("POST", "pulls"),
    ("POST", "builds"),
    ("GET", "builds"),
    ("GET", "builds/x"),
    ("DELETE", "builds/x"),
    ("GET", "builds/x/events"),
    ("GET", "kernelspecs"),
    ("POST", "kernelspecs"),
    ("DELETE", "kernelspecs/x"),
    ("GET", "containers"),
    ("GET", "containers/x"),
    ("GET", "containers/x/logs"),
    ("GET", "containers/x/changes"),
    ("POST", "containers/x/changes"),
    ("DELETE", "containers/x"),
    ("POST", "conversions"),
    ("GET", "leftovers"),
    ("POST", "leftovers"),
    ("GET", "devices"),
    ("GET", "settings"),
    ("POST", "settings"),
    ("GET", "notebook"),
    ("POST", "approvals"),
    ("GET", "approvals"),
    ("DELETE", "approvals/x"),
    ("GET", "outputs"),
    ("PUT", "outputs"),
    ("POST", "lint"),
    ("POST", "paths"),
    ("POST", "additions"),
    ("POST", "packages"),
    ("GET", "starters"),
    ("POST", "starters"),
    ("GET", "kernels/x/terminals"),
    ("POST", "kernels/x/terminals"),
    ("DELETE", "kernels/x/terminals/x"),
    ("GET", "kernels/x/terminals/x/channel"),
    ("GET", "kernels/x/ports"),
    ("POST", "kernels/x/ports/x"),
]


@pytest.fixture(autouse=True)
def no_engine(monkeypatch, tmp_path):
    """No program of an engine is found."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def notebook(jp_root_dir):
    return write_notebook(jp_root_dir / "n.ipynb", None, "1")


def test_the_routes_are_all_here():
    """But for pages of containers, which `test_ports.py` has."""
    verbs = {
        (verb.upper(), pattern.removeprefix("/jupyter-containers/").replace("([^/]+)", "x"))
        for pattern, handler in handlers()
        for verb in ("get", "post", "put", "patch", "delete")
        if verb in vars(handler) and pattern[-2:] != ".*" and not issubclass(handler, Page)
    }
    assert verbs == set(ROUTES)


@pytest.mark.parametrize(("verb", "path"), [*ROUTES, ("GET", "nothing"), ("PUT", "nothing")])
async def test_nobody_without_a_token(verb, path, api, jp_serverapp):
    body = "{}" if verb in ("POST", "PUT") else None
    status, said = await api(verb, path, body, headers={"Authorization": "token wrong"})
    assert status == 403
    assert set(said) == {"message", "hint", "type"}
    assert "not logged in" in said["message"]
    assert "Reload the page" in said["hint"]


@pytest.mark.parametrize(("verb", "path"), [one for one in ROUTES if one[0] != "GET"])
async def test_a_cookie_alone_changes_nothing(verb, path, jp_serverapp, http_server_client):
    """A page of another site could send it; the header with the XSRF token it cannot."""
    app = jp_serverapp
    login = await http_server_client.fetch(
        f"{app.base_url}lab?token={app.identity_provider.token}",
        follow_redirects=False,
        raise_error=False,
    )
    cookies = "; ".join(
        one.split(";")[0] for one in login.headers.get_list("Set-Cookie") if "username" in one
    )
    assert cookies
    answer = await http_server_client.fetch(
        f"{app.base_url}jupyter-containers/{path}",
        method=verb,
        body="{}" if verb in ("POST", "PUT") else None,
        headers={"Cookie": cookies},
        raise_error=False,
    )
    assert answer.code == 403
    assert "_xsrf" in json.loads(answer.body)["message"]


async def test_who_is_not_authorized_is_told_so(api, jp_serverapp, monkeypatch):
    asked = []

    def is_authorized(handler, user, action, resource):
        asked.append((action, resource))
        return False

    monkeypatch.setattr(jp_serverapp.authorizer, "is_authorized", is_authorized)
    for verb, path in ROUTES:
        status, said = await api(verb, path, "{}" if verb == "POST" else None)
        assert (status, said["type"]) == (403, "HTTPError"), (verb, path)
    ours = {action for action, resource in asked if resource == "jupyter_containers"}
    assert ours == {"read", "write"}
    assert {one for one in asked if one[1] != "jupyter_containers"} == {("execute", "kernels")}


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("builds", "", "no JSON"),
        ("builds", b"\xff\xfe", "no JSON"),
        ("builds", "[" * 100_000, "no JSON"),
        ("builds", [], "must be an object"),
        ("builds", {"path": 1, "source": "x"}, "'path' must be a string"),
        ("builds", {"source": "x"}, "lacks 'path'"),
        ("builds", {"path": "n.ipynb", "source": ["x"]}, "'source' must be a string"),
        ("builds", {"path": "n.ipynb", "source": "x", "index": -1}, "whole number"),
        ("builds", {"path": "n.ipynb", "source": "x", "index": True}, "whole number"),
        ("builds", {"path": "n.ipynb", "source": "x", "no_cache": "yes"}, "true or false"),
        ("builds", {"path": "n.ipynb", "source": "x", "earlier": [1]}, "list of strings"),
        ("builds", {"path": "n.ipynb", "source": "x", "settings": []}, "must be an object"),
        ("builds", {"path": "n.ipynb", "source": "x", "earlier": ["x"] * 501}, "at most 500"),
        ("builds", {"path": "n.ipynb", "source": "\ud800"}, "lone surrogate"),
        ("builds", {"path": "n.ipynb", "source": "x" * (1 << 20) + "x"}, "characters"),
        ("builds", {"path": "n.ipynb", "source": "x", "root": "/"}, "'root', which is not known"),
        ("builds", {"path": "n.ipynb", "source": "print(1)"}, "builds nothing"),
        ("builds", {"path": "n.ipynb", "source": "%%dockerfile --nope\nFROM x"}, "--nope"),
        ("builds", json.dumps("x" * (5 << 20)), "at most"),
        ("pulls", {"reference": "--privileged", "engine": ""}, "not an image reference"),
        ("pulls", {"reference": None}, "'reference' must be a string"),
        ("images/detail", {"reference": "--privileged"}, "not an image reference"),
        ("kernelspecs", {"name": "../x", "settings": {"version": 1, "image": "x"}}, "name"),
        ("kernelspecs", {"name": "x", "settings": {"version": 1}}, "is missing"),
        ("settings", {"path": "n.ipynb", "settings": "x"}, "must be an object"),
        ("approvals", {"path": "n.ipynb", "settings": None, "items": []}, "must be an object"),
        (
            "approvals",
            {"path": "n.ipynb", "settings": {"version": 1, "image": "-x"}, "items": []},
            "reference",
        ),
        ("approvals", {"path": "n.ipynb", "settings": {}, "items": [1]}, "a list of strings"),
        ("lint", {"path": "n.ipynb", "source": "print(1)"}, "builds nothing"),
        ("lint", {"path": "n.ipynb", "source": "x", "ignored": "DL1"}, "list of strings"),
        ("paths", {"path": "n.ipynb", "source": "print(1)", "typed": ""}, "builds nothing"),
        ("paths", {"path": "n.ipynb", "source": "%%dockerfile", "typed": 1}, "a string"),
        ("paths", {"path": "n.ipynb", "source": "x", "typed": "x" * 5000}, "at most 4,000"),
        ("additions", {"path": "n.ipynb", "source": "%pip install x"}, "no Dockerfile cell"),
        ("packages", {"path": "n.ipynb", "requirement": "../../etc"}, "names no package"),
        ("packages", {"path": "n.ipynb", "requirement": "x @ https://h/x"}, "names no package"),
        ("packages", {"path": "n.ipynb", "requirement": "--index-url=x"}, "names no package"),
        (
            "additions",
            {"path": "n.ipynb", "source": "x", "packages": {"pip": ["x"]}},
            "an object of objects of strings",
        ),
    ],
)
async def test_a_body_that_makes_no_sense(path, body, word, notebook, api):
    status, said = await api("POST", path, body)
    assert status == 400, said
    assert word in said["message"]
    assert "Traceback" not in json.dumps(said)


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "..", "../n.ipynb", "/etc/passwd", "missing.ipynb", "n.txt", "n.ipynb/"),
        *("sub/../../out.ipynb", "link.ipynb", "a\0.ipynb", "x" * 3000 + ".ipynb"),
    ],
)
async def test_only_notebooks_below_the_root(path, notebook, api, jp_root_dir):
    outside = write_notebook(jp_root_dir.parent / "out.ipynb", None)
    (jp_root_dir / "link.ipynb").symlink_to(outside)
    (jp_root_dir / "n.txt").write_text(notebook.read_text())
    (jp_root_dir / "sub").mkdir()
    status, said = await api("GET", "notebook", query={"path": path})
    assert (status, said["type"]) == (404, "Unknown")
    status, _ = await api("POST", "approvals", {"path": path, "settings": {}, "items": []})
    assert status == 404
    os.unlink(outside)


async def test_names_that_nobody_knows(api):
    for verb, path in [
        ("GET", "builds/x"),
        ("DELETE", "builds/x"),
        ("GET", "builds/x/events"),
        ("GET", "containers/x"),
        ("GET", "containers/x/logs"),
        ("GET", "containers/x/changes"),
        ("POST", "containers/x/changes"),
        ("DELETE", "containers/x"),
        ("DELETE", "kernelspecs/x"),
        ("GET", "nothing/at/all"),
        ("POST", "nothing"),
    ]:
        status, said = await api(verb, path, "{}" if verb == "POST" else None)
        assert status == 404, (verb, path, said)
        assert said["type"] == "Unknown"


async def test_parameters_of_the_query(api):
    status, said = await api("GET", "notebook")
    assert (status, "path" in said["message"]) == (400, True)
    status, said = await api("GET", "images/detail", query={"reference": "a b"})
    assert (status, said["type"]) == (400, "BadReference")
    status, said = await api("GET", "images/detail", query={"reference": "x" * 5000})
    assert status == 400
    status, said = await api("GET", "containers/x/logs", query={"tail": "many"})
    assert (status, "whole number" in said["message"]) == (400, True)
    status, said = await api("GET", "images", query={"engine": "--help"})
    assert (status, said["type"]) == (501, "Unsupported")


async def test_a_verb_that_a_route_has_not(api):
    status, said = await api("PATCH", "builds", "{}")
    assert (status, said["type"]) == (405, "HTTPError")


async def test_without_an_engine_all_is_said(api, notebook):
    status, said = await api("GET", "engines")
    assert status == 200
    assert said["default"] is None
    assert not any(one["usable"] for one in said["engines"])
    assert all(one["problems"] for one in said["engines"])
    assert (await api("GET", "images")) == (200, {"images": [], "problems": []})
    assert (await api("GET", "containers")) == (200, {"containers": []})
    body = {"path": "n.ipynb", "source": "%%dockerfile\nFROM x"}
    _, said = await api("POST", "builds", body)
    status, said = await api("POST", "builds", {**body, "approved": said["items"]})
    assert (status, said["type"]) == (503, "EngineMissing")
    assert said["hint"]


async def test_what_nobody_expected_is_a_plain_error(api, monkeypatch):
    async def broken(*_):
        raise RuntimeError("secret /home/me")

    monkeypatch.setattr("jupyter_containers.server.handlers.images.find_devices", broken)
    status, said = await api("GET", "devices")
    assert status == 500
    assert "secret" not in json.dumps(said)
    assert said["hint"] == "The server's log says more."


@pytest.mark.parametrize(
    ("number", "said"), [(28, "no space left at /x"), (30, "/x cannot be used")]
)
async def test_a_disk_that_is_full_or_read_only(number, said, api, monkeypatch):
    async def fails(self):
        raise OSError(number, os.strerror(number), "/x")

    monkeypatch.setattr("jupyter_containers.server.state.Server.policy", fails)
    status, answer = await api("GET", "engines")
    assert (status, answer["type"]) == (507, "SystemRefused")
    assert said in answer["message"] and answer["hint"]
