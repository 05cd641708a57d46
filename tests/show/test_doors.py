"""Who comes in: on the page, on the WebSocket and at every action; and the process that keeps the doors."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from bokeh.protocol import Protocol
from bokeh.protocol.receiver import Receiver
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from .conftest import Place, answers, shown, until

BOARD = """\
title: {title}
role: {role}
order: {order}
rows:
  - title: ''
    widgets:
      - {{id: words, type: markdown, title: Words, text: for {role}}}
"""
ROLES = ("public", "viewer", "operator", "admin")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("doors")
    boards = folder / "config" / "dashboards"
    boards.mkdir(parents=True)
    for order, role in enumerate(ROLES):
        (boards / f"{role}.yml").write_text(BOARD.format(title=role.title(), role=role, order=order))
    with shown(folder, config=folder / "config") as it:
        with it.browse() as nobody:
            until(lambda: nobody.get("/").headers["location"] == "/show/public")
        yield it


class Socket:
    """A page's WebSocket without a browser: what Bokeh's own client says, no more."""

    def __init__(self, place: Place, browser: httpx.Client, board: str, origin: str | None = None) -> None:
        self._place, self._browser, self._board = place, browser, board
        self._origin = origin or place.url
        self._protocol = Protocol()
        self._receiver = Receiver(self._protocol)
        self._connection: WebSocketClientConnection | None = None

    async def open(self, token: str | None = None) -> Socket:
        page = (await asyncio.to_thread(self._browser.get, f"/show/{self._board}")).text if token is None else ""
        found = re.search(r'"token":"([^"]+)"', page)
        self.token = token or (found[1] if found else "")
        cookies = "; ".join(f"{k}={v}" for k, v in self._browser.cookies.items())
        headers = {"Origin": self._origin, **({"Cookie": cookies} if cookies else {})}
        url = self._place.url.replace("http", "ws") + f"/show/{self._board}/ws"
        request = HTTPRequest(url, headers=headers, request_timeout=20)
        self._connection = await websocket_connect(request, subprotocols=["bokeh", self.token])
        assert (await self._next()).msgtype == "ACK"
        pull: Any = self._protocol.create("PULL-DOC-REQ")
        await self._send(pull)
        while (reply := await self._next()).msgtype != "PULL-DOC-REPLY":
            pass
        text = json.dumps(reply.content)
        # the component's model: the one that holds our script
        self.model = next(r["id"] for r in _models(reply.content) if "main.js" in json.dumps(r.get("attributes", {})))
        assert text
        return self

    async def ask(self, **said: Any) -> dict[str, Any]:
        """Say something as the page's component does, and the next message for it."""
        event = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": {
            "type": "event", "name": "data_event", "values": {"type": "map", "entries": [
                ["model", {"id": self.model}], ["data", {"type": "map", "entries": _entries(said)}]]}}}  # fmt: skip
        header = json.dumps({"msgid": os.urandom(8).hex(), "msgtype": "PATCH-DOC"})
        assert self._connection is not None
        for fragment in (header, "{}", json.dumps({"events": [event]})):
            await self._connection.write_message(fragment)
        while True:
            message = await self._next()
            found = _carried(message)
            if found is not None and found.get("kind") != "layout":
                return found

    async def _send(self, message: Any) -> None:
        assert self._connection is not None
        for fragment in (message.header_json, message.metadata_json, message.content_json):
            await self._connection.write_message(fragment)

    async def _next(self) -> Any:
        assert self._connection is not None
        while True:
            fragment = await asyncio.wait_for(self._connection.read_message(), 30)
            assert fragment is not None, "closed"
            message = await self._receiver.consume(fragment)
            if message is not None:
                return message

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _entries(said: dict[str, Any]) -> list[list[Any]]:
    return [[k, {"type": "map", "entries": _entries(v)} if isinstance(v, dict) else v] for k, v in said.items()]


