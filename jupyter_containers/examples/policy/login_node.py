"""A login node of a cluster: kernels run in jobs, on the nodes, and never here.

Copy it to /etc/jupyter/jupyter_containers_config.py on the login nodes, where people run
JupyterLab. Charliecloud builds images there; Apptainer runs what it pulls. They are kept on
scratch: JUPYTER_CONTAINERS_IMAGES=/scratch/$USER/images in /etc/profile.d.
"""

c = get_config()

c.Policy.user_config = False
c.Policy.engines = ["slurm+charliecloud", "slurm+apptainer"]

# A node's network is its containers' own: c.Policy.host_access and metadata_access cannot be taken
# away there, and every start would be refused. Where nodes have a metadata address, block it there.

c.Policy.mounts = {"~": "rw", "/scratch": "rw", "/project": "rw"}
c.Policy.mount_names = {"SCRATCH": "/scratch:rw", "PROJECT": "/project:rw"}

# The first partition is what a job without one gets.
c.Policy.slurm_partitions = ["jupyter", "gpu"]
c.Policy.slurm_accounts = ["*"]
c.Policy.slurm_extra = ["qos", "constraint", "reservation"]
c.Policy.default_slurm_time = "2:00:00"
c.Policy.max_slurm_time = "12:00:00"
c.Policy.max_slurm_gpus = 2
c.Policy.slurm_setup = ". /etc/profile.d/modules.sh; module load charliecloud apptainer"

# Builds take the login node's time and disk.
c.Policy.max_builds = 1
c.Policy.max_build_seconds = 3600
c.Policy.min_free_disk = "20g"

# A job may have waited for hours: it goes on for ten minutes without its server, which takes it up
# again when it is back.
c.Policy.orphan_grace = 600
