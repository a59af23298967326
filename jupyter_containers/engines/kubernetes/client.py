"""The cluster's API: requests, watches and execs, over one pool of connections for each event loop.

Objects are JSON as dicts. Every call has an end in time. What may pass by itself (the API server
restarts, is behind a proxy that was restarted, or wants us to slow down) is asked again a few
times; then it is EngineDown, and all other refusals are told by `refusals.py`.
https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from ...errors import EngineDown
from ...text import as_dict, as_int, as_list, as_text, one_line, untrusted_json
from .access import PACKAGE, Access, find_access
from .refusals import refused

T = TypeVar("T")
Object = dict[str, Any]
Query = Sequence[tuple[str, str]]
_SECONDS = 30.0
_CONNECT = 10.0
_PAUSES = (0.2, 1.0, 3.0)
"""Seconds before each further attempt."""
_LONGEST_PAUSE = 10.0
"""What we wait for at most when the API server says for how long."""
_WATCH = 240
"""Seconds after which the API server ends a watch, which is then made again."""
_ACCESS_AGE = 600.0
"""Seconds after which the kubeconfig is read again: plugins' credentials end."""
_MOST_LINE = 8 << 20
_MOST_BODY = 64 << 20
_JSON = {"Accept": "application/json", "Content-Type": "application/json"}


