"""The engine on a real store: rules in files, samples in the hot file, a clock that is turned."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.model import Alert
from pitchey_slo.alert.pushed import Pushed
from pitchey_slo.alert.rule_book import RuleBook
from pitchey_slo.alert.schedule import Schedule
from pitchey_slo.errors import DiskFull, NotFound, RequestError
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.series import STALE_BITS, SampleBatch, labels_of
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, FixedClock, rows

RULES = """
groups:
- name: g
  query_offset: 0s
  rules:
  - alert: Errors
    expr: errors > 1
    for: 2m
    labels: {severity: critical}
    annotations: {summary: "{{ $labels.job }}: {{ $value }}"}
"""


class Bench:
    """A store, a folder of rules, a clock, and an engine that can be started again."""

    def __init__(self, folder: Path, store: Store, clock: FixedClock) -> None:
        self.folder, self.store, self.clock = folder / "rules", store, clock
        self.folder.mkdir()
        self.write(RULES)
        self.engine = self.restarted()

    def write(self, text: str, name: str = "a.yml") -> None:
        (self.folder / name).write_text(text)

    def restarted(self) -> Engine:
        book = RuleBook(self.folder)
        engine = Engine(self.store, StoreScan(self.store), self.store.settings, clock=self.clock, book=book)
        engine._schedule = Schedule(self.clock(), spread=0.0)
        self.engine = engine
        return engine

    def sample(self, value: float, name: str = "errors", **labels: str) -> None:
        at = round(self.clock().timestamp() * 1000)
        pairs = labels_of({"__name__": name, "job": "api", **labels})
        batch = SampleBatch([pairs], np.array([0]), np.array([at]), np.array([value]))
        assert self.store.samples(batch).result().counts == {}

    def tick(self, value: float | None = None, **duration: float) -> list[Alert]:
        """Turn the clock, write a sample, evaluate."""
        self.clock.forward(**duration)
        if value is not None:
            self.sample(value)
        self.engine.run_due()
        return self.engine.alerts()

    def rows(self, sql: str) -> list[dict[str, object]]:
        return [dict(row) for row in self.store.query(sql).to_pylist()]

    def texts(self) -> list[str]:
        return [str(r["text"]) for r in self.rows("SELECT text FROM alert_events ORDER BY ts, commit_seq")]

    def series(self, name: str) -> list[tuple[str, list[float | None]]]:
        """Values of a series by labels; None for a stale marker."""
        found = self.rows(
            f"SELECT labels, value FROM samples JOIN series USING (series_id) WHERE name = '{name}' ORDER BY labels, ts"
        )
        told: dict[str, list[float | None]] = {}
        for row in found:
            value = np.float64(row["value"])
            told.setdefault(str(row["labels"]), []).append(None if value.view(np.int64) == STALE_BITS else float(value))
        return list(told.items())


@pytest.fixture
def bench(tmp_path: Path, store: Store, clock: FixedClock) -> Iterator[Bench]:
    made = Bench(tmp_path, store, clock)
    yield made
    made.engine.close()


def states(alerts: list[Alert]) -> list[str]:
    return [a.state for a in alerts]


def test_an_alert_lives_in_the_store(bench: Bench) -> None:
    assert bench.tick(0.0) == []
    assert states(bench.tick(5.0, seconds=15)) == ["pending"]
    for _ in range(7):
        assert states(bench.tick(5.0, seconds=15)) == ["pending"]
    assert states(bench.tick(5.0, seconds=15)) == ["firing"]
    row = bench.rows("SELECT * FROM alerts")[0]
    assert (row["state"], row["severity"], row["name"]) == ("firing", "critical", "Errors")
    assert row["annotations"] == '{"summary":"api: 5"}'
    assert row["fired_at"] == NOON + timedelta(seconds=135)
    ended = bench.tick(0.0, seconds=15)
    assert states(ended) == ["resolved"]
    assert len(bench.rows("SELECT * FROM alerts")) == 1
    assert [t.split(":")[0].split(" (")[0] for t in bench.texts()] == [
        "Errors is pending",
        "Errors fires",
        "Errors resolved",
    ]


def test_series_of_alerts_as_prometheus_writes_them(bench: Bench) -> None:
    bench.tick(5.0)
    for _ in range(9):
        bench.tick(5.0, seconds=15)
    bench.tick(0.0, seconds=15)
    pending, firing = sorted(bench.series("ALERTS"), key=lambda s: "firing" in s[0])
    assert pending[1] == [1.0] * 8 + [None] and '"alertstate":"pending"' in pending[0]
    assert firing[1] == [1.0] * 2 + [None]
    (since,) = bench.series("ALERTS_FOR_STATE")
    assert since[1] == [NOON.timestamp()] * 10 + [None]


def test_a_value_alone_writes_no_row(bench: Bench) -> None:
    bench.write(RULES.replace("{{ $value }}", "x"))
    bench.tick(5.0)
    seq = bench.rows("SELECT max(commit_seq) AS n FROM alerts")
    bench.tick(6.0, seconds=15)
    assert bench.rows("SELECT max(commit_seq) AS n FROM alerts") == seq
    assert bench.engine.alerts()[0].value == 6.0


def test_pending_survives_a_restart(bench: Bench) -> None:
    """90 s into `for: 2m`, 20 s of outage: it fires 30 s after the restart, give or take one interval."""
    bench.tick(5.0)
    for _ in range(6):
        bench.tick(5.0, seconds=15)
    bench.clock.forward(seconds=20)
    bench.restarted()
    restarted = bench.clock()
    fired_after = None
    for _ in range(200):
        (alert,) = bench.tick(5.0, seconds=1)
        if alert.firing:
            fired_after = (bench.clock() - restarted).total_seconds()
            break
    assert fired_after is not None and 15 <= fired_after <= 45
    assert alert.active_at == NOON
    assert len(bench.rows("SELECT * FROM alerts")) == 1


def test_twenty_restarts_while_pending(bench: Bench) -> None:
    bench.write(RULES.replace("2m", "16m"))  # a minute more than is evaluated between the restarts
    bench.tick(5.0)
    down = 0
    for _ in range(20):
        for _ in range(3):
            bench.tick(5.0, seconds=15)
        bench.clock.forward(seconds=30)  # two evaluations missed
        down += 30
        bench.restarted()
    while not bench.tick(5.0, seconds=15)[0].firing:
        assert bench.clock() < NOON + timedelta(hours=2)
    alert = bench.engine.alerts()[0]
    assert alert.active_at == NOON
    assert abs((alert.fired_at - NOON).total_seconds() - 960 - down) <= 15


def test_pending_begins_anew_after_a_long_outage(bench: Bench) -> None:
    bench.tick(5.0)
    bench.tick(5.0, seconds=90)
    bench.clock.forward(hours=3)
    bench.restarted()
    (alert,) = bench.tick(5.0)
    assert (alert.state, alert.active_at) == ("pending", bench.clock())
    assert any("nothing was evaluated for 2h 59m 45s" in t for t in bench.texts())


def test_firing_survives_a_restart_and_ends_when_it_is_over(bench: Bench) -> None:
    bench.write(RULES.replace("2m", "0s"))
    assert states(bench.tick(5.0)) == ["firing"]
    bench.clock.forward(hours=5)
    bench.restarted()
    assert states(bench.engine.alerts()) == ["firing"]
    assert states(bench.tick(0.0)) == ["resolved"]


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_jumps_neither_fires_nor_resets(bench: Bench, hours: int) -> None:
    bench.tick(5.0)
    for _ in range(4):
        bench.tick(5.0, seconds=15)
    bench.clock.forward(hours=hours)
    for i in range(5):
        bench.tick(5.0, seconds=15 if i else 0)
    (alert,) = bench.engine.alerts()
    assert alert.active_at == NOON
    events = len(bench.texts())
    assert events <= 2, bench.texts()
    assert alert.state in ("pending", "firing")
    assert bench.engine.status().missed == (239 if hours > 0 else 0)


def test_a_failing_evaluation_changes_nothing(bench: Bench) -> None:
    bench.write(RULES.replace("2m", "0s"))
    bench.tick(5.0)
    bench.write(
        RULES.replace("2m", "0s").replace("errors > 1", "errors * on (job) group_left () (errors or other) > 1")
    )
    bench.sample(1.0, name="other")
    bench.sample(1.0, name="other", zone="b")
    alerts = bench.tick(5.0, seconds=15)
    status = bench.engine.status()
    (rule,) = status.groups[0].rules
    assert status.health_of(rule) == "err" and "match" in str(status.health[rule.key].error)
    assert states([a for a in alerts if a.rule]) == ["firing"]


def test_a_broken_file_is_refused_and_the_old_rules_run_on(bench: Bench) -> None:
    bench.tick(5.0)
    bench.write(RULES.replace("errors > 1", "erors >"))
    bench.write(RULES.replace("Errors", "Other"), "b.yml")
    for _ in range(8):
        bench.tick(5.0, seconds=15)
    assert sorted(states(bench.engine.alerts())) == ["firing", "pending"]  # the other is one interval behind
    problem = bench.engine.status().problems["a.yml"]
    assert "a.yml:7" in problem and "^" in problem
    # and a restart with the broken file neither runs it nor ends its alerts
    bench.restarted()
    assert sorted(states(bench.tick(5.0, seconds=15))) == ["firing", "firing"]
    bench.write(RULES)
    assert sorted(states(bench.tick(5.0, seconds=15))) == ["firing", "firing"]
    assert bench.engine.status().problems == {}


def test_a_reload_keeps_the_states_of_unchanged_rules_and_ends_removed_ones(bench: Bench) -> None:
    second = RULES + "  - alert: Second\n    expr: errors > 2\n"
    bench.write(second)
    assert sorted(states(bench.tick(5.0))) == ["firing", "pending"]
    bench.write(second.replace("errors > 2", "errors > 3"))
    assert sorted(states(bench.tick(5.0, seconds=15))) == ["firing", "firing", "pending"]
    told = next(a for a in bench.engine.alerts() if a.name == "AlertThresholdChanged")
    assert "expr was `errors > 2` and is `errors > 3`" in told.annotations["description"]
    bench.write(RULES)
    alerts = bench.tick(5.0, seconds=15)
    assert {a.name: a.state for a in alerts if a.source == "rules" and a.rule} == {
        "Errors": "pending",
        "Second": "resolved",
    }
    assert any("its rule was removed" in t for t in bench.texts())
    assert alerts[0].active_at == NOON


def test_recording_rules_write_series_and_end_them(bench: Bench) -> None:
    bench.write(
        "groups:\n- name: g\n  query_offset: 0s\n  rules:\n"
        "  - record: job:errors:sum\n    expr: sum by (job) (errors > 1)\n    labels: {kind: rec}\n"
        "  - alert: Recorded\n    expr: job:errors:sum > 4\n"
    )
    assert states(bench.tick(5.0)) == ["firing"]  # a later rule sees what an earlier one recorded
    bench.tick(3.0, seconds=15)
    bench.tick(0.0, seconds=15)
    ((labels, values),) = bench.series("job:errors:sum")
    assert values == [5.0, 3.0, None]
    assert labels == '{"__name__":"job:errors:sum","job":"api","kind":"rec"}'


def test_the_data_of_a_rule_are_those_of_its_offset(bench: Bench) -> None:
    bench.write(RULES.replace("0s", "1m").replace("2m", "0s"))
    bench.tick(5.0)
    assert states(bench.tick(0.0, seconds=15)) == []
    assert states(bench.tick(0.0, seconds=45)) == ["firing"]
    assert states(bench.tick(0.0, seconds=15)) == ["resolved"]


def test_the_limit_of_a_group(bench: Bench) -> None:
    bench.write(RULES.replace("  rules", "  limit: 1\n  rules"))
    bench.sample(5.0, zone="a")
    bench.tick(5.0)
    status = bench.engine.status()
    assert "exceeded limit of 1 with 2 alerts" in str(status.health[status.groups[0].rules[0].key].error)
    assert bench.engine.alerts() == []


def test_an_error_in_a_template_does_not_lose_the_alert(bench: Bench) -> None:
    bench.write(RULES.replace("{{ $value }}", "{{ humanize $labels.job }}"))
    (alert,) = bench.tick(5.0)
    assert alert.annotations["summary"].startswith("<error expanding template: humanize: 'api' is no number")


# alerts that are pushed


def test_pushed_alerts_end_when_they_are_not_sent_again(bench: Bench) -> None:
    sent = Pushed({"alertname": "Disk", "severity": "warning", "empty": ""}, {"summary": "full"})
    bench.engine.push([sent])
    row = bench.rows("SELECT * FROM alerts")[0]
    assert (row["state"], row["labels"]) == ("firing", '{"alertname":"Disk","severity":"warning"}')
    bench.tick(minutes=4)
    bench.engine.push([sent])
    assert states(bench.tick(minutes=4)) == ["firing"]
    assert states(bench.tick(minutes=1)) == ["resolved"]
    assert [t.split(": ")[0] for t in bench.texts()] == ["Disk fires", "Disk resolved"]


def test_a_sender_may_end_its_alert_and_begin_it_again(bench: Bench) -> None:
    labels = {"alertname": "Disk"}
    bench.engine.push([Pushed(labels)])
    bench.clock.forward(minutes=1)
    bench.engine.push([Pushed(labels, ends_at=bench.clock())])
    bench.clock.forward(seconds=30)
    bench.engine.push([Pushed(labels)])
    assert sorted(states(bench.engine.alerts())) == ["firing", "resolved"]
    assert len({a.id for a in bench.engine.alerts()}) == 2


def test_an_outage_of_ours_does_not_end_pushed_alerts(bench: Bench) -> None:
    bench.engine.push([Pushed({"alertname": "Disk"})])
    bench.clock.forward(hours=1)
    bench.restarted()
    assert states(bench.tick()) == ["firing"]
    assert states(bench.tick(minutes=5)) == ["resolved"]


@pytest.mark.parametrize("sent", [Pushed({}), Pushed({"a": ""}), Pushed({"a": "x" * 70_000}),
                                  Pushed({"a": "b"}, starts_at=NOON, ends_at=NOON - timedelta(hours=1))])  # fmt: skip
def test_what_is_no_alert_is_refused(bench: Bench, sent: Pushed) -> None:
    with pytest.raises(RequestError):
        bench.engine.push([Pushed({"alertname": "good"}), sent])
    assert bench.engine.alerts() == []


def test_by_hand(bench: Bench) -> None:
    bench.engine.push([Pushed({"alertname": "Disk"})])
    (alert,) = bench.engine.alerts()
    taken = bench.engine.acknowledge(alert.id, "ada", "looking")
    assert (taken.acked_by, taken.acked_at) == ("ada", NOON)
    bench.restarted()
    assert bench.engine.alerts()[0].acked_by == "ada"
    done = bench.engine.resolve(alert.id, "ada", "disk was changed")
    assert done.state == "resolved"
    assert bench.texts()[-2:] == [
        "ada took it on. They say: looking",
        "Disk resolved: ada resolved it by hand (disk was changed); it fired for 0s",
    ]
    with pytest.raises(NotFound):
        bench.engine.resolve("nothing", "ada")


# news


def test_deployments_and_maintenance_are_news_once(bench: Bench) -> None:
    bench.tick()
    bench.store.append("deployments", rows("deployments", id="d1", version="1.4.2", deployed_by="ada"))
    bench.store.append("deployments", rows("deployments", id="old", start=NOON - timedelta(days=3)))
    alerts = bench.tick(seconds=15)
    assert [a.annotations["summary"] for a in alerts] == ["pitchey 1.4.2 was deployed by ada"]
    assert alerts[0].severity == "info"
    bench.restarted()
    assert len(bench.tick(seconds=15)) == 1
    assert states(bench.tick(minutes=5)) == ["resolved"]


# robustness


def test_a_transaction_that_fails_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.tick(0.0)
    write = bench.store.append_all

    def full(_: object) -> None:
        raise DiskFull("no space")

    monkeypatch.setattr(bench.store, "append_all", full)
    with pytest.raises(DiskFull):
        bench.tick(5.0, seconds=15)
    assert bench.engine.alerts() == []
    monkeypatch.setattr(bench.store, "append_all", write)
    assert states(bench.tick(5.0, seconds=15)) == ["pending"]


def test_identical_selectors_are_read_once_per_tick(bench: Bench) -> None:
    asked = []

    class Counting:
        def select(self, matchers, start_ms, end_ms, *, needs=None):  # type: ignore[no-untyped-def]
            asked.append(matchers)
            return StoreScan(bench.store).select(matchers, start_ms, end_ms, needs=needs)

    text = "groups:\n" + "".join(
        f"- name: g{i}\n  rules:\n  - alert: A{i}\n    expr: rate(errors[5m]) > {i}\n" for i in range(20)
    )
    bench.write(text)
    bench.tick(1.0)
    bench.engine._scan = Counting()
    bench.tick(2.0, seconds=15)
    assert len(asked) == 1


def test_the_loop_runs_by_itself_and_stops(bench: Bench) -> None:
    """With the real thread: rules fire within a bounded time."""
    bench.write(RULES.replace("2m", "0s"))
    bench.sample(5.0)
    bench.engine.start()
    deadline = time.monotonic() + 20
    while not bench.engine.alerts() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert states(bench.engine.alerts()) == ["firing"]
    bench.engine.close()
    assert not [t for t in threading.enumerate() if t.name == "alerts"]
