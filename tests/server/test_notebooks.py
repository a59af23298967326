"""What a notebook asks for, the form, approvals, pins and remarks. No engine runs here."""

from __future__ import annotations

import json

import pytest

from jupyter_containers.errors import BadInput
from jupyter_containers.notebook.cells import parse_options
from jupyter_containers.settings.schema import FIELDS
from tests.helpers.harness import write_notebook

IMAGE = "localhost/some:1"


@pytest.fixture
def policy():
    return {"max_memory": "4g", "devices": [], "registries": ["localhost"]}


@pytest.fixture(autouse=True)
def no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def notebook(jp_root_dir):
    return write_notebook(jp_root_dir / "n.ipynb", {"image": IMAGE, "env": {"A": "b"}}, "1")


async def look(api):
    status, said = await api("GET", "notebook", query={"path": "n.ipynb"})
    assert status == 200, said
    return said


async def check(api, **settings):
    status, said = await api("POST", "settings", {"path": "n.ipynb", "settings": settings})
    assert status == 200, said
    return said


async def test_what_is_asked_and_missing(notebook, api):
    said = await look(api)
    assert said["asked"] == {"version": 1, "image": IMAGE, "env": {"A": "b"}}
    assert said["missing"] == said["asks"]
    assert said["asks"] == ["the image localhost/some:1", "the environment variable A, as b"]
    assert said["kernel"] is None
    # No engine here: that is what a start would say.
    assert said["error"]["type"] == "EngineMissing"
    assert (said["engine"], said["image_here"], said["build_same"]) == (None, None, None)


@pytest.mark.parametrize("value", ["NaN", "1e400", "-1" + "0" * 400, "[" * 150 + "]" * 150])
async def test_what_no_browser_reads_is_not_answered(value, notebook, api):
    text = notebook.read_text()
    notebook.write_text(text.replace('"env"', f'"cpus": {value}, "env"'))
    status, said = await api("GET", "notebook", query={"path": "n.ipynb"})
    error = said["error"] if status == 200 else said
    assert error["message"] and error["type"] in ("BadSettings", "BadInput")
    json.dumps(said, allow_nan=False)


async def approve(api, settings, items):
    body = {"path": "n.ipynb", "settings": settings, "items": items}
    return await api("POST", "approvals", body)


async def test_a_yes_holds_for_exactly_these_settings(notebook, api):
    asked = {"version": 1, "image": IMAGE}
    status, said = await approve(api, asked, ["the image localhost/some:1"])
    assert status == 200
    assert said["missing"] == ["the environment variable A, as b"]
    assert (await look(api))["missing"] == said["missing"]


async def test_a_yes_holds_only_for_what_was_shown(notebook, api):
    shown = await look(api)
    status, said = await approve(api, shown["asked"], shown["missing"][:1])
    assert (status, said["type"], said["items"]) == (409, "AsksMore", shown["missing"])
    assert (await look(api))["missing"] == shown["missing"]
    assert (await approve(api, shown["asked"], said["items"]))[0] == 200
    # What is approved meanwhile need not have been shown.
    assert (await approve(api, shown["asked"], []))[0] == 200
    body = {"path": "n.ipynb", "settings": shown["asked"]}
    assert (await api("POST", "approvals", body))[1]["type"] == "BadInput"


async def test_a_link_that_leads_elsewhere_after_it_was_shown(jp_root_dir, api):
    (jp_root_dir / "fine").mkdir()
    (jp_root_dir / "private").mkdir()
    link = jp_root_dir / "data"
    link.symlink_to("fine")
    mounts = [{"source": "data", "target": "/data"}]
    write_notebook(jp_root_dir / "n.ipynb", {"image": IMAGE, "mounts": mounts})
    shown = await look(api)
    assert f"the folder {jp_root_dir}/fine, " in shown["missing"][1]
    link.unlink()
    link.symlink_to("private")
    status, said = await approve(api, shown["asked"], shown["missing"])
    assert (status, said["type"]) == (409, "AsksMore")
    assert f"the folder {jp_root_dir}/private, " in said["items"][1]
    assert (await look(api))["missing"] == said["items"]
    assert (await approve(api, shown["asked"], said["items"]))[1]["missing"] == []


async def test_what_the_policy_refuses_is_not_approved(notebook, api):
    asked = {"version": 1, "image": IMAGE, "mounts": [{"source": "/", "target": "/all"}]}
    status, said = await approve(api, asked, [])
    assert (status, said["type"]) == (403, "PolicyRefused")
    assert "(Policy.mounts)" in said["message"]
    assert len((await look(api))["missing"]) == 2


async def test_a_notebook_without_settings(jp_root_dir, api):
    write_notebook(jp_root_dir / "n.ipynb", None)
    said = await look(api)
    assert (said["asked"], said["error"], said["asks"]) == (None, None, [])


