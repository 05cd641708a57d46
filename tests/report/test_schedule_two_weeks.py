"""Two weeks of schedules on the demo's data, with a clock that is turned: days when nobody ran, processes that died, a
notebook that fails, data that stopped, a receiver that is gone, a receiver that was down. Every due time ends as run,
as skipped and told, or as failed and told.

A few notebooks run for real, by Papermill and a kernel; the others through the seam `run_notebook(work=...)`, so that
all around the kernel is the same.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.compute as pc
import pytest

from pitchey_slo.alert.watchdog import Facts, Scheduled, judge
from pitchey_slo.demo import simulate
from pitchey_slo.report import Outcome, run_notebook, runs
from pitchey_slo.report.schedule import Due, Schedule, Scheduler, load, standings
from pitchey_slo.report.schedule.book import recent
from pitchey_slo.report.schedule.own_outlet import OwnOutlet
from pitchey_slo.report.schedule.times import offset
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.testing import FixedClock, fresh_store
from tests.alert.channels.collector import Answering, Collector, Request, collecting

from .made import broken, notebook, quick

START = datetime(2026, 10, 19, 0, 0, tzinfo=UTC)  # a Monday; on 25 October London's clocks go back
END = START + timedelta(days=14)
REAL = 3
SCHEDULES = """
timezone: Europe/London
deliver: {to: [team]}
on_failure: {to: [oncall]}
schedules:
  - {name: daily, notebook: 10_daily, cron: "23 6 * * *", missed: once, max_age: 2d}
  - {name: afternoon, notebook: 11_afternoon, cron: "0 15 * * *", timezone: UTC, missed: skip, jitter: 20m}
  - {name: weekly, notebook: 12_weekly, cron: "41 7 * * MON,THU", missed: backfill, parameters: {end: today}}
  - {name: breaks, notebook: 20_breaks, cron: "5 12 * * *"}
  - {name: strict, notebook: 13_strict, cron: "15 9 * * *", require_fresh: true, data: {requests: 12h}}
  - {name: unheard, notebook: 14_unheard, cron: "30 10 * * TUE", deliver: {to: [gone]}}
  - {name: unplugged, notebook: 15_unplugged, cron: "40 10 * * WED", deliver: {email: [team@example.org]}}
  - {name: paused, notebook: 10_daily, cron: "1 1 * * *", enabled: false}
"""
ROUTES = """
route: {receiver: team}
receivers:
  - {name: team, webhook_configs: [{url: "URL/team", allow_private: true}]}
  - {name: oncall, webhook_configs: [{url: "URL/oncall", allow_private: true}]}
  - {name: gone, webhook_configs: [{url: "URL/gone", allow_private: true}]}
