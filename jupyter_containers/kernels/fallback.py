"""The kernel that stands in where no container could start: on the host, it runs no code and
answers each cell with what happened and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from jupyter_client.manager import KernelManager
from jupyter_client.provisioning import KernelProvisionerBase, LocalProvisioner

from ..errors import ContainersError
from ..host.paths import replace_file
from .container_files import bound, enter, unbind
from .spec import Room


async def stand_in(
    provisioner: KernelProvisionerBase,
    manager: KernelManager,
    room: Room,
    trouble: ContainersError,
    env: Mapping[str, str] | None,
) -> LocalProvisioner:
    """Start it. Called by the provisioner, whose connection file it gets."""
    enter(room)
    fallback = LocalProvisioner(
        kernel_id=provisioner.kernel_id, kernel_spec=provisioner.kernel_spec, parent=manager
    )
    fallback.connection_info = provisioner.connection_info
    environment = {
        **(env or os.environ),
        "JUPYTER_CONTAINERS_TROUBLE": trouble.message,
        "JUPYTER_CONTAINERS_HINT": trouble.hint,
    }
    unbind(room)
    # A copy: ipykernel writes its file anew while clients read theirs (`write_connection_file`).
    own = room.root / "standin.json"
    replace_file(own, Path(manager.connection_file).read_bytes(), lasting=False)
    argv = [sys.executable, "-m", "jupyter_containers.fallback", "-f", str(own)]
    await fallback.launch_kernel(argv, env=environment, cwd=str(room.root))
    try:
        if manager.transport == "ipc" and (process := fallback.process) is not None:
            await bound(room, lambda: process.poll() is not None)
    except BaseException:  # a start that is given up
        await fallback.kill()
        await fallback.wait()
        raise
    return fallback
