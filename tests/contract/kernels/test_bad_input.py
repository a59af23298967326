"""Bad input gets its own sentence in the notebook, with the way out, and leaves nothing."""

import json
import socket

import pytest

from tests.helpers.derived import make_image as make_image
from tests.helpers.harness import Kernel, approve, containers, running, write_notebook
from tests.unit.kernels.test_request import BAD_SETTINGS


# The others are refused in the same place: tests/unit/kernels/test_request.py.
@pytest.mark.parametrize("name", ["option as an image", "root mounted", "not even an object"])
async def test_settings(name, engine, image, folder, engine_program, left_behind):
    given, sentence = BAD_SETTINGS[name]
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    notebook = json.loads(path.read_text())
    settings = notebook["metadata"]["jupyter_containers"]
    approve(path)
    notebook["metadata"]["jupyter_containers"] = (
        settings | given if isinstance(given, dict) else given
    )
    path.write_text(json.dumps(notebook))
    said = await _said(path)
    assert sentence in said
    assert "Traceback" not in said
    assert containers(engine_program) == []
    assert left_behind() == []


async def test_an_image_that_is_gone(engine, folder, engine_program):
    path = write_notebook(
        folder / "n.ipynb", {"image": "localhost/never-built:1", "engine": engine}
    )
    approve(path)
    said = await _said(path)
    assert "localhost/never-built:1 is not on this machine" in said
    assert "jupyter containers pull" in said


async def test_an_image_without_python(engine, images, folder, engine_program):
    path = write_notebook(folder / "n.ipynb", {"image": images["busybox"], "engine": engine})
    approve(path)
    said = await _said(path)
    assert "no Python" in said
    assert "FROM" in said or "RUN" in said
    assert containers(engine_program) == []


async def test_a_mount_that_does_not_exist(engine, image, folder, engine_program):
    mounts = [{"source": "no-such-folder", "target": "/data"}]
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine, "mounts": mounts})
    approve(path)
    said = await _said(path)
    assert "no-such-folder" in said
    assert "cannot be mounted" in said
    assert containers(engine_program) == []


async def test_a_mount_swapped_for_a_link_after_the_yes(engine, image, folder, engine_program):
    (folder / "data").mkdir()
    mounts = [{"source": "data", "target": "/data"}]
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine, "mounts": mounts})
    approve(path)
    (folder / "data").rmdir()
    (folder / "data").symlink_to("/etc")
    assert "Policy.mounts" in await _said(path)
    other = folder.parent / "other"
    other.mkdir()
    (folder / "data").unlink()
    (folder / "data").symlink_to(other)
    assert "not approved" in await _said(path)
    assert containers(engine_program) == []


async def test_a_dead_docker_daemon(engine, image, folder, monkeypatch, tmp_path):
    if engine != "docker":
        pytest.skip("docker's own: the tests on docker do it")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "dead.sock"))
    dead.close()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/dead.sock")
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": "docker"})
    approve(path)
    said = await _said(path)
    assert "docker daemon does not answer" in said
    assert "systemctl start docker" in said


async def test_a_missing_engine(image, folder, monkeypatch, tmp_path):
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": "podman"})
    approve(path)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = await _said(path)
    assert "podman is not installed" in said
    assert "apt install podman" in said


async def test_an_image_that_lies(engine, image, folder, make_image, engine_program):
    lying = await make_image(
        "lying",
        f"FROM {image}\n"
        'ENTRYPOINT ["/bin/sh", "-c", "touch /tmp/entered; exec sleep 1000"]\n'
        "HEALTHCHECK --interval=1s CMD touch /tmp/checked\n"
        'LABEL jupyter-containers="kernel" jupyter-containers.owner="nobody" org="\\u202ePWNED"\n'
        "ENV PYTHONHOME=\nWORKDIR /nowhere\n",
    )
    path = write_notebook(folder / "n.ipynb", {"image": lying, "engine": engine})
    async with running(path) as kernel:
        assert await kernel.value("__import__('os').path.exists('/tmp/entered')") == "False"
        assert await kernel.value("__import__('os').path.exists('/tmp/checked')") == "False"
        assert len(containers(engine_program)) == 1
    assert containers(engine_program) == []


async def _said(path):
    """What the notebook shows for its first cell."""
    kernel = Kernel(path)
    try:
        await kernel.start()
        done = await kernel.run("1 + 1")
        assert done["status"] == "error"
        assert done["error"].startswith("ContainerNotStarted")
        return done["error"]
    finally:
        await kernel.shutdown()
