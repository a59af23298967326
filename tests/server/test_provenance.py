"""Whose notebook it is, what a rename carries, how outputs are drawn. No engine runs here."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3

import pytest

from jupyter_containers.policy.approvals import Approvals
from jupyter_containers.settings.schema import Settings
from tests.helpers.harness import write_notebook

IMAGE = "localhost/some:1"
CELL = "%%dockerfile\nFROM localhost/some:1\nRUN true\n"


@pytest.fixture(autouse=True)
def no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture
def notebook(jp_root_dir):
    return write_notebook(jp_root_dir / "n.ipynb", {"image": IMAGE, "env": {"A": "b"}}, CELL)


@pytest.fixture
def contents(jp_fetch):
    """Jupyter's contents API, as the file browser and the editor use it."""

    async def call(method, path, body=None):
        options = {"body": json.dumps(body)} if body is not None else {}
        answer = await jp_fetch("api", "contents", path, method=method, **options)
        return json.loads(answer.body) if answer.body else None

    return call


@pytest.fixture
def sign(contents):
    """What "Trust Notebook" does, and each save of what this person made: Jupyter signs it."""
    return lambda: contents("POST", "n.ipynb/trust", "")


@pytest.fixture
def asked(api):
    """What is shown before a cell is built: a build of somebody else's is refused with it."""

    async def call(path="n.ipynb", source=CELL, **more):
        status, said = await api("POST", "builds", {"path": path, "source": source, **more})
        if status == 403 and said["type"] == "CellNotApproved":
            return said["items"]
        assert said["type"] == "EngineMissing", said
        return []

    return call


async def approved(api, path="n.ipynb"):
    _, said = await api("GET", "notebook", query={"path": path})
    return not said["missing"], said["changed"]


async def approve(api, path="n.ipynb"):
    _, said = await api("GET", "notebook", query={"path": path})
    body = {"path": path, "settings": said["asked"], "items": said["missing"]}
    status, said = await api("POST", "approvals", body)
    assert status == 200, said


async def edit(contents, path="n.ipynb", line="1 + 1"):
    """Open, type and save, as JupyterLab does."""
    model = await contents("GET", path)
    model["content"]["cells"][-1]["source"] += f"# {line}\n"
    await contents("PUT", path, {"type": "notebook", "content": model["content"]})


# -- whose -----------------------------------------------------------------------------------


async def test_somebody_elses_cell_is_shown_before_it_is_built(notebook, asked):
    (item,) = await asked()
    assert item.endswith(CELL.rstrip())
    assert await asked(approved=["something else"]) == [item]
    assert await asked(approved=[item]) == []
    assert await asked() == []  # once is enough
    (other,) = await asked(source=CELL + "RUN false\n")
    assert "RUN false" in other


async def test_what_a_cell_asks_for_is_in_the_same_question(notebook, asked, jp_root_dir):
    documents = jp_root_dir.parent / "documents"
    documents.mkdir()
    (documents / "letter").write_text("x")
    (jp_root_dir / "data").mkdir()
    options = f"--context {documents} --mount data:/data --env A=b"
    source = f"%%dockerfile {options}\nFROM scratch\nCOPY letter /letter\n"
    items = await asked(source=source)
    assert items[1:] == [
        f"the folder {documents}, with all that is in it, read by its build",
        f"the folder {jp_root_dir}/data, read and write, at /data",
        "the environment variable A, as b",
    ]
    assert await asked(source=source, approved=items[:3]) == items
    assert await asked(source=source, approved=items) == []


async def test_what_this_person_signed_or_made_is_theirs(notebook, asked, contents, sign):
    await sign()
    assert await asked() == []
    made = await contents("POST", "", {"type": "notebook"})
    model = await contents("GET", made["path"])
    cell = {"id": "a", "cell_type": "code", "source": CELL, "metadata": {}, "outputs": []}
    model["content"]["cells"] = [{**cell, "execution_count": None}]
    await contents("PUT", made["path"], {"type": "notebook", "content": model["content"]})
    assert await asked(path=made["path"]) == []


async def test_a_cell_of_somebody_elses_in_ones_own_notebook_is_shown(notebook, asked, sign):
    await sign()
    assert len(await asked(foreign=True)) == 1
    assert await asked() == []


async def test_saving_makes_nothing_ones_own(notebook, asked, contents):
    """Jupyter signs any notebook without outputs when it is saved."""
    await edit(contents)
    assert len(await asked()) == 1
    await edit(contents)
    assert len(await asked()) == 1


