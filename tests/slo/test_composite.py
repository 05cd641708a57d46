"""Composite SLOs against the rules of OpenSLO v1, worked out from the reports of their parts and from raw slices."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import SloError
from pitchey_slo.promql import MemoryScan
from pitchey_slo.slo import Slo, SloReport, evaluate
from pitchey_slo.slo.model import Correction, Duration
from pitchey_slo.slo.spec.openslo import parse

from . import naive
from .made import T0, MemoryReader, request, spec_text
from .test_numbers import random_rows

Row = dict[str, Any]
SOURCE = "metricSource: {type: pitchey, spec: {table: requests%s}}"
END = round(T0.timestamp()) // 60


def events(route: str) -> str:
    bad, total = (SOURCE % f", filter: \"route = '{route}'{more}\"" for more in (" AND status >= 500", ""))
    return f"ratioMetric: {{bad: {{{bad}}}, total: {{{total}}}}}"


def series(name: str) -> str:
    bad, total = (f"metricSource: {{type: prometheus, spec: {{query: '{name}{m}'}}}}" for m in ('{ok="no"}', ""))
    return f"ratioMetric: {{counter: true, bad: {{{bad}}}, total: {{{total}}}}}"


def composite(
    *parts: tuple[str, float, float], method: str = "Occurrences", slices: str = "30m", extra: str = ""
) -> Slo:
    """Each part: a metric, its target and its weight; named a, b, c."""
    listed = []
    for name, (metric, target, weight) in zip("abcdef", parts, strict=False):
        per_slice = "" if method == "Occurrences" else f", timeSliceTarget: 0.75, timeSliceWindow: {slices}"
        inner = f"indicator: {{metadata: {{name: {name}}}, spec: {{{metric}}}}}"
        listed.append(f"  - {{displayName: {name}, target: {target}, compositeWeight: {weight}{per_slice}, {inner}}}")
    text = spec_text(method=method, extra=extra, objectives="\n" + "\n".join(listed))
    start, end = text.index("  indicator:\n"), text.index("  timeWindow")
    return parse(text[:start] + text[end:]).slos[0]


def judged(one: Slo, rows: list[Row], window: str = "6h", **more: Any) -> tuple[list[SloReport], SloReport]:
    reader = MemoryReader()
    if rows:
        reader.add("requests", rows)
    *parts, whole = evaluate([one], reader, end=T0, windows=[window], now=more.pop("now", T0), **more)
    assert whole.objective == "composite" and len(whole.components) == len(parts)
    return parts, whole


def routed(rows: list[Row]) -> list[Row]:
    """Every third row belongs to the second part."""
    return [row | {"route": "/b" if i % 3 == 0 else "/a"} for i, row in enumerate(rows)]


@settings(max_examples=12, deadline=None)
@given(rows=random_rows(), weights=st.tuples(st.sampled_from([0.5, 1.0, 3.0]), st.sampled_from([1.0, 2.0])))
def test_occurrences_burn_at_the_same_rate_times_weight(rows: list[Row], weights: tuple[float, float]) -> None:
    one = composite((events("/a"), 0.9, weights[0]), (events("/b"), 0.99, weights[1]))
    parts, whole = judged(one, routed(rows), "2d")
    known = [(w, r) for w, r in zip(weights, parts, strict=True) if r.spent is not None]
    if not known:
        assert whole.state == "no_data" and whole.sli is whole.spent is whole.budget_left is None
        return
    assert whole.spent == pytest.approx(sum(w * (r.spent or 0) for w, r in known))
    for name in whole.burn:
        rates = [w * r.burn[name] for w, r in zip(weights, parts, strict=True) if r.burn[name] is not None]
        assert whole.burn[name] == (pytest.approx(sum(rates)) if rates else None)
    assert whole.target == 0.9
    assert whole.sli == pytest.approx(max(0.0, 1 - 0.1 * whole.spent))
    assert whole.sli_low is not None and whole.sli_high is not None
    assert whole.sli_low <= whole.sli + 1e-12 and whole.sli <= whole.sli_high + 1e-12
    assert sum(c.share or 0.0 for c in whole.components) == pytest.approx(1.0 if whole.spent else 0.0)
    assert (whole.bad, whole.valid) == (sum(r.bad for r in parts), sum(r.valid for r in parts))
    assert (np.diff(whole.burn_down.spent) >= 0).all()
    assert whole.burn_down.spent[-1] == pytest.approx(whole.spent)
    assert (whole.state == "exhausted") == (whole.spent >= 1 - 1e-12) or whole.spent == pytest.approx(1)
    json.dumps(whole.as_dict(), allow_nan=False)


@settings(max_examples=12, deadline=None)
@given(rows=random_rows())
def test_a_slice_that_is_bad_for_any_is_bad(rows: list[Row]) -> None:
    rows = routed(rows)
    one = composite((events("/a"), 0.9, 1.0), (events("/b"), 0.8, 5.0), method="Timeslices")
    _, whole = judged(one, rows)
    by_route = [[r for r in rows if r["route"] == route] for route in ("/a", "/b")]
    each = [naive.slices(mine, whole.start, whole.end, 30, naive.bad_status) for mine in by_route]
    verdicts = [
        [None if r is None else r < 0.75 for r in (a, b)] for (_, a), (_, b) in zip(each[0], each[1], strict=True)
    ]
    seen = [v for v in verdicts if v != [None, None]]
    bad = sum(True in v for v in seen)
    assert whole.slices is not None and (whole.slices.total, whole.slices.no_data) == (12, 12 - len(seen))
    assert (whole.valid, whole.bad, whole.target) == (len(seen), bad, 0.8)
    if seen:
        assert whole.spent == pytest.approx(bad / (0.2 * 12))
        assert sum(c.spending or 0.0 for c in whole.components) == pytest.approx(whole.spent)


def test_missing_parts_of_ratio_slices_add_up_times_weight() -> None:
    # OpenSLO v1: "If two SLOs have average of Ratiotimeslices on 95%, composite will have average [...] on 90%"
    rows = []
    for i in range(720):
        at = T0 - timedelta(seconds=30 * i + 15)
        rows += [request(at, route=route, status=500 if i % 20 == 0 else 200) for route in ("/a", "/b")]
    even = ((events("/a"), 0.9, 1.0), (events("/b"), 0.9, 1.0))
    parts, whole = judged(composite(*even, method="RatioTimeslices"), rows)
    assert [r.sli for r in parts] == pytest.approx([0.95, 0.95])
    assert whole.sli == pytest.approx(0.9) and whole.spent == pytest.approx(1.0)
    heavy = ((events("/a"), 0.9, 3.0), (events("/b"), 0.9, 1.0))
    _, whole = judged(composite(*heavy, method="RatioTimeslices"), rows)
    assert whole.sli == pytest.approx(0.8)
    assert [c.share for c in whole.components] == pytest.approx([0.75, 0.25])
    assert [c.weight for c in whole.components] == [3.0, 1.0]


def test_when_the_whole_is_used_up() -> None:
    rows = [request(T0 - timedelta(minutes=m, seconds=-3), route=r) for m in range(1, 361) for r in ("/a", "/b")]
    for m in range(60, 80):  # twenty bad ones each: 20 of 36 allowed, and together 40 of the one budget of 36
        for row in rows:
            if row["ts"] == T0 - timedelta(minutes=m, seconds=-3):
                row["status"] = 500
    parts, whole = judged(composite((events("/a"), 0.9, 1.0), (events("/b"), 0.9, 1.0)), rows)
    assert [r.state != "exhausted" for r in parts] == [True, True]
    assert whole.state == "exhausted"
    # the 18th minute of trouble ends it: 2 x 18 of 36
    assert whole.exhaustion.since == T0 - timedelta(minutes=79 - 18)
    assert "its parts spent of the error budget of the whole: a 55.6 %, b 55.6 %" in whole.sentence()


@pytest.mark.parametrize("policy", ["ignore", "good", "bad"])
def test_late_data_count_as_the_spec_says(policy: str) -> None:
    scan = MemoryScan()
    first = (END - 360) * 60_000
    samples = [(first + i * 15_000, float(i)) for i in range(360 * 4 + 1)]
    # b is silent in the second hour, and at the end for five minutes
    gone = [s for s in samples if not first + 3_600_000 < s[0] < first + 7_200_000 and s[0] <= first + 355 * 60_000]
    for name, kept in (("a_total", samples), ("b_total", gone)):
        scan.add({"__name__": name, "ok": "yes"}, [t for t, _ in kept], [v for _, v in kept])
        scan.add({"__name__": name, "ok": "no"}, [t for t, _ in kept], [0.0] * len(kept))
    extra = f', pitchey.com/late-data: "{policy} after 5m"'
    one = composite((series("a_total"), 0.5, 1.0), (series("b_total"), 0.5, 1.0), extra=extra)
    assert one.late_data == policy
    parts, whole = judged(one, [], scan=scan)
    assert parts[1].sli == 1.0  # its own report is its own
    late = whole.components[1]
    # the five minutes at the end are not late yet
    assert (late.late_minutes, late.late_as) == (59, policy)
    (note,) = (n for n in whole.notes if n.kind == "late_data")
    said = {"ignore": "are left out", "good": "count as good", "bad": "count as bad"}[policy]
    assert note.text == f"b had no data for 59 minutes, which {said}." and note.minutes == 59
    assert whole.sli == (1.0 if policy != "bad" else pytest.approx(1 - 59 / (59 + 296)))
    _, later = judged(one, [], scan=scan, now=T0 + timedelta(minutes=30))
    assert later.components[1].late_minutes == 64


def test_corrections_of_a_composite() -> None:
    rows = [request(T0 - timedelta(minutes=m, seconds=-3), route=r) for m in range(1, 361) for r in ("/a", "/b")]
    for row in rows:
        if T0 - timedelta(minutes=60) <= row["ts"] < T0 - timedelta(minutes=30):
            row["status"] = 500
    fix = Correction("move", "deployment", "moved", "ann", T0 - timedelta(minutes=60), 1200.0)
    both = ((events("/a"), 0.9, 1.0), (events("/b"), 0.8, 2.0))
    parts, whole = judged(composite(*both), rows, corrections=[fix])
    assert whole.spent == pytest.approx(sum(w * (r.spent or 0) for w, r in zip((1, 2), parts, strict=True)))
    _, bare = judged(composite(*both), rows)
    assert whole.uncorrected.spent == pytest.approx(bare.spent) and whole.uncorrected.sli == pytest.approx(bare.sli)
    (told,) = whole.corrections
    assert told.budget_left == pytest.approx(bare.budget_left)
    assert (told.id, told.minutes, told.bad, told.valid) == ("move", 20, 40.0, 40.0)
    assert whole.provenance.corrections == ("move",)


def test_calendar_windows_and_one_scan() -> None:
    rows = [request(T0 - timedelta(minutes=7 * i), route="/a" if i % 2 else "/b") for i in range(4000)]
    rows[3]["status"] = 500
    one = composite((events("/a"), 0.9, 1.0), (events("/b"), 0.9, 1.0))
    reader = MemoryReader()
    reader.add("requests", rows)
    found = evaluate([one], reader, end=T0, windows=["1M UTC", "7d"], now=T0)
    assert [(r.objective, r.window) for r in found] == [
        (name, window) for name in ("a", "b", "composite") for window in ("1M UTC", "7d")
    ]
    assert len(reader.queries) == 1
    whole = found[4]
    assert whole.full_window is not None and whole.budget_left == 1 - whole.full_window.spent.mid
    assert whole.full_window.spent.mid == pytest.approx(
        sum(r.full_window.spent.mid for r in found[:4:2] if r.full_window)
    )
    assert whole.provenance.rows_read == found[0].provenance.rows_read


def test_parts_with_slices_of_other_lengths_cannot_be_put_together() -> None:
    one = composite((events("/a"), 0.9, 1.0), (events("/b"), 0.9, 1.0), method="Timeslices")
    first, second = one.objectives
    other = replace(one, objectives=(first, replace(second, slice_window=Duration(5, "m"))))
    with pytest.raises(SloError, match="the same timeSliceWindow"):
        judged(other, [])
