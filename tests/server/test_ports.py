"""Apps in containers through the server. The apps are real; the container is this machine."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import resource
from dataclasses import replace

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.httputil import url_concat
from tornado.tcpclient import TCPClient
from tornado.web import GZipContentEncoding
from tornado.websocket import websocket_connect

from jupyter_containers.errors import StreamFailed
from jupyter_containers.kernels.preflight import set_outputs
from jupyter_containers.kernels.streams import Listening
from jupyter_containers.server.proxy import SANDBOX
from tests.helpers.web_app import PIECE, Big, Events

from .proxying import KERNEL


def rss():
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


# -- what passes ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_every_method_and_the_query_arrive(method, app, ports, ask):
    body = b"some \xff" if method in ("POST", "PUT", "PATCH") else None
    answer = await ask(app, "a/b%2Fc?x=%20&y=1", method=method, body=body)
    said = json.loads(answer.body)
    assert (answer.code, said["method"], said["uri"]) == (200, method, "/a/b%2Fc?x=%20&y=1")
    assert said["body"] == (body or b"").decode("latin1")


async def test_head_tells_the_length_of_a_body_that_does_not_come(app, ports, ask):
    answer = await ask(app, "headers?header=Content-Length:%205000", method="HEAD")
    assert (answer.code, answer.headers["Content-Length"], answer.body) == (200, "5000", b"")


@pytest.mark.parametrize("code", [204, 304, 404, 418, 500])
async def test_the_apps_status_is_the_answers(code, app, ports, ask):
    assert (await ask(app, f"headers?code={code}")).code == code


async def test_options_is_the_apps_own_unless_a_browser_asks_for_a_page(app, ports, ask):
    answer = await ask(app, method="OPTIONS")
    assert (answer.code, answer.headers.get_list("Access-Control-Allow-Origin")) == (200, [])


@pytest.mark.parametrize("query", ["", "?length=1"])
async def test_a_download_is_not_held_in_memory(query, app, ports, ask):
    got, digest, before = 0, hashlib.sha256(), rss()

    def piece(data):
        nonlocal got
        got += len(data)
        digest.update(data)

    assert (await ask(app, f"big/1024{query}", streaming_callback=piece)).code == 200
    assert got == 1 << 30
    expected = hashlib.sha256()
    for _ in range(1024):
        expected.update(PIECE)
    assert digest.digest() == expected.digest()
    assert rss() - before < 100 << 20


async def test_what_the_server_compresses_arrives_whole(app, ports, ask, jp_web_app, monkeypatch):
    """Its setting is `compress_response`."""
    monkeypatch.setattr(jp_web_app, "transforms", [GZipContentEncoding])
    answer = await ask(app, "big/3?length=1", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.body) == PIECE * 3


async def test_an_upload_is_not_held_in_memory(app, ports, ask):
    before = rss()

    async def body(write):
        for _ in range(300):
            await write(PIECE)

    answer = await ask(app, "upload", method="POST", body_producer=body)
    assert json.loads(answer.body)["count"] == 300 << 20
    assert rss() - before < 100 << 20


async def test_an_app_that_is_faster_than_its_reader_waits(
    app, ports, http_server, http_server_port
):
    stream = await TCPClient().connect("127.0.0.1", http_server_port[-1], max_buffer_size=1 << 20)
    path = f"{ports.prefix(KERNEL, app)}big/1000"
    await stream.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await stream.read_until(b"\r\n\r\n")
    seen = -1
    while seen != Big.sent:
        seen = Big.sent
        await asyncio.sleep(0.3)
    assert seen < 100
    stream.close()


async def test_an_app_hears_that_the_browser_has_gone(app, ports, http_server, http_server_port):
    stream = await TCPClient().connect("127.0.0.1", http_server_port[-1])
    path = f"{ports.prefix(KERNEL, app)}events"
    await stream.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await stream.read_until(b"data: 0")
    stream.close()
    while not Events.left:
        await asyncio.sleep(0.01)


async def test_server_sent_events_come_one_by_one(app, ports, ask):
    seen = []

    def piece(data):
        seen.append(data)
        Events.more.set()

    answer = await ask(app, "events", streaming_callback=piece)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert seen == [b"data: 0\n\n", b"data: 1\n\n", b"data: 2\n\n"]


async def test_a_websocket_with_all_that_it_has(app, ports, dial):
    there = await dial(app, subprotocols=["one", "two"])
    assert there.selected_subprotocol == "two"
    assert await there.read_message() == f"http://localhost:{app}"
    for message in ("text ä", b"\x00\xff" * 100_000):
        await there.write_message(message, binary=isinstance(message, bytes))
        assert await there.read_message() == message
    await there.write_message("close 4321 enough")
    assert await there.read_message() is None
    assert (there.close_code, there.close_reason) == (4321, "enough")
    there.close()


async def test_an_apps_own_xsrf_token_arrives(app, ports, ask):
    headers = {"Cookie": "_xsrf=2|a", "X-XSRFToken": "of the app"}
    said = json.loads((await ask(app, headers=headers)).body)
    assert said["headers"]["X-Xsrftoken"] == "of the app"


async def test_what_an_app_is_told_of_its_address(app, ports, ask, http_server_port):
    prefix = ports.prefix(KERNEL, app)
    headers = {
        "Origin": "null",
        "Referer": f"http://127.0.0.1:{http_server_port[-1]}{prefix}page?a=1&token=x",
        "X-Forwarded-Prefix": "/evil",
    }
    told = json.loads((await ask(app, headers=headers)).body)["headers"]
    assert told["Host"] == f"localhost:{app}"
    assert told["Origin"] == f"http://localhost:{app}"
    assert told["Referer"] == f"http://localhost:{app}/page?a=1"
    assert told["X-Forwarded-Host"] == f"127.0.0.1:{http_server_port[-1]}"
    assert told["X-Forwarded-Prefix"] == prefix.rstrip("/")
    assert (told["X-Forwarded-Proto"], told["X-Forwarded-For"]) == ("http", "127.0.0.1")
    assert prefix.startswith("/a%40b/jupyter-containers/ports/")


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/login", "{prefix}login"),
        ("page?x=1#there", "page?x=1#there"),
        ("{prefix}login", "{prefix}login"),
        ("http://127.0.0.1:{port}/a", "{prefix}a"),
        ("http://localhost:{port}/a", "{prefix}a"),
        ("https://[::1]:{port}/a", "{prefix}a"),
        ("//0.0.0.0:{port}/a", "{prefix}a"),
        ("http://{host}/a", "{prefix}a"),
        ("http://127.0.0.1:8888/lab", "{sibling}lab"),
        ("http://localhost/", "{eighty}"),
        ("https://example.org/a", "https://example.org/a"),
        ("http://127.0.0.1:99999/", "{prefix}"),
    ],
)
async def test_a_redirect_stays_with_the_app(location, leads_to, app, ports, ask, http_server_port):
    words: dict[str, object] = {
        "prefix": ports.prefix(KERNEL, app),
        "sibling": ports.prefix(KERNEL, 8888),
        "eighty": ports.prefix(KERNEL, 80),
        "port": app,
        "host": f"127.0.0.1:{http_server_port[-1]}",
    }
    asked = url_concat("headers?code=302", {"header": "Location: " + location.format(**words)})
    answer = await ask(app, asked)
    assert (answer.code, answer.headers["Location"]) == (302, leads_to.format(**words))


# -- what stays out ------------------------------------------------------------------------


async def test_an_app_gets_nothing_of_jupyters(app, ports, ask):
    headers = {
        "Cookie": "_xsrf=2|a; username-localhost-8888=b; jupyterhub-session-id=c; other=d",
        "Authorization": "token secret",
        "X-XSRFToken": "2|a",
    }
    answer = await ask(app, "?token=secret&to%6ben=secret&tokens=1", headers=headers)
    said = json.loads(answer.body)
    assert said["uri"] == "/?tokens=1"
    assert not {"Cookie", "Authorization", "X-Xsrftoken"} & set(said["headers"])
    assert b"secret" not in answer.body


async def test_an_app_gets_the_cookies_that_it_has_set(app, ports, ask):
    cookies = ["session=1; Path=/; Domain=example.org; HttpOnly", "deep=2; Path=/deep; Secure"]
    cookies += ["plain=3", "_xsrf=4", "username-x=5; Path=/", "jupyterhub-session-id=6", "bad"]
    cookies += ["__Host-own=7; Path=/; Secure"]
    asked = url_concat("headers", [("header", f"Set-Cookie: {one}") for one in cookies])
    answer = await ask(app, asked)
    prefix = ports.prefix(KERNEL, app)
    assert answer.headers.get_list("Set-Cookie") == [
        f"session=1; HttpOnly; Path={prefix}",
        f"deep=2; Secure; Path={prefix}deep",
        f"plain=3; Path={prefix}",
    ]
    said = json.loads((await ask(app, headers={"Cookie": "_xsrf=4; session=1; other=2"})).body)
    assert said["headers"]["Cookie"] == "session=1"


async def test_an_app_sets_nothing_for_the_whole_host(app, ports, ask):
    headers = ["Service-Worker-Allowed: /", "Strict-Transport-Security: max-age=9"]
    headers += ['Clear-Site-Data: "*"', "X-Accel-Redirect: /etc", "Referrer-Policy: unsafe-url"]
    headers += ["Content-Security-Policy: img-src 'none'", "X-Own: stays"]
    answer = await ask(app, url_concat("headers", [("header", one) for one in headers]))
    names = {name for name, _ in answer.headers.get_all()}
    gone = {"Service-Worker-Allowed", "Strict-Transport-Security", "Clear-Site-Data"}
    assert not names & (gone | {"X-Accel-Redirect"})
    assert answer.headers["X-Own"] == "stays"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert set(answer.headers.get_list("Content-Security-Policy")) == {SANDBOX, "img-src 'none'"}


async def test_no_service_worker_is_registered(app, ports, ask):
    answer = await ask(app, "sw.js", headers={"Service-Worker": "script"})
    assert answer.code == 403
    assert "service worker" in json.loads(answer.body)["message"]


# -- isolated and trusted ------------------------------------------------------------------


async def test_an_isolated_page_may_read_its_own_app(app, ports, ask):
    given = ["Access-Control-Allow-Origin: https://example.org", "X-Frame-Options: SAMEORIGIN"]
    given += ["Cross-Origin-Resource-Policy: same-origin"]
    asked = url_concat("headers", [("header", one) for one in given])
    headers = (await ask(app, asked, headers={"Origin": "null"})).headers
    assert headers.get_list("Access-Control-Allow-Origin") == ["null"]
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert "Content-Type" in headers["Access-Control-Expose-Headers"]
    assert "X-Frame-Options" not in headers and "Cross-Origin-Resource-Policy" not in headers
    headers = {
        "Origin": "null",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type, x-own",
    }
    answer = await ask(app, method="OPTIONS", headers=headers)
    assert answer.code == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "PUT"
    assert answer.headers["Access-Control-Allow-Headers"] == "content-type, x-own"


async def test_no_other_page_may_read_it(app, ports, ask):
    answer = await ask(app, headers={"Origin": "https://example.org"})
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_trusted_page_is_plain_and_for_who_is_logged_in(app, trusted, ask):
    answer = await ask(app)
    assert (answer.code, "/login?next=" in answer.headers["Location"]) == (302, True)
    assert (await ask(app, method="POST", body=b"")).code == 403
    answer = await ask(app, logged_in=True)
    assert answer.code == 200
    (policy,) = answer.headers.get_list("Content-Security-Policy")
    assert "frame-ancestors" in policy and "sandbox" not in policy


@pytest.mark.parametrize("how", ["post", "socket"])
async def test_a_page_of_another_site_does_nothing_in_a_trusted_one(
    how, app, trusted, http_server, http_server_port, ports, jp_serverapp, ask, dial
):
    """It has the person's cookies, not a token."""
    token = jp_serverapp.identity_provider.token
    login = await ask(app, prefix=f"{jp_serverapp.base_url}lab?token={token}")
    cookie = "; ".join(one.split(";")[0] for one in login.headers.get_list("Set-Cookie"))
    assert "username" in cookie
    own = f"http://127.0.0.1:{http_server_port[-1]}"
    for origin, code in (("https://evil.example", 403), ("null", 403), (own, 200)):
        headers = {"Origin": origin, "Cookie": cookie}
        if how == "post":
            assert (await ask(app, method="POST", body=b"", headers=headers)).code == code
            continue
        url = f"ws://127.0.0.1:{http_server_port[-1]}{ports.prefix(KERNEL, app)}socket"
        dialling = websocket_connect(HTTPRequest(url, headers=headers))
        if code == 200:
            (await dialling).close()
        else:
            with pytest.raises(HTTPClientError, match=str(code)):
                await dialling


