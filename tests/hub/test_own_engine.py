"""People of a Hub with an engine each: what they do works as on a machine of their own, and what
ends takes its containers along."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.serving import NOTED

from ..ui.lab import until
from .hub import Hub, Person
from .site import Site
from .visit import Visit, notebook

IDS = ("podman", "ps", "--all", "--format", "{{.ID}}")


def containers(person: Person, variables: Mapping[str, str]) -> list[str]:
    """Of a person, by their own Podman's word."""
    done = person.run(*IDS, env=variables)
    assert done.returncode == 0, done.stderr
    names: list[str] = done.stdout.split()
    return names


def test_run_all_builds_and_the_kernel_moves(
    anns: Visit, ann: Person, image: str, variables: Mapping[str, str]
) -> None:
    """What JupyterLab does for Run All, from build to a file of hers."""
    notebook(ann, ann.home / "work/n.ipynb", {"image": "unbuilt"}, "%%dockerfile\nFROM x", "1")
    source = f"%%dockerfile -t localhost/ann-only\nFROM {image}\nRUN echo ann > /whose\n"
    about = {"path": "work/n.ipynb", "source": source, "index": 0, "cell_id": "c"}
    asked = {**about, "settings": {"version": 1, "image": "unbuilt"}}
    anns.ask("POST", f"api/contents/{about['path']}/trust")  # she wrote it
    said = anns.ask("POST", "jupyter-containers/builds", asked)
    assert said.status_code == 201, said.text
    events = anns.ask("GET", f"jupyter-containers/builds/{said.json()['id']}/events").text
    job = json.loads(events.splitlines()[-1])["job"]
    assert job["state"] == "done", events
    anns.save("work/n.ipynb", job["result"]["settings"])
    session = anns.open("work/n.ipynb")
    assert session.run("print(open('/whose').read(), open('f', 'w').write('x'))") == "ann\n 1"
    assert (ann.home / "work/f").stat().st_uid == ann.uid
    assert len(containers(ann, variables)) == 1
    session.close()
    until(lambda: not containers(ann, variables), "her container is gone")


def test_named_servers_share_images_and_no_kernels(
    hub: Hub, anns: Visit, ann: Person, image: str, variables: Mapping[str, str]
) -> None:
    notebook(ann, ann.home / "a.ipynb", {"image": image})
    anns.approve("a.ipynb")
    course = Visit(hub, ann, "course")
    course.log_in()
    course.start()
    here, there = anns.open("a.ipynb"), course.open("a.ipynb")
    here.run("x = 'here'")
    assert there.run("print('x' in dir())") == "False"
    both = set(containers(ann, variables))
    assert len(both) == 2
    assert {one["id"] for one in anns.get("containers")["containers"]} == both
    course.stop()
    (left,) = containers(ann, variables)
    assert left in both
    assert here.run("print(x)") == "here"
    here.close()
    until(lambda: not containers(ann, variables), "the container is gone")


def kill(hub: Hub, person: Person, server: str) -> None:
    """The newest of a person's servers, which is this one; return when the Hub has noticed."""
    argv = ["pgrep", "--newest", "-u", person.name, "-f", "jupyterhub.singleuser"]
    done = subprocess.run(argv, capture_output=True, text=True)
    os.kill(int(done.stdout), signal.SIGKILL)
    until(lambda: not hub.runs(person, server), "the Hub has noticed", 60)


def test_a_server_that_is_killed_and_spawned_again_goes_on(
    hub: Hub, anns: Visit, ann: Person, image: str, variables: Mapping[str, str]
) -> None:
    notebook(ann, ann.home / "a.ipynb", {"image": image})
    other = Visit(hub, ann, "killed")
    other.log_in()
    other.start()
    other.approve("a.ipynb")
    session = other.open("a.ipynb")
    session.run("x = 41")
    before = containers(ann, variables)
    time.sleep(NOTED)
    kill(hub, ann, "killed")
    # It is none of her other server's, which runs beside it, and no orphan of it either.
    assert anns.ask("GET", "api/kernels").json() == []
    other.start()
    (found,) = other.ask("GET", "api/sessions").json()
    assert (found["id"], found["kernel"]["id"]) == (session.id, session.kernel)
    assert session.run("print(x + 1)") == "42"
    assert containers(ann, variables) == before
    other.stop()
    until(lambda: not containers(ann, variables), "the container is gone")


