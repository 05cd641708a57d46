"""Corrections over HTTP, and by the workbench and the command line through a running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pitchey_slo.client import HttpDoor
from pitchey_slo.errors import NotFound, SloError
from pitchey_slo.settings import Settings
from pitchey_slo.slo.corrections import check, stored
from pitchey_slo.store import LakeReader
from pitchey_slo.testing import NOON, FixedClock
from pitchey_slo.workbench import connect

from .conftest import Running, running
from .conftest import stored as rows_of
from .test_events import refused

CORRECTIONS = "/api/monitoring/corrections"
WEEKLY: dict[str, Any] = {
    "slos": ["login"],
    "start": "2026-03-01T02:00",
    "minutes": 60,
    "rrule": "FREQ=WEEKLY;BYDAY=SU",
    "zone": "Europe/London",
    "category": "scheduled_maintenance",
    "reason": "database upgrade",
    "approver": "Ann",
}


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With the shipped SLOs and a clock that stands at noon, so that `state` is known."""
    folder = tmp_path_factory.mktemp("fixed")
    with running(folder / "home", clock=FixedClock(), config=folder / "config") as it:
        yield it


@pytest.fixture
def alerting(fixed: Running) -> Iterator[httpx.Client]:
    with fixed.client(fixed.token("alert", "read", name="Bea's phone")) as client:
        yield client


def test_one_is_written_listed_and_withdrawn(fixed: Running, alerting: httpx.Client) -> None:
    made = alerting.post(CORRECTIONS, json=WEEKLY)
    assert made.status_code == 201, made.text
    told = made.json()
    same = {k: v for k, v in WEEKLY.items() if k != "start"}
    assert {k: told[k] for k in same} == same
    assert (told["state"], told["next_start"], told["source"]) == ("coming", "2026-03-08T02:00:00+00:00", "api")
    assert told in alerting.get(CORRECTIONS).json()["corrections"]
    reader = LakeReader(fixed.settings.lake_uri)
    assert told["id"] in [c.id for c in stored(reader)], "who reads the lake sees it at once"
    gone = alerting.delete(f"{CORRECTIONS}/{told['id']}").json()
    assert (gone["state"], gone["withdrawn_by"], gone["next_start"]) == ("withdrawn", "Bea's phone", None)
    assert gone in alerting.get(CORRECTIONS).json()["corrections"], "it stays in the list"
    assert told["id"] not in [c.id for c in stored(reader)]


def test_sent_again_under_its_own_name_it_is_one(alerting: httpx.Client) -> None:
    first = alerting.post(CORRECTIONS, json=WEEKLY | {"id": "db-2026"})
    again = alerting.post(CORRECTIONS, json=WEEKLY | {"id": "db-2026"})
    assert (first.status_code, again.status_code) == (201, 201) and first.json() == again.json()
    other = alerting.post(CORRECTIONS, json=WEEKLY | {"id": "db-2026", "minutes": 61})
    refused(other, 422, "invalid_slo")
    assert [c["id"] for c in alerting.get(CORRECTIONS).json()["corrections"]].count("db-2026") == 1


@pytest.mark.parametrize(
    ("change", "status", "reason", "says"),
    [
        ({"category": "lunch"}, 422, "invalid_slo", "scheduled_maintenance"),
        ({"slos": ["logn"]}, 422, "invalid_slo", 'did you mean "login"'),
        ({"start": "2026-03-02T02:00"}, 422, "invalid_slo", "Sun 2026-03-08 02:00 Europe/London"),
        ({"end": "2026-03-01T03:00"}, 422, "invalid_slo", "either an end, or a length"),
        ({"minutes": 0.5}, 422, "invalid_slo", "1 minute to 366 days"),
        ({"rrule": "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30"}, 422, "invalid_slo", "no month"),
        ({"approver": ""}, 422, "invalid_slo", "who agreed"),
        ({"reason": None}, 400, "bad_parameter", "reason"),
        ({"minuts": 3}, 400, "bad_parameter", "minuts"),
        ({"slos": "login"}, 400, "bad_parameter", "slos"),
        ({"id": "../x"}, 422, "invalid_slo", "letters, digits"),
    ],
)
def test_what_cannot_be_meant(
    alerting: httpx.Client, change: dict[str, Any], status: int, reason: str, says: str
) -> None:
    before = alerting.get(CORRECTIONS).json()
    answer = alerting.post(CORRECTIONS, json=WEEKLY | change)
    refused(answer, status, reason)
    assert says in answer.json()["error"]["message"]
    assert alerting.get(CORRECTIONS).json() == before


