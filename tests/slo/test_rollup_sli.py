"""SLIs from counted minutes against the same from the rows: not about right, the same to the last bit."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.names import MINUTE_EDGES_MS
from pitchey_slo.slo import evaluate
from pitchey_slo.slo.rollup_sli import conditions
from pitchey_slo.slo.sli import Asked, Minutes, count
from pitchey_slo.slo.spec.openslo import parse
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

from . import naive
from .made import spec_text

DAY = timedelta(days=1)
MIDNIGHT = NOON.replace(hour=0)
WEIGHTS = np.array([1.0, 1.0, 1.0, 10.0, 2.5, None, math.nan, math.inf], dtype=object)
LATENCIES = [*MINUTE_EDGES_MS[::3], *(math.nextafter(e, math.inf) for e in MINUTE_EDGES_MS[::4]), 0.0, 17.3, 9e5]

#: Conditions that minutes can tell, and some they cannot.
TOLD = [
    "route LIKE '/api/%'",
    "route = '/b' AND method = 'POST'",
    "status >= 500",
    "status BETWEEN 200 AND 299 AND location = 'LHR'",
    "location IS NULL OR route = '/b'",
    "duration_ms > 250",
    "route = '/b' AND duration_ms <= 1000",
    "duration_ms IS NULL AND status < 500",
    "coalesce(location, 'nowhere') <> 'LHR'",
]
UNTOLD = ["duration_ms < 250", "duration_ms > 251", "cache_status = 'HIT'", "sample_interval > 1", "bytes > 5"]
UNTOLD += ["route IN (SELECT routes FROM incidents)", "hour(ts) > 9", "route = '/b' OR duration_ms > 250"]


class RowsOnly:
    """The same reader without its counted minutes."""

    def __init__(self, reader: LakeReader) -> None:
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        if name == "counted_spans":
            raise AttributeError(name)
        return getattr(self._reader, name)


def traffic(count: int, seed: int, *, start: datetime = MIDNIGHT - 3 * DAY, hours: float = 84) -> pa.Table:
    """Requests of three days and the morning after: whole seconds, exact ticks and minutes, weights and latencies of
    every kind."""
    rng = np.random.default_rng(seed)
    times = rng.choice(np.arange(0, hours * 3_600, 0.5), count)
    times[::2] = np.floor(times[::2])
    times[::5] = np.floor(times[::5] / 15) * 15
    times[::7] = np.floor(times[::7] / 60) * 60
    return rows(
        count=count,
        ts=[start + timedelta(seconds=t) for t in times.tolist()],
        route=rng.choice(["/b", "/api/x", "/api/y"], count).tolist(),
        method=rng.choice(["GET", "POST"], count).tolist(),
        status=rng.choice([200, 204, 404, 503], count).tolist(),
        location=rng.choice(np.array(["LHR", "SIN", None], dtype=object), count).tolist(),
        duration_ms=rng.choice(np.array([*LATENCIES, None, math.nan, math.inf], dtype=object), count).tolist(),
        cache_status=rng.choice(["HIT", "MISS"], count).tolist(),
        sample_interval=rng.choice(WEIGHTS, count).tolist(),
        event_id=[f"{seed}-{i}" for i in range(count)],
    )


@contextmanager
def lake(*steps: pa.Table | str) -> Iterator[LakeReader]:
    """A reader after these steps: tables are stored and flushed, "compact" counts the days that are over."""
    with tempfile.TemporaryDirectory() as folder, fresh_store(Path(folder), clock=FixedClock()) as store:
        do(store, *steps)
        yield LakeReader(store.settings.lake_uri)


def do(store: Store, *steps: pa.Table | str) -> None:
    for step in steps:
        if isinstance(step, str):
            store.compact()
        else:
            store.append("requests", step)
            store.flush()


def source(condition: str | None, **more: str) -> str:
    given = {"table": "requests"} | ({"filter": f'"{condition}"'} if condition else {}) | more
    return f"{{metricSource: {{type: pitchey, spec: {{{', '.join(f'{k}: {v}' for k, v in given.items())}}}}}}}"


def ratio(part: str | None, total: str | None = None, kind: str = "bad") -> Asked:
    text = spec_text(metric=f"ratioMetric: {{{kind}: {source(part)}, total: {source(total)}}}")
    one = parse(text).slos[0]
    return Asked(one, one.objectives[0])


def threshold(op: str, value: float, total: str | None = None) -> Asked:
    goal = f"[{{target: 0.9, op: {op}, value: {value}}}]"
    one = parse(spec_text(metric=f"thresholdMetric: {source(total, value='duration_ms')}", objectives=goal)).slos[0]
    return Asked(one, one.objectives[0])


def same(asked: list[Asked], reader: LakeReader, start: datetime, end: datetime) -> dict[str, int]:
    """Rows read by table, after comparing with what the rows say."""
    fast, scan = count(asked, reader, start, end)
    slow, _ = count(asked, RowsOnly(reader), start, end)
    for one, other in zip(fast, slow, strict=True):
        for field in fields(Minutes):
            mine, theirs = getattr(one, field.name), getattr(other, field.name)
            assert mine.dtype == theirs.dtype
            assert np.array_equal(mine, theirs), field.name
    return dict(scan.tables)


ASKED = st.lists(
    st.one_of(
        st.builds(ratio, st.sampled_from(TOLD), st.sampled_from([None, *TOLD]), st.sampled_from(["good", "bad"])),
        st.builds(ratio, st.sampled_from(TOLD + UNTOLD), st.sampled_from([None, *TOLD, *UNTOLD])),
        st.builds(
            threshold,
            st.sampled_from(["lte", "gt", "lt", "gte"]),
            st.sampled_from([*MINUTE_EDGES_MS[::3], 17.3]),
            st.sampled_from([None, *TOLD]),
        ),
    ),
    min_size=1,
    max_size=6,
)
MOMENTS = st.integers(-4 * 1_440, 13 * 60).map(lambda m: MIDNIGHT + timedelta(minutes=m))


@settings(max_examples=5)
@given(
    st.lists(st.integers(0, 400), max_size=3),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.integers(0, 99),
    st.lists(st.tuples(ASKED, MOMENTS, MOMENTS), min_size=2, max_size=4),
)
def test_minutes_and_rows_say_the_same(
    cuts: list[int],
    compacts: list[bool],
    seed: int,
    questions: list[tuple[list[Asked], datetime, datetime]],
) -> None:
    everything = traffic(400, seed)  # in no order of time: each part has late rows of the days before
    edges = [0, *sorted(cuts), 400]
    steps: list[pa.Table | str] = []
    for low, high, compact in zip(edges, edges[1:], compacts, strict=False):
        steps += [everything.slice(low, high - low), *(["compact"] if compact else [])]
    with lake(*[s for s in steps if isinstance(s, str) or s.num_rows]) as reader:
        for asked, one, other in questions:
            same(asked, reader, min(one, other), max(one, other))


def test_all_of_it_comes_from_minutes_but_today() -> None:
    asked = [*(ratio(text) for text in TOLD), threshold("lte", 500), threshold("gt", 2000, TOLD[0])]
    past, today = traffic(700, 1, hours=72), traffic(90, 2, start=MIDNIGHT, hours=11)
    with lake(past, today, "compact") as reader:
        read = same(asked, reader, MIDNIGHT - 3 * DAY, NOON)
        assert set(read) == {"request_minutes", "requests"}
        assert read["requests"] == 90
        (untold,) = [same([ratio(UNTOLD[0])], reader, MIDNIGHT - 3 * DAY, NOON)]
        assert untold == {"requests": 790}
        both = same([ratio(UNTOLD[0]), ratio(TOLD[0])], reader, MIDNIGHT - 3 * DAY, MIDNIGHT)
        assert both["requests"] == 700
        assert both["request_minutes"] > 0


def test_counts_are_those_of_a_loop_over_the_rows() -> None:
    table = traffic(600, 3)
    with lake(table.slice(0, 350), "compact", table.slice(350), "compact") as reader:
        (bad, slow), _ = count([ratio("status >= 500"), threshold("lte", 500)], reader, MIDNIGHT - 2 * DAY, NOON)
        for found, judge in ((bad, naive.bad_status), (slow, naive.slow)):
            obvious = naive.count(table.to_pylist(), MIDNIGHT - 2 * DAY, NOON, judge)
            for name in ("good", "bad", "valid", "squares", "rows", "unmeasured"):
                assert getattr(found, name).sum() == obvious[name], name


@pytest.mark.parametrize("text", TOLD)
def test_what_minutes_can_tell(text: str) -> None:
    with lake() as reader:
        assert conditions(text.split(" AND ") if "BETWEEN" not in text else [text], reader) is not None


@pytest.mark.parametrize("text", [*UNTOLD, "COLUMNS('ro.*') = 'x'", "requests.route = '/b'", "rows > 1", "le_ms > 5"])
def test_what_minutes_cannot_tell(text: str) -> None:
    with lake() as reader:
        assert conditions([text], reader) is None


def test_a_report_goes_on_after_the_requests_are_gone(tmp_path: Path, clock: FixedClock) -> None:
    slo = parse(spec_text(window="{duration: 2d, isRolling: true}")).slos[0]
    with fresh_store(tmp_path, clock=clock) as store:
        do(store, traffic(500, 4, hours=72), "compact")
        reader = LakeReader(store.settings.lake_uri)
        (before,) = evaluate([slo], reader, end=MIDNIGHT, now=clock())
        clock.forward(days=100)
        store.apply_retention()
        assert reader.rows("requests") == 0
        (after,) = evaluate([slo], reader, end=MIDNIGHT, now=clock())
    assert after.rows == before.rows > 100
    assert (after.sli, after.spent, after.sli_low) == (before.sli, before.spent, before.sli_low)
    assert "request_minutes" in after.provenance.sql


def test_good_events_of_another_table() -> None:
    metric = "ratioMetric: {good: {metricSource: {type: pitchey, spec: {table: business_events}}}, total: %s}"
    one = parse(spec_text(metric=metric % source("method = 'POST'"))).slos[0]
    with tempfile.TemporaryDirectory() as folder, fresh_store(Path(folder), clock=FixedClock()) as store:
        store.append("business_events", rows("business_events", 60, start=MIDNIGHT - DAY, step=700.0))
        do(store, traffic(300, 5), "compact")
        read = same([Asked(one, one.objectives[0])], LakeReader(store.settings.lake_uri), MIDNIGHT - 3 * DAY, NOON)
        assert read["business_events"] == 60
        assert read["request_minutes"] > 0


def test_weights_of_one_are_not_read() -> None:
    even = rows(count=400, start=MIDNIGHT - DAY, step=200.0, status=[200, 503, 404, 500] * 100)
    with lake(even, "compact") as reader:
        asked = [ratio("status >= 500"), threshold("lte", 500)]
        same(asked, reader, MIDNIGHT - DAY, MIDNIGHT)
        assert "squares" not in count(asked, reader, MIDNIGHT - DAY, MIDNIGHT)[1].sql
        assert "squares" in count(asked, RowsOnlyOfMinutes(reader), MIDNIGHT - DAY, MIDNIGHT)[1].sql
        same(asked, reader, MIDNIGHT - DAY, NOON)


class RowsOnlyOfMinutes(RowsOnly):
    """A reader that has minutes but does not know about weights."""

    def __getattr__(self, name: str) -> Any:
        if name == "uniform_weights":
            raise AttributeError(name)
        return getattr(self._reader, name)


def test_more_filters_than_bits_in_a_number() -> None:
    with lake(traffic(500, 6), "compact") as reader:
        asked = [ratio(f"status = {s}") for s in range(180, 250)] + [ratio(TOLD[0], TOLD[1])]
        same(asked, reader, MIDNIGHT - 3 * DAY, NOON)


def test_a_report_needs_no_pandas(store: Store) -> None:
    do(store, traffic(200, 7), "compact")
    spec = store.home.folder / "x.yaml"
    spec.write_text(spec_text(), encoding="utf-8")
    code = (
        "import sys; from datetime import UTC, datetime\n"
        "from pitchey_slo.slo import evaluate, load\n"
        "from pitchey_slo.store import LakeReader\n"
        "found = evaluate(load(sys.argv[1]), LakeReader(sys.argv[2]), now=datetime(2026, 3, 2, 12, tzinfo=UTC))\n"
        "print(found[0].rows, 'pandas' in sys.modules)"
    )
    asked = [sys.executable, "-c", code, str(spec), store.settings.lake_uri]
    said = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=120).stdout.split()
    assert int(said[0]) > 100
    assert said[1] == "False"