async def test_who_is_not_authorized_sees_no_trusted_page(
    app, trusted, ask, jp_serverapp, monkeypatch
):
    monkeypatch.setattr(jp_serverapp.authorizer, "is_authorized", lambda *_: False)
    assert (await ask(app, logged_in=True)).code == 403


async def test_a_decision_is_heeded_while_the_page_is_open(app, ports, notebook, ask):
    set_outputs(notebook, "trusted")
    assert (await ask(app)).code == 302
    set_outputs(notebook, "isolated")
    while (answer := await ask(app)).code != 200:
        await asyncio.sleep(0.1)
    assert answer.headers["Content-Security-Policy"] == SANDBOX


@pytest.mark.parametrize("policy", [{"outputs": "isolated"}])
async def test_the_administrators_word_counts(app, ports, notebook, ask):
    assert (await ask(app)).headers["Content-Security-Policy"] == SANDBOX


async def test_the_address_to_open(app, ports, ask, api, http_server_port):
    status, said = await api("POST", f"kernels/{KERNEL}/ports/{app}", "{}")
    assert (status, said) == (200, {"url": ports.prefix(KERNEL, app)})
    answer = await ask(app, prefix=said["url"].rstrip("/"))
    assert (answer.code, answer.headers["Location"]) == (302, said["url"])


