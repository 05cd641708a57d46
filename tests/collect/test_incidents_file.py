"""Incidents from files: our columns, PagerDuty's exports, lists of faults."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pitchey_slo.collect.incidents_file import read_incidents
from pitchey_slo.errors import CollectError

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def read(path: Path, text: str, **more: object) -> list[dict]:
    path.write_text(text)
    batch = read_incidents(path, now=NOW, **more)
    assert not batch.rejected, batch.rejected
    return batch.rows.to_pylist()


def test_our_own_columns(tmp_path: Path) -> None:
    text = "id,title,started_at,ended_at,severity,routes\na,Down,2026-03-01T10:00Z,2026-03-01T10:20Z,critical,/a\n"
    (row,) = read(tmp_path / "i.csv", text)
    assert (row["id"], row["title"], row["severity"], row["routes"]) == ("a", "Down", "critical", "/a")
    assert (row["ended_at"] - row["started_at"]).total_seconds() == 1200


def test_csv_of_pagerduty(tmp_path: Path) -> None:
    text = (
        "Incident Number,Description,Service Name,Created On,Resolved On,Urgency\r\n"
        '17,"Checkout, slow",Shop,2026-03-01T10:00:00Z,2026-03-01T10:20:00Z,high\r\n'
        "18,Disk,Shop,2026-03-01T11:00:00Z,,low\r\n"
    )
    first, second = read(tmp_path / "pd.csv", text)
    assert (first["id"], first["title"], first["severity"]) == ("17", "Checkout, slow", "critical")
    assert first["description"] == "service Shop"
    assert second["ended_at"] is None and second["severity"] == "warning"


def test_json_of_pagerduty(tmp_path: Path) -> None:
    given = {
        "incidents": [
            {"id": "PT4KHLK", "type": "incident", "status": "resolved", "urgency": "low", "title": "On fire",
             "created_at": "2026-03-01T10:00:00Z", "last_status_change_at": "2026-03-01T10:07:00Z",
             "priority": {"summary": "P1"}, "service": {"id": "S", "summary": "Mail"}},
            {"id": "Q", "status": "triggered", "title": "Still", "created_at": "2026-03-01T11:00:00+01:00",
             "last_status_change_at": "2026-03-01T10:07:00Z"},
        ]
    }  # fmt: skip
    first, second = read(tmp_path / "pd.json", json.dumps(given))
    assert first["ended_at"] == datetime(2026, 3, 1, 10, 7, tzinfo=UTC)
    assert (first["severity"], first["kind"], first["description"]) == ("critical", None, "service Mail")
    assert second["ended_at"] is None and second["started_at"].hour == 10


def test_lists_by_hour_with_a_length_of_our_own(tmp_path: Path) -> None:
    given = {"03": [{"inject_time": "2022-08-22 03:53:54", "inject_pod": "front-1", "inject_type": "cpu_contention"}]}
    text = json.dumps(given)
    (row,) = read(tmp_path / "faults.json", text, minutes=5)
    assert (row["title"], row["kind"]) == ("cpu_contention on front-1", "cpu_contention")
    assert (row["ended_at"] - row["started_at"]).total_seconds() == 300
    assert read(tmp_path / "faults.json", text)[0]["id"] == row["id"], "read again it is the same incident"


def test_what_is_no_incident_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title\n1,x\n")
    with pytest.raises(CollectError, match="no column says when an incident began; there are id, title"):
        read_incidents(tmp_path / "a.csv", now=NOW)
    (tmp_path / "b.csv").write_text("id,title,start\n1,x,yesterday\n2,y,2026-03-01T10:00Z\n")
    batch = read_incidents(tmp_path / "b.csv", now=NOW)
    assert batch.rows.num_rows == 1 and [r.row for r in batch.rejected] == [0]
    (tmp_path / "c.json").write_text("[1, 2]")
    with pytest.raises(CollectError, match="list of incidents"):
        read_incidents(tmp_path / "c.json", now=NOW)
    with pytest.raises(CollectError, match="cannot be read"):
        read_incidents(tmp_path / "nowhere.csv", now=NOW)