async def test_what_takes_the_place_of_ones_own_is_somebody_elses(notebook, asked, contents, sign):
    await sign()
    await edit(contents)
    assert await asked() == []
    theirs = write_notebook(notebook.parent / "theirs.ipynb", {"image": IMAGE}, CELL, "evil()")
    theirs.rename(notebook)
    assert len(await asked()) == 1
    # Not even where the editor, which still shows the old one, is saved over it.
    await edit(contents)
    assert len(await asked()) == 1


async def test_an_upload_is_somebody_elses_unless_it_is_signed(notebook, asked, contents, sign):
    text = notebook.read_text()
    body = {"type": "notebook", "format": "json", "content": json.loads(text)}
    await contents("PUT", "uploaded.ipynb", body)
    assert len(await asked(path="uploaded.ipynb")) == 1
    await sign()
    body["content"] = json.loads(text)
    await contents("PUT", "again.ipynb", body)
    assert await asked(path="again.ipynb") == []


async def test_without_signatures_all_is_somebody_elses(notebook, asked, jp_serverapp, sign):
    await sign()
    store = jp_serverapp.contents_manager.notary.store
    store.db.close()  # as where the disk is gone: every question raises
    with pytest.raises(sqlite3.ProgrammingError):
        store.check_signature("", "")
    assert len(await asked()) == 1


async def test_signatures_that_are_locked_hold_nobody_up(
    notebook, asked, sign, jp_serverapp, tmp_path, monkeypatch
):
    await sign()
    file = tmp_path / "signatures.db"
    monkeypatch.setattr(jp_serverapp.contents_manager.notary, "db_file", str(file))
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE x (y)")
        other.execute("BEGIN EXCLUSIVE")
        assert len(await asked()) == 1
        other.rollback()
    assert await asked() == []


async def test_what_is_typed_is_not_asked(notebook, asked, api, jp_root_dir):
    """The whole cell, and what it names: but not what a link makes of that."""
    documents = jp_root_dir.parent / "documents"
    documents.mkdir()
    (documents / "letter").write_text("x")
    source = f"%%dockerfile --context {documents}\nFROM scratch\nCOPY letter /letter\n"
    assert len(await asked(source=source)) == 2
    assert await asked(source=source, typed=True) == []
    assert await asked(source=source) == []  # it was seen by who typed it


# -- what a yes follows ----------------------------------------------------------------------


async def test_approvals_follow_what_this_person_saves(notebook, api, contents):
    await approve(api)
    await edit(contents)
    await edit(contents)
    assert await approved(api) == (True, False)


async def test_approvals_do_not_hold_for_what_takes_its_place(notebook, api, contents):
    await approve(api)
    text = notebook.read_text()
    notebook.write_text(text.replace("RUN true", "RUN true  # and more"))
    assert await approved(api) == (False, True)
    notebook.write_text(text)
    assert await approved(api) == (True, False)


async def test_a_start_refuses_what_takes_its_place(notebook, api):
    await approve(api)
    settings = Settings(image=f"{IMAGE}", env={"A": "b"})
    (content,) = Approvals().records.read(notebook).contents
    assert not Approvals().missing(notebook, settings, content)
    assert len(Approvals().missing(notebook, settings, "0" * 64)) == 2


async def test_outputs_alone_change_nothing(notebook, api):
    """nbconvert, papermill and nbstripout write those."""
    await approve(api)
    data = json.loads(notebook.read_text())
    data["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x"}]
    data["cells"][0]["execution_count"] = 3
    notebook.write_text(json.dumps(data))
    assert await approved(api) == (True, False)


async def test_a_rename_and_a_move_in_the_file_browser_keep_the_yes(
    notebook, api, asked, contents, jp_root_dir, sign
):
    await sign()
    await approve(api)
    await contents("PATCH", "n.ipynb", {"path": "m.ipynb"})
    assert await approved(api, "m.ipynb") == (True, False)
    assert await asked(path="m.ipynb") == []
    (jp_root_dir / "sub").mkdir()
    await contents("PATCH", "m.ipynb", {"path": "sub/m.ipynb"})
    await contents("PATCH", "sub", {"path": "other"})
    assert await approved(api, "other/m.ipynb") == (True, False)


