"""JupyterHub on one machine, whose users each have a rootless Podman of their own.

The Hub runs as root (`jupyterhub -f jupyterhub_config.py`) and starts each person's server as that
person. Their kernels run in containers of their own Podman: nobody sees another's, and no engine
is shared. Needed on the machine: podman, uidmap, and lines in /etc/subuid and /etc/subgid (useradd
writes them). What containers may be is said in /etc/jupyter/jupyter_containers_config.py: see
`policy/teaching_hub.py` beside this directory.
"""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

c = get_config()

# -- who may log in ----------------------------------------------------------------------------

# Accounts of this machine, by their passwords (PAM), of one group. Choose another authenticator
# where the site has one, and serve https (c.JupyterHub.ssl_cert, ssl_key, or a proxy before it):
# passwords go through it.
c.JupyterHub.authenticator_class = "pam"
c.LocalAuthenticator.allowed_groups = {"jupyter"}

# -- servers -----------------------------------------------------------------------------------

c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab"
# Configuration and extensions in homes do not count, so that nobody's server is less than this
# file says. It does not keep anybody from running podman in a terminal.
c.Spawner.disable_user_config = True

# Several servers each, such as one a course. They share the person's images and builds, and none
# touches another's containers.
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 3


def runtime_directory(spawner):
    """Where rootless Podman and kernels have their sockets."""
    return f"/run/user/{pwd.getpwnam(spawner.user.name).pw_uid}"


def make_runtime_directory(spawner):
    """Systemd makes it for a log-in, which a Hub's is not; lingering keeps it, and gives Podman
    the control groups by which it limits memory and CPUs."""
    directory = Path(runtime_directory(spawner))
    if Path("/run/systemd/system").is_dir() and shutil.which("loginctl"):
        subprocess.run(["loginctl", "enable-linger", spawner.user.name], check=True)
    elif not directory.is_dir():
        person = pwd.getpwnam(spawner.user.name)
        directory.mkdir(mode=0o700, parents=True)
        os.chown(directory, person.pw_uid, person.pw_gid)


c.Spawner.environment = {"XDG_RUNTIME_DIR": runtime_directory}
c.Spawner.pre_spawn_hook = make_runtime_directory

# -- idle kernels and servers ------------------------------------------------------------------

# A kernel nobody has used for an hour ends, and its container with it; an open page is no use.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--MappingKernelManager.cull_interval=300",
    "--MappingKernelManager.cull_connected=True",
]

# So does a server after eight hours. Needed: pip install jupyterhub-idle-culler
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    }
]
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=28800"],
    }
]
