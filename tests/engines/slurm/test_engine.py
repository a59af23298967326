"""Slurm's own: jobs as text, its answers read, its refusals in sentences. With a real one:
tests/contract/kernels/test_jobs.py."""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_containers.engines.process_engine.containers import StateDir
from jupyter_containers.engines.process_engine.image_store import Stored
from jupyter_containers.engines.registry import PLACED, _load, names
from jupyter_containers.engines.slurm.errors import how_it_ended, refused
from jupyter_containers.engines.slurm.job import (
    comment,
    labels_of,
    sbatch_argv,
    sbatch_environment,
    script,
    script_of,
)
from jupyter_containers.engines.slurm.queue import read
from jupyter_containers.engines.slurm.site import on_nodes
from jupyter_containers.errors import EngineDown, EngineMissing, StartFailed
from jupyter_containers.kernels.listing import is_orphan
from jupyter_containers.models import Container, ContainerSpec, Image, Mount, Source, User
from tests.helpers.private_home import private_home

ME = User(mode="me", uid=1000, gid=1000, host_uid=1000, host_gid=1000)
PLACE = StateDir(Path("/cache/containers/apptainer/jupyter-0123abcd"))
STORED = Stored(Image(id="sha256:" + "0" * 64), Path("/i/0"))
OWNER = {"owner": "f" * 32, "uid": "1000", "host": "login1", "boot": "b-1", "kernel": "k-1"}
LABELS = {f"jupyter-containers.{name}": value for name, value in OWNER.items()}


def spec(**changes: Any) -> ContainerSpec:
    made: dict[str, Any] = {
        "name": "jupyter-0123abcd",
        "image": STORED.image.id,
        "argv": ("/bin/true",),
        "user": ME,
        "labels": {**LABELS, "jupyter-containers.image": "registry.example/secret:plans"},
        "own": (Mount("/cache/rooms/r/run", "/opt/jupyter-containers/run", True),),
    }
    return ContainerSpec(**made | changes)


def submitted(**slurm: str) -> list[str]:
    return sbatch_argv(spec(slurm=MappingProxyType(slurm)), PLACE, "apptainer")


def test_the_command() -> None:
    told = " ".join(f"{name}={value}" for name, value in OWNER.items())
    assert submitted() == [
        *("sbatch", "--parsable", "--export=ALL", "--no-requeue", "--nodes=1"),
        *("--input=/dev/null", "--job-name=jupyter-0123abcd"),
        f"--comment=jupyter-containers apptainer {told}",
        f"--output={PLACE.path}/output",
        "--ntasks=1",
    ]


def test_the_command_with_all_that_may_be_asked() -> None:
    asked = {
        "partition": "gpu",
        "account": "physics",
        "time": "02:00:00",
        "gres": "license:1",
        "gpus": "a100:2",
        "cpus": "4",
        "memory": "8g",
        "nodes": "1",
        "ntasks": "3",
        "extra": "--qos=high --exclusive",
    }
    assert submitted(**asked)[-9:] == [
        *("--partition=gpu", "--account=physics", "--time=02:00:00", "--ntasks=3"),
        *("--cpus-per-task=4", "--mem=8192M", "--gres=license:1,gpu:a100:2"),
        *("--qos=high", "--exclusive"),
    ]


def test_limits_of_the_notebook_are_what_the_job_asks_for() -> None:
    argv = sbatch_argv(spec(cpus=1.5, memory=(1 << 20) + 1), PLACE, "apptainer")
    assert argv[-2:] == ["--cpus-per-task=2", "--mem=2M"]


def test_slurms_patterns_in_a_path_are_none() -> None:
    argv = sbatch_argv(spec(), StateDir(Path("/home/100%j/x")), "apptainer")
    assert "--output=/home/100%%j/x/output" in argv


def test_the_job_is_marked_and_tells_nothing_of_the_work() -> None:
    said = comment(spec(), "apptainer")
    assert "secret" not in said
    found = labels_of(said, "jupyter-0123abcd", "apptainer")
    assert found | LABELS == found
    assert labels_of(said, "jupyter-0123abcd", "enroot") == {}
    assert labels_of(said, "somebody's", "apptainer") == {}
    assert labels_of("", "jupyter-0123abcd", "apptainer") == {}


