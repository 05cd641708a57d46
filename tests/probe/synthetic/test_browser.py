"""A real Chromium is led through real pages; what it loads is judged; a failure keeps what helps, without secrets."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.guard import Guard
from pitchey_slo.probe.result import Result
from pitchey_slo.probe.synthetic import read
from pitchey_slo.probe.synthetic.definition import Definition
from pitchey_slo.probe.synthetic.keep import KEEP_DAYS, clean_har, prune
from pitchey_slo.probe.synthetic.proxy import Proxy
from tests.probe.synthetic.servers import HERE, Authority, Seen, Site, Socket, go, js, now, secrets, site

HOME = """<!doctype html><title>Pitchey</title><h1>Pitches</h1>
<form action="/in" method="post"><input id="name" name="name"><input id="pass" name="pass" type="password">
<select id="role" name="role"><option value="a">A</option><option value="b">B</option></select>
<button id="go">Go</button></form><p class="wait" hidden>wait</p>"""
PASSWORD = "correct horse battery"


def html(text: str, status: int = 200, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "text/html", **headers}, text.encode()


def welcome(asked: Seen) -> Any:
    return html("<title>Home</title><h1>Welcome back</h1>", 200, **{"Set-Cookie": "sid=very-secret-session; Path=/"})


@pytest.fixture(scope="module")
def canary() -> Iterator[Socket]:
    found = Socket(lambda held: held.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def there(canary: Socket) -> Iterator[Site]:
    attack = f"""<title>Home</title><h1>Attack</h1><img src="http://127.0.0.1:{canary.port}/img">
<iframe src="http://localhost:{canary.port}/frame"></iframe><iframe src="/hop"></iframe>
<script>for (const u of ["http://127.1:{canary.port}/",
"http://2130706433:{canary.port}/", "http://0x7f000001:{canary.port}/", "http://[::ffff:127.0.0.1]:{canary.port}/",
"/hop"]) fetch(u, {{mode: "no-cors"}}).catch(() => 0);
new WebSocket("ws://127.0.0.1:{canary.port}/"); navigator.sendBeacon("http://127.0.0.1:{canary.port}/b", "x");
const w = new Worker(URL.createObjectURL(new Blob(["fetch('http://127.0.0.1:{canary.port}/w')"])));
const pc = new RTCPeerConnection({{iceServers: [{{urls: "turn:127.0.0.1:{canary.port}?transport=tcp", username: "u",
credential: "c"}}]}}); pc.createDataChannel("x"); pc.createOffer().then(o => pc.setLocalDescription(o));
const done = Object.assign(document.createElement("b"), {{id: "done", innerText: "done"}});
setTimeout(() => document.body.append(done), 600);
</script>"""
    pages = {
        "GET /": html(HOME),
        "POST /in": welcome,
        "GET /echo": html(f"<h1>Your password is {PASSWORD}</h1>"),
        "GET /attack": html(attack),
        "GET /hop": (302, {"Location": f"http://127.0.0.1:{canary.port}/hop"}, b""),
        "GET /away": (302, {"Location": f"http://127.0.0.1:{canary.port}/"}, b""),
        "GET /broken": html("no", 503),
        "GET /favicon.ico": (404, {}, b""),
    }
    with site(pages) as made:
        yield made


def browser(steps: str, timeout: str = "20s") -> Definition:
    head = f"name: page\nkind: browser\ncomponent: web\ntimeout: {timeout}\nretries: {{count: 0}}\nallow: [base]\n"
    return read(f"{head}steps:\n{steps}", "page.yaml")


def led(there: Site, steps: str, *, timeout: str = "20s", **given: Any) -> list[Result]:
    return go(browser(steps, timeout), there.url, **{"guard": Guard(), **given})


def test_a_form_is_filled_sent_and_answered(there: Site, tmp_path: Path) -> None:
    before = len(there.seen)
    rows = led(
        there,
        """\
  - {name: open, goto: "{{ base }}/"}
  - {name: title, expect: {title: Pitchey}}
  - {name: name, fill: {selector: "#name", value: "{{ location }}"}}
  - {name: pass, fill: {selector: "#pass", value: "${secret:PASS}"}}
  - {name: role, select: {selector: "#role", value: b}}
  - {name: wait, expect: {hidden: .wait}}
  - {name: send, click: "#go"}
  - {name: there, expect: {url: "{{ base }}/in"}}
  - {name: welcome, expect: {text: {selector: h1, value: Welcome}}}
""",
        secrets=secrets(PASS=PASSWORD),
        keep=tmp_path,
    )
    verdict = rows[0]
    assert verdict.state == "healthy", verdict.reason
    assert verdict.status == 200
    assert [row.step for row in rows[1:]] == [
        "open",
        "title",
        "name",
        "pass",
        "role",
        "wait",
        "send",
        "there",
        "welcome",
    ]
    assert {"dns", "connect", "first_byte", "transfer"} <= set(verdict.phases)
    assert 0 < sum(verdict.phases.values()) < (verdict.duration_ms or 0)
    assert verdict.bytes and verdict.bytes > len(HOME)
    asked = {f"{s.method} {s.path}": s for s in there.seen[before:]}
    assert asked["POST /in"].body == b"name=here&pass=correct+horse+battery&role=b"
    assert asked["GET /"].headers["traceparent"].split("-")[1] == verdict.trace_id
    assert list(tmp_path.iterdir()) == [], "nothing is kept of a pass"


def test_a_failure_keeps_a_screenshot_and_requests_without_secrets(there: Site, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    long_ago = time.time() - (KEEP_DAYS + 1) * 86_400
    os.utime(old, (long_ago, long_ago))
    rows = led(
        there,
        """\
  - {name: open, goto: "{{ base }}/?token=${secret:TOKEN}"}
  - {name: pass, fill: {selector: "#pass", value: "${secret:PASS}"}}
  - {name: send, click: "#go"}
  - {name: never, expect: {text: {selector: h1, value: Goodbye}}, timeout: 300ms}
  - {name: again, goto: "{{ base }}/", always: true}
