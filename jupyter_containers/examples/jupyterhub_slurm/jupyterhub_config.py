"""JupyterHub whose users' servers run in jobs of Slurm, with their kernels' containers beside them.

The Hub runs as root on a machine that submits jobs, and every person's server starts as a job of
that person on a node. A kernel's container runs in the same job, on the same node, by the engine
that the nodes have (Apptainer, Charliecloud, enroot), with what Slurm gave that job: nothing more
is submitted, and all of it ends with the job.

Needed: pip install batchspawner, on the nodes too; homes that the nodes share; and nodes that reach
the Hub and are reached by its proxy. The proxy speaks plain HTTP to the nodes, as with every
batchspawner: keep that network to the cluster.
"""

import sys

c = get_config()

# -- who may log in ----------------------------------------------------------------------------

# Accounts of this machine, by their passwords (PAM), of one group. Choose another authenticator
# where the site has one, and serve https (c.JupyterHub.ssl_cert, ssl_key, or a proxy before it):
# passwords go through it.
c.JupyterHub.authenticator_class = "pam"
c.LocalAuthenticator.allowed_groups = {"jupyter"}

# -- servers -----------------------------------------------------------------------------------

# The Hub listens for nodes, which reach it by this machine's host name; by another one if you say
# so: c.JupyterHub.hub_connect_ip = "hub.cluster"
c.JupyterHub.hub_ip = "0.0.0.0"

# batchspawner's own page of the Hub's API, to which a job says where it listens.
c.JupyterHub.spawner_class = "batchspawner.SlurmSpawner"
import batchspawner  # noqa: E402, F401

c.Spawner.default_url = "/lab"
c.Spawner.disable_user_config = True
c.BatchSpawnerBase.batchspawner_singleuser_cmd = f"{sys.prefix}/bin/batchspawner-singleuser"
c.Spawner.cmd = [f"{sys.prefix}/bin/jupyterhub-singleuser"]
# Jobs are submitted as the person. A Hub that does not run as root needs sudo -E -u {username}.
c.BatchSpawnerBase.exec_prefix = "runuser -u {username} --"

# What each job asks for. All kernels of a server share it.
c.BatchSpawnerBase.req_partition = "jupyter"
c.BatchSpawnerBase.req_runtime = "8:00:00"
c.BatchSpawnerBase.req_nprocs = "4"
c.BatchSpawnerBase.req_memory = "16G"
# A job may wait in the queue for this long, in seconds.
c.Spawner.start_timeout = 1800

# How often the Hub looks whether a job is still there, in seconds.
c.Spawner.poll_interval = 15

# A kernel nobody has used for an hour ends, and its container with it; an open page is no use.
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=3600",
    "--MappingKernelManager.cull_interval=300",
    "--MappingKernelManager.cull_connected=True",
]

# So does the job of a server that nobody has used for two hours: its CPUs are others' then. Needed:
# pip install jupyterhub-idle-culler
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
        "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=7200"],
    }
]