@pytest.mark.parametrize(
    ("settings", "type", "word"),
    [
        ({"image": IMAGE, "nonsense": 1}, "BadSettings", "'nonsense'"),
        ({"image": "docker.io/library/x"}, "PolicyRefused", "Policy.registries"),
        ({"image": IMAGE, "memory": "5g"}, "PolicyRefused", "Policy.max_memory"),
        ({"image": IMAGE, "devices": ["nvidia.com/gpu=0"]}, "PolicyRefused", "Policy.devices"),
    ],
)
async def test_what_cannot_be_had_is_an_error_of_the_notebook(
    settings, type, word, jp_root_dir, api
):
    write_notebook(jp_root_dir / "n.ipynb", settings)
    error = (await look(api))["error"]
    assert error["type"] == type
    assert word in error["message"]


async def test_metadata_that_is_no_object(jp_root_dir, api):
    path = write_notebook(jp_root_dir / "n.ipynb", None)
    path.write_text('{"cells": [], "metadata": {"jupyter_containers": 7}, "nbformat": 4}')
    assert (await look(api))["error"]["key"] == "jupyter_containers"
    path.write_text("no notebook")
    status, said = await api("GET", "notebook", query={"path": "n.ipynb"})
    assert (status, said["type"]) == (400, "BadInput")


async def test_the_form_has_every_key(api):
    _, said = await api("GET", "settings")
    assert [field["key"] for field in said["fields"]] == list(FIELDS)
    by = {field["key"]: field for field in said["fields"]}
    assert by["network"]["choices"] == ["private", "none"]
    assert by["mounts"]["default"] == []
    assert by["memory"]["trait"] == "max_memory"


async def test_a_cell_takes_the_options_that_are_said_to_be_of_cells(api):
    _, said = await api("GET", "settings")
    values = {"--cpus": "1", "--pids": "9", "--port": "80", "--mount": "a:/a", "--env": "A=b"}
    values |= {"--memory": "1g", "--shm": "1g", "--network": "none", "--user": "root"}
    values |= {"--device": "nvidia.com/gpu=0", "--engine": "podman", "--read-only": ""}
    takes = {}
    for field in said["fields"]:
        option = field["option"]
        takes[field["key"]] = bool(option)
        try:
            parse_options(f"{option} {values.get(option, 'word')}" if option else "")
        except BadInput as error:
            takes[field["key"]] = "unrecognized" not in error.message
    assert {field["key"]: field["in_cell"] for field in said["fields"]} == takes
    assert not takes["slurm"]


async def test_all_that_is_wrong_is_said_at_once(notebook, api):
    said = await check(
        api,
        version=1,
        image=IMAGE,
        memory="5g",
        cpus="many",
        nonsense=1,
        mounts=[{"source": "/etc", "target": "/etc2"}],
    )
    errors = {one["key"]: one for one in said["errors"]}
    assert set(errors) == {"memory", "cpus", "nonsense", "mounts"}
    assert errors["memory"]["trait"] == "Policy.max_memory"
    assert errors["mounts"]["trait"] == "Policy.mounts"
    assert errors["cpus"]["trait"] == ""
    assert errors["cpus"]["message"].startswith("Setting 'cpus'")
    assert said["missing"] == []


async def test_what_would_need_a_yes(notebook, api):
    said = await check(api, version=1, image=IMAGE, user="root")
    assert said["errors"] == []
    assert "being root inside the container" in said["missing"]
    assert (await check(api, version=1))["errors"][0]["key"] == "image"
    assert (await check(api))["errors"][0]["key"] == "version"


async def test_a_pin_and_its_end(api, jp_serverapp):
    asked = {"version": 1, "image": IMAGE, "memory": "1g"}
    body = {"name": "some", "display_name": "Some\x1b[31m", "settings": asked}
    status, said = await api("POST", "kernelspecs", body)
    assert status == 201, said
    assert said == {"name": "some", "display_name": "Some", "settings": asked}
    _, listed = await api("GET", "kernelspecs")
    assert listed["kernelspecs"] == [said]
    assert (await api("DELETE", "kernelspecs/some"))[0] == 204
    assert (await api("GET", "kernelspecs"))[1] == {"kernelspecs": []}


async def test_a_pin_that_could_not_start(api):
    asked = {"version": 1, "image": IMAGE, "memory": "5g"}
    status, said = await api("POST", "kernelspecs", {"name": "some", "settings": asked})
    assert (status, "Policy.max_memory" in said["message"]) == (403, True)
    status, said = await api(
        "POST", "kernelspecs", {"name": "python3", "settings": {"version": 1, "image": IMAGE}}
    )
    assert status == 400


