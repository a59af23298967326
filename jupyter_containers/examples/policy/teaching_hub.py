"""A teaching hub: many people, short exercises, images that the teacher made.

Copy it to /etc/jupyter/jupyter_containers_config.py on the machine that runs the servers.
"""

c = get_config()

c.Policy.user_config = False  # nobody's own configuration says otherwise

# What may run: the course's images, and what students build on them here.
c.Policy.engines = ["podman"]
c.Policy.images = ["registry.example.org/course/*", "localhost/*"]
c.Policy.build_urls = []
c.Policy.push_registry = ""

# What it sees: the student's own home, and the course's data to read. ${COURSE} in a notebook.
c.Policy.mounts = {"~": "rw"}
c.Policy.mount_names = {"COURSE": "/srv/course"}

# Cells and RUN reach the network, and neither what listens on this machine nor, in a cloud, the
# address that tells its credentials. (A proxy or package index on this machine is barred, too.)
c.Policy.host_access = False
c.Policy.metadata_access = False
c.Policy.devices = []
c.Policy.ports = []  # on 127.0.0.1 all the others would reach them
c.Policy.users = ["me"]

# How much of the machine one notebook takes. (Podman enforces memory and CPUs with cgroup v2.)
c.Policy.default_memory = "2g"
c.Policy.max_memory = "4g"
c.Policy.default_cpus = 1
c.Policy.max_cpus = 2
c.Policy.max_pids = 512
c.Policy.default_pids = 512

c.Policy.max_builds = 1
c.Policy.max_build_seconds = 900
c.Policy.max_context = "500m"
c.Policy.min_free_disk = "20g"
c.Policy.keep_images = 1
