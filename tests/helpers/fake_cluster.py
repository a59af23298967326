"""A cluster of one node that tells the truth: an API server with what it keeps, and Pods that are
processes of this machine. It does what a real one cannot be made to do: it has faults on request.

A Pod's container runs `pod.py start` and its kernel as they are, with the container's directories
below the cluster's own. What happens to a Pod besides (no node, no image, an eviction) is what a
test writes into its status, as the scheduler, a kubelet or a controller would.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from jupyter_containers.layout import GUEST_DIR, INSIDE
from tests.helpers.cluster_api import Answer, Api, said, status

Node = Callable[["FakeCluster", str], Awaitable[None]]
_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[\w.]+)/\w+)(?:/namespaces/(?P<namespace>[^/]+))?/(?P<kind>[^/]+)"
    r"(?:/(?P<name>[^/]+)(?:/(?P<sub>\w+))?)?"
)
_VERBS = {"POST": "create", "DELETE": "delete"}


class FakeCluster(Api):
    """Its namespace is `people`. `node` is what its node does with a new Pod."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.namespaces = {"people"}
        self.tokens = {"t-1"}
        self.user = "system:serviceaccount:people:jupyter"
        self.denied: set[str] = set()
        """Rights that are missing, such as `create pods/exec`."""
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.metrics: dict[str, Any] | None = None
        """Of each Pod; None: the cluster has no metrics API."""
        self.node: Node = run_at_once
        self._faults: list[tuple[re.Pattern[str], Answer, int]] = []
        self._version = 100
        self._oldest = 0
        self._changes: list[tuple[int, str, dict[str, Any]]] = []
        self._changed = asyncio.Condition()
        self._open: list[web.Request] = []
        """Watches and execs."""
        self._containers: dict[str, asyncio.subprocess.Process] = {}
        self._execs: set[asyncio.subprocess.Process] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # -- what a test does to it ------------------------------------------------------------

    def fail(self, what: str, answer: Answer, times: int = 1_000_000) -> None:
        """Answer so to the next requests whose `METHOD path` the expression is found in."""
        self._faults.append((re.compile(what), answer, times))

    def mend(self) -> None:
        """No more faults."""
        self._faults = []

    def cut(self) -> None:
        """Every connection of a watch or an exec ends, as with a proxy that is restarted."""
        for request in self._open:
            if request.transport is not None:
                request.transport.abort()

    async def forget_changes(self) -> None:
        """Watches of versions before now are too old (410), as after etcd's compaction."""
        async with self._changed:
            self._version += 1
            self._oldest, self._changes = self._version, []
            self._changed.notify_all()

    @property
    def pods(self) -> dict[str, dict[str, Any]]:
        """By name."""
        return {name: one for (kind, name), one in self.objects.items() if kind == "pods"}

    async def say(self, name: str, status: Mapping[str, Any], node: str = "n1") -> None:
        """Change a Pod's status; with the name of its node, which is empty before there is one."""
        pod = self.objects["pods", name]
        pod["status"] = {**pod["status"], **status}
        if node:
            pod["spec"]["nodeName"] = node
        await self._note("MODIFIED", pod)

    def tell(self, name: str, reason: str, message: str = "") -> None:
        """An event about a Pod."""
        uid = self.objects["pods", name]["metadata"]["uid"]
        at = f"2026-01-01T00:00:{len(self.events):02}Z"
        about = {"involvedObject": {"uid": uid}, "lastTimestamp": at}
        self.events.append({**about, "reason": reason, "message": message})

    async def run(self, name: str) -> None:
        """The node starts its container."""
        place = self.root / name
        for folder in ("run", "conf"):
            (place / folder).mkdir(parents=True)
        container = self.objects["pods", name]["spec"]["containers"][0]
        self._containers[name] = await self._process(name, container["command"])
        await self.say(name, {"phase": "Running", **container_is(running={"startedAt": BEGAN})})

    async def kill(self, name: str) -> None:
        """All processes of its container end; nobody has heard of it so far."""
        for pid in [*self._pids(name)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if (process := self._containers.pop(name, None)) is not None:
            await process.wait()

    async def remove(self, name: str) -> None:
        """It is no longer there."""
        await self.kill(name)
        await asyncio.to_thread(shutil.rmtree, self.root / name, True)
        if (pod := self.objects.pop(("pods", name), None)) is not None:
            await self._note("DELETED", pod)

    @contextlib.asynccontextmanager
    async def up(
        self, file: Path, user: dict[str, Any] | None = None, pem: Path | None = None
    ) -> AsyncIterator[str]:
        """See `Api.up`; nothing of it is left."""
        try:
            async with super().up(file, user, pem) as host:
                yield host
                self.cut()
        finally:
            for task in self._tasks:
                task.cancel()
            for name in [*self._containers]:
                await self.kill(name)
            for process in [*self._execs]:  # whose request was cancelled
                await self._end_exec(process)

    async def _process(self, name: str, words: list[str], **pipes: Any) -> Any:
        """A command of the container's with this machine's paths."""
        run = self.root / name / "run"
        for before, after in ((f"{INSIDE}/guest", GUEST_DIR), (f"{INSIDE}/run", run)):
            words = [word.replace(before, str(after)) for word in words]
        return await asyncio.create_subprocess_exec(
            *words, cwd=run, start_new_session=True, **pipes
        )

    async def _end_exec(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        # Whose output nobody has read to its end, asyncio itself does not close.
        vars(process)["_transport"].close()
        self._execs.discard(process)

    def _pids(self, name: str) -> list[int]:
        """What was started in its directory."""
        found, place = [], self.root / name / "run"
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                if (entry / "cwd").readlink() == place:
                    found.append(int(entry.name))
        return found

    # -- its API ---------------------------------------------------------------------------

    async def _note(self, kind: str, one: dict[str, Any]) -> None:
        async with self._changed:
            self._version += 1
            one["metadata"]["resourceVersion"] = str(self._version)
            self._changes.append((self._version, kind, _copy(one)))
            self._changed.notify_all()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        body = await request.json() if request.can_read_body else {}
        for at, (expression, answer, times) in enumerate(self._faults):
            if expression.search(f"{request.method} {request.path_qs}") and times > 0:
                self._faults[at] = (expression, answer, times - 1)
                return await answer(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return await status(401, "Unauthorized")(request)
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1.99.0"})
        found = _PATH.fullmatch(request.path)
        if found is None or (found["group"] == "metrics.k8s.io" and self.metrics is None):
            return await status(404, "the server could not find the requested resource")(request)
        if found["kind"] == "selfsubjectaccessreviews":
            asked = body["spec"]["resourceAttributes"]
            what = f"{asked['verb']} {asked['resource']}"
            what += f"/{asked['subresource']}" if "subresource" in asked else ""
            may = what not in self.denied and asked["namespace"] in self.namespaces
            return web.json_response({"status": {"allowed": may}}, status=201)
        if found["kind"] == "selfsubjectreviews":
            return web.json_response({"status": {"userInfo": {"username": self.user}}}, status=201)
        return await self._of_namespace(request, found, body)

    async def _of_namespace(
        self, request: web.Request, path: re.Match[str], body: Any
    ) -> web.StreamResponse:
        verb = _VERBS.get(request.method) or ("get" if path["name"] else "list")
        if request.query.get("watch"):
            verb = "watch"
        what = path["kind"] + (f"/{path['sub']}" if path["sub"] else "")
        if f"{verb} {what}" in self.denied:
            return await status(
                403,
                f'{path["kind"]} "x" is forbidden: User "u" cannot {verb} resource "{what}" in API '
                f'group "" in the namespace "{path["namespace"]}"',
            )(request)
        if path["namespace"] not in self.namespaces and verb == "create":
            return await status(404, f'namespaces "{path["namespace"]}" not found')(request)
        if verb == "create":
            return await self._create(request, path["kind"], body)
        if path["group"] == "metrics.k8s.io":
            return web.json_response(self.metrics)
        if path["kind"] == "events":
            uid = request.query["fieldSelector"].partition("uid=")[2]
            listed = [one for one in self.events if one["involvedObject"]["uid"] == uid]
            return web.json_response({"items": listed})
        if verb == "watch":
            return await self._watch(request)
        if verb == "list":
            listed = [one for (kind, _), one in self.objects.items() if kind == path["kind"]]
            return web.json_response({"items": listed})
        one = self.objects.get((path["kind"], path["name"]))
        if one is None:
            return await status(404, f'{path["kind"]} "{path["name"]}" not found')(request)
        if path["sub"] == "exec":
            return await self._exec(request, path["name"])
        if path["sub"] == "log":
            return web.Response(text="its last line\n")
        if verb == "delete":
            self._start(self._end(path["name"], body.get("gracePeriodSeconds", 30)))
        return web.json_response(one)

    async def _create(self, request: web.Request, kind: str, body: Any) -> web.StreamResponse:
        if request.query.get("dryRun"):
            return await said(body, 201)(request)
        name = body["metadata"]["name"]
        if (kind, name) in self.objects:
            return await status(409, f'{kind} "{name}" already exists')(request)
        body["metadata"]["uid"] = f"u-{len(self.asked)}"
        self.objects[kind, name] = body
        if kind == "pods":
            body["status"] = {"phase": "Pending"}
            await self._note("ADDED", body)
            self._start(self.node(self, name))
        return await said(_copy(body), 201)(request)

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, name: str, grace: int) -> None:
        pod = self.objects["pods", name]
        pod["metadata"]["deletionTimestamp"] = BEGAN
        await self._note("MODIFIED", pod)
        if grace and name in self._containers:
            await asyncio.sleep(0.05)
        await self.remove(name)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        name = request.query["fieldSelector"].partition("name=")[2]
        seen = int(request.query["resourceVersion"])
        response = web.StreamResponse()
        await response.prepare(request)
        self._open.append(request)
        try:
            while True:
                async with self._changed:
                    while seen >= self._version:
                        await self._changed.wait()
                    old = seen < self._oldest
                    changes = [one for one in self._changes if one[0] > seen]
                    seen = self._version
                if old:
                    gone = {"kind": "Status", "code": 410, "reason": "Expired"}
                    await response.write(_line({"type": "ERROR", "object": gone}))
                    return response
                for _, kind, one in changes:
                    if one["metadata"]["name"] == name:
                        await response.write(_line({"type": kind, "object": one}))
        except OSError:
            return response
        finally:
            self._open.remove(request)

    async def _exec(self, request: web.Request, name: str) -> web.StreamResponse:
        if name not in self._containers:
            return await status(500, "unable to upgrade connection: container not found")(request)
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"))
        await socket.prepare(request)
        pipe, words = asyncio.subprocess.PIPE, request.query.getall("command")
        process = await self._process(name, words, stdin=pipe, stdout=pipe)
        assert process.stdin is not None
        self._execs.add(process)
        self._open.append(request)
        reading = asyncio.create_task(_read(process, socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.BINARY and message.data[:1] == b"\x00":
                    process.stdin.write(message.data[1:])
                    await process.stdin.drain()
        except OSError:
            pass
        finally:
            self._open.remove(request)
            reading.cancel()
            await asyncio.wait({reading})
            await self._end_exec(process)
        return socket


BEGAN = "2026-01-01T00:00:00Z"


async def run_at_once(cluster: FakeCluster, name: str) -> None:
    """A node that has room, and the image."""
    await cluster.run(name)


async def nobody(cluster: FakeCluster, name: str) -> None:
    """No node does anything; the test does."""


def container_is(**state: Any) -> dict[str, Any]:
    """A status whose container is `waiting`, `running` or `terminated`."""
    return {"containerStatuses": [{"name": "kernel", "state": state}]}


def _copy(one: Any) -> Any:
    return {key: _copy(value) for key, value in one.items()} if isinstance(one, dict) else one


def _line(one: Any) -> bytes:
    from json import dumps

    return dumps(one).encode() + b"\n"


async def _read(process: asyncio.subprocess.Process, socket: web.WebSocketResponse) -> None:
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        while data := await process.stdout.read(1 << 17):
            await socket.send_bytes(b"\x01" + data)
        await socket.send_bytes(b'\x03{"status":"Success"}')
        await socket.close()


PYTHON = (sys.executable, "-I", "-S", "-B", f"{INSIDE}/guest/main.py", f"{INSIDE}/run")
"""The command of a container whose Python is this one."""
