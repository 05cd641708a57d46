"""What goes wrong in live traffic: when, in the rows, and in the registers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pitchey_slo.demo import live, upcoming
from pitchey_slo.demo.plan import moment
from pitchey_slo.demo.trouble import FIRST, KINDS, LENGTH, PAUSE, SILENT_LENGTH
from pitchey_slo.tables import TABLES

START = datetime(2026, 11, 23, 12, 0, 3, tzinfo=UTC)


def test_the_first_begins_soon_and_others_follow_with_quiet_in_between():
    found = list(islice(upcoming(7, START), 60))
    assert moment(found[0].start) == START + timedelta(seconds=FIRST)
    assert [t.kind for t in found[:2]] == ["error_burst", "silent_drop"]
    assert {t.kind for t in found} == set(KINDS)
    for one, two in pairwise(found):
        low, high = SILENT_LENGTH if one.kind == "silent_drop" else LENGTH
        assert low <= (one.end - one.start) / 1e6 <= high
        assert PAUSE[0] <= (two.start - one.end) / 1e6 <= PAUSE[1]
    assert found == list(islice(upcoming(7, START), 60))
    assert found != list(islice(upcoming(8, START), 60))


def played(minutes: float, step: float = 10.0, **given: float) -> list[dict[str, pa.Table]]:
    """What live traffic yields, looked at every `step` seconds."""
    count = int(minutes * 60 / step)
    times = iter([START + timedelta(seconds=step * i) for i in range(1, count + 1)])
    source = live(rate=50, start=START, clock=lambda: next(times), troubles=upcoming(7, START, **given))
    return [next(source) for _ in range(count)]


@pytest.fixture(scope="module")
def hour():
    return played(60)


def test_requests_fail_while_an_incident_lasts_and_only_then(hour):
    rows = pa.concat_tables([b["requests"] for b in hour])
    trouble = next(upcoming(7, START))
    inside = pc.and_(
        pc.greater_equal(rows["ts"], pa.scalar(moment(trouble.start))),
        pc.less(rows["ts"], pa.scalar(moment(trouble.end))),
    )

    def errors(chosen):
        return pc.mean(pc.greater_equal(rows.filter(chosen)["status"], 500).cast("double")).as_py()

    assert errors(inside) > 0.1  # the critical rule asks for 0.05 of all requests
    before = pc.less(rows["ts"], pa.scalar(moment(trouble.start)))
    assert errors(before) < 0.01
    after = pc.and_(
        pc.greater_equal(rows["ts"], pa.scalar(moment(trouble.end))),
        pc.less(rows["ts"], pa.scalar(moment(trouble.end) + timedelta(seconds=PAUSE[0]))),
    )
    assert errors(after) < 0.01


def test_each_incident_is_labelled_when_it_begins_and_when_it_is_over(hour):
    labels = pa.concat_tables([b["incidents"] for b in hour if "incidents" in b])
    assert labels.schema.equals(TABLES["incidents"].schema)
    by_id: dict[str, list[dict]] = {}
    for row in labels.to_pylist():
        by_id.setdefault(row["id"], []).append(row)
    expected = [t for t in islice(upcoming(7, START), 20) if moment(t.end) <= START + timedelta(hours=1)]
    assert len(expected) >= 3
    for trouble in expected:
        begun, over = next(rows for rows in by_id.values() if rows[0]["started_at"] == moment(trouble.start))
        assert (begun["ended_at"], over["ended_at"]) == (None, moment(trouble.end))
        assert begun["id"] == over["id"]
        assert over["kind"] == trouble.kind


def test_a_bad_deployment_brings_its_release_and_its_roll_back():
    trouble = next(t for t in upcoming(7, START) if t.kind == "bad_deployment")
    begin = (moment(trouble.start) - START).total_seconds() - 1
    times = iter([START + timedelta(seconds=s) for s in (begin, begin + 2, begin + 600)])
    source = live(rate=1, start=START, clock=lambda: next(times), troubles=[trouble])
    found = [next(source) for _ in range(3)]
    assert "deployments" not in found[0]
    (release,), (back,) = (b["deployments"].to_pylist() for b in found[1:])
    assert (release["ts"], back["ts"]) == (moment(trouble.start), moment(trouble.end))
    assert back["description"] == f"Roll back of {release['version']}"
    assert found[1]["deployments"].schema.equals(TABLES["deployments"].schema)


def test_what_began_while_nobody_looked_is_told_at_once():
    times = iter([START + timedelta(minutes=11)])
    batch = next(live(rate=5, start=START, clock=lambda: next(times), troubles=upcoming(7, START)))
    first, *_ = batch["incidents"].to_pylist()
    assert first["ended_at"] is None
    assert batch["incidents"].to_pylist()[-1]["ended_at"] is not None
