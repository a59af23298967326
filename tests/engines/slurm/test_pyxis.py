"""pyxis, as text: what a job runs, and what is said where it fails. With a real one:
JC_TEST_ENGINES=slurm+pyxis (tests/setup/slurm.sh)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from jupyter_containers.engines.process_engine.containers import StateDir
from jupyter_containers.engines.process_engine.image_store import Stored
from jupyter_containers.engines.registry import look, names, open_engine
from jupyter_containers.engines.slurm.job import script_of
from jupyter_containers.engines.slurm.pyxis import Pyxis, fstab_text
from jupyter_containers.errors import EngineMissing, Unsupported
from jupyter_containers.host.process import Completed
from jupyter_containers.models import ContainerSpec, Image, Mount, User
from tests.helpers.policies import policy

ME = User(mode="me", uid=1000, gid=1000, host_uid=1000, host_gid=1000)
STORED = Stored(Image(id="sha256:" + "0" * 64, env={"FROM_IMAGE": "yes"}), Path("/i/0"))
PLACE = StateDir(Path("/cache/containers/pyxis/jupyter-0123abcd"))


def spec(**changes: Any) -> ContainerSpec:
    made: dict[str, Any] = {
        "name": "jupyter-0123abcd",
        "image": STORED.image.id,
        "argv": ("/usr/bin/python3", "main.py"),
        "user": ME,
    }
    return ContainerSpec(**made | changes)


def argv(**changes: Any) -> list[str]:
    return list(Pyxis().command(spec(**changes), STORED, PLACE).argv)


def test_the_command() -> None:
    assert argv() == [
        *("srun", "--nodes=1", "--ntasks=1", "--whole", "--cpu-bind=none", "--mpi=none"),
        "--container-image=/i/0/image.sqsh",
        *("--container-workdir=/", "--no-container-mount-home", "--no-container-entrypoint"),
        *("--no-container-remap-root", "--container-writable"),
        *("/usr/bin/env", "-i", "/bin/sh", "/opt/jupyter-containers/rc"),
        *("/usr/bin/python3", "main.py"),
    ]
    assert "--container-readonly" in argv(read_only=True)
    root = User(mode="root", uid=0, gid=0, host_uid=1000, host_gid=1000)
    assert "--container-remap-root" in argv(user=root)


def test_nothing_of_a_notebook_is_in_the_command_or_the_job() -> None:
    """But that it is read-only, and who one is inside."""
    mount = Mount("/home/me/$(touch x),y", "/data", True)
    theirs = spec(workdir="/secret", env={"TOKEN": "s3cret"}, mounts=(mount,), own=(mount,))
    assert Pyxis().command(theirs, STORED, PLACE) == Pyxis().command(spec(), STORED, PLACE)
    assert script_of(Pyxis(), theirs, STORED, PLACE) == script_of(Pyxis(), spec(), STORED, PLACE)


def test_what_the_job_tells_enroot() -> None:
    env = Pyxis().command(spec(), STORED, PLACE).env
    assert env["ENROOT_CONFIG_PATH"] == f"{PLACE.path}/config"
    assert env["NVIDIA_VISIBLE_DEVICES"] == "void"
    asked = Pyxis().command(spec(devices=("nvidia.com/gpu=all",)), STORED, PLACE).env
    assert asked["NVIDIA_VISIBLE_DEVICES"] == "all"
    with pytest.raises(Unsupported, match="NVIDIA"):
        argv(devices=("amd.com/gpu=0",))


def test_what_stands_in_the_containers_directory(tmp_path: Path) -> None:
    one = spec(
        workdir="/it's here",
        env={"A": "b c"},
        mounts=(Mount("/etc", "/with space", False), Mount("/tmp", "/of ${HOME} and $HOME", True)),
        shm=1 << 30,
    )
    Pyxis().write_files(one, STORED, StateDir(tmp_path))
    lines = (tmp_path / "config/mounts.d/jupyter-containers.fstab").read_text().splitlines()
    assert "/etc /with\\040space none x-create=dir,bind,ro,nosuid,nodev,private" in lines
    assert [
        line for line in lines if line.startswith("/tmp /of\\040\\044{HOME}\\040and\\040$HOME ")
    ]
    rc = f"{tmp_path}/rc /opt/jupyter-containers/rc none x-create=file,bind,ro,nosuid,nodev,private"
    assert rc in lines
    assert [line for line in lines if "/dev/shm tmpfs" in line and f"size={1 << 30}" in line]
    assert (tmp_path / "rc").read_text().splitlines() == [
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "export FROM_IMAGE=yes",
        "export A='b c'",
        "export JUPYTER_CONTAINERS_SAME_PIDS=yes",
        "cd '/it'\"'\"'s here' || exit 125",
        "unset OLDPWD",
        'exec "$@"',
    ]


def test_a_variable_of_this_machine_is_not_read_in_a_path(tmp_path: Path) -> None:
    (tmp_path / "rc").touch()
    text = fstab_text(spec(mounts=(Mount("/a/${HOME}", "/b", True),)), tmp_path)
    assert "${" not in text


ENDED = "srun: error: n1: task 0: Exited with exit code 3\n"
UNBOUND = "srun: cluster configuration lacks support for cpu binding\n"
"""Of a Slurm whose TaskPlugin is none, for any job."""
FAILED = """\
slurmstepd: error: pyxis: container start failed with error code: 1
slurmstepd: error: pyxis: printing enroot log file:
slurmstepd: error: pyxis:     enroot-mount: failed to mount: /data at /x: No such file or directory
slurmstepd: error: pyxis: couldn't start container
slurmstepd: error: spank: required plugin spank_pyxis.so: task_init() failed with rc=-1
slurmstepd: error: Failed to invoke spank plugin stack
srun: error: n1: task 0: Exited with exit code 1
"""


def test_its_own_failure_is_told_from_the_programs() -> None:
    pyxis = Pyxis()
    assert pyxis.ran_nothing(Completed((), 0, "", "")) is None
    assert pyxis.ran_nothing(Completed((), 3, "", ENDED)) is None
    assert pyxis.ran_nothing(Completed((), 3, "", UNBOUND + ENDED)) is None
    assert pyxis.ran_nothing(Completed((), 1, "", FAILED)) == 125
    said = pyxis.trouble(Completed((), 1, "", UNBOUND + FAILED)).message
    assert "could not start the container" in said
    assert "failed to mount: /data at /x" in said
    assert "task 0" not in said
    assert "cpu binding" not in said


MISSING = """\
slurmstepd-n3: error: pyxis: child 19816 failed with error code: 1
slurmstepd-n3: error: pyxis: failed to create container filesystem for image: /i/0/image.sqsh
slurmstepd-n3: error: pyxis: printing enroot log file:
slurmstepd-n3: error: pyxis:     [ERROR] No such file or directory: /i/0/image.sqsh
slurmstepd-n3: error: spank: required plugin spank_pyxis.so: task_init() failed with rc=-1
slurmstepd-n3: error: Failed to invoke spank plugin stack
srun: error: n3: task 0: Exited with exit code 1
"""


def test_a_node_without_the_image_is_named() -> None:
    """As a real one said it."""
    assert Pyxis().ran_nothing(Completed((), 1, "", MISSING)) == 125
    trouble = Pyxis().trouble(Completed((), 1, "", MISSING))
    assert "does not have the image" in trouble.message
    assert "child" not in trouble.message
    assert "JUPYTER_CONTAINERS_IMAGES" in trouble.hint


HELP = """\
      --container-image=[USER@][REGISTRY#]IMAGE[:TAG]|PATH
      --container-workdir=PATH
      --no-container-mount-home
      --container-remap-root  [pyxis] ask to be remapped to root inside the container
      --no-container-remap-root
      --no-container-entrypoint
      --container-writable    [pyxis] make the container filesystem writable
      --container-readonly    [pyxis] make the container filesystem read-only
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that is all of PATH, with what stands in for programs."""
    for name, said in {
        "sbatch": "slurm 22.05.8",
        "sinfo": "debug",
        "srun": HELP,
        "enroot": "4.1.2",
        "unshare": "",
        **dict.fromkeys(("squashfuse", "mksquashfs", "unsquashfs"), ""),
    }.items():
        program(tmp_path, name, said)
    for name in ("sh", "cat", "openssl", "true"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def program(state_dir: Path, name: str, said: str) -> None:
    (state_dir / name).write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n")
    (state_dir / name).chmod(0o755)


def told() -> tuple[bool, list[str], str]:
    info = asyncio.run(look("slurm+pyxis", policy(engines=["*"])))
    said = [f"{problem.message} {problem.fix}" for problem in info.problems]
    return info.usable, said, info.version


def test_is_usable_where_srun_knows_it(cluster: Path) -> None:
    usable, said, version = told()
    assert usable, said
    assert version == "22.05.8 with pyxis and enroot 4.1.2"
    assert [one for one in said if "share process ids" in one]
    assert "slurm+pyxis" in names()
    assert "pyxis" not in names()


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("--container-image", "This cluster's Slurm has no pyxis"),
        (
            "--container-readonly",
            "This pyxis is too old: `srun --help` does not know",
        ),
    ],
)
def test_says_what_srun_lacks(cluster: Path, gone: str, expected: str) -> None:
    program(cluster, "srun", "\n".join(one for one in HELP.splitlines() if gone not in one))
    usable, said, _ = told()
    assert not usable
    assert expected in said[0]
    assert "Ask the cluster's administrators" in said[0]


def test_says_which_tool_is_missing(cluster: Path) -> None:
    (cluster / "squashfuse").unlink()
    usable, said, _ = told()
    assert not usable
    assert "squashfuse is missing" in said[0]


def test_needs_enroot_on_this_machine(cluster: Path) -> None:
    (cluster / "enroot").unlink()
    with pytest.raises(EngineMissing, match="no `enroot` on PATH") as raised:
        open_engine("slurm+pyxis", policy(engines=["*"]))
    assert "github.com/NVIDIA/enroot" in raised.value.hint


def test_is_no_engine_without_slurm() -> None:
    with pytest.raises(Unsupported, match="no engine named 'pyxis'"):
        open_engine("pyxis", policy(engines=["*"]))