"""
#: When `daily` runs: due at 6:23 in London, and always so much later.
DAILY = timedelta(hours=6, minutes=23) + offset(Schedule("daily", "10_daily", "23 6 * * *")) + timedelta(seconds=30)
#: The process is killed in a run of `daily`: when it begins, and when it has ended and that is not yet written down.
KILLS = {START + timedelta(days=8) + DAILY: "begin", START + timedelta(days=12) + DAILY: "end"}
#: Nobody runs anything in these times; two of them begin with a kill.
DOWN = [
    (START + timedelta(days=3, hours=4), START + timedelta(days=5, hours=13)),
    *((killed + timedelta(seconds=1), killed + timedelta(hours=2)) for killed in KILLS),
]
#: No request comes.
SILENT = (START + timedelta(days=9), START + timedelta(days=10, hours=12))
#: The team's receiver answers 503.
BUSY = (START + timedelta(days=6), START + timedelta(days=6, hours=10))


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


@pytest.fixture(scope="module")
def fortnight(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Fortnight]:
    folder = tmp_path_factory.mktemp("fortnight")
    with fresh_store(folder / "home", clock=(clock := FixedClock(START))) as store:
        world = Fortnight(folder, store, clock, collector)
        world.live()
        yield world


class Fortnight:
    """The two weeks, lived through when `live` returns."""

    def __init__(self, folder: Path, store: Store, clock: FixedClock, collector: Collector) -> None:
        self.folder, self.store, self.clock, self.collector = folder, store, clock, collector
        (folder / "config" / "routes").mkdir(parents=True)
        (folder / "config" / "schedules.yml").write_text(SCHEDULES)
        (folder / "config" / "routes" / "routes.yml").write_text(ROUTES.replace("URL", collector.url))
        (folder / "notebooks").mkdir()
        for name in ("10_daily", "11_afternoon", "13_strict", "14_unheard", "15_unplugged"):
            notebook(folder / "notebooks", name, cells=["print(window)"])
        notebook(
            folder / "notebooks",
            "12_weekly",
            cells=["print(end)"],
            parameters="from datetime import datetime\nend: datetime | None = None",
        )
        notebook(folder / "notebooks", "20_breaks", cells=["1 / 0"])
        self.settings = Settings.load(
            env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "config"
        )
        self.requests = next(rows for name, rows in simulate(end=END, requests=8_000) if name == "requests")
        self.reached = START - timedelta(days=2)
        self.calls = itertools.count()
        self.kill: str | None = None
        self.dead: list[str] = []
        collector.judge = self.answer

    def live(self) -> None:
        self.new_process()
        for moment in self.moments():
            self.clock.now = moment
            self.data_comes(moment)
            if any(first <= moment < last for first, last in DOWN):
                continue
            if any(last == moment for _, last in DOWN):
                self.new_process()
            self.kill = KILLS.get(moment)
            try:
                self.scheduler.run_due()
            except Killed:
                continue
            self.outlet.outbox.run_due(moment)
            self.scheduler.settle()
            if moment > START + timedelta(days=1):
                self.dead += [
                    f.about for f in judge(Facts(moment, schedules=self.watched())) if f.name.endswith("Dead")
                ]

    def new_process(self) -> None:
        self.outlet = OwnOutlet(self.store, self.settings, self.clock)
        self.scheduler = Scheduler(
            self.store, self.settings, self.outlet, self.clock, run=self.run, where=self.folder / "notebooks"
        )

    def run(self, *args: Any, **given: Any) -> Outcome:
        """The first few for real."""
        if self.kill == "begin" and args[0].name == "10_daily":
            raise Killed
        if next(self.calls) < REAL:
            return run_notebook(*args, **given)
        outcome = run_notebook(*args, **given, work=broken if args[0].name == "20_breaks" else quick)
        if self.kill == "end" and args[0].name == "10_daily":
            raise Killed
        return outcome

    def moments(self) -> list[datetime]:
        """A little after each time something may happen, and each midnight."""
        found = {START + timedelta(hours=24 * i) for i in range(14 + 1)}
        found |= {moment for down in DOWN for moment in down}
        for name, dues in self.expected().items():
            later = offset(load(self.settings.config / "schedules.yml").all[name])
            found |= {due + later + timedelta(seconds=30) for due in dues}
        # what was not taken is tried again
        found |= {BUSY[1] + timedelta(minutes=5 * i) for i in range(3)}
        return sorted(moment for moment in found if START <= moment <= END)

    def expected(self) -> dict[str, list[datetime]]:
        """Due times the slow way: every minute of the two weeks is looked at on the wall clock of the schedule's place;
        a minute that the clock shows twice counts once where the hour is named."""
        rules: dict[str, tuple[str, Any]] = {
            "daily": ("Europe/London", lambda t: (t.hour, t.minute) == (6, 23)),
            "afternoon": ("UTC", lambda t: (t.hour, t.minute) == (15, 0)),
            "weekly": ("Europe/London", lambda t: t.weekday() in (0, 3) and (t.hour, t.minute) == (7, 41)),
            "breaks": ("Europe/London", lambda t: (t.hour, t.minute) == (12, 5)),
            "strict": ("Europe/London", lambda t: (t.hour, t.minute) == (9, 15)),
            "unheard": ("Europe/London", lambda t: t.weekday() == 1 and (t.hour, t.minute) == (10, 30)),
            "unplugged": ("Europe/London", lambda t: t.weekday() == 2 and (t.hour, t.minute) == (10, 40)),
        }
        found = {}
        for name, (zone, rule) in rules.items():
            minutes = (START + timedelta(minutes=i) for i in range(1, 14 * 1440 + 1))
            found[name] = [m for m in minutes if rule(m.astimezone(ZoneInfo(zone)))]
        return found

    def data_comes(self, upto: datetime) -> None:
        first, self.reached = self.reached, upto
        ts = self.requests["ts"]
        inside = pc.and_(pc.greater_equal(ts, first), pc.less(ts, upto))
        quiet = pc.and_(pc.greater_equal(ts, SILENT[0]), pc.less(ts, SILENT[1]))
        rows = self.requests.filter(pc.and_(inside, pc.invert(quiet)))
        if rows.num_rows:
            self.store.append("requests", rows)

    def answer(self, request: Request) -> Answering:
        if request.path == "/gone":
            return Answering(404, b"no such hook")
        busy = request.path == "/team" and BUSY[0] <= self.clock.now < BUSY[1]
        return Answering(503, b"busy") if busy else Answering()

    def watched(self) -> list[Scheduled]:
        schedules = self.scheduler.book.current()
        found = standings(schedules, self.store.query, self.clock())
        alive = [(s, max(t for t in (s.last_success, s.since) if t)) for s in found if s.since]
        return [Scheduled(s.schedule.name, t, s.max_age, s.trouble) for s, t in alive if s.schedule.enabled]

    def dues(self, schedule: str | None = None) -> list[Due]:
        return sorted(recent(self.store.query, 1_000, schedule), key=lambda d: d.due_at)

    def heard(self, path: str) -> list[dict[str, Any]]:
        """Messages that were taken, once each."""
        taken = {r.headers["webhook-id"]: r.json for r in self.collector.requests if r.path == path}
        return list(taken.values())


class Killed(BaseException):
    """The process was killed with -9 in the middle of a run."""


def test_every_due_time_is_taken_down_once_and_ended(fortnight: Fortnight) -> None:
    for name, expected in fortnight.expected().items():
        later = offset(load(fortnight.settings.config / "schedules.yml").all[name])
        assert [d.due_at for d in fortnight.dues(name)] == [e for e in expected if e + later <= END], name
    assert {d.state for d in fortnight.dues()} == {"succeeded", "failed", "skipped"}
    assert all(d.receipt is not None for d in fortnight.dues())
    assert fortnight.dues("paused") == []


def test_nothing_is_silent(fortnight: Fortnight) -> None:
    oncall = "\n".join(json.dumps(m) for m in fortnight.heard("/oncall"))
    for due in fortnight.dues():
        receipt = due.receipt or ()
        if due.state == "skipped":
            # the newest of those missed together carries the message for all
            assert due.schedule in oncall and "was not run" in oncall
        elif due.state == "failed":
            assert [r["state"] for r in receipt if r["kind"] == "failed"] == ["sent"], due
        else:
            told = [r["state"] for r in receipt if r["kind"] == "report"]
            assert told == ["sent"] or f"[REPORT NOT DELIVERED] {due.schedule}" in oncall, due


def test_missed_times_follow_their_policy(fortnight: Fortnight) -> None:
    first, last = DOWN[0]

    def of(name: str) -> Counter[str]:
        return Counter(d.state for d in fortnight.dues(name) if first <= d.due_at < last)

    assert of("daily") == {"skipped": 2, "succeeded": 1}
    assert of("afternoon") == {"skipped": 2}
    assert of("weekly") == {"succeeded": 1}
    made_up = next(d for d in fortnight.dues("weekly") if first <= d.due_at < last)
    run = next(r for r in runs(fortnight.settings.reports) if r.id == made_up.run_id)
    # the words of a parameter mean the due time, not the time it was made up for
    assert run.parameters["end"] == "2026-10-22T00:00:00+01:00"
    assert run.started_at >= last


def test_a_process_that_died_in_a_run_loses_and_doubles_nothing(fortnight: Fortnight) -> None:
    began, ended = (next(d for d in fortnight.dues("daily") if d.due_at.date() == k.date()) for k in KILLS)
    assert (began.state, began.attempts) == ("succeeded", 2)
    assert (ended.state, ended.attempts) == ("succeeded", 2)
    made = Counter(r.due_at for r in runs(fortnight.settings.reports) if r.schedule == "daily")
    # the one that had ended is taken as it is, not made again
    assert made[ended.due_at] == 1
    times = Counter(r.headers["webhook-id"] for r in fortnight.collector.requests if r.path == "/oncall")
    assert set(times.values()) == {1}


def test_old_data_is_said_or_refused(fortnight: Fortnight) -> None:
    refused = [d for d in fortnight.dues("strict") if d.state == "failed"]
    assert [d.due_at.date() - START.date() for d in refused] == [timedelta(days=10)]
    assert "was to be run on fresh data only" in (refused[0].reason or "")
    told = [m for m in fortnight.heard("/oncall") if "was made of stale data" in json.dumps(m)]
    assert told
    stale = [r for r in runs(fortnight.settings.reports) if r.verdict == "stale" and r.status == "succeeded"]
    assert stale
    assert all("The data of this report is old." in Path(r.html).read_text() for r in stale)


def test_what_did_not_arrive_is_told_elsewhere_and_kept_with_the_run(fortnight: Fortnight) -> None:
    for name, why in (("unheard", "no such hook"), ("unplugged", "is not set")):
        due = fortnight.dues(name)[0]
        run = next(r for r in runs(fortnight.settings.reports) if r.id == due.run_id)
        assert why in json.dumps(run.delivery)
        row = fortnight.store.query("SELECT delivery FROM report_runs WHERE id = ?", [due.run_id]).to_pylist()[0]
        assert json.loads(row["delivery"]) == run.delivery
        assert any(f"NOT DELIVERED] {name}" in json.dumps(m) for m in fortnight.heard("/oncall"))


def test_a_receiver_that_was_down_gets_its_report_once(fortnight: Fortnight) -> None:
    late = [d for d in fortnight.dues("daily") if BUSY[0] <= d.due_at < BUSY[1]]
    assert [[r["state"] for r in d.receipt or () if r["kind"] == "report"] for d in late] == [["sent"]]


def test_a_schedule_without_success_is_dead_and_only_such_a_one(fortnight: Fortnight) -> None:
    # `afternoon` runs none late, so after two days off it was dead until it was due again; the others were made up for
    assert set(fortnight.dead) == {"breaks", "afternoon"}
    assert all("ZeroDivisionError" in (d.reason or "") for d in fortnight.dues("breaks") if d.state == "failed")
