"""What a container has that its image has not."""

from jupyter_containers.engines.registry import choose_engine
from jupyter_containers.kernels.changed_paths import installs_of
from jupyter_containers.kernels.changes import find_changes
from jupyter_containers.kernels.listing import find_container
from jupyter_containers.policy.loader import load_policy
from tests.helpers.harness import running
from tests.helpers.package_index import wheel

INSTALL = """import pathlib, subprocess, sys
pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--find-links=."]
print(subprocess.getoutput(" ".join([*pip, "--break-system-packages", "kept"])))
print(subprocess.getoutput(" ".join([*pip, "--break-system-packages", "kept", "absent"])))"""
WRITE = """pathlib.Path.home().joinpath("mine", "deep").mkdir(parents=True)
pathlib.Path.home().joinpath("mine", "deep", "a").write_bytes(bytes(1000))
pathlib.Path.home().joinpath("mine", "b\\nc").write_text("x")
pathlib.Path("/tmp/noise").write_text("x")
pathlib.Path("beside").write_text("x")"""
CHANGE = """pathlib.Path("/opt/new/__pycache__").mkdir(parents=True)
pathlib.Path("/opt/new/__pycache__/a.pyc").write_text("x")
pathlib.Path("/opt/new/file").write_text("x" * 10)
pathlib.Path("/etc/issue").write_text("x")
pathlib.Path("/etc/issue.net").unlink()"""


def entries(found):
    return {
        f"{folder.path.rstrip('/')}/{one.path}": (one.kind, one.files, one.size)
        for folder in found.folders
        for one in folder.entries
    }


async def test_what_a_container_has_changed(notebook, engine, features, folder):
    """Of its files and of HOME; of what is mounted, of caches and of what failed nothing."""
    name, content = wheel("kept", "1.2.3")
    (folder / name).write_bytes(content)
    is_root = "root" in features
    async with running(notebook(user="root" if is_root else "me")) as kernel:
        chosen = await choose_engine(engine, load_policy(None))
        one = await find_container([chosen], kernel.container.id)
        home = (await kernel.value("str(__import__('pathlib').Path.home())")).strip("'")
        assert not (await find_changes(one)).packages
        for code in (INSTALL, WRITE, *([CHANGE] if is_root else [])):
            done = await kernel.run(code)
            assert done["status"] == "ok", done["error"]
        found = await find_changes(one)
    (package,) = found.packages
    assert (package.tool, package.name, package.version) == ("pip", "kept", "1.2.3")
    assert package.asked and package.kind == "added"
    assert [each.packages[0].pinned for each in installs_of(found.packages, found.seen)] == [
        "kept==1.2.3"
    ]
    seen = entries(found)
    assert seen[f"{home}/mine"] == ("added", 2, 1001)
    if is_root:
        assert seen["/opt/new"][:2] == ("added", 1)
        assert seen["/etc/issue"][:2] == ("changed", 1)
        assert seen["/etc/issue.net"][:2] == ("removed", 1)
    known = (f"{home}/.local", f"{home}/mine", "/opt/new", "/etc/issue")
    assert not [path for path in seen if not path.startswith((*known, "/usr/local"))]
