"""A workstation with GPUs that a few people share, each with a rootless Podman.

Copy it to /etc/jupyter/jupyter_containers_config.py. The GPUs are known by their CDI names:
nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml
"""

c = get_config()

c.Policy.user_config = False
c.Policy.engines = ["podman", "apptainer"]

# People's own services are theirs to use. In a cloud: c.Policy.metadata_access = False, which
# refuses Apptainer's containers unless they have no network.

# GPUs by their numbers, so that nobody takes all by a word: "devices": ["nvidia.com/gpu=1"].
c.Policy.devices = ["nvidia.com/gpu=[0-9]"]

# Homes, and two disks: data to read, and scratch to write. ${DATA} and ${SCRATCH} in a notebook.
c.Policy.mounts = {"~": "rw", "/data": "ro", "/scratch": "rw"}
c.Policy.mount_names = {"DATA": "/data", "SCRATCH": "/scratch:rw"}

# Data loaders share memory: half of a notebook's memory is /dev/shm unless it says otherwise.
c.Policy.default_memory = "32g"
c.Policy.max_memory = "128g"
c.Policy.max_cpus = 16

# TensorBoard and its kin, on 127.0.0.1: whoever is logged in there reaches them, too.
c.Policy.ports = ["6006", "8000-8099"]

c.Policy.min_free_disk = "50g"
c.Policy.max_build_seconds = 7200
