"""Two people of one Hub: neither sees, opens, or gets at what is the other's."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
import websocket

import jupyter_containers

from .hub import Hub, Person
from .site import Site
from .test_own_engine import containers
from .visit import Session, Visit, notebook

SECRET = "w0rd-of-anns"


@pytest.fixture(scope="module")
def running(
    anns: Visit, bobs: Visit, ann: Person, bob: Person, image: str
) -> Iterator[dict[str, Session]]:
    """A kernel of each, and a build of hers."""
    sessions = {}
    for visit, person in ((anns, ann), (bobs, bob)):
        path = person.home / "mine/n.ipynb"
        notebook(person, path, {"image": image, "env": {"WORD": SECRET}})
        visit.approve("mine/n.ipynb")
        sessions[person.name] = visit.open("mine/n.ipynb")
        sessions[person.name].run("1")
    source = f"%%dockerfile -t localhost/of-ann\nFROM {image}\nRUN echo 1 > /1\n"
    about = {"path": "mine/n.ipynb", "source": source, "index": 0, "cell_id": "c"}
    asked = {**about, "settings": {"version": 1, "image": image}}
    anns.ask("POST", f"api/contents/{about['path']}/trust")  # she wrote it
    said = anns.ask("POST", "jupyter-containers/builds", asked).json()
    anns.ask("GET", f"jupyter-containers/builds/{said['id']}/events")
    yield sessions
    for session in sessions.values():
        session.close()


def test_each_sees_only_what_is_theirs(
    anns: Visit, bobs: Visit, running: dict[str, Session]
) -> None:
    ids = []
    for visit in (anns, bobs):
        (one,) = visit.get("containers")["containers"]
        ids.append(one["id"])
    assert ids[0] != ids[1]
    assert bobs.ask("GET", f"jupyter-containers/containers/{ids[0]}").status_code == 404
    assert bobs.ask("DELETE", f"jupyter-containers/containers/{ids[0]}").status_code == 404
    assert bobs.ask("GET", f"jupyter-containers/containers/{ids[0]}/logs").status_code == 404
    names = [json.dumps(visit.get("images?engine=podman")) for visit in (anns, bobs)]
    assert ["of-ann" in text for text in names] == [True, False]
    built = [visit.get("builds")["builds"] for visit in (anns, bobs)]
    assert [len(one) for one in built] == [1, 0]
    build = f"jupyter-containers/builds/{built[0][0]['id']}"
    assert bobs.ask("GET", build).status_code == 404
    assert bobs.ask("GET", f"{build}/events").status_code == 404


def routes() -> list[str]:
    """Every page that can be asked for, by the package's own list."""
    said = json.loads((Path(jupyter_containers.__file__).parent / "openapi.json").read_text())
    return [
        path.strip("/").replace("{id}", "x")
        for path, verbs in said["paths"].items()
        if "get" in verbs
    ]


def test_nobody_else_gets_into_a_server(hub: Hub, anns: Visit, bobs: Visit) -> None:
    stranger = requests.Session()
    stranger.trust_env = False
    assert len(routes()) > 8
    token = {"Authorization": f"token {bobs.token()}", "Accept": "application/json"}
    for path in routes():
        address = f"{anns.base}jupyter-containers/{path}"
        for asked in (
            stranger.get(address, timeout=60, allow_redirects=False),
            stranger.get(address, timeout=60, allow_redirects=False, headers=token),
            bobs.session.get(address, timeout=60, allow_redirects=False),
        ):
            assert asked.status_code in (302, 403), (path, asked.status_code)
            assert "/hub/" in asked.headers.get("Location", "/hub/")
    for verb, path in (("POST", "builds"), ("DELETE", "containers/x"), ("POST", "approvals")):
        said = stranger.request(
            verb,
            f"{anns.base}jupyter-containers/{path}",
            json={},
            headers=token,  # which no XSRF cookie has to go with
            timeout=60,
        )
        assert said.status_code == 403, (path, said.text)


APP = """
from tornado import web, websocket
class Page(web.RequestHandler):
    def get(self): self.write('hers at ' + self.request.headers['X-Forwarded-Prefix'])
    def post(self): self.write(b'hers: ' + self.request.body)
class Echo(websocket.WebSocketHandler):
    def on_message(self, said): self.write_message('hers: ' + said)
server = web.Application([('/', Page), ('/echo', Echo)]).listen(8050, '127.0.0.1')
"""