@dataclass
class _Pool:
    """The connections of one event loop: there while somebody uses them."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0
    access: Access | None = None
    rest: Any = None
    """`kubernetes_asyncio.client.rest.RESTClientObject`"""
    before: list[Any] = field(default_factory=list)
    """Those with earlier certificates: connections by them go on."""


class Cluster:
    """One cluster. Its methods may be called from any event loop."""

    def __init__(self, context: str = "") -> None:
        self.context = context
        self._access: Access | None = None
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()

    async def access(self) -> Access:
        """Which cluster, and who we are there. Raises EngineMissing, EngineDown."""
        if self._access is None or time.monotonic() - self._access.since > _ACCESS_AGE:
            self._access = await find_access(self.context)
        return self._access

    @asynccontextmanager
    async def use(self) -> AsyncIterator[None]:
        """Keep the connections for the block: the last who leaves one closes them."""
        async with self._pool():
            yield

    @asynccontextmanager
    async def _pool(self) -> AsyncIterator[_Pool]:
        pool = self._pools.setdefault(asyncio.get_running_loop(), _Pool())
        async with pool.lock:
            if pool.rest is None:
                pool.access = await self.access()
                pool.rest = await _rest(pool.access)
            pool.users += 1
        try:
            yield pool
        finally:
            pool.users -= 1
            if not pool.users:
                used, pool.rest, pool.before = [pool.rest, *pool.before], None, []
                for rest in used:
                    await rest.close()

    # -- requests ----------------------------------------------------------------------------

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Mapping[str, Any] | None = None,
        accept: Sequence[int] = (),
        timeout: float = _SECONDS,
    ) -> tuple[int, Object]:
        """The status and the object of an answer. Refusals that are in `accept` are returned. A
        request that was repeated may have been taken the first time, so that a 409 says nothing of
        who made what is there. Raises what `refused` makes of others, and EngineDown."""
        code, text = await self._text(method, path, query, body, accept, timeout)
        try:
            said = untrusted_json(text)
        except ValueError:
            raise EngineDown(
                f"What answers at {await self._host()} is no API server: "
                f"{one_line(text.decode(errors='replace'), 100)}",
                "The kubeconfig's server has to be the cluster's API.",
            ) from None
        return code, as_dict(said)

    async def text(self, path: str, *, query: Query = ()) -> str:
        """What is no JSON: a log. Empty where there is none."""
        code, said = await self._text("GET", path, query, None, (400, 404), _SECONDS)
        return said.decode(errors="replace") if code < 400 else ""

    async def _host(self) -> str:
        return (await self.access()).host

    async def _text(
        self,
        method: str,
        path: str,
        query: Query,
        body: Mapping[str, Any] | None,
        accept: Sequence[int],
        timeout: float,
    ) -> tuple[int, bytes]:
        renewed = False
        async with self._pool() as pool:
            for pause in (*_PAUSES, None):
                try:
                    code, text, after = await _once(pool, method, path, query, body, timeout)
                except OSError as error:
                    if pause is None:
                        raise silent(pool, error) from None
                    await asyncio.sleep(pause)
                    continue
                if code < 400 or code in accept:
                    return code, text
                if code == 401 and not renewed:
                    renewed = await self._renew(pool)
                    if renewed:
                        continue
                if pause is None or not (code == 429 or code >= 500):
                    raise refused(_status(code, text))
                await asyncio.sleep(min(max(after, pause), _LONGEST_PAUSE))
        raise AssertionError("the last attempt returns or raises")

    async def _renew(self, pool: _Pool) -> bool:
        """Read the credentials anew, and tell whether they are others now."""
        before = pool.access
        assert before is not None
        headers = await before.headers()
        self._access = None
        pool.access = access = await self.access()
        if access.certificate != before.certificate:
            pool.before.append(pool.rest)
            pool.rest = await _rest(access)
            return True
        return await access.headers() != headers

    # -- watches -----------------------------------------------------------------------------

    async def watch(self, path: str, *, query: Query, version: str) -> AsyncGenerator[Object]:
        """What happens to the objects of a list after its `version`: events of the API with `type`
        and `object`. Ends where the watch was cut or its time was over: list anew then. Raises
        EngineDown, and what `refused` makes."""
        asked = [
            *query,
            ("watch", "1"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(_WATCH)),
        ]
        async with self._pool() as pool:
            try:
                async with await _send(pool, "GET", path, asked, None, None, _WATCH + 30) as answer:
                    if answer.status >= 400 and answer.status != 410:
                        raise refused(_status(answer.status, await answer.read()))
                    async for event in _events(answer):
                        yield event
            except OSError as error:
                raise silent(pool, error) from None

    # -- execs -------------------------------------------------------------------------------

    @asynccontextmanager
    async def websocket(
        self, path: str, *, query: Query, protocols: Sequence[str]
    ) -> AsyncIterator[Any]:
        """A websocket. Raises OSError, EngineDown, and what `refused` makes."""
        from aiohttp import ClientWSTimeout, WSServerHandshakeError

        async with self._pool() as pool:
            access, rest = pool.access, pool.rest
            assert access is not None
            named = {"server_hostname": rest.server_hostname} if rest.server_hostname else {}
            try:
                async with asyncio.timeout(_CONNECT):
                    opened = await rest.pool_manager.ws_connect(
                        _url(access, path, query),
                        headers=await access.headers(),
                        protocols=protocols,
                        timeout=ClientWSTimeout(ws_close=2.0),
                        proxy=rest.proxy,
                        **named,
                    )
            except WSServerHandshakeError as error:
                if error.status == 401 and await self._renew(pool):
                    raise ConnectionResetError("the credentials were renewed") from None
                raise _no_websocket(error.status, path) from None
            except (OSError, _client_errors()) as error:
                raise silent(pool, error) from None
            try:
                yield opened
            finally:
                await opened.close()


async def _rest(access: Access) -> Any:
    rest = await asyncio.to_thread(import_module, f"{PACKAGE}.client.rest")
    return rest.RESTClientObject(access.configuration, maxsize=0)


def _client_errors() -> Any:
    from aiohttp import ClientError

    return ClientError


def _url(access: Access, path: str, query: Query) -> str:
    from urllib.parse import urlencode

    return f"{access.host}{path}" + (f"?{urlencode(query)}" if query else "")


async def _send(
    pool: _Pool,
    method: str,
    path: str,
    query: Query,
    body: Mapping[str, Any] | None,
    total: float | None,
    silence: float | None = None,
) -> Any:
    """The answer as aiohttp has it. Raises OSError for all that goes wrong."""
    from aiohttp import ClientTimeout

    access, rest = pool.access, pool.rest
    assert access is not None
    limits = ClientTimeout(total=total, sock_connect=_CONNECT, sock_read=silence)
    try:
        return await rest.request(
            method,
            _url(access, path, query),
            headers={**_JSON, **await access.headers()},
            body=dict(body) if body is not None else None,
            _preload_content=False,
            _request_timeout=limits,
        )
    except OSError:
        raise
    except _client_errors() as error:
        raise ConnectionError(str(error) or repr(error)) from error


async def _once(
    pool: _Pool,
    method: str,
    path: str,
    query: Query,
    body: Mapping[str, Any] | None,
    timeout: float,
) -> tuple[int, bytes, float]:
    """Status, body, and for how many seconds the server wants to be left alone."""
    async with await _send(pool, method, path, query, body, timeout) as answer:
        text = bytearray()
        try:
            async for part in answer.content.iter_any():
                text += part
                if len(text) > _MOST_BODY:
                    raise ConnectionError("its answer has no end")
        except _client_errors() as error:
            raise ConnectionError(str(error) or repr(error)) from error
        said = answer.headers.get("Retry-After", "")
        return answer.status, bytes(text), float(said) if said.isdecimal() else 0.0


async def _events(answer: Any) -> AsyncGenerator[Object]:
    """The lines of a watch. Ends at one that says that the version is too old (410)."""
    rest = bytearray()
    try:
        async for part in answer.content.iter_any():
            rest += part
            if len(rest) > _MOST_LINE:
                raise ConnectionError("an event of its has no end")
            while (end := rest.find(b"\n")) >= 0:
                line = bytes(rest[:end])
                del rest[: end + 1]
                try:
                    event = as_dict(untrusted_json(line))
                except ValueError:
                    return
                if event.get("type") == "ERROR":
                    status = as_dict(event.get("object"))
                    if as_int(status.get("code")) in (410, 504):
                        return
                    raise refused(status)
                yield event
    except _client_errors():
        return


def _status(code: int, text: bytes) -> Object:
    """The API's `Status`, or what stands for it: a proxy's page is none."""
    try:
        said = as_dict(untrusted_json(text))
    except ValueError:
        said = {}
    if said.get("kind") == "Status":
        return {**said, "code": code}
    return {"code": code, "message": one_line(text.decode(errors="replace"), 200)}


def _no_websocket(code: int, path: str) -> Exception:
    """Why a server did not switch to websockets; it says no more than a number then."""
    if code == 403:
        what = "/".join(path.split("/")[-3::2])
        return refused({"code": code, "message": f'it cannot get resource "{what}"'})
    if code in (401, 429):
        return refused({"code": code})
    return ConnectionRefusedError(f"the API server answered {code}")


def silent(pool: _Pool, error: BaseException) -> EngineDown:
    """That there was no answer at all."""
    host = pool.access.host if pool.access is not None else "the cluster"
    if isinstance(error, TimeoutError):
        why = "no answer in time"
    elif isinstance(error, OSError) and error.errno and error.errno > 0:
        why = os.strerror(error.errno)
    else:
        why = one_line(str(error), 300) or type(error).__name__
    hint = "Running kernels go on meanwhile. See whether `kubectl get pods` answers."
    if "CERTIFICATE_VERIFY_FAILED" in why:
        hint = "The kubeconfig's certificate-authority is not the one that signed the server's."
    return EngineDown(f"The cluster's API server {host} does not answer: {why}.", hint)


async def gathered(asked: Iterable[Awaitable[T]]) -> list[T]:
    """All answers, once each has come or has failed: none goes on without us, in a loop that may
    end. Raises the first failure."""
    done = await asyncio.gather(*asked, return_exceptions=True)
    found = []
    for one in done:
        if isinstance(one, BaseException):
            raise one
        found.append(one)
    return found


def version_of(one: Mapping[str, Any]) -> str:
    """The version of an object or list, by which a watch goes on."""
    return as_text(as_dict(one.get("metadata")).get("resourceVersion"))


def items_of(listed: Mapping[str, Any]) -> list[Object]:
    """The objects of a list."""
    return [as_dict(one) for one in as_list(listed.get("items"))]
