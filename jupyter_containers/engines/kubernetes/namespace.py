"""The objects of one namespace that we deal with: Pods, what happens to them, and their files."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ...errors import EngineDown, StartFailed
from ...layout import POD_CONTAINER
from ...text import as_dict, as_text
from .client import Cluster, Object, items_of, version_of
from .labels import labels_of
from .manifest import same_files
from .rbac import Need, review
from .site import Site
from .states import container_of, state_of

_GONE_SECONDS = 45.0
_FORCE_SECONDS = 15.0
"""Seconds after which a node that does not answer is no longer waited for."""
_GRACE = 1
_MIN_WATCH = 1.0


class Namespace:
    """One namespace of one cluster."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster, self.name = cluster, name

    def path(self, kind: str, name: str = "") -> str:
        """Of a kind of objects, or of one."""
        path = f"/api/v1/namespaces/{quote(self.name, safe='')}/{kind}"
        return f"{path}/{quote(name, safe='')}" if name else path

    # -- Pods --------------------------------------------------------------------------------

    async def create_pod(self, manifest: Object) -> Object:
        """Make it. One of ours that has the name and is still going is waited for. Raises what
        `refused` makes."""
        name = as_text(as_dict(manifest["metadata"]).get("name"))
        for attempt in range(2):
            accept = () if attempt else (409,)
            code, made = await self.cluster.ask(
                "POST", self.path("pods"), body=manifest, accept=accept
            )
            if code != 409:
                return made
            there = await self.pod(name)
            if there is not None and not labels_of(there):
                raise StartFailed(
                    f"A Pod {name} that is none of ours is in the namespace {self.name}.",
                    "Restart the kernel: it gets another name.",
                )
            await self.remove_pod(name)
        raise AssertionError("the second attempt returns or raises")

    async def pod(self, name: str) -> Object | None:
        """One Pod as it is now."""
        code, found = await self.cluster.ask("GET", self.path("pods", name), accept=(404,))
        return found if code != 404 else None

    async def pods(self, selector: str = "") -> list[Object]:
        """All that a selector of labels selects."""
        query = [("labelSelector", selector)] if selector else []
        _, listed = await self.cluster.ask("GET", self.path("pods"), query=query)
        return items_of(listed)

    async def follow(self, pod: Object) -> AsyncGenerator[Object | None]:
        """A Pod after each change, and None once it is no longer there. Raises EngineDown."""
        name = as_text(as_dict(pod.get("metadata")).get("name"))
        query, version = [("fieldSelector", f"metadata.name={name}")], version_of(pod)
        while True:
            since = time.monotonic()
            watched = self.cluster.watch(self.path("pods"), query=query, version=version)
            async with aclosing(watched) as events:
                async for event in events:
                    if event.get("type") == "DELETED":
                        yield None
                        return
                    now = as_dict(event.get("object"))
                    version = version_of(now)
                    yield now
            await asyncio.sleep(max(0.0, _MIN_WATCH - (time.monotonic() - since)))
            fresh = await self.pod(name)
            if fresh is None:
                yield None
                return
            if version_of(fresh) != version:
                version = version_of(fresh)
                yield fresh

    async def delete_pod(self, name: str, grace: int = _GRACE) -> bool:
        """Begin to end it; False where it is not there."""
        body = {"gracePeriodSeconds": grace, "propagationPolicy": "Background"}
        code, _ = await self.cluster.ask(
            "DELETE", self.path("pods", name), body=body, accept=(404, 409)
        )
        return code != 404

    async def remove_pod(self, name: str) -> None:
        """End it and wait until its name is free. Raises EngineDown."""
        began, pause, forced = time.monotonic(), 0.05, False
        if not await self.delete_pod(name):
            return
        while (pod := await self.pod(name)) is not None:
            waited = time.monotonic() - began
            # The node takes its volumes and network away for ten seconds more, which needs no name.
            if not forced and (waited > _FORCE_SECONDS or _runs_nothing(pod)):
                forced = True
                await self.delete_pod(name, 0)
                continue
            if waited > _GONE_SECONDS:
                raise EngineDown(
                    f"The cluster does not end the Pod {name}.",
                    f"See why: kubectl --namespace {self.name} describe pod {name}",
                )
            await asyncio.sleep(pause)
            pause = min(0.5, pause * 1.3)

    async def events(self, pod: Mapping[str, Any]) -> list[Object]:
        """What was reported about a Pod, and not about an earlier one of its name."""
        uid = as_text(as_dict(pod.get("metadata")).get("uid"))
        query = [("fieldSelector", f"involvedObject.uid={uid}"), ("limit", "200")]
        code, listed = await self.cluster.ask(
            "GET", self.path("events"), query=query, accept=(403,)
        )
        return items_of(listed) if code != 403 else []

    async def log(self, name: str, tail: int) -> str:
        """Its last lines."""
        query = [("container", POD_CONTAINER), ("tailLines", str(tail)), ("limitBytes", "1000000")]
        return await self.cluster.text(f"{self.path('pods', name)}/log", query=query)

    async def metrics(self, name: str) -> Object:
        """What it uses; empty where nobody measures."""
        path = self.path("pods", name).replace("/api/v1", "/apis/metrics.k8s.io/v1beta1", 1)
        code, said = await self.cluster.ask("GET", path, accept=(403, 404, 503))
        return said if code == 200 else {}

    # -- what Pods need ----------------------------------------------------------------------

    async def put_maps(self, maps: Sequence[Object]) -> None:
        """Have ConfigMaps that are named by their content. Raises StartFailed where somebody has
        made another one of that name."""
        await asyncio.gather(*(self._put_map(one) for one in maps))

    async def _put_map(self, ours: Object) -> None:
        code, _ = await self.cluster.ask("POST", self.path("configmaps"), body=ours, accept=(409,))
        if code != 409:
            return
        name = ours["metadata"]["name"]
        _, theirs = await self.cluster.ask("GET", self.path("configmaps", name))
        if not same_files(ours, theirs):
            raise StartFailed(
                f"The ConfigMap {name} of the namespace {self.name} is not as we make it: somebody "
                "has put other programs there.",
                f"See who, then: kubectl --namespace {self.name} delete configmap {name}",
            )

    async def node_of(self, claims: Sequence[str]) -> str:
        """The node where claims are mounted that only one node may mount; empty: any will do."""
        for claim in claims:
            code, found = await self.cluster.ask(
                "GET", self.path("persistentvolumeclaims", claim), accept=(403, 404)
            )
            modes = as_dict(found.get("spec")).get("accessModes") if code == 200 else None
            if modes != ["ReadWriteOnce"]:
                continue
            for pod in await self.pods():
                spec, status = as_dict(pod.get("spec")), as_dict(pod.get("status"))
                going = status.get("phase") in ("Pending", "Running")
                if going and spec.get("nodeName") and claim in claims_of(pod):
                    return as_text(spec["nodeName"])
        return ""

    async def has_claim(self, name: str) -> bool | None:
        """Whether a claim is there; None where we may not ask."""
        path = self.path("persistentvolumeclaims", name)
        code, _ = await self.cluster.ask("GET", path, accept=(403, 404))
        return None if code == 403 else code == 200

    # -- what `doctor` asks ------------------------------------------------------------------

    async def quotas(self) -> list[Object]:
        """Those of the namespace; none where we may not ask."""
        path = self.path("resourcequotas")
        code, listed = await self.cluster.ask("GET", path, accept=(403, 404))
        return items_of(listed) if code == 200 else []

    async def refusal(self, manifest: Object) -> Object | None:
        """What the cluster has against a Pod, as a `Status`; None: it would take it. Makes none.
        https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run"""
        query = [("dryRun", "All")]
        code, said = await self.cluster.ask(
            "POST", self.path("pods"), query=query, body=manifest, accept=(400, 403, 404, 422)
        )
        return {**said, "code": code} if code >= 400 else None

    async def who(self) -> str:
        """The name by which the cluster knows us; empty where it does not tell (before 1.28)."""
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        code, said = await self.cluster.ask("POST", path, body=body, accept=(403, 404))
        told = as_dict(as_dict(said.get("status")).get("userInfo")) if code < 400 else {}
        return as_text(told.get("username"))

    async def may(self, need: Need) -> bool:
        """Whether the cluster lets us."""
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        _, said = await self.cluster.ask("POST", path, body=review(need, Site(namespace=self.name)))
        return as_dict(said.get("status")).get("allowed") is True