def echo(hub: Hub, url: str, visit: Visit | None = None) -> str:
    """What the app's websocket answers to the page of its own, or the refusal."""
    cookies = [one for one in visit.session.cookies if url.startswith(one.path)] if visit else []
    try:
        socket = websocket.create_connection(
            f"{hub.url.replace('http', 'ws', 1)}{url}echo",
            origin=hub.url if visit else "null",
            cookie="; ".join(f"{one.name}={one.value}" for one in cookies),
            timeout=60,
            http_no_proxy=["127.0.0.1"],
            redirect_limit=0,
        )
    except websocket.WebSocketException as error:
        return f"refused: {error}"
    with contextlib.closing(socket):
        socket.send("hello")
        return str(socket.recv())


def test_ports_and_terminals_are_hers_alone(
    hub: Hub,
    anns: Visit,
    bobs: Visit,
    ann: Person,
    bob: Person,
    running: dict[str, Session],
    variables: Mapping[str, str],
) -> None:
    kernel = running[ann.name].kernel
    assert running[ann.name].run(APP) == ""
    of_kernel = f"jupyter-containers/kernels/{kernel}"
    url = anns.ask("POST", f"{of_kernel}/ports/8050", {}).json()["url"]
    # Isolated: the address is the key, as a sandboxed page sends no cookies.
    page = requests.get(hub.url + url, timeout=60, proxies={"http": ""})
    assert page.text == f"hers at {url.rstrip('/')}"
    assert "sandbox" in page.headers["Content-Security-Policy"]
    assert echo(hub, url) == "hers: hello"
    moved = url.replace(f"/{ann.name}/", f"/{bob.name}/")
    assert bobs.session.get(hub.url + moved, timeout=60).status_code == 404
    assert "404" in echo(hub, moved, bobs)

    # Trusted: a page for who is logged in to that server.
    about = {"path": "mine/n.ipynb", "outputs": "trusted"}
    assert anns.ask("PUT", "jupyter-containers/outputs", about).status_code == 200
    time.sleep(1.5)  # it remembers what they were for a second
    page = anns.session.get(hub.url + url, timeout=60)
    assert page.text == f"hers at {url.rstrip('/')}"
    assert "sandbox" not in page.headers["Content-Security-Policy"]
    assert echo(hub, url, anns) == "hers: hello"
    fetched = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin", "Origin": hub.url}
    posted = anns.session.post(hub.url + url, "hello", headers=fetched, timeout=60)
    assert posted.text == "hers: hello"
    said = bobs.session.post(hub.url + url, "hello", headers=fetched, timeout=60)
    assert said.status_code == 403
    assert echo(hub, url, bobs).startswith("refused: Redirect")
    assert bobs.session.get(hub.url + url, timeout=60, allow_redirects=False).status_code == 302
    anns.ask("PUT", "jupyter-containers/outputs", about | {"outputs": "isolated"})

    for path in (f"{of_kernel}/ports", f"{of_kernel}/terminals"):
        assert anns.ask("GET", path).status_code == 200
        assert bobs.ask("GET", path).status_code == 404
    for path in (f"{of_kernel}/terminals", f"jupyter-containers/ports/{kernel}/8050/"):
        said = bobs.session.get(anns.base + path, timeout=60, allow_redirects=False)
        assert said.status_code in (302, 403), path
    program = str(Path(sys.prefix) / "bin/jupyter-containers")
    whose = (program, "exec", str(ann.home / "mine/n.ipynb"), "--", "printenv", "WORD")
    assert ann.run(*whose, env=variables).stdout == f"{SECRET}\n"
    done = bob.run(*whose, env=variables)
    assert (done.returncode == 0, done.stdout) == (False, "")


def test_a_token_that_has_expired(hub: Hub, anns: Visit, ann: Person) -> None:
    made = hub.ask("POST", f"users/{ann.name}/tokens", {"expires_in": 2})
    headers = {"Authorization": f"token {made['token']}", "Accept": "application/json"}
    time.sleep(2.5)
    address = f"{anns.base}jupyter-containers/containers"
    said = requests.get(address, headers=headers, timeout=60, proxies={"http": ""})
    assert said.status_code == 403
    assert "not logged in" in said.json()["message"]
    assert "Reload" in said.json()["hint"]


