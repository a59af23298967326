"""Which tests run where: the one table that `make test`, `make test-all` and `make test-soak` read.

An engine multiplies time, so a test runs on an engine only where its answer can differ there. A
refusal that no engine hears is a unit test; what podman has shown of the server, the command line
or a client is as true on the others; Docker 20.10 and root differ in arguments, users and progress.

A row is a path below tests/ (a folder, a file, or a file::function), the engines, and the level:
`first` is `make test`, `rest` is `make test-all`, `soak` is `make test-soak`. The longest path that
fits counts. Where JC_TEST_LEVEL is not set, as by hand, nothing is left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec

import pytest

FIRST, REST, SOAK = "first", "rest", "soak"

# Engines as they are named here: `-root` where root runs the tests.
PODMAN = ("podman",)
DOCKER = ("docker",)
DOCKERS = ("docker", "docker20")
ROOTS = ("podman-root", "docker-root", "docker20-root")
PROCESSES = ("apptainer", "charliecloud", "enroot", "podman-hpc", "shifter")
QUEUED = ("slurm+charliecloud", "slurm+pyxis")
JOBS = (*QUEUED, "slurm+apptainer")
PODS = ("kubernetes",)
EVERY = (*PODMAN, *DOCKERS, *ROOTS, *PROCESSES, *JOBS, *PODS)
ONE_OF_EACH = (*PODMAN, *DOCKER, "apptainer", "charliecloud", *QUEUED, *PODS)
"""What differs between kinds of engines: daemons, processes of this machine, jobs, Pods."""


@dataclass(frozen=True)
class Row:
    path: str
    engines: Iterable[str]
    level: str = REST
    """On podman, which is the engine of `make test`; on the others FIRST means REST."""


TABLE = (
    # -- kernels: what they promise, on every engine ----------------------------------------
    Row("contract/kernels", EVERY, FIRST),
    Row(
        "contract/kernels/test_adoption.py",
        (*PODMAN, *DOCKER, "apptainer", *QUEUED, *PODS),
        FIRST,
    ),
    Row("contract/kernels/test_adoption.py::test_ends_with_a_server_that_is_stopped", PODMAN),
    Row("contract/kernels/test_bad_input.py", PODMAN, FIRST),
    Row("contract/kernels/test_bad_input.py::test_an_image_that_is_gone", ONE_OF_EACH, FIRST),
    Row("contract/kernels/test_bad_input.py::test_an_image_that_lies", ONE_OF_EACH, FIRST),
    Row("contract/kernels/test_bad_input.py::test_a_dead_docker_daemon", DOCKER),
    Row(
        "contract/kernels/test_changes.py",
        (*PODMAN, *DOCKER, "apptainer", "charliecloud", "slurm+charliecloud"),
        FIRST,
    ),
    Row("contract/kernels/test_devices.py", ("podman-root", "docker-root", "docker20-root")),
    Row(
        "contract/kernels/test_devices.py::test_an_engine_without_devices_says_so",
        ("docker20", "charliecloud"),
    ),
    Row("contract/kernels/test_ends.py::test_killed_client_leaves_nothing", ONE_OF_EACH, FIRST),
    # Root's Docker is the daemon that its group has, and a restart never leaves its container.
    Row(
        "contract/kernels/test_ends.py",
        (*PODMAN, *DOCKERS, "podman-root", *PROCESSES, *QUEUED, *PODS),
        FIRST,
    ),
    # A Pod has no command that could be killed.
    Row(
        "contract/kernels/test_ends.py::test_the_engines_command_is_killed",
        (*PODMAN, *DOCKERS, "podman-root", *PROCESSES, *QUEUED),
        FIRST,
    ),
    Row(
        "contract/kernels/test_restarts.py",
        (*PODMAN, *DOCKER, "podman-root", *PROCESSES, *QUEUED, *PODS),
        FIRST,
    ),
    Row("contract/kernels/test_engine_choice.py", PODMAN, FIRST),
    Row("contract/kernels/test_host_ports.py", (*PODMAN, *DOCKER)),
    # A job has the node's network and Slurm's log: its refusal is the process engine's.
    Row("contract/kernels/test_isolation.py", (*PODMAN, *DOCKERS, *ROOTS, *PROCESSES), FIRST),
    Row("contract/kernels/test_jobs.py", QUEUED),
    Row("contract/kernels/test_job_ends.py", QUEUED),
    # What the engine inside a job decides: what it covers, and where its images are.
    Row("contract/kernels/test_jobs.py::test_gets_what_it_asks_for", JOBS),
    Row("contract/kernels/test_jobs.py::test_what_is_covered_here_is_covered_on_the_node", JOBS),
    Row("contract/kernels/test_jobs.py::test_nothing_of_the_server_is_in_the_job", JOBS),
    Row("contract/kernels/test_jobs.py::test_slurms_commands_say_why", JOBS),
    Row("contract/kernels/test_job_ends.py::test_a_rebuilt_image_waits_in_the_queue_once", JOBS),
    Row(
        "contract/kernels/test_isolation.py::test_a_flood",
        (*PODMAN, *DOCKER, "docker20-root", *PROCESSES),
        FIRST,
    ),
    Row("contract/kernels/test_mounts.py::test_a_link_put_there", (*ONE_OF_EACH, *ROOTS), FIRST),
    Row("contract/kernels/test_mpi.py", ("slurm+charliecloud",)),
    Row("contract/kernels/test_shared_folder.py", PODMAN),
    Row("contract/kernels/test_sockets.py", ONE_OF_EACH[:4], FIRST),
    Row("contract/kernels/test_sockets.py::test_the_guest", EVERY, FIRST),
    Row("contract/kernels/test_streams.py", ONE_OF_EACH, FIRST),
    Row("contract/kernels/test_streams.py::test_a_flood", PODMAN, FIRST),
    Row("contract/kernels/test_transport.py", ONE_OF_EACH[:4], FIRST),
    # -- builds: each builder's own words ----------------------------------------------------
    Row("contract/builds", (*PODMAN, *DOCKER)),
    Row("contract/builds/test_barred.py", (*PODMAN, "podman-root"), FIRST),
    Row("contract/builds/test_check.py", DOCKER),
    Row("contract/builds/test_disk.py", (*PODMAN, *DOCKER, "podman-root")),
    Row("contract/builds/test_ends.py", (*PODMAN, *DOCKER, "podman-root"), FIRST),
    Row("contract/builds/test_failures.py", (*PODMAN, *DOCKERS), FIRST),
    Row("contract/builds/test_failures.py::test_a_base_that_nobody_has", (*PODMAN, *DOCKERS)),
    Row("contract/builds/test_layers.py", (*PODMAN, *DOCKER, "podman-root")),
    Row("contract/builds/test_layers.py::test_a_secret_of_the_policy", (*PODMAN, *DOCKERS)),
    # The text is the same for all; only an old Podman's builder would do what it must not.
    Row("contract/builds/test_mounts.py", (*PODMAN, "podman-root")),
    Row("contract/builds/test_mounts.py::test_what_is_honest", (*PODMAN, *DOCKERS)),
    Row("contract/builds/test_mounts.py::test_a_mount_of_a_stage", (*PODMAN, *DOCKERS), FIRST),
    Row("contract/builds/test_progress.py", (*PODMAN, *DOCKERS), FIRST),
    Row("contract/builds/test_reading.py", PODMAN),
    Row("contract/builds/test_refused.py", PODMAN),
    Row("contract/builds/test_refused.py::test_heredocs", (*PODMAN, *DOCKERS)),
    Row("contract/builds/test_refused.py::test_an_unknown_base_names", (*PODMAN, *DOCKER)),
    Row("contract/builds/test_reuse.py", PODMAN),
    Row(
        "contract/builds/test_reuse.py::test_unchanged_is_one_question", (*PODMAN, *DOCKERS), FIRST
    ),
    Row("contract/builds/test_reuse.py::test_unchanged_on_a_registrys", (*PODMAN, *DOCKERS)),
    Row("contract/builds/test_reuse.py::test_an_image_removed_by_hand", (*PODMAN, *DOCKER)),
    Row("contract/builds/test_reuse.py::test_a_tag_is_given", (*PODMAN, *DOCKER)),
    Row("contract/builds/test_running.py::test_builds_wait_for_their_turn", PODMAN),
    Row("contract/builds/test_running.py::test_output_is_kept_up_to_the_limit", PODMAN),
    # -- images ------------------------------------------------------------------------------
    Row("contract/images", PODMAN),
    Row("contract/images/test_bootstrap.py", (*PODMAN, *DOCKER, "apptainer", "charliecloud")),
    Row("contract/images/test_bootstrap.py::test_from_packages", ("podman", "charliecloud")),
    Row("contract/images/test_convert.py", (*PODMAN, *DOCKER)),
    Row("contract/images/test_kit.py::test_plain_images", PODMAN),
    Row("contract/images/test_policy.py::test_keys_below_a_mount", ONE_OF_EACH[:4], FIRST),
    Row("contract/images/test_probe.py::test_an_image_with_python", EVERY[:-4], FIRST),
    Row("contract/images/test_probe.py::test_no_shell", ONE_OF_EACH[:4]),
    Row("contract/images/test_probe.py::test_hangs", ONE_OF_EACH[:4]),
    Row("contract/images/test_pulls.py", (*PODMAN, *DOCKERS)),
    # -- clients, server, command line: on podman, which the others' kernels stand for --------
    Row("contract/clients", PODMAN),
    Row(
        "contract/clients/test_languages.py::test_a_kernel_in_an_image_without_python",
        (*DOCKER, "apptainer"),  # on podman R shows the same
    ),
    Row("contract/clients/test_run.py::test_builds_and_runs_in_the_image", PODMAN, FIRST),
    Row("contract/clients/test_notebooks.py::test_the_first", (*PODMAN, *DOCKER)),
    Row(
        "contract/clients/test_notebooks.py::test_where_docker_is_not",
        ("podman", "apptainer", "charliecloud"),
    ),
    Row("contract/cli", PODMAN),
    Row(
        "contract/cli/test_doctor.py::test_doctor_on_an_engine",
        (*PODMAN, *DOCKERS, *PROCESSES, *QUEUED),
    ),
    Row("contract/cli/test_doctor.py::test_doctor_of_a_dead_daemon", DOCKER),
    Row("server", PODMAN),
    Row("server/test_ports_engine.py", ONE_OF_EACH),
    Row("server/test_conversions.py", ("apptainer", "charliecloud", "enroot", "podman-hpc")),
    Row("server/test_queue.py", ("slurm+charliecloud",)),
    # -- each engine's own ---------------------------------------------------------------------
    Row("engines", EVERY),
    Row("engines/apptainer", ("apptainer",)),
    Row("engines/charliecloud", ("charliecloud",)),
    Row("engines/docker", (*PODMAN, *DOCKERS, *ROOTS), FIRST),
    Row("engines/enroot", ("enroot",)),
    Row("engines/kubernetes", PODS),
    Row("hub", EVERY),
    Row("ui", EVERY),
    # -- by hand and before a release ------------------------------------------------------------
    Row("soak", EVERY, SOAK),
    Row("soak/test_beside.py", PODMAN, SOAK),
    Row("soak/test_frameworks.py", PODMAN, SOAK),
    Row("soak/test_race.py", ONE_OF_EACH[:4], SOAK),
    Row("soak/test_starters.py", PODMAN, SOAK),
    Row("soak/test_large.py::test_speech_to_text", PODMAN, SOAK),  # it compiles for minutes
)

BY_ITSELF = ("engines/kubernetes/test_faults.py", "engines/kubernetes/test_told.py")
"""A cluster that fails in each of its ways, with its Pods as processes: minutes, and seconds that
count. `make test-soak` runs them, beside nothing else."""
# What a level does without: these packages come with `make test-all`.
MORE_PACKAGES = {
    "engines/kubernetes/test_access.py": "kubernetes_asyncio",
    "engines/kubernetes/test_client.py": "kubernetes_asyncio",
    "engines/kubernetes/test_doctor.py": "kubernetes_asyncio",
    "engines/kubernetes/test_engine.py": "kubernetes_asyncio",
    "engines/kubernetes/test_example_hub.py": "kubespawner",
    "engines/kubernetes/test_faults.py": "kubernetes_asyncio",
    "engines/kubernetes/test_told.py": "kubernetes_asyncio",
    "hub": "jupyterhub",
    "server/test_openapi.py": "schemathesis",
    "soak/test_beside.py": "playwright",
    "soak/test_frameworks.py": "playwright",
    "ui": "playwright",
    "unit/test_installed.py": "jupyterlab",
}


def row_of(path: str) -> Row | None:
    """The longest row that `contract/kernels/test_ends.py::test_x[podman]` begins with."""
    fitting = (row for row in TABLE if path.startswith(row.path))
    return max(fitting, key=lambda row: len(row.path), default=None)


def level_of(path: str, engine: str) -> str | None:
    """At which level a test runs on this engine; None where it does not."""
    row = row_of(path)
    if row is None or engine not in row.engines:
        return None
    return REST if row.level == FIRST and engine != "podman" else row.level


def engine_name(engine: str) -> str:
    return (
        f"{engine}-root"
        if os.getuid() == 0 and not os.environ.get("JC_AS_USER") and engine in (*PODMAN, *DOCKERS)
        else engine
    )


def missing(path: str) -> str | None:
    """The package that a file needs and this environment has not."""
    for start, package in MORE_PACKAGES.items():
        if path.startswith(start) and find_spec(package) is None:
            return package
    return None


def runs_nothing(path: str) -> bool:
    """Whether no row places anything of a file on the engines under test: it is not even read."""
    engines = [name for name in os.environ.get("JC_TEST_ENGINES", "").split(",") if name]
    known = [row for row in TABLE if row.path.startswith(path) or path.startswith(row.path)]
    names = {engine_name(engine) for engine in engines}
    return bool(names and known) and not any(names & set(row.engines) for row in known)


def choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the level has not; a test that takes no engine runs at the first."""
    level = os.environ.get("JC_TEST_LEVEL")
    if not level:
        return
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        path = item.nodeid.removeprefix("tests/")
        callspec = getattr(item, "callspec", None)
        engine = callspec.params.get("engine_env") if callspec else None
        if engine is None:
            at = REST if any(path.startswith(start) for start in MORE_PACKAGES) else FIRST
            at = SOAK if path.startswith(BY_ITSELF) else at
        else:
            at = level_of(path, engine_name(engine.name)) or ""
        (kept if at == level else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept
