"""Upptime's histories as probe results: every column judged, nothing invented, the real ones read whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.analyse.synthetic import history
from pitchey_slo.collect import read_file
from pitchey_slo.errors import CollectError
from pitchey_slo.probe.synthetic.uptime import ALL
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.tables import PROBES, REQUESTS

NOW = datetime(2026, 9, 1, tzinfo=UTC)
HEADER = "ts,site,status,code,response_ms,url\n"


def load(path: Path) -> tuple[list[dict[str, Any]], list[Any]]:
    parts = list(read_file(path, table=PROBES, now=NOW))
    return [r for p in parts for r in p.batch.rows.to_pylist()], [r for p in parts for r in p.batch.rejected]


def test_each_line_says_what_it_says_and_no_more(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text(
        HEADER + "2026-08-10T23:24:37.185Z,front,up,200,84,https://ann:secret@www.example.com/x?token=1\n"
        "2026-08-10T23:25:00Z,front,down,0,0,$SECRET_SITE\n"
        "2026-08-10T23:26:00Z,front,down,503,38155,https://www.example.com\n"
        "2026-08-10T23:27:00Z,front,down,200,40,https://www.example.com\n"
        "2026-08-10T23:28:00Z,front,degraded,200,4000,https://www.example.com\n"
        "2026-08-10T23:29:00Z,front,sideways,200,1,https://www.example.com\n"
        "yesterday,front,up,200,1,https://www.example.com\n"
    )
    rows, rejected = load(path)
    assert [(r["state"], r["failure"], r["status"], r["duration_ms"]) for r in rows] == [
        ("healthy", None, 200, 84.0),
        ("unhealthy", "connect", None, None),
        ("unhealthy", "http_status", 503, 38155.0),
        ("unhealthy", "assertion", 200, 40.0),
        ("degraded", None, 200, 4000.0),
    ]
    assert {(r["test"], r["kind"], r["location"], r["scope"]) for r in rows} == {
        ("front", "http", "github-actions", "verdict")
    }
    details = json.loads(rows[0]["details"])
    assert details == {"speaks_s": 90_000, "changes_only": True, "url": "https://www.example.com/x"}
    assert rows[0]["component"] == "www.example.com" and rows[1]["component"] is None
    assert [(r.row, r.reason) for r in rejected] == [(7, "wrong_type"), (8, "bad_time")]
    assert "sideways" in rejected[0].message
    with pytest.raises(CollectError, match="fills the table probes"):
        list(read_file(path, table=REQUESTS, format="upptime", now=NOW))


def test_the_real_histories_give_an_uptime_report(conformance: Path, store: Store) -> None:
    """336 changes, 47 of them down (as they are counted by others): every outage ends with the line that says up."""
    rows, rejected = load(conformance / "traffic" / "upptime" / "manticore.csv")
    assert (len(rows), sum(r["state"] == "unhealthy" for r in rows), rejected) == (336, 47, [])
    for part in read_file(conformance / "traffic" / "upptime" / "manticore.csv", table=PROBES, now=NOW):
        store.append("probes", part.batch.rows)
    store.flush()
    reader = LakeReader(store.settings.lake_uri)
    start, end = datetime(2026, 8, 10, tzinfo=UTC), datetime(2026, 8, 21, 23, 30, tzinfo=UTC)
    found = {u.test: u for u in history(reader, start, end).uptimes() if u.location == ALL}
    assert len(found) == 22
    for test, uptime in found.items():
        lines = sorted((r for r in rows if r["test"] == test), key=lambda r: r["ts"])
        down, known, outages = 0.0, 0.0, 0
        for line, following in zip(lines, [*lines[1:], None], strict=True):
            silent = line["ts"].timestamp() + 90_000
            until = min(silent, following["ts"].timestamp() if following else end.timestamp(), end.timestamp())
            spoken = until - line["ts"].timestamp()
            known += spoken
            down += spoken if line["state"] == "unhealthy" else 0.0
        words = "".join("d" if r["state"] == "unhealthy" else "u" for r in lines)
        outages = len([part for part in words.split("u") if part])
        assert uptime.down_seconds == pytest.approx(down, abs=0.01), test
        assert uptime.up_seconds + uptime.down_seconds == pytest.approx(known, abs=0.01), test
        assert len(uptime.outages) == outages, test
        assert uptime.reachability is None  # how often it looked is not known
    worst = min(found.values(), key=lambda u: u.uptime or 1)
    assert worst.test == "catalog-search" and 0.97 < (worst.uptime or 0) < 0.99
