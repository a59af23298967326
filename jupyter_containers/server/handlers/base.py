"""What every route does: authorization, the body checked, the answer, errors in one shape.

A body may be anything: types, sizes and unknown keys are checked before anything is done.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import web

from ... import serializers
from ...errors import BadInput, BadSettings, ContainersError, Unknown, sentence_of
from ...settings.validators import show
from ...text import one_line, untrusted_json
from ..state import SETTING, Server

_MOST_QUERY = 4000
_LOGGED_OUT = {
    "message": "You are not logged in to this server (any more), or may not use it.",
    "hint": "Reload the page and log in. Kernels and builds go on meanwhile.",
}


class Answers(JupyterHandler):
    """Whose errors carry our sentences: our routes, and websockets before they are one."""

    auth_resource = "jupyter_containers"

    @property
    def server(self) -> Server:
        """What the routes of one server share."""
        server: Server = self.settings[SETTING]
        return server

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Tornado's: the one place where an error becomes an answer. Ours carry their sentence;
        of what nobody expected, only that is told."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        error = sentence_of(error) if error is not None else None
        if isinstance(error, ContainersError):
            self.set_status(error.status)
            said = serializers.error(error)
        else:
            said = {"message": _plain(status_code, error), "hint": "", "type": "HTTPError"}
            if (
                status_code == HTTPStatus.FORBIDDEN
                and self.current_user is None
                and self.check_host()
            ):
                said |= _LOGGED_OUT
            if error is not None and not isinstance(error, web.HTTPError):
                said |= {"hint": "The server's log says more.", "type": "Error"}
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(said))

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Tornado's: a line for what we expected, a traceback for all else."""
        if isinstance(value, ContainersError):
            self.log.info("%s: %s", self.request.path, one_line(value.message))
        else:
            super().log_exception(typ, value, tb)


class Handler(Answers, APIHandler):
    """Base of all. Every verb is decorated with `@web.authenticated` and `@authorized`; the
    XSRF cookie is checked by jupyter_server."""

    def body(self, *known: str) -> Body:
        """The request's JSON object, with no keys but these. Raises BadInput."""
        return Body(self.request.body, known)

    def query(self, name: str, default: str | None = None) -> str:
        """One parameter of the query; without a default it must be there. Raises BadInput."""
        value = self.get_query_argument(name, default)
        if value is None:
            raise BadInput(f"The request lacks ?{name}=")
        if len(value) > _MOST_QUERY:
            raise BadInput(f"?{name}= has {len(value):,} characters; at most {_MOST_QUERY:,} can.")
        return value

    def number(self, name: str, default: int) -> int:
        """The same as a whole number from 0 on."""
        value = self.query(name, str(default))
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise BadInput(f"?{name}= must be a whole number from 0 on, not {value[:100]!r}.")
        return int(value)

    def answer(self, data: dict[str, Any], status: int = 200) -> None:
        """The end of a verb that has something to say."""
        self.set_status(status)
        self.finish(json.dumps(data, allow_nan=False))

    def done(self) -> None:
        """The end of a verb that has nothing to say."""
        self.set_status(204)
        self.finish()


def _plain(status: int, error: BaseException | None) -> str:
    """What is told of an error that is not ours."""
    if error is not None and not isinstance(error, web.HTTPError):
        return "jupyter-containers met an error that it did not expect."
    said = error.log_message % error.args if error is not None and error.log_message else ""
    try:
        return one_line(said or HTTPStatus(status).phrase, 500)
    except ValueError:
        return "Error"


class Nothing(Handler):
    """What is none of our routes."""

    @web.authenticated
    @authorized
    def get(self) -> None:
        """404, like the other verbs."""
        raise Unknown(f"There is nothing at {one_line(self.request.path)}.")

    post = put = patch = delete = get


MOST_BYTES = 4 << 20
_MOST_TEXT = 1 << 20
_MOST_PARTS = 500


class Body:
    """A JSON object with no keys but `known`. Every method raises BadInput for a wrong type."""

    def __init__(self, data: bytes, known: Collection[str]) -> None:
        if len(data) > MOST_BYTES:
            raise BadInput(f"The request has {len(data):,} bytes; at most {MOST_BYTES:,} can be.")
        try:
            given = untrusted_json(data.decode())
        except (ValueError, RecursionError):
            raise BadInput("The request's body is no JSON.") from None
        if not isinstance(given, dict):
            raise BadInput(f"The request's body must be an object, not {show(given)}.")
        if unknown := sorted(set(given) - set(known)):
            raise BadInput(
                f"The request has {unknown[0][:80]!r}, which is not known.",
                f"Known are: {', '.join(sorted(known))}.",
            )
        self._given: dict[str, Any] = given

    def text(self, key: str, default: str | None = None, most: int = _MOST_TEXT) -> str:
        """A string; `default` where it is left out or null, if there is one."""
        value = self._given.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise self._wrong(key, "a string")
        if len(value) > most:
            raise BadInput(f"{key!r} has {len(value):,} characters; at most {most:,} can be.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadInput(f"{key!r} holds half a character (a lone surrogate).") from None
        return value

    def flag(self, key: str) -> bool:
        """True or false; false where it is left out."""
        value = self._given.get(key, False)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def count(self, key: str) -> int:
        """A whole number from 0 on; 0 where it is left out."""
        value = self._given.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
            raise self._wrong(key, "a whole number from 0 on")
        return value

    def texts(
        self,
        key: str,
        default: Sequence[str] = (),
        *,
        needed: bool = False,
        most: int = _MOST_PARTS,
    ) -> list[str]:
        """A list of strings; `default` where it is left out or null, unless it is `needed`."""
        value = self._given.get(key)
        if value is None and not needed:
            return list(default)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._wrong(key, "a list of strings")
        if len(value) > most:
            raise BadInput(f"{key!r} has {len(value)} parts; at most {most} can be.")
        return value

    def settings(self) -> Mapping[str, Any]:
        """`settings`: an object as a notebook's metadata holds it. What stands in it, only
        `Settings.parse` knows."""
        value = self._given.get("settings")
        if not isinstance(value, dict):
            raise BadSettings("jupyter_containers", f"must be an object, not {show(value)}.")
        return value

    def settings_or_none(self) -> Mapping[str, Any]:
        """The same, empty where it is left out or null."""
        return {} if self._given.get("settings") is None else self.settings()

    def versions(self, key: str) -> dict[str, dict[str, str]] | None:
        """Tool → package → version; None where it is left out or null."""
        value = self._given.get(key)
        if value is None:
            return None
        tools = value.values() if isinstance(value, dict) else [None]
        if not all(
            isinstance(one, dict) and all(isinstance(text, str) for text in one.values())
            for one in tools
        ):
            raise self._wrong(key, "an object of objects of strings")
        return dict(value)

    def _wrong(self, key: str, what: str) -> BadInput:
        if key not in self._given:
            return BadInput(f"The request lacks {key!r}: {what}.")
        return BadInput(f"{key!r} must be {what}, not {show(self._given[key])}.")