def _runs_nothing(pod: Mapping[str, Any]) -> bool:
    """Whether its program has ended, or never began."""
    return state_of(pod).ended is not None or "waiting" in container_of(pod)


def claims_of(pod: Mapping[str, Any]) -> list[str]:
    """The claims that a Pod mounts."""
    volumes = as_dict(pod.get("spec")).get("volumes")
    found = [
        as_text(as_dict(as_dict(one).get("persistentVolumeClaim")).get("claimName"))
        for one in (volumes if isinstance(volumes, list) else [])
    ]
    return [one for one in found if one]


# -- the end of a Pod whose owner was killed: what the reaper runs, with this Python -----------

_PACKAGE = __name__.partition(".")[0]
_RUN = (
    "import sys; sys.path.append(sys.argv[1]); "
    f"from {__name__} import remove; sys.exit(remove(*sys.argv[2:]))"
)


def removal_argv(context: str, namespace: str, name: str) -> list[str]:
    """The command; with an empty namespace in that of the context."""
    above = next(one for one in Path(__file__).parents if one.name == _PACKAGE).parent
    return [sys.executable, "-I", "-c", _RUN, str(above), context, namespace, name]


def remove(context: str, namespace: str, name: str) -> int:
    """0 once there is no such Pod. Raises where the cluster does not answer, which is no 0."""
    asyncio.run(_remove(context, namespace, name))
    return 0


async def _remove(context: str, namespace: str, name: str) -> None:
    cluster = Cluster(context)
    async with cluster.use():
        access = await cluster.access()
        await Namespace(cluster, namespace or access.namespace).remove_pod(name)
