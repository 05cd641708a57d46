"""SLIs that are PromQL: counters, counts, values and ratios against loops over their samples."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.errors import ConfigError, SloError
from pitchey_slo.promql import MemoryScan
from pitchey_slo.promql.lake_scan import LakeScan
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.slo import Slo, SloReport, evaluate, promql_sli
from pitchey_slo.slo.corrections import row_of
from pitchey_slo.slo.spec.openslo import parse
from pitchey_slo.store import LakeReader
from pitchey_slo.tables import CORRECTIONS
from pitchey_slo.testing import NOON, fresh_store, rows
from pitchey_slo.workbench import connect
from tests.depth import examples

from . import naive_promql as naive
from .made import T0, MemoryReader, spec_text
from .test_corrected import correction

END = round(T0.timestamp()) // 60
#: The hour before T0, in minutes and in milliseconds.
HOUR = (END - 60, END)
START_MS = HOUR[0] * 60_000


def promql(query: str, kind: str = "prometheus") -> str:
    return f"metricSource: {{type: {kind}, spec: {{query: '{query}'}}}}"


def ratio(bad: str, total: str, *, counter: bool) -> str:
    flag = str(counter).lower()
    return f"ratioMetric: {{counter: {flag}, bad: {{{promql(bad)}}}, total: {{{promql(total)}}}}}"


def slo(metric: str, **given: Any) -> Slo:
    return parse(spec_text(metric=metric, **given)).slos[0]


def judged(one: Slo, scan: MemoryScan, window: str = "1h", **more: Any) -> SloReport:
    (found,) = evaluate([one], MemoryReader(), end=T0, windows=[window], now=T0 + timedelta(hours=1), scan=scan, **more)
    return found


def note(found: SloReport, kind: str) -> Any:
    return next((n for n in found.notes if n.kind == kind), None)


def counter(steps: list[float], every: int = 15_000, first: int = START_MS) -> list[tuple[int, float]]:
    """Samples of a counter that begins at 0 and grows by `steps`."""
    values = np.concatenate([[0.0], np.cumsum(steps)])
    return [(first + i * every, float(v)) for i, v in enumerate(values)]


def put(scan: MemoryScan, name: str, samples: list[tuple[int, float]], **labels: str) -> None:
    scan.add({"__name__": name, **labels}, [t for t, _ in samples], [v for _, v in samples])


@st.composite
def counters(draw: st.DrawFn) -> list[list[tuple[int, float]]]:
    """Up to three counters over two hours, scraped at their own pace, with resets, holes and values that are none."""
    found = []
    for _ in range(draw(st.integers(1, 3))):
        at, value, samples = START_MS - draw(st.integers(0, 3_600_000)), float(draw(st.integers(0, 50))), []
        for gap, grow, what in draw(
            st.lists(
                st.tuples(
                    st.sampled_from([5_000, 15_000, 60_000, 61_000, 300_000, 300_001, 900_000]),
                    st.integers(0, 9),
                    st.sampled_from(["", "", "", "", "reset", "nan"]),
                ),
                max_size=60,
            )
        ):
            at += gap
            value = float(grow) if what == "reset" else value + grow
            samples.append((at, math.nan if what == "nan" else value))
        found.append(samples)
    return found


@settings(max_examples=examples(20), deadline=None)
@given(bad=counters(), good=counters(), chunk=st.sampled_from([7, 60, 1440]), query=st.sampled_from(["%s", "sum(%s)"]))
def test_counters_are_counted_sample_by_sample(
    bad: list[naive.Samples], good: list[naive.Samples], chunk: int, query: str
) -> None:
    scan = MemoryScan()
    for i, samples in enumerate(bad):
        put(scan, "x_total", samples, ok="no", i=str(i))
    for i, samples in enumerate(good):
        put(scan, "x_total", samples, ok="yes", i=str(i))
    one = slo(ratio(query % 'x_total{ok="no"}', query % "x_total", counter=True))
    before, promql_sli.CHUNK = promql_sli.CHUNK, chunk
    try:
        found = judged(one, scan)
    finally:
        promql_sli.CHUNK = before
    # a report looks back three days for burn rates: nothing is older here
    total = naive.added([naive.increase(s, END - 6 * 1440, END) for s in bad + good])
    failed = naive.added([naive.increase(s, END - 6 * 1440, END) for s in bad])
    valid = sum(v for m, v in total.items() if HOUR[0] <= m)
    assert found.valid == pytest.approx(valid)
    assert found.bad == pytest.approx(min(sum(v for m, v in failed.items() if HOUR[0] <= m), valid))
    assert found.coverage.minutes_with_rows == sum(HOUR[0] <= m for m in total)
    assert (found.sli is None) == (valid == 0)
    fell = note(found, "counter_reset")
    assert (fell.count if fell else 0) <= sum(naive.resets(s, *HOUR) for s in bad + good)
    assert bool(fell) == any(naive.resets(s, *HOUR) for s in bad + good)


def test_a_rate_over_the_window_is_counted_not_extrapolated() -> None:
    scan = MemoryScan()
    put(scan, "x_total", counter([1.0] * 240), code="200")
    put(scan, "x_total", counter([0.0] * 100 + [1.0] * 12 + [0.0] * 128), code="500")
    reports = [
        judged(slo(ratio(f'sum({f}(x_total{{code="500"}}[{w}]))', f"sum({f}(x_total[{w}]))", counter=False)), scan)
        for f in ("rate", "increase")
        for w in ("{{.window}}", "{{ .window }}", "1m")
    ]
    assert {(r.bad, r.valid, r.unit, r.noun) for r in reports} == {(12.0, 252.0, "events", "events")}


def test_other_expressions_of_counters_are_asked_at_the_end_of_each_minute() -> None:
    scan = MemoryScan()
    put(scan, "x_total", counter([1.0] * 240), i="a")
    put(
        scan,
        "x_total",
        [*counter([1.0] * 100), *[(START_MS + i * 15_000, float(i - 101)) for i in range(101, 241)]],
        i="b",
    )
    found = judged(slo(ratio("sum(x_total) / 10", "sum(x_total) + 0", counter=True)), scan)
    # b falls from 100 to 0 at 25 min 15 s, so the sum of both falls once from one minute to the next: as far as an
    # expression can show it, what it has reached since counts
    assert note(found, "counter_reset").count == 1
    assert found.valid == pytest.approx(200 + (104 + 3) + 2 * (240 - 104))


def test_a_counter_that_is_none_is_refused_with_its_line() -> None:
    one = parse(spec_text(metric=ratio("sum(rate(x_total[5m]))", "sum(x_total)", counter=True)), file="x.yaml").slos
    with pytest.raises(ConfigError, match=r"x\.yaml:\d+: .*counter: true, but rate\(\) of a counter is none"):
        evaluate(one, MemoryReader(), end=T0, now=T0, scan=MemoryScan())


def test_numbers_of_events_are_taken_once_per_minute() -> None:
    scan = MemoryScan()
    ends = [START_MS + (i + 1) * 60_000 - 1_000 for i in range(60)]
    scan.add({"__name__": "done"}, ends, [10.0] * 60)
    scan.add({"__name__": "failed", "job": "a"}, ends[:30], [1.0] * 30)  # silent after half an hour, not zero
    scan.add({"__name__": "failed", "job": "b"}, ends, [-1.0] + [0.5] * 59)
    found = judged(slo(ratio("failed", "done", counter=False)), scan)
    assert (found.valid, found.bad) == (600.0, 30 + 59 * 0.5)
    assert note(found, "out_of_range").count == 1
    assert note(found, "gap") is None


@pytest.mark.parametrize(
    ("query", "events"), [("sum(rate(x_total[5m])) * 1", 240.0), ("sum(increase(x_total[5m]))+0", 240.0)]
)
def test_rates_over_other_times_are_brought_to_a_minute(query: str, events: float) -> None:
    scan = MemoryScan()
    put(scan, "x_total", counter([1.0] * 540, first=START_MS - 4_500_000))
    found = judged(slo(ratio("vector(0)", query, counter=False)), scan)
    assert found.valid == pytest.approx(events)
    with pytest.raises(ConfigError, match="not over the same time"):
        judged(slo(ratio("vector(0)", "rate(x_total[5m]) + increase(x_total[5m])", counter=False)), scan)


@settings(max_examples=examples(20), deadline=None)
@given(
    values=st.lists(st.sampled_from([None, 0.1, 0.5, 0.50001, 2.0, math.nan, math.inf]), min_size=1, max_size=60),
    other=st.lists(st.sampled_from([None, 0.2, 0.9]), max_size=60),
    op=st.sampled_from(["lte", "lt", "gte", "gt"]),
)
def test_each_value_of_a_threshold_is_one_event(values: list[Any], other: list[Any], op: str) -> None:
    scan = MemoryScan()
    series = []
    for i, given_values in enumerate((values, other)):
        samples = [(START_MS + m * 60_000 + 30_000, v) for m, v in enumerate(given_values) if v is not None]
        put(scan, "seconds", samples, i=str(i)) if samples else None
        series.append(samples)
    metric = f"thresholdMetric: {{{promql('seconds')}}}"
    found = judged(slo(metric, objectives=f"[{{target: 0.9, op: {op}, value: 0.5}}]"), scan)
    good = bad = nan = 0
    for minute in range(*HOUR):
        for samples in series:
            value = naive.last_of_minute(samples, minute)
            if value is None:
                continue
            holds = {"lte": value <= 0.5, "lt": value < 0.5, "gte": value >= 0.5, "gt": value > 0.5}[op]
            good, bad, nan = (
                good + (holds and value == value),
                bad + (not holds and value == value),
                nan + (value != value),
            )
    assert (found.good, found.bad, found.unmeasured) == (good, bad, nan)
    assert found.noun == "measurements"


def test_minutes_of_a_raw_ratio_weigh_the_same() -> None:
    scan = MemoryScan()
    put(scan, "up_share", [(START_MS + m * 60_000 + 1, 0.5 if m < 6 else 1.0) for m in range(30)])
    metric = f"ratioMetric: {{rawType: success, raw: {{{promql('up_share')}}}}}"
    found = judged(slo(metric), scan)
    assert (found.unit, found.noun, found.valid, found.bad) == ("minutes", "minutes", 30.0, 3.0)
    assert found.sli == 0.9 and found.spent == pytest.approx(1.0)
    # thirty looks, not thousands
    assert found.sli_low is not None and found.sli_low < 0.8
    failure = judged(slo(metric.replace("success", "failure")), scan)
    assert failure.sli == pytest.approx(0.1)
    # the second half hour has no samples: nothing is known of it
    assert found.coverage.minutes_with_rows == 30
    assert note(found, "late_data").minutes == 30


def test_impossible_shares_are_held_and_named() -> None:
    scan = MemoryScan()
    put(scan, "share", [(START_MS + m * 60_000 + 1, [1.5, -0.5, 1.0, math.nan][m % 4]) for m in range(60)])
    found = judged(slo(f"ratioMetric: {{rawType: success, raw: {{{promql('share')}}}}}"), scan)
    assert (found.good, found.bad, found.unmeasured) == (30.0, 15.0, 15.0)
    assert note(found, "out_of_range").count == 30
    assert "impossible" in found.sentence()


def test_a_raw_ratio_of_several_series_is_refused() -> None:
    scan = MemoryScan()
    for i in "ab":
        put(scan, "share", [(START_MS + 1, 1.0)], i=i)
    with pytest.raises(ConfigError, match=r"one number at a time, this gives 2; put avg"):
        judged(slo(f"ratioMetric: {{rawType: success, raw: {{{promql('share')}}}}}"), scan)


def test_gaps_are_no_data_and_their_events_are_not_lost() -> None:
    scan = MemoryScan()
    samples = counter([1.0] * 240)
    put(scan, "x_total", [s for s in samples if not START_MS + 600_000 < s[0] < START_MS + 1_800_000])
    found = judged(slo(ratio("x_total * 0", "x_total", counter=True)), scan)
    assert found.valid == 240
    assert note(found, "gap").minutes == 19
    assert found.coverage.minutes_with_rows == 41
    assert "no samples at all for 19 minutes" in found.sentence()


def test_what_a_new_series_begins_with_is_named() -> None:
    scan = MemoryScan()
    put(scan, "x_total", counter([1.0] * 240), code="200")
    put(scan, "x_total", [(START_MS + 1_800_000 + i * 15_000, 7.0 + i) for i in range(10)], code="500")
    found = judged(slo(ratio('x_total{code="500"}', "x_total", counter=True)), scan)
    assert (found.bad, found.valid) == (9.0, 249.0)
    assert note(found, "new_series").count == 7


def test_provenance_names_queries_samples_and_newest() -> None:
    scan = MemoryScan()
    put(scan, "x_total", counter([1.0] * 240))
    found = judged(slo(ratio("x_total * 0", "sum(x_total)", counter=True)), scan)
    source = found.provenance
    assert (source.sql, source.promql) == ("", "total: sum(x_total);\nbad: x_total * 0")
    assert source.rows_read >= 241 and source.watermark == T0
    assert source.query == source.promql


def test_without_series_promql_is_refused() -> None:
    with pytest.raises(SloError, match="needs series"):
        evaluate([slo(ratio("x", "x", counter=True))], MemoryReader(), now=T0)


def test_equal_queries_are_asked_once_and_events_stand_beside() -> None:
    scan = MemoryScan()
    put(scan, "x_total", counter([1.0] * 240))
    asked: list[int] = []

    class Spy:
        def select(self, *given: Any, **named: Any) -> Any:
            asked.append(1)
            return scan.select(*given, **named)

    slos = [slo(ratio("x_total", "x_total", counter=True), name=f"s{i}") for i in range(3)]
    reports = evaluate([slos[0], parse(spec_text()).slos[0], *slos[1:]], MemoryReader(), end=T0, now=T0, scan=Spy())
    assert [r.slo for r in reports] == ["s0", "x", "s1", "s2"]
    assert len(asked) == 29  # one per day of 28, and a slice before


def test_slices_of_promql() -> None:
    scan = MemoryScan()
    put(scan, "x_total", counter([1.0] * 240), ok="yes")
    put(scan, "x_total", counter([0.0] * 60 + [1.0] * 20 + [0.0] * 160), ok="no")
    goal = "[{target: 0.9, timeSliceTarget: 0.75, timeSliceWindow: 5m}]"
    one = slo(ratio('x_total{ok="no"}', "x_total", counter=True), method="Timeslices", objectives=goal)
    found = judged(one, scan)
    assert (found.bad, found.valid, found.unit) == (1.0, 12.0, "slices")


def test_our_own_series_give_the_numbers_of_the_events(tmp_path: Path) -> None:
    """The same requests, once as events and once as the counters that are made of them."""
    start = T0 - timedelta(hours=5, seconds=-3)  # never at a whole minute, which the two put on different sides
    status = [500 if i % 17 == 0 else 200 for i in range(1200)]
    weight = [1.0 if i % 5 else 10.0 for i in range(1200)]
    with fresh_store(tmp_path) as store:
        store.append("requests", rows(count=1200, start=start, step=13.0, status=status, sample_interval=weight))
        store.flush()
        settings_ = store.settings
    reader = LakeReader(settings_.lake_uri, settings_.storage_options, settings_.memory_limit)
    total = "sum(rate(pitchey_http_requests_total[{{.window}}]))"
    bad = 'sum(rate(pitchey_http_requests_total{status=~"5.."}[{{.window}}]))'
    both = [parse(spec_text(name="events")).slos[0], slo(ratio(bad, total, counter=False), name="series")]
    for window in ("1h", "6h"):
        events, series = evaluate(both, reader, end=T0, windows=[window], now=T0, scan=LakeScan(reader))
        assert (series.valid, series.bad, series.burn) == (events.valid, events.bad, events.burn)
        assert series.valid > 0


def test_stored_samples_and_a_stored_correction_reach_the_workbench(tmp_path: Path) -> None:
    times = [round(NOON.timestamp() * 1000) - 3_600_000 + i * 15_000 for i in range(241)]
    labels = [labels_of({"__name__": "jobs_total", "ok": ok}) for ok in ("yes", "no")]
    values = [[float(i) for i in range(241)], [float(max(0, min(i - 120, 40))) for i in range(241)]]
    (tmp_path / "config" / "slos").mkdir(parents=True)
    text = spec_text(name="jobs", metric=ratio('jobs_total{ok="no"}', "jobs_total", counter=True))
    (tmp_path / "config" / "slos" / "jobs.yaml").write_text(text)
    made = correction(NOON - timedelta(minutes=30), 5, id="move", slos=("jobs",))
    with fresh_store(tmp_path / "home", config=tmp_path / "config") as store:
        for i in range(2):
            batch = SampleBatch([labels[i]], np.zeros(241, np.int64), np.array(times), np.array(values[i]))
            store.samples(batch, backfill=True).result()
        store.append("corrections", CORRECTIONS.of([row_of(made, NOON)]))
        store.flush()
        wb = connect(settings=store.settings)
    (found,) = wb.slo("jobs").report("1h", end=NOON)
    # of forty failures in ten minutes, one every 15 s, five minutes are corrected
    assert (found.bad, found.valid) == (20.0, 240.0 + 40.0 - 40.0)
    assert found.uncorrected.spent == pytest.approx(40 / 28) and found.spent == pytest.approx(20 / 24)
    assert (found.provenance.corrections, found.provenance.watermark) == (("move",), NOON)
    assert found.provenance.promql.startswith("total: jobs_total;")