def test_a_server_that_is_killed_leaves_nothing(
    hub: Hub, anns: Visit, ann: Person, image: str, policy: Path, variables: Mapping[str, str]
) -> None:
    policy.write_text("c.Policy.orphan_grace = 3")
    notebook(ann, ann.home / "a.ipynb", {"image": image})
    other = Visit(hub, ann, "killed")
    other.log_in()
    other.start()
    other.approve("a.ipynb")
    other.open("a.ipynb").run("1")
    assert len(containers(ann, variables)) == 1
    kill(hub, ann, "killed")
    until(lambda: not containers(ann, variables), "the container is gone")
    run_dirs = ann.runtime / "jc"
    until(lambda: not list(run_dirs.glob("[0-9a-f]" * 8)), "its sockets are gone")
    assert anns.get("containers")["containers"] == []


def test_an_idle_kernel_is_culled_with_its_container(
    hub: Hub, ann: Person, image: str, variables: Mapping[str, str]
) -> None:
    notebook(ann, ann.home / "a.ipynb", {"image": image})
    brief = Visit(hub, ann, "brief")
    brief.log_in()
    brief.start()
    brief.approve("a.ipynb")
    brief.open("a.ipynb").run("1")
    assert len(containers(ann, variables)) == 1
    until(lambda: not containers(ann, variables), "the idle kernel is gone", 60)
    until(lambda: brief.ask("GET", "api/kernels").json() == [], "the server has forgotten it")
    brief.stop()


def test_what_the_administrator_says_counts_at_once(
    anns: Visit, ann: Person, image: str, policy: Path, variables: Mapping[str, str]
) -> None:
    lines = ["c.Policy.user_config = False", "c.Policy.max_memory = '1g'"]
    policy.write_text("\n".join(lines))
    notebook(ann, ann.home / "p.ipynb", {"image": image, "memory": "2g"})
    session = anns.open("p.ipynb")
    assert "at most 1g (Policy.max_memory)" in session.run("1")
    session.close()
    ann.run("mkdir", "-p", ".jupyter")
    own = ".jupyter/jupyter_containers_config.py"
    ann.run("tee", own, input="c.Policy.max_memory = '64g'")
    session = anns.open("p.ipynb")
    # The Hub leaves homes out (disable_user_config) ...
    assert "at most 1g (Policy.max_memory)" in session.run("1")
    session.close()
    # ... and where it does not, as in a terminal of her own, the policy does.
    python = str(policy.parents[2] / "bin/python")
    argv = (python, "-m", "jupyter_containers.cli.main", "run", "p.ipynb", "--approve")
    for preferred in ("0", "1"):  # whether hers is read after the environment's, or before it
        done = ann.run(*argv, env={**variables, "JUPYTER_PREFER_ENV_PATH": preferred})
        assert done.returncode == 1
        assert "which only the administrator may" in done.stderr
        assert own in done.stderr
    assert not containers(ann, variables)


@pytest.fixture
def hasty(place: Site) -> Any:
    """A Hub that stops servers which were idle for some seconds."""

    cull = """
(culler,) = [one for one in c.JupyterHub.services if one["name"] == "idle-culler"]
culler["command"][3:] = ["--timeout=45", "--cull-every=2"]
"""
    with place.hub("jupyterhub_own_engine", cull) as made:
        yield made


def test_an_idle_server_is_culled_with_its_containers(
    hasty: Hub, ann: Person, image: str, variables: Mapping[str, str]
) -> None:
    notebook(ann, ann.home / "a.ipynb", {"image": image})
    visit = Visit(hasty, ann)
    visit.log_in()
    visit.start()
    visit.approve("a.ipynb")
    visit.open("a.ipynb").run("1")
    assert len(containers(ann, variables)) == 1
    until(lambda: not hasty.runs(ann), "the server is stopped", 90)
    until(lambda: not containers(ann, variables), "its container is gone")