async def test_a_copy_in_the_file_browser_is_the_same(notebook, api, asked, contents):
    await approve(api)
    await edit(contents)  # which Jupyter signs, though it is somebody else's
    made = await contents("POST", "", {"copy_from": "n.ipynb"})
    assert await approved(api, made["path"]) == (True, False)
    assert len(await asked(path=made["path"])) == 1
    assert await approved(api) == (True, False)


async def test_a_move_in_a_shell_carries_nothing(notebook, api, jp_root_dir):
    await approve(api)
    shutil.move(notebook, jp_root_dir / "m.ipynb")
    assert (await approved(api, "m.ipynb"))[0] is False


async def test_an_earlier_version_of_ones_own_is_the_same(notebook, api, asked, sign, contents):
    """A checkpoint, another branch, a stash."""
    await sign()
    await approve(api)
    text = notebook.read_text()
    await edit(contents)
    notebook.write_text(text)
    assert await approved(api) == (True, False)
    assert await asked() == []


async def test_a_deleted_notebook_leaves_no_yes_to_the_next(notebook, api, contents):
    await approve(api)
    model = await contents("GET", "n.ipynb")
    await contents("DELETE", "n.ipynb")
    await contents("PUT", "n.ipynb", {"type": "notebook", "content": model["content"]})
    assert (await approved(api))[0] is False


# -- the list --------------------------------------------------------------------------------


async def test_approvals_are_listed_and_taken_back(notebook, api):
    assert await api("GET", "approvals") == (200, {"notebooks": []})
    await approve(api)
    _, said = await api("GET", "approvals")
    (one,) = said["notebooks"]
    assert (one["path"], one["file"], one["outputs"]) == ("n.ipynb", str(notebook), "isolated")
    assert [item["text"] for item in one["items"]] == [
        "the image localhost/some:1",
        "the environment variable A",
    ]
    assert (await api("DELETE", f"approvals/{one['id']}"))[0] == 204
    assert (await api("DELETE", f"approvals/{one['id']}"))[0] == 404
    assert (await approved(api))[0] is False


# -- outputs ---------------------------------------------------------------------------------


async def outputs(api, path="n.ipynb", **put):
    if put:
        return await api("PUT", "outputs", {"path": path, **put})
    return await api("GET", "outputs", query={"path": path})


async def test_outputs_are_isolated_until_this_person_says_otherwise(
    notebook, api, contents, jp_root_dir
):
    isolated = {"path": "n.ipynb", "applies": True, "outputs": "isolated", "may_trust": True}
    assert await outputs(api) == (200, isolated)
    assert await outputs(api, outputs="trusted") == (200, {**isolated, "outputs": "trusted"})
    await edit(contents)
    assert (await outputs(api))[1]["outputs"] == "trusted"
    await contents("PATCH", "n.ipynb", {"path": "m.ipynb"})
    assert (await outputs(api, "m.ipynb"))[1]["outputs"] == "trusted"
    # What takes its place does not act in this person's name.
    write_notebook(jp_root_dir / "m.ipynb", {"image": IMAGE}, CELL, "evil()")
    assert (await outputs(api, "m.ipynb"))[1]["outputs"] == "isolated"


async def test_outputs_of_other_notebooks_are_jupyterlabs(api, jp_root_dir):
    write_notebook(jp_root_dir / "plain.ipynb", None, "1")
    assert (await outputs(api, "plain.ipynb"))[1]["applies"] is False
    assert (await outputs(api, "../n.ipynb"))[0] == 404


async def test_the_notebook_does_not_say_it_itself(api, jp_root_dir):
    settings = {"image": IMAGE, "outputs": "trusted"}
    notebook = write_notebook(jp_root_dir / "n.ipynb", settings, CELL)
    data = json.loads(notebook.read_text())
    data["metadata"]["trusted"] = True
    data["cells"][0]["metadata"]["trusted"] = True
    notebook.write_text(json.dumps(data))
    assert (await outputs(api))[1]["outputs"] == "isolated"
    assert (await outputs(api, outputs="open"))[0] == 400


class TestForbidden:
    @pytest.fixture
    def policy(self):
        return {"outputs": "isolated"}

    async def test_the_administrator_has_the_last_word(self, notebook, api):
        Approvals().set_outputs(notebook, "", "trusted")
        status, said = await outputs(api)
        assert (status, said["outputs"], said["may_trust"]) == (200, "isolated", False)
        status, said = await outputs(api, outputs="trusted")
        assert status == 403 and "Policy.outputs" in said["message"] + said["hint"]
        assert (await outputs(api, outputs="isolated"))[0] == 200