def test_a_job_is_nobodys_once_its_owners_machine_has_started_anew() -> None:
    """Unlike a container of that machine, which cannot be of an earlier boot and run."""
    host = {"jupyter-containers.host": socket.gethostname(), "jupyter-containers.boot": "earlier"}
    before = {**LABELS, **host}
    one = Container(id="n", name="n", image="i", running=True, labels=before)
    assert not is_orphan(one)
    assert is_orphan(replace(one, labels={**before, "jupyter-containers.job": "7"}))
    elsewhere = {**LABELS, "jupyter-containers.job": "7"}
    assert not is_orphan(replace(one, labels=elsewhere))


def test_the_script() -> None:
    made = script(spec(), PLACE, ("apptainer", "exec", "a b", "$HOME"), {"A": "it's", "GONE": None})
    assert made.splitlines()[:4] == [
        "#!/bin/sh",
        "umask 077",
        f"cd {PLACE.path} || exit 72",
        "printf '%s\\n' \"$SLURMD_NODENAME\" >began",
    ]
    assert made.splitlines()[4].endswith(" >/cache/rooms/r/run/environment")
    assert made.splitlines()[5:] == [
        "export A='it'\"'\"'s'",
        "cd /",
        "exec apptainer exec 'a b' '$HOME'",
    ]


def test_the_administrators_lines_come_before_ours() -> None:
    with_setup = spec(slurm=MappingProxyType({"setup": "module load apptainer"}))
    lines = script(with_setup, PLACE, ("apptainer",), {"A": "b"}).splitlines()
    assert lines.index("module load apptainer") < lines.index("export A=b")


values = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@given(st.dictionaries(st.sampled_from(["A", "B"]), values), st.lists(values, max_size=3))
def test_a_shell_reads_back_whatever_is_in_it(env: Mapping[str, str], words: list[str]) -> None:
    state_dir = StateDir(Path("/tmp"))
    print_all = 'printf \'%s\\0\' "$A" "$B" "$@"'
    text = script(spec(own=()), state_dir, ("sh", "-c", print_all, "sh", *words), {**env})
    text = text.replace(">began", ">/dev/null")
    done = subprocess.run(["sh"], input=text.encode(), capture_output=True, check=True)
    expected = [env.get("A", ""), env.get("B", ""), *words]
    assert done.stdout.decode() == "".join(f"{one}\0" for one in expected)


def test_what_goes_along_of_our_environment() -> None:
    ours = {"PATH": "/bin", "SLURM_CONF": "/c", "SBATCH_QOS": "x", "TOKEN": "s", "SBATCH_WRAP": "x"}
    assert sbatch_environment(ours) == {"TOKEN": None, "SBATCH_WRAP": None}


@pytest.mark.parametrize("engine", PLACED)
def test_every_engine_can_be_placed(engine: str) -> None:
    """The inner engine's command, as it is, is the job's last line."""
    slurm = _load(f"slurm+{engine}")()
    assert slurm.name == f"slurm+{engine}"
    command = slurm.inner.command(spec(), STORED, PLACE)
    text = script(spec(), PLACE, command.argv, command.env)
    last = text.partition("\ncd /\nexec ")[2]
    assert shlex.split(last) == list(command.argv)