async def test_a_pull_that_the_policy_forbids(api, monkeypatch):
    monkeypatch.undo()
    status, said = await api("POST", "pulls", {"reference": "quay.io/x/y", "engine": "podman"})
    if said["type"] == "EngineMissing":
        pytest.skip("no podman here")
    assert (status, said["type"]) == (403, "PolicyRefused")
    assert "Policy.registries" in said["message"]


async def test_remarks_stand_at_the_cells_lines(notebook, api, monkeypatch):
    source = "\n\n%%dockerfile\nFROM debian\nRUN sudo ls\nRUN cd /x && ls\n"
    status, said = await api("POST", "lint", {"path": "n.ipynb", "source": source})
    assert status == 200, said
    codes = {one["code"]: one for one in said["remarks"]}
    assert codes["DL3006"]["line"] == 4
    assert codes["DL3004"]["line"] == 5
    assert codes["DL3004"]["url"].startswith("https://")
    assert "DL3003" not in codes
    body = {"path": "n.ipynb", "source": source, "ignored": ["DL3004"]}
    _, said = await api("POST", "lint", body)
    codes = {one["code"]: one for one in said["remarks"]}
    assert "DL3004" not in codes and "DL3003" in codes


@pytest.fixture
def beside(notebook):
    """What lies beside the notebook."""
    here = notebook.parent
    (here / "data" / "raw").mkdir(parents=True)
    (here / "data" / ".git").mkdir()
    for name in ("day.csv", "data/one.csv", "data/a b.csv", "data/server.pem", "data/.env"):
        (here / name).write_text("")
    (here.parent / "secret").mkdir()
    (here.parent / "secret" / "plans.txt").write_text("")
    (here / "out").symlink_to(here.parent / "secret")
    return here


@pytest.mark.parametrize(
    ("typed", "magic", "names"),
    [
        ("da", "", ["data/", "day.csv"]),
        ("/day", "", ["day.csv"]),
        ("./data/", "", ["data/one.csv", "data/raw/"]),
        ("data/.", "", ["data/.env", "data/.git/"]),
        ("ra", "--context data", ["raw/"]),
        ("on", "--context 'data'", ["one.csv"]),
        *[(typed, "", []) for typed in ("no/", "day.csv/", "../", "data/../../secret/", "a\0b/")],
        ("out/", "", []),
        *[("", f"--context {there}", []) for there in ("..", "../secret", "out", "/etc")],
    ],
)
async def test_paths_are_those_that_a_build_reads(typed, magic, names, beside, api):
    body = {"path": "n.ipynb", "source": f"%%dockerfile {magic}\nFROM x\nCOPY ", "typed": typed}
    status, said = await api("POST", "paths", body)
    assert status == 200, said
    assert [one["name"] + "/" * one["folder"] for one in said["names"]] == names


async def test_paths_are_few_and_none_is_left_out_of_the_build(beside, api):
    (beside / ".dockerignore").write_text("many/*5\n")
    (beside / "many").mkdir()
    for number in range(300):
        (beside / "many" / f"n{number:03}").write_text("")
    body = {"path": "n.ipynb", "source": "%%dockerfile\n", "typed": "many/"}
    _, said = await api("POST", "paths", body)
    found = [one["name"] for one in said["names"]]
    assert len(found) == 200
    assert found[:6] == [f"many/n00{number}" for number in (0, 1, 2, 3, 4, 6)]


async def test_a_folder_that_is_not_there_is_said(beside, api):
    body = {"path": "n.ipynb", "source": "%%dockerfile --context gone\n", "typed": ""}
    status, said = await api("POST", "paths", body)
    assert (status, "is not there" in said["message"]) == (400, True)


async def test_paths_obey_the_policy(beside, api, jp_serverapp):
    mounts = {str(beside): "rw", str(beside / "data"): "no"}
    jp_serverapp.config.Policy.mounts = mounts
    body = {"path": "n.ipynb", "source": "%%dockerfile\n", "typed": "da"}
    _, said = await api("POST", "paths", body)
    assert [one["name"] for one in said["names"]] == ["day.csv"]


async def test_a_change_is_told_on_the_event_bus(api, jp_serverapp):
    heard = []

    async def listener(logger, schema_id, data):
        heard.append(data)

    jp_serverapp.event_logger.add_listener(
        schema_id="https://schema.jupyter-containers.org/change/v1", listener=listener
    )
    await api("POST", "kernelspecs", {"name": "t", "settings": {"version": 1, "image": IMAGE}})
    await api("DELETE", "kernelspecs/t")
    about = {"what": "kernelspecs", "id": "t", "path": ""}
    assert [one for one in heard if one["what"] == "kernelspecs"] == [
        about | {"state": "pinned"},
        about | {"state": "removed"},
    ]