""",
        secrets=secrets(PASS=PASSWORD, TOKEN="tok/en+1"),
        keep=tmp_path,
    )
    verdict = rows[0]
    assert (verdict.state, verdict.failure, verdict.step) == ("unhealthy", "assertion", "never")
    assert "expect text h1" in (verdict.reason or "")
    assert rows[-1].step == "again" and rows[-1].state == "healthy"
    picture, requests = (tmp_path / name for name in verdict.details["kept"])
    assert picture.read_bytes().startswith(b"\x89PNG") and requests.parent.name == verdict.run_id
    text = requests.read_text()
    har = json.loads(text)
    assert any(entry["request"]["url"].endswith("/in") for entry in har["log"]["entries"])
    for hidden in (PASSWORD, "correct+horse", "tok/en+1", "tok%2Fen%2B1", "very-secret-session"):
        assert hidden not in text and hidden not in repr(rows), hidden
    assert "[secret PASS]" in text and "[secret TOKEN]" in text
    assert not old.exists()


def test_no_picture_is_taken_of_a_page_that_shows_a_secret(there: Site, tmp_path: Path) -> None:
    rows = led(
        there,
        """\
  - {name: home, goto: "{{ base }}/"}
  - {name: pass, fill: {selector: "#pass", value: "${secret:PASS}"}}
  - {name: open, goto: "{{ base }}/echo"}
  - {name: never, expect: {visible: "#nothing"}, timeout: 200ms}
""",
        secrets=secrets(PASS=PASSWORD),
        keep=tmp_path,
    )
    assert [Path(name).name for name in rows[0].details["kept"]] == ["requests.har"]


def test_nothing_on_a_page_reaches_what_is_not_allowed(there: Site, canary: Socket) -> None:
    steps = '  - {name: open, goto: "{{ base }}/attack"}\n  - {name: done, expect: {visible: "#done"}}\n'
    before = canary.accepted
    verdict = led(there, steps)[0]
    assert canary.accepted == before
    assert verdict.state == "healthy", verdict.reason
    assert led(there, steps, guard=HERE)[0].state == "healthy"
    assert canary.accepted > before + 5, "once it is allowed, the same page reaches it"


def test_failures_of_an_address_have_their_class_and_phase(there: Site, canary: Socket, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    expired = Authority(tmp_path).server("127.0.0.1", days=-2)
    quiet = Socket(lambda held: time.sleep(5))
    before = canary.accepted
    with site({"GET /": js({})}, expired) as past:
        cases = {
            "{{ base }}/broken": ("http_status", "first_byte"),
            "{{ base }}/away": ("dns", "dns"),
            f"http://127.0.0.1:{nobody}/": ("connect", "connect"),
            f"{past.url}/": ("tls", "tls"),
            "http://nobody.test/": ("dns", "dns"),
            f"{quiet.url}/": ("timeout", "first_byte"),
            "file:///etc/passwd": ("probe_error", None),
        }
        ports = (past.url.removeprefix("https://"), f"127.0.0.1:{nobody}", f"127.0.0.1:{quiet.port}")
        allowed = Guard(ports, lambda host, port: ["127.0.0.1"] if host == "127.0.0.1" else [])
        step = "  - {{name: open-{}, goto: {!r}, always: true, timeout: 2s}}\n"  # each runs, whatever came before
        rows = led(there, "".join(step.format(i, url) for i, url in enumerate(cases)), guard=allowed)
    found = {url: (row.failure, row.phase) for url, row in zip(cases, rows[1:], strict=True)}
    quiet.close()
    assert found == cases
    assert canary.accepted == before


def test_the_way_out_is_open_to_its_own_browser_only(canary: Socket) -> None:
    """Others on this machine find a proxy that wants a password, and loses its patience."""

    async def strangers() -> list[bytes]:
        async with Proxy(HERE) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            for _ in range(5):
                writer.write(f"GET http://127.0.0.1:{canary.port}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            found = (await reader.read()).split(b"\r\n")
            writer.close()
            return [line for line in found if line.startswith(b"HTTP/")]

    before = canary.accepted
    assert asyncio.run(strangers()) == [b"HTTP/1.1 407 Proxy Authentication Required"] * 3
    assert canary.accepted == before


def test_the_har_is_only_kept_clean(tmp_path: Path) -> None:
    hide = secrets(A="s3cret-value")
    hide.get("A")
    source, target = tmp_path / "a.har", tmp_path / "b.har"
    headers = [{"name": "Authorization", "value": "Basic x"}, {"name": "X", "value": "1"}]
    cookies = [{"name": "sid", "value": "abc"}]
    source.write_text(json.dumps({"headers": headers, "cookies": cookies, "text": "a s3cret-value"}))
    assert clean_har(source, target, hide)
    assert json.loads(target.read_text()) == {
        "headers": [{"name": "Authorization", "value": "[hidden]"}, {"name": "X", "value": "1"}],
        "cookies": [{"name": "sid", "value": "[hidden]"}], "text": "a [secret A]",
    }  # fmt: skip
    source.write_text("not JSON")
    assert not clean_har(source, target, hide) and not clean_har(tmp_path / "none", target, hide)
    assert prune(tmp_path / "nowhere", now()) == 0
    (tmp_path / "run").mkdir()
    assert prune(tmp_path, now() + timedelta(days=KEEP_DAYS + 1)) == 1