def _models(value: Any) -> Iterator[dict[str, Any]]:
    """Every model of a document, wherever it stands."""
    if isinstance(value, dict):
        if "id" in value and "name" in value and "attributes" in value:
            yield value
        for inner in value.values():
            yield from _models(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _models(inner)


def _carried(message: Any) -> dict[str, Any] | None:
    """What a patch carries for our component, if it is one."""
    if message.msgtype != "PATCH-DOC" or not message.buffers:
        return None
    found = orjson.loads(bytes(message.buffers[0].data))
    return found if isinstance(found, dict) else None


def talk(place: Place, browser: httpx.Client, board: str, *said: dict[str, Any]) -> list[dict[str, Any]]:
    async def main() -> list[dict[str, Any]]:
        socket = await Socket(place, browser, board).open()
        try:
            return [await socket.ask(**each) for each in said]
        finally:
            socket.close()

    return asyncio.run(main())


def test_the_page_asks_for_a_role(place: Place) -> None:
    with place.browse() as nobody, place.sign_in("read") as viewer, place.sign_in("admin") as admin:
        assert nobody.get("/show/public").status_code == 200
        for browser, may in ((nobody, 1), (viewer, 2), (admin, 4)):
            seen = [r for r in ROLES if browser.get(f"/show/{r}").status_code == 200]
            assert seen == list(ROLES[:may])
        led = nobody.get("/show/viewer?range=6h")
        assert led.status_code == 302 and "signin?next=" in led.headers["location"]
        page = admin.get("/show/admin")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe-inline' " not in policy.split("style-src")[0]
        assert place.server.info.token not in page.text and "pslo_" not in page.text
        session = admin.cookies["pitchey_session"]
        assert session not in page.text  # scripts cannot read what the page does not hold


def test_the_socket_and_every_look_ask_again(place: Place) -> None:
    with place.browse() as nobody, place.sign_in("read") as viewer:
        found = talk(place, nobody, "public", {"do": "look", "board": "public"}, {"do": "look", "board": "viewer"})
        assert found[0]["kind"] == "all" and found[0]["answer"]["widgets"]["words"]["text"] == "for public"
        assert found[1]["kind"] == "failed" and found[1]["reason"] == "forbidden"
        acts = talk(place, nobody, "public", {"do": "act", "id": 1, "name": "alert.why", "args": {"id": "x"}},
                    {"do": "act", "id": 2, "name": "rm -rf", "args": {}})  # fmt: skip
        assert [(a["kind"], a["id"], a["reason"]) for a in acts] == [
            ("failed", 1, "forbidden"), ("failed", 2, "bad_parameter"),
        ]  # fmt: skip
        # a viewer may look and ask why, not act
        told = talk(place, viewer, "viewer", {"do": "look", "board": "viewer"},
                    {"do": "act", "id": 3, "name": "silence.create", "args": {"minutes": 5, "matchers": ["a=\"b\""]}},
                    {"do": "act", "id": 4, "name": "silence.list", "args": {}})  # fmt: skip
        assert told[0]["kind"] == "all" and told[1]["reason"] == "forbidden" and told[2]["value"] == {"silences": []}

    async def refused(board: str, browser: httpx.Client, token: str, origin: str | None = None) -> int:
        try:
            await Socket(place, browser, board, origin).open(token)
        except HTTPClientError as error:
            return error.code
        return 200

    with place.browse() as nobody, place.sign_in("read") as viewer:
        token = re.search(r'"token":"([^"]+)"', viewer.get("/show/viewer").text)
        assert token is not None
        assert asyncio.run(refused("viewer", nobody, token[1])) == 403  # a page's token alone is no way in
        host = place.url.removeprefix("http://")
        for origin in ("http://evil.example", f"http://{host}.evil.example", f"http://evil.example/{host}"):
            assert asyncio.run(refused("viewer", viewer, token[1], origin)) == 403


def test_an_action_is_done_in_the_name_of_who_signed_in(place: Place) -> None:
    with place.sign_in("read", "alert", name="kim") as kim:
        args = {"minutes": 5, "comment": "known", "matchers": ['service="x"']}
        # lists travel as they are in Bokeh's protocol
        done = talk(place, kim, "operator", {"do": "act", "id": 1, "name": "silence.create", "args": args})
    assert done[0]["kind"] == "done" and done[0]["value"]["created_by"] == "kim"


def test_signing_in_and_out(place: Place) -> None:
    with place.browse() as browser:
        token = place.server.token("read", name="lee")
        elsewhere = browser.post("/signin", data={"token": token}, headers={"Origin": "http://evil.example"})
        nowhere = browser.post("/signin", data={"token": token})
        assert elsewhere.status_code == nowhere.status_code == 403 and not browser.cookies
        wrong = browser.post("/signin", data={"token": "<i src=x>", "next": '/"><i>'}, headers={"Origin": place.url})
        assert (
            wrong.status_code == 403
            and "<i" not in wrong.text.replace("<img ", "").replace("<input ", "")
            and not browser.cookies
        )
        away = {"token": token, "next": "//evil.example"}
        done = browser.post("/signin", data=away, headers={"Origin": place.url})
        cookie = done.headers["set-cookie"]
        assert done.status_code == 303 and done.headers["location"] == "/"
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and token not in cookie
        assert browser.get("/show/viewer").status_code == 200
        forged = httpx.Cookies({"pitchey_session": browser.cookies["pitchey_session"][:-1] + "0"})
        assert httpx.get(f"{place.url}/show/viewer", cookies=forged, trust_env=False).status_code == 302
        assert browser.post("/signout").status_code == 403
        kept = httpx.Cookies(browser.cookies)
        assert browser.post("/signout", headers={"Origin": place.url}).status_code == 303
        # the session is over for whoever kept the cookie, too
        assert httpx.get(f"{place.url}/show/viewer", cookies=kept, trust_env=False).status_code == 302


def test_the_link_of_this_machine_works_once(place: Place) -> None:
    path = place.screens.link.removeprefix(place.url)
    with place.browse() as first, place.browse() as second:
        assert first.get("/signin?once=wrong").status_code == 403
        assert first.get(path).status_code == 303 and first.get("/show/admin").status_code == 200
        assert second.get(path).status_code == 403 and not second.cookies


def test_files_are_kept_for_ever_and_no_others_are_served(place: Place) -> None:
    with place.browse() as browser:
        base = re.search(r"/at/[0-9a-f]+/", browser.get("/show/public").text)
        assert base is not None
        script = browser.get(f"{base[0]}app/main.js")
        assert "immutable" in script.headers["cache-control"] and script.headers["content-encoding"] == "gzip"
        for bad in ("app/page.html", "app/../page.py", "app/..%2fpage.py", "lib/panel.js", "app/nothing.js"):
            assert browser.get(f"{base[0]}{bad}").status_code == 404


def test_a_process_that_dies_is_started_again_at_the_same_address(place: Place) -> None:
    before, starts = place.screens.pid, place.screens.starts
    assert before is not None
    with open(f"/proc/{before}/cmdline", encoding="utf-8") as line, open(f"/proc/{before}/environ") as given:
        assert "pslo_" not in line.read() + given.read()  # its token came by the pipe
    os.kill(before, signal.SIGKILL)
    until(lambda: place.screens.starts > starts and place.screens.up and answers(place.url))
    assert place.screens.pid != before
    with place.browse() as browser:
        until(lambda: browser.get("/").headers["location"] == "/show/public")
        assert browser.get(place.screens.link.removeprefix(place.url)).status_code == 403  # not again


def test_serve_leads_to_the_dashboards_and_stops_them(tmp_path: Path) -> None:
    env = {**os.environ, "PITCHEY_HOME": str(tmp_path / "home"), "PITCHEY_DASHBOARDS": "on", "PITCHEY_PORT": "0",
           "PITCHEY_DASHBOARDS_PORT": "0", "PITCHEY_CONFIG": str(tmp_path), "PITCHEY_INVESTIGATE": ""}  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "pitchey_slo", "serve"], env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        info = until(
            lambda: (
                (tmp_path / "home" / "server.json").exists()
                and json.loads((tmp_path / "home" / "server.json").read_text())
            )
        )
        until(lambda: answers(info["dashboards"]))
        for path in ("/", "/show/system?range=6h&var-route=/a"):
            led = httpx.get(info["url"] + path, trust_env=False)
            assert led.status_code == 302 and led.headers["location"] == info["dashboards"] + path
    finally:
        process.terminate()
        out = process.communicate(timeout=60)[0]
    assert f"dashboards    {info['dashboards']}" in out and "/signin?once=" in out
    deadline = time.monotonic() + 10
    while answers(info["dashboards"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
