"""How a cluster is reached: a kubeconfig with its contexts and plugins, or the server's own Pod.

Read by `kubernetes_asyncio`, which is installed by `pip install jupyter-containers[kubernetes]`
and takes half a second to be imported: that is done in a thread, where it is needed first.
https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import time
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from inspect import isawaitable
from pathlib import Path
from typing import Any

from ...errors import EngineDown, EngineMissing
from ...text import as_dict, as_text, one_line

PACKAGE = "kubernetes_asyncio"
INSTALL = "pip install 'jupyter-containers[kubernetes]'"
_OWN = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PLUGIN_SECONDS = 60.0
"""For a program that gets credentials, such as a cloud's: it may ask a person in a browser."""


@dataclass(kw_only=True)
class Access:
    """One cluster, and who we are there."""

    configuration: Any
    """`kubernetes_asyncio.client.Configuration`"""
    namespace: str
    """The context's, or the one of our own Pod."""
    context: str
    """Empty: our own Pod's cluster."""
    since: float
    certificate: str = ""
    """What a client's certificate is known by, where one says who we are."""

    @property
    def host(self) -> str:
        """The API server's address."""
        return str(self.configuration.host).rstrip("/")

    async def headers(self) -> dict[str, str]:
        """What says who we are; a service account's token is read anew each minute, and a
        certificate needs none."""
        token = self.configuration.get_api_key_with_prefix("BearerToken")
        if isawaitable(token):  # from version 32 on
            token = await token
        return {"Authorization": token} if token else {}


def is_installed() -> bool:
    """Whether the client is there."""
    return find_spec(PACKAGE) is not None


def is_configured() -> bool:
    """Whether this machine says where a cluster is. Looks at a file or two."""
    return in_cluster() or any(one.is_file() for one in _files())


def in_cluster() -> bool:
    """Whether this server is in a Pod itself, with an account of its own."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (_OWN / "token").is_file()


def _files() -> list[Path]:
    named = os.environ.get("KUBECONFIG", "")
    files = [one for one in named.split(os.pathsep) if one] or ["~/.kube/config"]
    return [Path(one).expanduser() for one in files]


async def find_access(context: str) -> Access:
    """Read the configuration, which may run a plugin that gets credentials. A server in a Pod uses
    its own cluster, unless a context is named. Raises EngineMissing, EngineDown."""
    if not is_installed():
        raise EngineMissing("Kubernetes' client for Python is not installed.", INSTALL)
    config = await asyncio.to_thread(import_module, f"{PACKAGE}.config")
    client = await asyncio.to_thread(import_module, f"{PACKAGE}.client.configuration")
    configuration = client.Configuration()
    if in_cluster() and not context:
        found = await asyncio.to_thread(_own, config, configuration)
    elif is_configured():
        found = await _by_file(config, configuration, context)
    else:
        raise EngineMissing(
            "No cluster is configured here: there is no kubeconfig, and this server is in no Pod "
            "with a service account.",
            "Put the cluster's kubeconfig at ~/.kube/config, or name it in KUBECONFIG.",
        )
    return found


def _own(config: Any, configuration: Any) -> Access:
    try:
        config.load_incluster_config(client_configuration=configuration)
        _certificate(configuration)
        namespace = (_OWN / "namespace").read_text().strip()
    except (config.ConfigException, OSError) as error:
        raise EngineDown(
            f"The service account of this server's Pod cannot be read: {one_line(str(error))}"
        ) from None
    return Access(
        configuration=configuration, namespace=namespace, context="", since=time.monotonic()
    )


async def _by_file(config: Any, configuration: Any, context: str) -> Access:
    files = os.pathsep.join(str(one) for one in _files())
    try:
        async with asyncio.timeout(_PLUGIN_SECONDS):
            loader = await config.load_kube_config(
                config_file=files, context=context or None, client_configuration=configuration
            )
        certificate = await asyncio.to_thread(_certificate, configuration)
    except TimeoutError:
        raise EngineDown(
            f"The program by which {files} gets credentials did not end within "
            f"{_PLUGIN_SECONDS:g} s.",
            "Run by hand what asks for them: kubectl get pods",
        ) from None
    except Exception as error:  # a file and a program that may be anything
        raise EngineDown(
            f"The cluster's configuration {files} cannot be used: "
            f"{one_line(str(error) or repr(error), 400)}",
            "See whether this works: kubectl get pods"
            + (f" --context {context}" if context else ""),
        ) from error
    current = as_dict(loader.current_context)
    inside = as_dict(current.get("context"))
    return Access(
        configuration=configuration,
        namespace=as_text(inside.get("namespace")) or "default",
        context=as_text(current.get("name")),
        since=time.monotonic(),
        certificate=certificate,
    )


def _certificate(configuration: Any) -> str:
    """See `Access.certificate`. Raises ssl.SSLError or OSError where those of the file are none."""
    made = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.cert_file:
        return ""
    made.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    return hashlib.sha256(Path(configuration.cert_file).read_bytes()).hexdigest()
