"""What the policy puts over parts of a mount does stand there, on every real engine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from traitlets.config import Config

from jupyter_containers.engines.registry import open_engine
from jupyter_containers.errors import PolicyRefused
from jupyter_containers.models import ContainerSpec, Mount
from jupyter_containers.policy.loader import load_policy
from tests.helpers.harness import running, write_notebook

LOOK = """
cd /m
ls -A data runtime
cat secret
echo changed >lib/env/bin/python
cat lib/env/bin/python
echo mine >new
mv lib elsewhere
mv lib/env lib/elsewhere
"""


async def inside(engine: str, image: str, folder: Path, *, writable: bool) -> str:
    """What a container sees of a folder with keys and the server's own Python in it."""
    policy = load_policy(Config({"Policy": {"build_secrets": {"s": str(folder / "secret")}}}))
    guarded = open_engine(engine, policy)
    spec = ContainerSpec(
        name=f"jupyter-policy-{folder.parent.name[-40:].replace('_', '-')}",
        image=image,
        argv=("/bin/sh", "-c", LOOK),
        user=await guarded.user("me", (0, 0)),
        mounts=(Mount(str(folder), "/m", writable),),
    )
    done = await guarded.run(spec, 60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("writable", [True, False])
async def test_keys_below_a_mount_are_not_seen(
    engine: str,
    image: str,
    folder: Path,
    writable: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("data", "runtime", "lib/env/bin"):
        (folder / name).mkdir(parents=True)
    (folder / "data" / "approvals").write_text("approved")
    (folder / "data").chmod(0o700)
    (folder / "runtime" / "jpserver-1.json").write_text("t0ken")
    (folder / "secret").write_text("s3cret")
    (folder / "lib/env/bin/python").write_text("the server")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
    monkeypatch.setattr(sys, "prefix", str(folder / "lib/env"))
    seen = await inside(engine, image, folder, writable=writable)
    assert "data:" in seen and "runtime:" in seen, seen
    for hidden in ("approvals", "jpserver", "s3cret", "changed", "denied"):
        assert hidden not in seen, seen
    assert "the server" in seen
    assert (folder / "lib/env/bin/python").read_text() == "the server"
    assert (folder / "new").exists() is writable
    assert not (folder / "elsewhere").exists() and not (folder / "lib/elsewhere").exists()
    assert (folder / "secret").read_text() == "s3cret"
    assert [file.name for file in (folder / "data").iterdir()] == ["approvals"]


async def test_a_refused_mount_starts_nothing(engine: str, image: str) -> None:
    with pytest.raises(PolicyRefused, match=r"`/etc` may not be mounted \(Policy\.mounts\)"):
        await inside(engine, image, Path("/etc"), writable=False)


async def test_the_administrators_images_hold_for_kernels(
    engine: str, image: str, folder: Path
) -> None:
    notebook = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    registry = image.partition("/")[0]
    async with running(notebook, Config({"Policy": {"images": [f"{registry}/*"]}})) as kernel:
        assert await kernel.value("6 * 7") == "42"
    async with running(notebook, Config({"Policy": {"images": ["example.org/*"]}})) as kernel:
        done = await kernel.run("6 * 7")
    assert done["status"] == "error"
    assert f"{image.partition(':')[0]}" in done["error"] and "Policy.images" in done["error"]


async def test_a_folder_may_stand_at_home(engine: str, image: str, folder: Path) -> None:
    """As the person's own home does, once they said so."""
    home = str(Path.home())
    asked = [{"source": str(folder), "target": home, "writable": True}]
    (folder / "mine").write_text("here")
    settings = {"image": image, "engine": engine, "mounts": asked}
    async with running(write_notebook(folder / "n.ipynb", settings)) as kernel:
        assert (
            await kernel.value("open(__import__('os').path.expanduser('~/mine')).read()") == "here"
        )
