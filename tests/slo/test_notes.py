"""What is odd about the data is said: each kind of note, when it comes and when it does not."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from typing import Any, get_args

import pytest

from pitchey_slo.slo import SloReport, evaluate
from pitchey_slo.slo.notes import Note, NoteKind, lasted
from pitchey_slo.slo.spec.openslo import parse

from .made import T0, MemoryReader, request, spec_text

THRESHOLD = "thresholdMetric: {metricSource: {type: pitchey, spec: {table: requests, value: duration_ms}}}"


def judged(
    rows: list[dict[str, Any]], window: str = "1d", now: Any = T0 + timedelta(hours=1), **spec: str
) -> SloReport:
    reader = MemoryReader()
    reader.add("requests", rows)
    (found,) = evaluate(parse(spec_text(**spec)).slos, reader, end=T0, windows=[window], now=now)
    return found


def steady(minutes: int, *, every: float = 1.0) -> list[dict[str, Any]]:
    return [request(T0 - timedelta(minutes=every * i, seconds=30)) for i in range(int(minutes / every))]


def kinds(found: SloReport) -> list[str]:
    return [n.kind for n in found.notes]


def note(found: SloReport, kind: str) -> Note:
    (one,) = (n for n in found.notes if n.kind == kind)
    assert one.text in found.sentence()
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["notes"]
    return one


def test_plain_data_have_nothing_odd() -> None:
    assert judged(steady(1440)).notes == ()


def test_rows_of_the_last_minute_may_still_arrive() -> None:
    assert note(judged(steady(1440), now=T0 + timedelta(seconds=59)), "incomplete_end").minutes == 1
    assert kinds(judged(steady(1440), now=T0 + timedelta(seconds=60))) == []
    slow = ', pitchey.com/late-data: "ignore after 10m"'
    assert note(judged(steady(1440), now=T0 + timedelta(minutes=4), extra=slow), "incomplete_end").minutes == 6


def test_the_newest_row_is_old() -> None:
    rows = [r for r in steady(1440) if r["ts"] < T0 - timedelta(minutes=45)]
    assert note(judged(rows), "late_data").minutes == 45
    assert "45 minutes older" in judged(rows).sentence()
    assert kinds(judged([r for r in steady(1440) if r["ts"] < T0 - timedelta(minutes=4)])) == []


def test_a_hole_in_busy_data_is_a_gap_and_quiet_nights_are_not() -> None:
    rows = [r for r in steady(1440) if not timedelta(hours=5) < T0 - r["ts"] < timedelta(hours=7)]
    found = note(judged(rows), "gap")
    assert (found.count, found.minutes) == (1.0, 120)
    assert "no rows at all for 2 h" in found.text
    # every night no row for eight hours, by day one every other minute
    nights = [request(T0 - timedelta(days=d, minutes=m)) for d in range(28) for m in range(1, 960, 2) if d or m > 1]
    assert "gap" not in kinds(judged(nights, "28d"))


def test_rows_that_stand_for_several() -> None:
    rows = [r | {"sample_interval": 10.0 if i % 2 else 1.0} for i, r in enumerate(steady(1440))]
    found = note(judged(rows), "sampled")
    assert found.count == 1440 and "1,440 rows stand for 7,920 requests" in found.text


def test_an_interval_wider_than_the_budget() -> None:
    found = judged(steady(1440), objectives="[{target: 0.999}]")
    assert "anywhere from 99.73 % to 100 %" in note(found, "few_events").text
    assert "few_events" not in kinds(judged(steady(1440), objectives="[{target: 0.99}]"))


def test_what_could_not_be_measured() -> None:
    rows = [r | {"duration_ms": [10.0, math.nan, None][i % 3]} for i, r in enumerate(steady(1440))]
    found = judged(rows, metric=THRESHOLD, objectives="[{target: 0.9, op: lte, value: 500}]")
    assert (note(found, "unmeasured").count, note(found, "unmeasured").minutes) == (960.0, 960)
    assert "960 requests could not be measured and are left out." in found.sentence()


def test_every_kind_is_in_the_manual_of_the_room() -> None:
    from pitchey_slo.slo import notes

    assert all(kind in (notes.__doc__ or "") for kind in get_args(NoteKind))


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(1, "1 minute"), (59, "59 minutes"), (60, "1 h"), (1440, "1 day"), (1500, "1 d 1 h"), (4321, "3 d 1 min")],
)
def test_lengths_of_time(minutes: int, text: str) -> None:
    assert lasted(minutes) == text