async def test_the_plain_address_leads_to_it_where_outputs_are_trusted(
    app, trusted, ask, ports, jp_base_url
):
    plain = f"{jp_base_url}jupyter-containers/ports/{KERNEL}/{app}/"
    answer = await ask(app, "a/b?x=1", prefix=plain, logged_in=True)
    assert answer.headers["Location"] == ports.prefix(KERNEL, app) + "a/b?x=1"
    assert "/login" in (await ask(app, prefix=plain)).headers["Location"]


async def test_the_plain_address_says_how_to_open_an_isolated_page(app, ask, jp_base_url):
    plain = f"{jp_base_url}jupyter-containers/ports/{KERNEL}/{app}/"
    answer = await ask(app, prefix=plain, logged_in=True, headers={"Accept": "text/html"})
    assert answer.code == 403
    assert b"are isolated" in answer.body and b"sidebar" in answer.body


async def test_an_address_opens_its_own_port_only(app, ports, ask):
    name = ports.prefix(KERNEL, app).rstrip("/").rpartition("/")[2]
    signature = name.rpartition("-")[2]
    other = "0" if signature[0] != "0" else "1"
    for wrong in (
        f"{app + 1 if app < 65535 else 1}-{KERNEL}-{signature}",
        f"{app}-{KERNEL[:-1]}2-{signature}",
        f"{app}-{KERNEL}-{other}{signature[1:]}",
    ):
        answer = await ask(app, prefix=ports.prefix(KERNEL, app).replace(name, wrong))
        assert (answer.code, json.loads(answer.body)["type"]) == (404, "Unknown")


