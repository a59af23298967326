"""A class on a cluster: what each student's kernels may be. The server's image has it as
/etc/jupyter/jupyter_containers_config.py.

It guards against mistakes. A student types what they like in their own server, with the rights of
its service account: what has to hold against them is in `namespaces.py` (quota, Pod Security,
network policies), in the registry's rights, and in who may change the server's image.
"""

c = get_config()

c.Policy.user_config = False  # nobody's own configuration says otherwise

# Kernels are Pods of the cluster, in the namespace of the server's own Pod. Nodes pull what the
# server pushes; where they need a log-in for it, a secret in each namespace has one that may only
# pull, since people can read it: c.Policy.kubernetes_pull_secrets = ["registry"]
c.Policy.engines = ["kubernetes"]
c.Policy.push_registry = "registry.example.org/course"

# The server's home is the claim `home` of its namespace. What is elsewhere on the server's disk is
# seen by no kernel.
c.Policy.kubernetes_volumes = {"~": "home"}
c.Policy.mounts = {"~": "rw"}

# A home that one node may mount (ReadWriteOnce) has its kernels on the server's node. With one that
# all may mount (ReadWriteMany) they can have nodes of their own:
# c.Policy.kubernetes_node_selector = {"jupyter": "kernels"}
# c.Policy.kubernetes_tolerations = [
#     {"key": "jupyter", "operator": "Equal", "value": "kernels", "effect": "NoSchedule"}
# ]
c.Policy.kubernetes_deadline = 12 * 3600

c.Policy.images = ["registry.example.org/course/*", "localhost/*"]
c.Policy.build_urls = []
c.Policy.devices = ["nvidia.com/gpu=0"]  # one GPU of the node's, whichever it is
c.Policy.users = ["me"]

# What is set aside is all of the memory and a quarter of the CPUs.
c.Policy.default_memory = "2g"
c.Policy.max_memory = "8g"
c.Policy.default_cpus = 1
c.Policy.max_cpus = 2

c.Policy.max_builds = 1
c.Policy.max_build_seconds = 900
c.Policy.keep_images = 1
