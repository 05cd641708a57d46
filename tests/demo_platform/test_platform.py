"""The platform as a user meets it, on SQLite; and each thing that can be broken on purpose, from outside."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import httpx
import pyarrow as pa
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pitchey_slo.collect import conform
from pitchey_slo.demo.platform import FAULTS, Platform
from pitchey_slo.demo.platform.proxy import Proxy
from pitchey_slo.errors import ConfigError, StoreUnavailable
from pitchey_slo.tables import REQUESTS, TABLES


class Kept:
    """What was sent to the workbench."""

    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def __call__(self, table: str, rows: pa.Table) -> None:
        assert table == "requests"
        self.tables.append(rows)

    @property
    def rows(self) -> list[dict]:
        return [row for table in self.tables for row in table.to_pylist()]


@pytest.fixture(scope="module")
def kept() -> Kept:
    return Kept()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, kept: Kept) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("platform"), sink=kept) as found:
        yield found


@pytest.fixture
def platform(running: Platform) -> Iterator[Platform]:
    yield running
    running.faults.off()


def client(platform: Platform, **given) -> httpx.Client:
    return httpx.Client(base_url=platform.url, trust_env=False, **{"timeout": 5.0, **given})


def signed_in(http: httpx.Client, email: str, role: str = "creator") -> str:
    """Signs up and in; the client asks as this user from now on. Their id."""
    user = {"email": email, "password": "correct horse", "name": "Ann", "role": role}
    assert http.post("/api/auth/signup", json=user).status_code == 201
    answer = http.post("/api/auth/login", json={k: user[k] for k in ("email", "password")})
    assert answer.status_code == 200
    http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    http.cookies.clear()
    return answer.json()["user"]["id"]


def test_a_creator_and_an_investor_do_what_they_came_for_and_leave(platform: Platform) -> None:
    with client(platform) as creator, client(platform) as investor:
        me = signed_in(creator, "creator@films.example")
        made = creator.post("/api/pitches", json={"title": "Undertow II", "genre": "thriller", "logline": "Again."})
        assert made.status_code == 201
        pitch = made.json()["id"]
        assert made.json()["user_id"] == me
        assert (
            creator.put(f"/api/pitches/{pitch}", json={"title": "Undertow 2", "logline": "Again."}).status_code == 200
        )

        signed_in(investor, "Investor@money.example", "investor")
        assert investor.get(f"/api/pitches/{pitch}").json()["title"] == "Undertow 2"
        assert pitch in {p["id"] for p in investor.get("/api/search", params={"q": "undertow"}).json()["pitches"]}
        assert investor.post(f"/api/pitches/{pitch}/nda").status_code == 201
        assert investor.post(f"/api/pitches/{pitch}/nda").status_code == 409
        invested = investor.post(f"/api/pitches/{pitch}/investments", json={"amount": 1_000})
        assert (invested.status_code, invested.json()["amount"]) == (201, 1_000)
        assert [n["title"] for n in creator.get("/api/notifications").json()["notifications"]] == ["Undertow 2"]
        assert investor.get("/api/dashboard").json()["investments"] == 1
        assert [i["id"] for i in investor.get("/api/investments").json()["investments"]] == [invested.json()["id"]]

        assert investor.delete(f"/api/pitches/{pitch}").status_code == 403  # not theirs
        assert investor.delete(f"/api/investments/{invested.json()['id']}").status_code == 204
        assert creator.delete(f"/api/pitches/{pitch}").status_code == 204
        assert creator.get(f"/api/pitches/{pitch}").status_code == 404
        assert investor.post("/api/auth/logout").status_code == 204
        assert investor.get("/api/dashboard").status_code == 401
        assert creator.delete("/api/users/me").status_code == 204
        assert creator.get("/api/dashboard").status_code == 401  # the session went with the user


def test_what_cannot_be_meant_is_refused(platform: Platform) -> None:
    good = {"email": "bob@films.example", "password": "correct horse", "name": "Bob"}
    with client(platform) as http:
        for change in (
            {"email": "bob"},
            {"password": "short"},
            {"role": "king"},
            {"name": " "},
            {"name": "\0"},
            {"email": 7},
        ):
            assert http.post("/api/auth/signup", json=good | change).status_code == 422
        assert http.post("/api/auth/signup", content=b"{").status_code == 400
        signed_in(http, "bob@films.example")
        assert http.post("/api/auth/signup", json=good).status_code == 409
        wrong = {"email": good["email"], "password": "wrong horse"}
        assert http.post("/api/auth/login", json=wrong).status_code == 401
        nobody = {"email": "house@pitchey.example", "password": "wrong horse"}
        assert http.post("/api/auth/login", json=nobody).status_code == 401
        pitch = http.get("/api/pitches").json()["pitches"][0]["id"]
        for amount in (0, -1, "much", True, None):
            assert http.post(f"/api/pitches/{pitch}/investments", json={"amount": amount}).status_code == 422
        assert http.patch("/api/pitches").status_code == 405
        assert http.get("/api/nothing").status_code == 404
        assert http.get("/api/pitches/%00").status_code == 400
        assert http.get("/api/search?q=%00").status_code == 400
        assert http.post("/api/auth/signup", content=b"x" * (2 << 20)).status_code == 413
        assert http.get("/").text.startswith("<!doctype html>")
        assert http.get("/api/search", params={"q": "' OR 1=1 --%"}).json() == {"pitches": []}


def test_it_says_how_it_is(platform: Platform) -> None:
    with client(platform) as http:
        assert http.get("/api/health").json() == {"status": "healthy", "database": "healthy", "cache": "none"}
        platform.faults.on("dead_database")
        answer = http.get("/api/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
        assert http.get("/api/health/database").status_code == 503
        assert http.get("/api/pitches").status_code == 503
        assert http.get("/").status_code == 200  # needs no database
        platform.faults.off()
        assert http.get("/api/health").json()["status"] == "healthy"


def test_a_database_that_hangs_is_waited_for_three_seconds(platform: Platform) -> None:
    platform.faults.on("hanging_database")
    with client(platform) as http:
        began = time.monotonic()
        assert http.get("/api/pitches").status_code == 504
        assert 2.5 < time.monotonic() - began < 4.5


def test_a_websocket_repeats_what_it_is_told(platform: Platform) -> None:
    address = platform.url.replace("http", "ws")
    with connect(f"{address}/ws", proxy=None) as socket_:
        for message in ("hello", b"\x00\x01", "ö" * 10_000):
            socket_.send(message)
            assert socket_.recv(timeout=5) == message
    with connect(f"{address}/ws", proxy=None) as socket_:
        socket_.socket.shutdown(socket.SHUT_WR)  # gone without saying goodbye
        assert client(platform).get("/").status_code == 200
    platform.faults.on("errors", status=503)
    with pytest.raises(InvalidStatus, match="503"), connect(f"{address}/ws", proxy=None):
        pass


def test_nobody_listens_while_it_is_refused_and_then_the_same_port_does(platform: Platform) -> None:
    with client(platform) as http:
        assert http.get("/").status_code == 200  # a connection that is open is dropped too
        platform.faults.on("refused")
        with pytest.raises(httpx.ConnectError):
            client(platform).get("/")
        with pytest.raises(httpx.TransportError):
            http.get("/")
        platform.faults.off("refused")
        assert http.get("/").status_code == 200


def test_answers_are_slow_broken_wrong_or_cut_where_they_should(platform: Platform) -> None:
    with client(platform) as http:
        platform.faults.on("slow", seconds=0.3, routes=["/api/pitches"])
        began = time.monotonic()
        http.get("/api/pitches")
        assert time.monotonic() - began > 0.3
        began = time.monotonic()
        http.get("/api/health")
        assert time.monotonic() - began < 0.3
        platform.faults.on("errors", status=502, routes=["/api/pitches"], method="POST")
        assert http.get("/api/pitches").status_code == 200
        assert http.post("/api/pitches").status_code == 502
        platform.faults.off()
        platform.faults.on("wrong_body", routes=["/api/health"])
        answer = http.get("/api/health")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
        platform.faults.off()
        platform.faults.on("cut_body")
        with pytest.raises(httpx.RemoteProtocolError, match="complete"):
            http.get("/api/health")
        platform.faults.off()
        platform.faults.on("errors", share=0.5)
        found = [http.get("/api/health").status_code for _ in range(60)]
        assert set(found) == {200, 500}
        assert 12 < found.count(500) < 48


def test_a_platform_that_hangs_takes_connections_and_says_nothing(platform: Platform) -> None:
    platform.faults.on("hang")
    with client(platform, timeout=0.4) as http, pytest.raises(httpx.ReadTimeout):
        http.get("/")
    platform.faults.off()
    with client(platform) as http:
        assert http.get("/").status_code == 200


def test_faults_are_switched_on_an_address_of_their_own(platform: Platform) -> None:
    with httpx.Client(base_url=platform.control, trust_env=False) as control, client(platform) as http:
        assert control.get("/faults").json() == {"known": dict(FAULTS), "on": []}
        on = control.put("/faults/errors", json={"routes": ["/api/auth"], "status": 503}).json()
        assert (on["status"], on["routes"]) == (503, ["/api/auth"])
        assert [f["name"] for f in control.get("/faults").json()["on"]] == ["errors"]
        assert http.post("/api/auth/login").status_code == 503
        assert control.delete("/faults/errors").status_code == 204
        assert http.post("/api/auth/login").status_code == 400
        for name, options in (("error", {}), ("errors", {"code": 1}), ("errors", {"status": 99}),
                              ("slow", {"seconds": "long"}), ("slow", {"routes": "/api"})):  # fmt: skip
            answer = control.put(f"/faults/{name}", json=options)
            assert answer.status_code == 422, options
        assert 'did you mean "errors"' in control.put("/faults/error").json()["error"]
        assert control.get("/faults", headers={"Host": "evil.example:80"}).status_code == 403
        assert http.get("/faults").status_code == 404  # not there where users go


def test_what_it_answered_comes_to_the_workbench_as_rows_that_conform(platform: Platform, kept: Kept) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with client(platform) as http:
        http.get("/api/pitches/nope", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    deadline = time.monotonic() + 10
    while not (mine := [row for row in kept.rows if row["trace_id"] == trace]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (row,) = mine
    assert (row["route"], row["method"], row["status"], row["source"]) == ("/api/pitches/:id", "GET", 404, "platform")
    assert 0 < row["duration_ms"] < 2_000
    known = {r["route"] for r in kept.rows}
    assert "/api/nothing" not in known  # whoever knocks makes no new series
    assert {r["duration_ms"] for r in kept.rows if r["route"] == "/ws"} <= {None}
    for table in kept.tables:
        assert table.schema.equals(REQUESTS.schema)
        assert conform(TABLES["requests"], table, now=row["ts"]).rejected == []


def test_a_taken_port_is_said(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StoreUnavailable, match="cannot listen"):
        Platform(tmp_path, port=taken.getsockname()[1]).__enter__()
    with pytest.raises(ConfigError, match="good"):
        Platform(tmp_path, certificates={"expired": (tmp_path, tmp_path)})


def test_users_stay_over_a_restart(tmp_path) -> None:
    with Platform(tmp_path) as platform, client(platform) as http:
        signed_in(http, "stays@films.example")
        token = http.headers["Authorization"]
        assert len(http.get("/api/pitches").json()["pitches"]) == 3
    with Platform(tmp_path) as platform, client(platform, headers={"Authorization": token}) as http:
        assert http.get("/api/dashboard").json()["user"]["email"] == "stays@films.example"
        assert len(http.get("/api/pitches").json()["pitches"]) == 3


def test_a_proxy_passes_on_hangs_and_is_dead() -> None:
    async def talk() -> None:
        async def upper(reader, writer):
            while line := await reader.readline():
                writer.write(line.upper())

        server = await asyncio.start_server(upper, "127.0.0.1", 0)
        proxy = Proxy("127.0.0.1", server.sockets[0].getsockname()[1])
        await proxy.open()

        async def said(reader, writer, seconds=2.0):
            writer.write(b"hello\n")
            async with asyncio.timeout(seconds):
                return await reader.readline()

        old = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await said(*old) == b"HELLO\n"
        await proxy.use("hang")
        new = await asyncio.open_connection("127.0.0.1", proxy.port)  # taken, then nothing
        for one in (old, new):
            with pytest.raises(TimeoutError):
                await said(*one, seconds=0.2)
        await proxy.use("pass")
        async with asyncio.timeout(2):
            assert [await one[0].readline() for one in (old, new)] == [b"HELLO\n"] * 2  # what waited goes on
        await proxy.use("dead")
        async with asyncio.timeout(2):
            assert await old[0].read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.use("pass")
        assert await said(*await asyncio.open_connection("127.0.0.1", proxy.port)) == b"HELLO\n"
        await proxy.close()
        server.close()

    asyncio.run(asyncio.wait_for(talk(), 20))