def test_sockets_and_files_are_closed(
    ann: Person, bob: Person, running: dict[str, Session]
) -> None:
    (kernel,) = [*(ann.runtime / "jc").glob("[0-9a-f]*/run/k-1")]
    run_dir = kernel.parents[1]
    dial = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    for socket in (kernel, run_dir / "run/guest", run_dir / "run/streams"):
        done = bob.run("python3", "-c", dial, str(socket))
        assert "PermissionError" in done.stderr
    cache = ann.home / ".cache/jupyter-containers"
    data = ann.home / ".local/share/jupyter"
    for path in (run_dir, run_dir / "conf/connection.json", cache, data, ann.home / "mine/n.ipynb"):
        assert path.exists()
        assert bob.run("cat", str(path)).returncode == 1
        assert bob.run("ls", str(path)).returncode == 2
    # Each by itself, whatever a home lets others do.
    for path in (
        ann.runtime / "jc",
        *(cache / "homes").iterdir(),
        data / "jupyter_containers/approvals",
    ):
        assert path.stat().st_mode & 0o077 == 0, path


def test_nothing_secret_is_seen_among_the_processes(
    ann: Person, running: dict[str, Session]
) -> None:
    """Command lines are everybody's to read."""
    (connection,) = (ann.runtime / "jc").glob("[0-9a-f]*/conf/connection.json")
    key = json.loads(connection.read_text())["key"]
    done = subprocess.run(["ps", "-eo", "args", "-ww"], capture_output=True, text=True, check=True)
    assert "jupyterhub.singleuser" in done.stdout
    assert key not in done.stdout
    assert SECRET not in done.stdout


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that both may write to."""
    path = Path("/srv/jct-hub-shared")
    path.mkdir(mode=0o1777)
    path.chmod(0o1777)
    yield path
    subprocess.run(["rm", "-rf", path], check=True)


def tried(visit: Visit, path: str) -> str:
    """What a kernel of this notebook says, after its owner said yes to all that it asks for."""
    with contextlib.suppress(AssertionError):  # a refusal is told by the kernel as well
        visit.approve(path)
    session = visit.open(path)
    try:
        return session.run("import os; print('runs', os.listdir('/data'))")
    finally:
        session.close()


def test_folders_of_others_are_not_mounted(
    bobs: Visit,
    ann: Person,
    bob: Person,
    image: str,
    running: Any,
    variables: Mapping[str, str],
) -> None:
    bob.run("ln", "-s", str(ann.home), "way")
    bob.run("ln", "-s", str(ann.home / "mine/n.ipynb"), "link.ipynb")
    before = set(containers(bob, variables))
    for source in (str(ann.home), str(ann.home / "mine"), "way", "way/mine", f"../{ann.name}/mine"):
        mounts = [{"source": source, "target": "/data"}]
        notebook(bob, bob.home / "m.ipynb", {"image": image, "mounts": mounts})
        said = tried(bobs, "m.ipynb")
        assert "runs" not in said
        assert "mount" in said, said
    assert set(containers(bob, variables)) == before


@pytest.mark.parametrize("path", ["../ANN/mine/n.ipynb", "link.ipynb", "way/mine/n.ipynb"])
def test_notebooks_of_others_start_nothing(
    bobs: Visit,
    ann: Person,
    bob: Person,
    path: str,
    running: Any,
    variables: Mapping[str, str],
) -> None:
    path = path.replace("ANN", ann.name)
    before = set(containers(bob, variables))
    name = path.rpartition("/")[2]
    wanted = {"path": path, "type": "notebook", "name": name, "kernel": {"name": "container"}}
    said = bobs.ask("POST", "api/sessions", wanted)
    if said.status_code == 201:
        session = Session(bobs, said.json())
        assert "no notebook was found" in session.run("1")
        session.close()
    assert set(containers(bob, variables)) == before
    assert bobs.ask("GET", f"jupyter-containers/notebook?path={quote(path)}").status_code in (
        400,
        404,
    )


def test_one_persons_yes_is_not_anothers(
    hub: Hub,
    ann: Person,
    bob: Person,
    image: str,
    shared: Path,
    place: Site,
    variables: Mapping[str, str],
) -> None:
    """The same file, approved by him; she opens it and is asked herself."""
    mounts = [{"source": str(shared), "target": "/data"}]
    path = notebook(bob, shared / "both.ipynb", {"image": image, "mounts": mounts}, "1")
    argv = (str(place.python), "-m", "jupyter_containers.cli.main", "approve", str(path), "--yes")
    done = bob.run(*argv, env=variables)
    assert done.returncode == 0, done.stderr
    ran = (
        str(place.python),
        "-m",
        "jupyter_containers.cli.main",
        "run",
        str(path),
        "-o",
        "out.ipynb",
    )
    done = ann.run(*ran, env=variables)
    assert done.returncode == 1
    assert "asks for" in done.stderr
    assert str(shared) in done.stderr
