"""What an ended podman build leaves behind, and its removal.

`podman build` removes its working containers only where it ends by itself. Killed, it leaves the
RUN's processes (in a session and process group of their own), a mounted working container, the
OCI runtime's state and temporary files. The build's private TMPDIR, which all of these mention,
finds them again, and only them.

Imported by `podman/buildah.py`; run as a file (`python -I -S FILE DIRECTORY PODMAN…`) by it, and
by the reaper when the owner was killed. Standard library only.
"""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Any

MARKER = "jupyter-containers-build"
"""The file in the directory that the build names as a secret: buildah writes the path of every
secret into each working container's `buildah.json`
(https://github.com/containers/buildah/blob/main/define/build.go, CommonBuildOptions)."""

_PATIENCE = 60.0
_MOST = 1 << 20
"""Bytes of what podman prints that are read."""

BROKEN = "broken"
"""The file in the directory with the ids of working containers that podman said it could not
remove. Those without any file of buildah's or podman's own are removed."""


def end_processes(directory: str, patience: float = 5.0) -> bool:
    """Kill what runs in containers of the build that owns `directory`; True if there was any.

    Such a process has files of the bundle in `directory` mounted (`/etc/hosts`), with every
    isolation and OCI runtime. Its user namespace is ours or a child of ours, so we may.
    """
    found, deadline = False, time.monotonic() + patience
    while pids := _inside(directory):
        found = True
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return found


def _inside(directory: str) -> list[int]:
    mine, pids = os.readlink("/proc/self/ns/mnt"), []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/mountinfo", encoding="utf-8", errors="replace") as file:
                if directory + "/" in file.read() and os.readlink(f"/proc/{name}/ns/mnt") != mine:
                    pids.append(int(name))
        except OSError:
            continue
    return pids


def remove_directory(directory: str, podman: list[str]) -> None:
    """Delete a build's directory. Never through a mount: what is mounted there may be the
    person's own files."""
    for point in reversed(_mounts(directory)):
        _run(["umount", "--lazy", point])
    if _mounts(directory):
        return
    shutil.rmtree(directory, ignore_errors=True)
    if os.path.exists(directory) and os.getuid() != 0:
        _run([*podman, "unshare", "rm", "-rf", "--one-file-system", directory])


def _mounts(directory: str) -> list[str]:
    # A name may hold a carriage return as it is: mountinfo.py.
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace", newline="\n") as file:
        points = [line.split(" ")[4] for line in file]
    return [point for point in points if point.startswith(directory + "/")]


def remove_all(directory: str, podman: list[str]) -> None:
    """Everything of the build that owned `directory`."""
    end_processes(directory)
    info = _info(podman)
    store, host = _within(info, "store"), _within(info, "host")
    runtime = _within(host, "ociRuntime").get("path")
    for bundle in glob.glob(os.path.join(glob.escape(directory), "buildah*")):
        if isinstance(runtime, str) and runtime:
            _run([runtime, "delete", "--force", "buildah-" + os.path.basename(bundle)])
    root = store.get("graphRoot")
    root = root if isinstance(root, str) and root else "/nonexistent"
    for container in _working_containers(root, directory) + _broken(root, directory):
        _run([*podman, "rm", "--force", "--time=0", container])
    remove_directory(directory, podman)


def _within(said: dict[str, Any], key: str) -> dict[str, Any]:
    found = said.get(key)
    return found if isinstance(found, dict) else {}


def _working_containers(root: str, directory: str) -> list[str]:
    """Ids whose `userdata/buildah.json` (or `.tmp-buildah.json123`) names our marker."""
    marker, found = os.path.join(directory, MARKER), []
    for userdata in glob.glob(os.path.join(glob.escape(root), "*-containers", "*", "userdata")):
        try:
            for name in os.listdir(userdata):
                with open(os.path.join(userdata, name), encoding="utf-8", errors="replace") as file:
                    if "buildah.json" in name and marker in file.read():
                        found.append(os.path.basename(os.path.dirname(userdata)))
        except OSError:
            continue
    return found


def _broken(root: str, directory: str) -> list[str]:
    """RUN prints to the same place as podman: an id alone is no reason to remove a container."""
    try:
        with open(os.path.join(directory, BROKEN), encoding="ascii") as file:
            named = file.read().split()
    except (OSError, ValueError):
        return []
    found = []
    for one in named:
        kept = glob.glob(os.path.join(glob.escape(root), "*-containers", one, "userdata", "*"))
        if one.isalnum() and not kept:
            found.append(one)
    return found


def _info(podman: list[str]) -> dict[str, Any]:
    done = _run([*podman, "info", "--format", "json"])
    try:
        said = json.loads(done)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _run(argv: list[str]) -> bytes:
    """What it printed, up to a limit: one that prints on and on is ended."""
    try:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except (OSError, ValueError):
        return b""
    ending = threading.Timer(_PATIENCE, process.kill)
    ending.start()
    with process:
        assert process.stdout is not None
        said = process.stdout.read(_MOST)
        if len(said) == _MOST:
            process.kill()
        process.wait()
    ending.cancel()
    return said


if __name__ == "__main__":
    remove_all(sys.argv[1], sys.argv[2:])