@pytest.mark.parametrize("engine", PLACED)
def test_limits_are_the_jobs_alone(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the login node's cgroups are: in a job nobody is there who would set a container's,
    and Apptainer ends with FATAL for want of a D-Bus session."""
    monkeypatch.setattr("jupyter_containers.engines.common.userns.delegated", lambda: True)
    inner = _load(f"slurm+{engine}")().inner
    limited = spec(cpus=2.0, memory=1 << 30, pids=2048)
    assert script_of(inner, limited, STORED, PLACE) == script_of(inner, spec(), STORED, PLACE)
    assert "--cpus-per-task=2" in sbatch_argv(limited, PLACE, engine)


def test_engines_of_slurm_are_named_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_containers.engines.registry.which", lambda program: None)
    assert not [name for name in names() if "+" in name]
    monkeypatch.setattr(
        "jupyter_containers.engines.registry.which", lambda program: f"/bin/{program}"
    )
    assert f"slurm+{PLACED[0]}" in names()


def test_without_slurm_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_containers.engines.registry import open_engine
    from tests.helpers.policies import policy

    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineMissing, match="no `sbatch` on PATH") as raised:
        open_engine("slurm+apptainer", policy())
    assert "login node" in raised.value.hint


SQUEUE = """\
12|RUNNING|n1|None|1-00:29:59|2026-11-24T13:06:13|jupyter-0123abcd|jupyter-containers apptainer a=b
13|PENDING||Resources|30:00|N/A|jupyter-89abcdef|(null)
14|PENDING||(Nodes required for job are DOWN, DRAINED)|UNLIMITED|2026-11-25T00:00:00|x|odd|comment
15|TIMEOUT|n2|TimeLimit|0:00|2026-11-24T13:06:13|jupyter-11111111|(null)
16|RUNNING|n2|None|364-23:59:59|2026-11-24T13:06:13|jupyter-22222222|(null)
slurm_load_jobs error: something
"""


def test_squeue_is_read() -> None:
    jobs = read(SQUEUE)
    assert list(jobs) == ["12", "13", "14", "15", "16"]
    assert jobs["16"].left is None
    assert (jobs["12"].node, jobs["12"].left) == ("n1", 86400 + 1799)
    assert (jobs["13"].reason, jobs["13"].left, jobs["13"].begins) == ("Resources", 1800, None)
    assert jobs["13"].comment == ""
    assert jobs["14"].reason == "Nodes required for job are DOWN, DRAINED"
    assert (jobs["14"].left, jobs["14"].comment) == (None, "odd|comment")
    assert [job.alive for job in jobs.values()] == [True, True, True, False, True]


SHOWN = "JobId=7 JobName=x JobState={} Reason=None ExitCode={} TimeLimit=00:01:00 BatchHost=n1"


@pytest.mark.parametrize(
    ("state", "exit_code", "code", "said"),
    [
        ("COMPLETED", "0:0", 0, ""),
        ("FAILED", "3:0", 3, ""),
        ("FAILED", "0:9", -9, ""),
        ("TIMEOUT", "0:15", -9, "Job 7 reached its time limit of 00:01:00, and Slurm ended it."),
        ("NODE_FAIL", "0:0", -9, "The node n1, on which job 7 ran, failed."),
        ("PREEMPTED", "0:0", -9, "Slurm ended job 7 for another of higher priority."),
        ("OUT_OF_MEMORY", "0:125", -9, "Job 7 used more memory than it had asked for (?), and"),
        ("CANCELLED", "0:15", -9, "Job 7 was cancelled"),
    ],
)
def test_ends_are_told(state: str, exit_code: str, code: int, said: str) -> None:
    ended = how_it_ended(SHOWN.format(state, exit_code))
    assert ended is not None
    assert ended.code == code
    assert ended.why[0].startswith(said)
    assert not said or ("Restart the kernel" in ended.why[1] and "{" not in ended.why[0])
    assert ended.out_of_memory == (state == "OUT_OF_MEMORY")


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "COMPLETING", ""])
def test_what_goes_on_has_not_ended(state: str) -> None:
    assert how_it_ended(SHOWN.format(state, "0:0")) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Invalid partition name specified", "Slurm has no partition 'gpu'."),
        ("Requested node configuration is not available", "No node of the cluster has what"),
        ("Requested time limit is invalid (missing or exceeds some limit)", "more time than"),
        ("Invalid account or account/partition combination specified", "the account or QOS"),
        ("Job violates accounting/QOS policy (job submit limit)", "the account or QOS"),
        ("Something new", "Slurm refused the job: Batch job submission failed: Something new."),
    ],
)
def test_refusals_are_sentences(said: str, expected: str) -> None:
    line = f"sbatch: error: Batch job submission failed: {said}\n"
    trouble = refused(line, spec(slurm=MappingProxyType({"partition": "gpu"})))
    assert isinstance(trouble, StartFailed)
    assert expected in trouble.message
    assert trouble.hint


def test_a_controller_that_is_down_is_no_refusal() -> None:
    line = "sbatch: error: Batch job submission failed: Unable to contact slurm controller"
    assert isinstance(refused(f"{line} (connect failure)", spec()), EngineDown)


def test_what_is_read_only_is_held_on_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is mounted below it there, nobody knows here."""
    private_home(tmp_path, monkeypatch)
    mounts = (Mount("/w", "/w", writable=True), Mount("/r", "/r"))
    sources = [Source(target=m.target, path=m.source, device=1, inode=1) for m in mounts]
    found = on_nodes(spec(mounts=mounts, sources=tuple(sources)))
    assert [(one.target, one.exposed) for one in found.sources] == [("/w", False), ("/r", True)]
