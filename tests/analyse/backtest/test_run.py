"""What a backtest says besides firings: coverage, failures, recorded names, hashes, and the words of the command."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pitchey_slo.alert.rules import RuleGroup, parse_rules
from pitchey_slo.analyse.backtest import backtest
from pitchey_slo.analyse.backtest.reads import SharedReads, TooMuch, key_of
from pitchey_slo.errors import QueryError
from pitchey_slo.promql import Matcher, MemoryScan
from pitchey_slo.testing import NOON

HOUR = timedelta(hours=1)
START_MS = round(NOON.timestamp() * 1000)


def groups(*rules: str, extra: str = "") -> tuple[RuleGroup, ...]:
    listed = "\n".join(f"  - {rule}" for rule in rules)
    return parse_rules(f"groups:\n- name: g\n  query_offset: 0s\n{extra}  rules:\n{listed}\n")


def scan(minutes: np.ndarray, name: str = "x", **labels: str) -> MemoryScan:
    made = MemoryScan()
    ts = START_MS + np.arange(len(minutes)) * 15_000
    keep = ~np.isnan(minutes)
    made.add({"__name__": name, **labels}, ts[keep], minutes[keep])
    return made


def test_coverage_tells_silence_from_blindness() -> None:
    values = np.zeros(240)
    values[120:180] = np.nan  # a quarter of an hour; five minutes of it the last sample still counts
    rules = groups("{alert: A, expr: x > 1}", "{alert: B, expr: y > 1}", "{alert: C, expr: 'x > 1 or y > 1'}")
    seen, blind, either = backtest(rules, scan(values), NOON, NOON + HOUR).rules
    assert (seen.evaluated, seen.unseen) == (199 / 240, ())
    assert [(a - NOON, b - NOON) for a, b in seen.no_data] == [(timedelta(minutes=34.75), timedelta(minutes=45))]
    assert (blind.evaluated, blind.unseen, blind.no_data) == (0.0, ("y",), ((NOON, NOON + HOUR),))
    assert either.evaluated == seen.evaluated and either.unseen == ("y",)


def test_the_peak_is_on_the_alarming_side() -> None:
    values = np.array([1.0, 5, 7, 6, 1, 1, -3, -9, -2, 1])
    rules = groups("{alert: Up, expr: x > 4}", "{alert: Down, expr: x < 0}", "{alert: Both, expr: x < 0 and x < 1}")
    found = backtest(rules, scan(values), NOON, NOON + timedelta(seconds=150)).rules
    assert [f.peak_value for h in found for f in h.firings] == [7.0, -9.0, -9.0]


def test_a_recorded_name_comes_from_the_file_alone() -> None:
    made = scan(np.full(240, 3.0))
    made.add({"__name__": "r", "old": "1"}, START_MS + np.arange(240) * 15_000, np.full(240, 99.0))
    rules = groups("{record: r, expr: x * 2}", "{alert: A, expr: r > 50}", "{alert: B, expr: r > 5}")
    old, new = backtest(rules, made, NOON, NOON + HOUR).rules
    assert old.fired == () and len(new.fired) == 1


def test_windows_over_recorded_series_are_full_at_the_start() -> None:
    made = scan(np.concatenate([np.full(120, 10.0), np.zeros(120)]))
    rules = groups("{record: r, expr: x}", "{alert: A, expr: 'avg_over_time(r[10m]) > 4.9'}")
    begin = NOON + timedelta(minutes=31)  # nine of the ten minutes before are high
    (found,) = backtest(rules, made, begin, NOON + HOUR).rules
    assert [f.fired_at for f in found.fired] == [begin]


def test_what_fails_is_counted_and_changes_nothing() -> None:
    made = scan(np.full(240, 3.0), job="a")
    rules = groups("{alert: A, expr: 'x * on () group_left () y > 0', for: 10m}")
    made.add({"__name__": "y", "i": "1"}, START_MS + np.arange(240) * 15_000, np.ones(240))
    made.add({"__name__": "y", "i": "2"}, START_MS + np.arange(100, 110) * 15_000, np.ones(10))
    (found,) = backtest(rules, made, NOON, NOON + HOUR).rules
    assert found.failed == 10 + 19  # the second series is looked back at for five minutes
    assert "found duplicate series" in (found.problem or "") or "multiple matches" in (found.problem or "")
    (firing,) = found.firings
    assert (firing.fired_at, firing.resolved_at) == (NOON + timedelta(minutes=10), None)


def test_a_rule_that_always_fails_ends() -> None:
    made = MemoryScan()
    for i in "12":
        made.add({"__name__": "x", "i": i}, START_MS + np.arange(2_000) * 15_000, np.ones(2_000))
    (found,) = backtest(groups("{alert: A, expr: 'x > on () x'}"), made, NOON, NOON + 8 * HOUR).rules
    assert found.failed == found.steps == 8 * 240 and found.firings == () and found.evaluated is None


def test_many_series_are_cut_into_shorter_times(monkeypatch: pytest.MonkeyPatch) -> None:
    made = MemoryScan()
    rng = np.random.default_rng(3)
    for i in range(20):
        made.add({"__name__": "x", "i": str(i)}, START_MS + np.arange(240) * 15_000, rng.normal(0, 1, 240))
    rules = groups("{alert: A, expr: x > 0.5, for: 30s, keep_firing_for: 45s}")
    whole = backtest(rules, made, NOON, NOON + HOUR).rules[0].firings
    monkeypatch.setattr("pitchey_slo.analyse.backtest.reads.CELLS", 500)
    assert backtest(rules, made, NOON, NOON + HOUR).rules[0].firings == whole and len(whole) > 100


def test_a_read_that_would_be_too_much_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitchey_slo.analyse.backtest.reads.SAMPLES", 1_000)
    day = 86_400_000
    made = MemoryScan()
    made.add({"__name__": "x"}, START_MS + np.arange(3 * 5760) * 15_000, np.zeros(3 * 5760))
    with pytest.raises(TooMuch, match="about 18,144 samples of x"):
        SharedReads(made).select([Matcher("__name__", "=", "x")], START_MS, START_MS + 3 * day)


def test_a_selector_is_read_once_for_all_rules() -> None:
    asked: list[tuple[int, int]] = []

    class Counting(MemoryScan):
        def select(self, matchers, start_ms, end_ms, *, needs=None):  # type: ignore[no-untyped-def]
            asked.append((start_ms, end_ms))
            return super().select(matchers, start_ms, end_ms, needs=needs)

    made = Counting()
    made.add({"__name__": "x"}, START_MS + np.arange(240) * 15_000, np.arange(240.0))
    rules = groups("{alert: A, expr: 'x > 3'}", "{alert: B, expr: 'rate(x[30m]) > 0'}", "{alert: C, expr: 'x > 5'}")
    backtest(rules, made, NOON, NOON + HOUR)
    assert len(asked) == 1
    shared = SharedReads(made, {key_of([], None): (0, 10, 1)})
    shared.done(key_of([], None))
    assert not shared._kept


def test_progress_may_end_the_work() -> None:
    told: list[float] = []

    def progress(share: float, name: str) -> None:
        told.append(share)
        if len(told) > 3:
            raise KeyboardInterrupt

    rules = groups(*(f"{{alert: A{i}, expr: x > {i}}}" for i in range(10)))
    with pytest.raises(KeyboardInterrupt):
        backtest(rules, scan(np.zeros(240)), NOON, NOON + HOUR, progress=progress)
    assert told == sorted(told)


def test_hashes_know_rules_from_words() -> None:
    def hash_of(rule: str) -> str:
        return backtest(groups(rule), scan(np.zeros(4)), NOON, NOON + HOUR).provenance.rules

    same = hash_of("{alert: A, expr: x > 1, annotations: {summary: a}}")
    assert same == hash_of("{alert: A, expr: x > 1, annotations: {summary: b}}")
    assert same != hash_of("{alert: A, expr: x > 2}")
    with pytest.raises(QueryError, match="ends"):
        backtest(groups("{alert: A, expr: x > 1}"), MemoryScan(), NOON, NOON)


def test_a_workbench_backtest_end_to_end(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from pitchey_slo.cli import build
    from pitchey_slo.testing import fresh_store, rows
    from pitchey_slo.workbench import connect

    home = tmp_path / "home"
    with fresh_store(home) as store:
        bad = [500 if 1200 <= i < 1500 or 2500 <= i < 2800 else 200 for i in range(3600)]
        store.append("requests", rows("requests", 3600, status=bad))
        began, ended = [NOON + timedelta(seconds=1150)], [NOON + timedelta(seconds=1500)]
        store.append("incidents", rows("incidents", 1, started_at=began, ended_at=ended))
        store.flush()
    (tmp_path / "r.yml").write_text(
        "groups:\n- name: g\n  rules:\n  - alert: Bad\n    labels: {severity: critical}\n    expr: >-\n"
        "      sum(rate(pitchey_http_errors_total[1m])) / sum(rate(pitchey_http_requests_total[1m])) > 0.5\n"
    )
    tested = connect(home).backtest(tmp_path / "r.yml", NOON, NOON + HOUR)
    assert len(tested.backtest.rules[0].fired) == 2 and tested.together.recall == 1.0
    assert tested.together.precision == 0.5 and tested.together.bad_events_before_page
    assert tested.pages is not None and len(tested.pages.pages) >= 2
    (call,) = tested.unlabelled_calls()
    assert call.startswith("wb.label_incident('Bad', '2026-03-02T12:42:")
    assert set(tested.backtest.provenance.files) == {"r.yml"}

    argv = ["rules", "backtest", str(tmp_path / "r.yml"), "--home", str(home), "--last", "1h"]
    done = CliRunner().invoke(build(argv), argv, catch_exceptions=False)
    assert "1 of 1" in done.output and "pitchey-slo incidents label Bad 2026-03-02T12:42:" in done.output
    line = next(part for part in done.output.splitlines() if "incidents label" in part)
    import shlex

    argv = [*shlex.split(line)[1:], "--home", str(home)]
    made = CliRunner().invoke(build(argv), argv, catch_exceptions=False)
    assert made.exit_code == 0 and made.output.startswith("inc-")
    assert connect(home).backtest(tmp_path / "r.yml", NOON, NOON + HOUR).together.precision == 1.0
