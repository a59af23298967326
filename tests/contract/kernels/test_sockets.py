"""What a kernel can do with the sockets by which it is reached, and with the guest's."""

import socket

import pytest

from tests.helpers.harness import running

RUN = "/opt/jupyter-containers/run"
SWAP = """
import os
for name in ("guest", *(f"k-{n}" for n in range(1, 6))):
    path = f"{run}/{name}"
    if os.path.lexists(path):
        os.unlink(path)
    os.symlink(canary, path)
"""


@pytest.fixture
def canary(tmp_path):
    """A socket of the person's that no container gets, such as the ssh-agent's."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "agent"))
        made.listen()
        made.settimeout(0.5)
        yield made


def swap(canary):
    return f"run, canary = {RUN!r}, {canary.getsockname()!r}\n{SWAP}"


async def test_links_in_place_of_its_sockets(notebook, canary):
    async with running(notebook()) as kernel:
        done = await kernel.run(swap(canary))
        assert done["status"] == "ok", done["error"]
        assert (kernel.container.run_dir.run / "k-1").is_symlink()
        await kernel.connect()  # a page that is opened now
        assert await kernel.value("6 * 7") == "42"
        await kernel.manager.interrupt_kernel()
        await kernel.restart()
        assert await kernel.value("'canary' in dir()") == "False"
        with pytest.raises(TimeoutError):
            canary.accept()


async def test_links_before_there_are_sockets(notebook, canary):
    """Its Python makes them as it starts, where the last kernel has left it word to."""
    async with running(notebook()) as kernel:
        first = kernel.provisioner.container.id
        await kernel.run(
            "import os, site\nos.makedirs(d := site.getusersitepackages(), exist_ok=True)\n"
            f"open(d + '/usercustomize.py', 'w').write({swap(canary)!r})"
        )
        await kernel.restart()
        assert kernel.provisioner.container is None, first
        done = await kernel.run("1")
        assert done["status"] == "error"
        assert "was not connected to: it is a link" in done["error"]
        with pytest.raises(TimeoutError):
            canary.accept()


async def test_the_guest_is_not_to_be_looked_into(kernel):
    """Its token and the owner's connection are no kernel's business."""
    names = "{'SHIFTER_IMAGE', 'JUPYTER_CONTAINERS_SAME_PIDS'}"
    if await kernel.value(f"bool({names} & set(__import__('os').environ))") == "True":
        pytest.skip("its process ids are the machine's")
    await kernel.run(
        "import os\n"
        "def seen_of(pid):\n"
        "    found = []\n"
        "    for look in (lambda: os.readlink(f'/proc/{pid}/fd/0'),\n"
        "                 lambda: open(f'/proc/{pid}/mem', 'rb')):\n"
        "        try:\n"
        "            look()\n"
        "            found.append('seen')\n"
        "        except OSError as error:\n"
        "            found.append(type(error).__name__)\n"
        "    return found\n"
    )
    assert await kernel.value("*seen_of(os.getpid())") == "seen seen"
    assert await kernel.value("*seen_of(os.getppid())") == "PermissionError PermissionError"
