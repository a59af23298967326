"""What is mounted is what was approved, whoever swaps it, and read-only is all of it."""

import os
import shutil
import subprocess

import pytest

from tests.helpers.derived import make_image as make_image
from tests.helpers.harness import containers, running, write_notebook
from tests.helpers.swapping import FINE, Data, at_the_worst_moment, looking_image, started

NOT_HELD = {
    "podman-hpc": "only its guest compares",
    "shifter": "its containers see the site's folders anyway",
    "slurm+pyxis": "nobody of ours is on the node before the container runs",
}


@pytest.fixture
def data(folder):
    return Data(folder)


@pytest.fixture
def held(engine):
    if engine in NOT_HELD:
        pytest.skip(f"{engine}: {NOT_HELD[engine]}")


async def test_a_folder_below_the_notebooks_is_mounted(engine, image, data, engine_program):
    """The honest use of what the tests below refuse."""
    (data.folder / "settings.txt").write_text("a file")
    mounts = [
        {"source": "data", "target": "/data"},
        {"source": "data", "target": "/data2", "writable": True},
        {"source": "settings.txt", "target": "/etc/settings.txt"},
    ]
    if engine == "shifter":
        mounts.pop()  # it mounts no files
    path = data.notebook(engine, image, mounts=mounts, entrypoint="none")
    async with running(path) as kernel:
        assert await kernel.value("open('/data/canary').read()") == FINE
        done = await kernel.run("open('/data/new', 'w')")
        assert "Read-only file system" in done["error"]
        assert await kernel.value("open('/data2/new', 'w').write('x')") == "1"
        if engine != "shifter":
            assert await kernel.value("open('/etc/settings.txt').read()") == "a file"
        await kernel.restart()
        assert await kernel.value("open('/data/canary').read()") == FINE
    assert (data.data / "new").read_text() == "x"
    assert containers(engine_program) == []


async def test_a_link_put_there_at_the_last_moment_is_not_mounted(
    engine, image, data, make_image, engine_program, left_behind, monkeypatch, held
):
    path = data.notebook(engine, await looking_image(make_image, image))
    before = left_behind()
    at_the_worst_moment(monkeypatch, data.swap)
    why = await started(path)
    if engine != "kubernetes":  # an image that looks before our guest does has seen it there
        assert data.word not in data.seen
    # Docker mounts what is open, so it gets the right one; the others look, and refuse.
    assert "is not the one that was allowed" in why if engine != "docker" else data.seen == [FINE]
    assert containers(engine_program) == []
    assert left_behind() == before
    monkeypatch.undo()
    data.swap_back()
    (data.folder / "seen").unlink(missing_ok=True)
    assert await started(path) == ""
    assert data.seen == [FINE]


@pytest.fixture
def below(folder, engine):
    """Something that can be written, mounted at `data/below`: as root a file system in memory, for
    rootless podman one in the namespace in which it makes its containers, else one of FUSE."""
    point = folder / "data/below"
    point.mkdir()
    memory, unmount = ["mount", "-t", "tmpfs", "none", str(point)], ["umount", "-l", str(point)]
    if os.getuid() == 0:
        mount = memory
    elif engine == "podman":
        subprocess.run(["podman", "unshare", "true"], check=True)  # the namespace stays from then
        mount = ["podman", "unshare", *memory]
        unmount = ["podman", "unshare", *unmount]
    elif shutil.which("fuse-overlayfs") and os.access("/dev/fuse", os.W_OK):
        for name in ("lower", "upper", "work"):
            (folder.parent / name).mkdir()
        layers = f"lowerdir={folder.parent}/lower,upperdir={folder.parent}/upper"
        options = f"{layers},workdir={folder.parent}/work"
        mount = ["fuse-overlayfs", "-o", options, str(point)]
        unmount = ["fusermount3", "-u", "-z", str(point)]
    else:
        pytest.skip("an ordinary user can mount nothing here")
    subprocess.run(mount, check=True)
    try:
        yield point
    finally:
        subprocess.run(unmount, check=True)


async def test_read_only_is_all_that_is_mounted_below(engine, image, data, below, engine_program):
    if engine in ("shifter", "slurm+pyxis"):
        pytest.skip(f"{engine} mounts for itself")
    (data.folder / "sub").mkdir()
    # Below the notebook's folder, and beside it: held open, and not.
    for place, source in (("n.ipynb", "data"), ("sub/n.ipynb", "../data")):
        mounts = [{"source": source, "target": "/data"}]
        settings = {"image": image, "engine": engine, "mounts": mounts}
        path = write_notebook(data.folder / place, settings)
        async with running(path) as kernel:
            said = (await kernel.run("open('/data/below/new', 'w')"))["error"]
            why = kernel.provisioner.trouble
            if why is not None and engine == "docker" and os.getuid():
                assert "may not look into a file system" in why.message  # FUSE is its owner's
                continue
            assert "Read-only file system" in said
            if not engine.startswith(("slurm+", "kubernetes")):  # a node has mounts of its own
                # It is mounted in it, and so would have been written.
                table = await kernel.value("open('/proc/self/mountinfo').read()")
                assert " /data/below ro" in table
            assert "Read-only file system" in (await kernel.run("open('/data/new', 'w')"))["error"]
    assert not (below / "new").exists()
    assert containers(engine_program) == []