async def test_listening_ports_are_told_and_told_again(
    ports, kernel, api, jp_serverapp, monkeypatch
):
    reports: asyncio.Queue[list[Listening] | None] = asyncio.Queue()
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    class Streams:
        async def ports(self):
            while (found := await reports.get()) is not None:
                yield found

    async def listener(logger, schema_id, data):
        if data["what"] == "ports":
            heard.put_nowait((data["id"], data["path"]))

    jp_serverapp.event_logger.add_listener(
        schema_id="https://schema.jupyter-containers.org/change/v1", listener=listener
    )
    monkeypatch.setattr(ports, "_streams", lambda _: Streams())
    kernel.state = replace(kernel.state, published={9000: 41234})
    reports.put_nowait([])
    published = [{"port": 9000, "host": "127.0.0.1", "host_port": 41234}]
    said = await api("GET", f"kernels/{KERNEL}/ports")
    assert said == (200, {"listening": [], "published": published})
    reports.put_nowait([Listening(8050, "python", "127.0.0.1")])
    assert await heard.get() == (KERNEL, "n.ipynb")
    url = ports.prefix(KERNEL, 8050)
    said = await api("GET", f"kernels/{KERNEL}/ports")
    assert said[1]["listening"] == [{"port": 8050, "process": "python", "url": url}]
    reports.put_nowait(None)  # the container ends
    assert await heard.get() == (KERNEL, "n.ipynb")
    reports.put_nowait([])
    said = await api("GET", f"kernels/{KERNEL}/ports")
    assert said == (200, {"listening": [], "published": published})


async def test_a_container_that_opens_no_streams_says_so(ports, kernel, api, monkeypatch):
    def none(_):
        raise StreamFailed("none", "It gives no connections.", "Restart it.")

    monkeypatch.setattr(ports, "_streams", none)
    status, said = await api("GET", f"kernels/{KERNEL}/ports")
    assert (status, said["message"]) == (502, "It gives no connections.")
