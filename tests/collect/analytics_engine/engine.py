"""A local Analytics Engine: answers as the documented SQL API does, from rows it really selects.

Writing samples per index and second, as equitable sampling does; reading samples when `level` says so; points become
visible some time after they were written, late ones later. `faults` go wrong instead of answering, one after the other.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import duckdb
import pyarrow as pa

from pitchey_slo.testing import FixedClock

ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "a-token-that-nobody-may-see"
BLOBS = [f"blob{n}" for n in range(1, 21)]
DOUBLES = [f"double{n}" for n in range(1, 21)]
SHAPE = re.compile(
    r"SELECT (?P<columns>[\w, ]+) FROM (?P<dataset>\w+) WHERE (?P<where>.+) ORDER BY timestamp "
    r"LIMIT (?P<limit>ALL|\d+) FORMAT (?P<format>JSON|JSONEachRow)"
)
Fault = Callable[["Handler"], None]


class Engine:
    """`url` is what CLOUDFLARE_API_URL would be. `asked` are the questions that were answered or failed, in order."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock, self.asked, self.faults = clock, list[str](), deque[Fault]()
        self.level: Callable[[str], int] = lambda _: 1
        self.most_rows: int | None = None
        self.datasets = {"pitchey_metrics"}
        self.token = TOKEN
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.engine = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_port}/client/v4"
        self._lock, self._seq = threading.Lock(), 0
        self._db = duckdb.connect()
        text = ", ".join(f"{c} VARCHAR" for c in ("dataset", "index1", *BLOBS))
        numbers = ", ".join(f"{c} DOUBLE" for c in DOUBLES)
        self._db.execute(
            "CREATE TABLE points (timestamp TIMESTAMP, _sample_interval DOUBLE, visible TIMESTAMP, "
            f"seq BIGINT, {text}, {numbers})"
        )

    def write(self, *points: dict[str, Any], dataset: str = "pitchey_metrics", most: int | None = None) -> None:
        """Store data points; with `most`, at most so many per index and second, which stand for all of them."""
        groups: dict[tuple[str, datetime], list[dict[str, Any]]] = {}
        for point in points:
            groups.setdefault((point["index1"], point["at"].replace(microsecond=0)), []).append(point)
        rows = []
        for (_, second), group in groups.items():
            step = 1 if most is None else -(-len(group) // most)
            for first in range(0, len(group), step):
                weight, point = len(group[first : first + step]), group[first]
                self._seq += 1
                visible = point["at"] + timedelta(seconds=30 + point.get("late", 0))
                rows.append(
                    {"timestamp": second.replace(tzinfo=None), "_sample_interval": float(weight), "dataset": dataset,
                     "visible": visible.replace(tzinfo=None), "seq": self._seq, "index1": point["index1"],
                     **dict.fromkeys(BLOBS), **dict.fromkeys(DOUBLES, 0.0),
                     **dict(zip(BLOBS, point["blobs"], strict=False)),
                     **dict(zip(DOUBLES, point["doubles"], strict=False))}
                )  # fmt: skip
        names = [r[0] for r in self._db.execute("DESCRIBE points").fetchall()]
        types = {"timestamp": pa.timestamp("us"), "visible": pa.timestamp("us"), "seq": pa.int64()}
        kind = {**{n: pa.float64() for n in ("_sample_interval", *DOUBLES)}, **types}
        table = pa.table({n: pa.array([r[n] for r in rows], kind.get(n, pa.string())) for n in names})
        with self._lock:
            self._db.register("fresh", table)
            self._db.execute("INSERT INTO points SELECT * FROM fresh")
            self._db.unregister("fresh")

    def select(self, sql: str) -> tuple[int, str, bytes]:
        """Status, content type and body of an answer."""
        match = SHAPE.fullmatch(sql.strip())
        if match is None:
            return 422, "text/plain", b"unable to parse sql"
        now = f"{self.clock():%Y-%m-%d %H:%M:%S}"
        where = re.sub(r"toDateTime\(('[^']*')\)", r"TIMESTAMP \1", match["where"])
        level = self.level(sql)
        columns = [c.strip() for c in match["columns"].split(",")]
        where = f"({where}) AND visible <= TIMESTAMP '{now}' AND dataset = '{match['dataset']}' AND seq % {level} = 0"
        chosen = [f"_sample_interval * {level}" if c == "_sample_interval" else c for c in columns]
        with self._lock:
            if match["dataset"] not in self.datasets:
                return 422, "text/plain", f"unable to find table {match['dataset']}".encode()
            try:
                rows = self._db.execute(
                    f"SELECT {', '.join(chosen)} FROM points WHERE {where} ORDER BY timestamp, random() "
                    + ("" if match["limit"] == "ALL" else f"LIMIT {match['limit']}")
                ).fetchall()
            except duckdb.Error as error:
                return 422, "text/plain", f"unable to find type of column: {error}".encode()
        if self.most_rows is not None and len(rows) > self.most_rows:
            return 422, "text/plain", b"Limit for result exceeded, max rows: too many. (TOO_MANY_ROWS_OR_BYTES)"
        return 200, "application/json", self._body(columns, rows, match["format"])

    def _body(self, columns: list[str], rows: list[Any], form: str) -> bytes:
        def value(name: str, given: Any) -> Any:
            if name == "timestamp":
                return f"{given:%Y-%m-%d %H:%M:%S}"
            return int(given) if name == "_sample_interval" else given

        data = [{name: value(name, v) for name, v in zip(columns, row, strict=True)} for row in rows]
        if form == "JSONEachRow":
            return "".join(json.dumps(row) + "\n" for row in data).encode()
        kinds = {"timestamp": "DateTime", "_sample_interval": "UInt32"}
        meta = [{"name": c, "type": kinds.get(c, "Float64" if c[:1] == "d" else "String")} for c in columns]
        return json.dumps({"meta": meta, "data": data, "rows": len(data)}).encode()


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Who asked may be killed meanwhile."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        engine: Engine = self.server.engine  # type: ignore[attr-defined]
        sql = self.rfile.read(int(self.headers["Content-Length"])).decode()
        engine.asked.append(sql)
        if engine.faults:
            engine.faults.popleft()(self)
            return
        if self.path != f"/client/v4/accounts/{ACCOUNT}/analytics_engine/sql":
            self.refuse(404, 7003, "Could not route to the account, perhaps your object identifier is invalid?")
        elif self.headers.get("Authorization") != f"Bearer {engine.token}":
            self.refuse(403, 10000, "Authentication error")
        else:
            self.reply(*engine.select(sql))

    def refuse(self, status: int, code: int, message: str, **headers: str) -> None:
        """Cloudflare's envelope of errors."""
        told = {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}
        self.reply(status, "application/json", json.dumps(told).encode(), **headers)

    def reply(self, status: int, kind: str, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def limited(after: str = "7") -> Fault:
    return lambda h: h.refuse(429, 10013, "More than 1200 requests per 300 seconds reached", Retry_After=after)


def broken(status: int = 500) -> Fault:
    return lambda h: h.refuse(status, 10001, "Internal server error")


def page(status: int = 502) -> Fault:
    body = b"<!DOCTYPE html><html><head><title>api.cloudflare.com | 502: Bad gateway</title></head></html>"
    return lambda h: h.reply(status, "text/html; charset=UTF-8", body)


def cut(handler: Handler) -> None:
    """The connection ends in the middle of a row."""
    body = handler.server.engine.select(handler.server.engine.asked[-1])[2]  # type: ignore[attr-defined]
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def shortened(handler: Handler) -> None:
    """A whole answer by its length, which ends between two rows."""
    body = handler.server.engine.select(handler.server.engine.asked[-1])[2]  # type: ignore[attr-defined]
    handler.reply(200, "application/json", body[: body.rfind(b"}, {") + 1] if b"}, {" in body else body[:-3])


def fewer(handler: Handler) -> None:
    """Sound JSON that says more rows than it has."""
    told = json.loads(handler.server.engine.select(handler.server.engine.asked[-1])[2])  # type: ignore[attr-defined]
    told["data"], told["rows"] = told["data"][:-1], len(told["data"]) or 1
    handler.reply(200, "application/json", json.dumps(told).encode())


def hanging(seconds: float) -> Fault:
    def fault(handler: Handler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return fault


def dripping(handler: Handler) -> None:
    """An answer that never ends, a byte at a time."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(40):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            break
        time.sleep(0.05)
    handler.close_connection = True


def request(
    at: datetime, route: str = "/api/pitches", status: float = 200, duration: float = 12.5, **more: Any
) -> dict[str, Any]:
    """A data point as the Worker writes requests (deploy/worker)."""
    blob = {"method": "GET", "location": "DUB", "user_hash": None, "trace_id": None, "event_id": None,
            "cache_status": "", **{k: v for k, v in more.items() if k not in ("late", "size")}}  # fmt: skip
    return {"at": at, "late": more.get("late", 0), "index1": route, "blobs": ["request", route, *blob.values()],
            "doubles": [float(status), float(duration), float(more.get("size", -1))]}  # fmt: skip


def business(at: datetime, event: str = "pitch_viewed", value: float = 0.0, **more: Any) -> dict[str, Any]:
    blob = {"currency": "", "location": "IE", "user_hash": None, "trace_id": None, "event_id": None,
            "properties": "", **{k: v for k, v in more.items() if k != "late"}}  # fmt: skip
    return {"at": at, "late": more.get("late", 0), "index1": event, "blobs": ["business", event, *blob.values()],
            "doubles": [float(value)]}  # fmt: skip


@contextmanager
def engine(clock: FixedClock) -> Iterator[Engine]:
    """One that runs until the end of the block."""
    made = Engine(clock)
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join(10)
