"""A namespace for each person of a Hub: their server's Pod, their kernels' Pods, and their home.

In a namespace, whoever may create Pods may mount every volume and secret there, and whoever may
`exec` may enter every Pod: a Role cannot say "only your own". So a namespace is what separates
people, and each has one, with a service account that has rights there and nowhere else.

Read by `jupyterhub_config.py` beside this file; by Zero to JupyterHub as
`helm upgrade … --values values.yaml --set-file hub.extraConfig.namespaces=namespaces.py`.
"""

from kubernetes_asyncio import client
from kubernetes_asyncio.client.rest import ApiException

# The Hub and its proxy: only they reach what listens in people's Pods. With a Hub that is outside
# of the cluster: {"ipBlock": {"cidr": "192.0.2.10/32"}}.
HUB = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "jupyterhub"}}}

# What all Pods of a person may use together: the server's, and those of kernels.
QUOTA = {
    "pods": "12",
    "requests.cpu": "4",
    "limits.memory": "24Gi",
    "persistentvolumeclaims": "1",
    "requests.storage": "20Gi",
    "count/configmaps": "40",
}

# For a container that says nothing; with a quota it would be refused.
DEFAULTS = {"default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}}

# A namespace without these is none of ours, and nothing is made there. The first one makes the
# cluster refuse Pods that get at their node (privileged ones, its directories, its network), by
# which everybody's volumes could be read. Kubernetes has that admission since 1.25.
LABELS = {"pod-security.kubernetes.io/enforce": "restricted", "jupyter-containers/people": "true"}

ACCOUNT = "jupyter-server"
ROLE = "jupyter-containers"  # a ClusterRole of hub.yaml, given for one namespace at a time

PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
METADATA = ["169.254.169.254/32", "100.100.100.200/32"]  # which tells a node's credentials


def policy(name, selector, ingress, egress):
    """A NetworkPolicy."""
    both = ["Ingress", "Egress"]
    spec = {"podSelector": selector, "policyTypes": both, "ingress": ingress, "egress": egress}
    return {"metadata": {"name": name}, "spec": spec}


def objects(namespace):
    """What a namespace gets, by the kind in names of the client's methods."""
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE}
    names = {"ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]}
    # Kernels are reached through the API server: nothing has to reach their Pods by the network.
    world = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": PRIVATE}}]}
    # A server speaks with the Hub, the API server and the registry.
    most = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": METADATA}}]}
    server = {"matchLabels": {"component": "singleuser-server"}}
    return [
        ("service_account", {"metadata": {"name": ACCOUNT}}),
        ("role_binding", {"metadata": {"name": ROLE}, "roleRef": role, "subjects": [account]}),
        ("resource_quota", {"metadata": {"name": "people"}, "spec": {"hard": QUOTA}}),
        (
            "limit_range",
            {
                "metadata": {"name": "people"},
                "spec": {"limits": [{"type": "Container", **DEFAULTS}]},
            },
        ),
        ("network_policy", policy("all", {}, [], [names, world])),
        ("network_policy", policy("server", server, [{"from": [HUB]}], [names, most])),
    ]


async def prepare(spawner, pod):
    """Make what is not there, and what an earlier version of this file made otherwise. Called
    when the namespace is there and before the server's Pod is."""
    core = spawner.api
    there = await core.read_namespace(spawner.namespace)
    if not LABELS.items() <= (there.metadata.labels or {}).items():
        # Such as one that the cluster had before: nobody gets into it by a name that fits.
        raise RuntimeError(f"The namespace {spawner.namespace} lacks the labels {LABELS}.")
    apis = {
        "role_binding": client.RbacAuthorizationV1Api(core.api_client),
        "network_policy": client.NetworkingV1Api(core.api_client),
    }
    for kind, body in objects(spawner.namespace):
        api = apis.get(kind, core)
        try:
            await getattr(api, f"create_namespaced_{kind}")(spawner.namespace, body)
        except ApiException as error:
            if error.status != 409:
                raise
            if kind != "service_account":
                replace = getattr(api, f"replace_namespaced_{kind}")
                await replace(body["metadata"]["name"], spawner.namespace, body)
    return pod


c.KubeSpawner.enable_user_namespaces = True
# No other namespace may begin so.
c.KubeSpawner.user_namespace_template = "jupyter-user-{username}"
c.KubeSpawner.user_namespace_labels = LABELS
c.KubeSpawner.modify_pod_hook = prepare
c.KubeSpawner.service_account = ACCOUNT
c.KubeSpawner.automount_service_account_token = True  # by which the server starts kernels
c.KubeSpawner.pvc_name_template = "home"  # a namespace has one

# What the restricted profile asks of the server's own Pod.
c.KubeSpawner.container_security_context = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
