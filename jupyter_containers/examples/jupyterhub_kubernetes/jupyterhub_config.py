"""JupyterHub whose users' servers and kernels are Pods, each person's in a namespace of their own.

The Hub runs where it reaches the cluster's API and the addresses of Pods: in the cluster, or on a
machine beside it with a kubeconfig of its service account. `namespaces.py` beside this file says
what each person gets; `hub.yaml` is what the cluster's administrator applies before:

    kubectl apply -f hub.yaml

With Zero to JupyterHub use `values.yaml` in place of this file.
"""

import sys
from pathlib import Path

load_subconfig(str(Path(__file__).with_name("namespaces.py")))

# -- who may log in ----------------------------------------------------------------------------

# As the site has it: an authenticator (such as oauthenticator's), and https before the proxy.
# c.JupyterHub.authenticator_class = "github"
# c.Authenticator.allowed_users = {"ada", "bob"}

# -- servers -----------------------------------------------------------------------------------

c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
# People's Pods ask the Hub who is logged in: by a name or address that they reach.
c.JupyterHub.hub_ip = "0.0.0.0"
c.JupyterHub.hub_connect_ip = "hub.jupyterhub.svc.cluster.local"

# JupyterLab, jupyter-containers[kubernetes], the Hub's version of jupyterhub, and
# /etc/jupyter/jupyter_containers_config.py (beside this file). docs/kubernetes.md says what is
# missing yet for kernels to be started from a Pod: something that builds their images there.
c.KubeSpawner.image = "registry.example.org/jupyter/server:2026-09"
c.KubeSpawner.uid = 1000  # of kernels, too: files of a home have one owner
c.KubeSpawner.gid = 100
c.KubeSpawner.fs_gid = 100
c.KubeSpawner.working_dir = "/home/jovyan"
c.KubeSpawner.notebook_dir = "/home/jovyan"
c.KubeSpawner.environment = {"HOME": "/home/jovyan"}
c.Spawner.default_url = "/lab"
c.Spawner.disable_user_config = True

c.KubeSpawner.cpu_guarantee = 0.2
c.KubeSpawner.cpu_limit = 2
c.KubeSpawner.mem_guarantee = "512M"
c.KubeSpawner.mem_limit = "2G"

c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = "10Gi"
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]  # kernels run on the server's node then

# /tmp has sockets and keys of running kernels. It is still there when the server's container is
# started again in its Pod, and goes on with its kernels then.
c.KubeSpawner.volumes = {
    "home": {"name": "home", "persistentVolumeClaim": {"claimName": "home"}},
    "tmp": {"name": "tmp", "emptyDir": {}},
}
c.KubeSpawner.volume_mounts = {
    "home": {"name": "home", "mountPath": "/home/jovyan"},
    "tmp": {"name": "tmp", "mountPath": "/tmp"},
}

# -- idle kernels and servers ------------------------------------------------------------------

# A kernel nobody has used for an hour ends, and its Pod with it; an open page is no use.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--MappingKernelManager.cull_interval=300",
    "--MappingKernelManager.cull_connected=True",
]

# So does a server after four hours. Needed: pip install jupyterhub-idle-culler
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
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=14400"],
    }
]