def test_no_such_correction(alerting: httpx.Client) -> None:
    refused(alerting.delete(f"{CORRECTIONS}/nobody"), 404, "not_found")
    refused(alerting.get(f"{CORRECTIONS}?id=x"), 400, "bad_parameter")


def test_reading_is_not_writing(fixed: Running) -> None:
    with fixed.client(fixed.token("read", "ingest")) as client:
        assert client.get(CORRECTIONS).status_code == 200
        refused(client.post(CORRECTIONS, json=WEEKLY), 403, "forbidden")
        refused(client.delete(f"{CORRECTIONS}/x"), 403, "forbidden")
        refused(client.post("/api/monitoring/events/corrections", json=[WEEKLY]), 404, "not_found")


def test_the_door_hands_a_correction_over_exactly(fixed: Running) -> None:
    row = {"id": "exact", "category": "other", "reason": "r", "approver": "a", "starts_at": NOON, "seconds": 61.3}
    correction = check(row | {"source": "cli"})
    with HttpDoor(fixed.info) as door:
        assert door.correct(correction) == door.correct(correction)
        assert correction in stored(LakeReader(fixed.settings.lake_uri))
        assert door.withdraw_correction("exact", "Cleo")["withdrawn_by"] == "Cleo"
        with pytest.raises(NotFound, match="no correction 'exac'"):
            door.withdraw_correction("exac", "Cleo")
        with pytest.raises(SloError, match="was withdrawn"):
            door.correct(correction)


@pytest.mark.parametrize("with_server", [True, False])
def test_a_notebook_corrects_with_and_without_a_server(tmp_path: Path, with_server: bool) -> None:
    if with_server:
        with running(tmp_path / "home", config=tmp_path) as server:
            key = told_by_a_notebook(server.settings)
    else:
        key = told_by_a_notebook(Settings.load(env_file=None, home=tmp_path / "home", config=tmp_path))
    (row,) = rows_of(tmp_path / "home", "corrections")
    assert (row["id"], row["slos"], row["source"], row["withdrawn_by"]) == (key, "login,signup", "notebook", "Bea")


def told_by_a_notebook(settings: Settings) -> str:
    wb = connect(settings=settings)
    assert wb.corrections().empty and "next_start" in wb.corrections()
    key = wb.correct(
        ["login", "signup"],
        "2026-03-01T02:00",
        minutes=60,
        category="scheduled_maintenance",
        reason="database upgrade",
        approver="Ann",
        rrule="FREQ=WEEKLY;BYDAY=SU",
        zone="Europe/London",
    )
    frame = wb.corrections(now=NOON)
    assert frame.loc[0, ["id", "state", "minutes"]].tolist() == [key, "coming", 60.0]
    assert frame.loc[0, "slos"] == ["login", "signup"]
    with pytest.raises(SloError, match='did you mean "login"'):
        wb.correct("logn", NOON, minutes=1, category="other", reason="r", approver="a")
    with pytest.raises(NotFound, match="no correction"):
        wb.withdraw_correction("nobody", "Bea")
    wb.withdraw_correction(key, "Bea")
    assert wb.corrections()["state"].tolist() == ["withdrawn"]
    return key
