"""A process that is killed with -9 in the middle of a run: nobody goes on behind its back, the time is not lost, and
nobody is told twice."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import psutil

from pitchey_slo.report import runs
from pitchey_slo.report.schedule import Scheduler
from pitchey_slo.report.schedule.book import recent
from pitchey_slo.report.schedule.own_outlet import OwnOutlet
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows

from .made import notebook

LIVE = """
import sys
from pathlib import Path
from tests.report.test_schedule_killed import at_work
at_work(Path(sys.argv[1]))
"""
SCHEDULES = 'deliver: {to: [screen]}\nschedules: [{name: a, notebook: 10_slow, cron: "5 12 * * *", jitter: 0}]\n'
ROUTES = "route: {receiver: screen}\nreceivers: [{name: screen, console_configs: [{to: log}]}]\n"
DUE = NOON + timedelta(minutes=5, seconds=1)


def settings_of(folder: Path) -> Settings:
    given = {"home": folder / "home", "reports": folder / "reports", "config": folder / "config"}
    return Settings.load(env_file=None, **given)


def at_work(folder: Path, *, minutes: float = 0.0) -> None:
    """One life of a process: what is due is run, what waits is sent."""
    settings, clock = settings_of(folder), FixedClock(DUE + timedelta(minutes=minutes))
    with Store.open(settings, clock=clock, background=False) as store:
        outlet = OwnOutlet(store, settings, clock)
        scheduler = Scheduler(store, settings, outlet, clock, where=folder / "notebooks")
        scheduler.run_due()
        outlet.outbox.run_due(clock())
        scheduler.settle()


def test_a_run_whose_process_was_killed_is_made_again_once(tmp_path: Path) -> None:
    for name, text in (("routes/routes.yml", ROUTES), ("schedules.yml", SCHEDULES)):
        (tmp_path / "config" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "config" / name).write_text(text)
    (tmp_path / "notebooks").mkdir()
    mark = tmp_path / "mark"
    slow = f"import os, time, pathlib\nm = pathlib.Path({str(mark)!r})\nfirst = not m.exists()\n"
    slow += "m.write_text(f'{os.getpid()} {os.getppid()}')\ntime.sleep(600 if first else 0)"
    notebook(tmp_path / "notebooks", "10_slow", cells=[slow])
    settings = settings_of(tmp_path)
    with fresh_store(tmp_path / "home", clock=FixedClock(NOON)) as store:
        store.append("requests", rows(count=3))
        Scheduler(store, settings, OwnOutlet(store, settings, FixedClock(NOON)), FixedClock(NOON)).look()

    process = subprocess.Popen([sys.executable, "-c", LIVE, str(tmp_path)], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 60
    while not (mark.exists() and mark.read_text()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    kernel, worker = map(int, mark.read_text().split())
    process.kill()
    process.wait(10)
    deadline = time.monotonic() + 20
    while psutil.pid_exists(worker) or psutil.pid_exists(kernel):
        assert time.monotonic() < deadline, "somebody goes on with a run that nobody asks for any more"
        time.sleep(0.05)
    [interrupted] = runs(settings.reports)
    assert (interrupted.status, interrupted.error) == ("failed", "the process that ran it is gone")

    at_work(tmp_path, minutes=20)
    at_work(tmp_path, minutes=40)
    with Store.open(settings, background=False) as store:
        [due] = recent(store.query, 10)
        assert (due.state, due.attempts) == ("succeeded", 2)
        assert [(r["kind"], r["state"]) for r in due.receipt or ()] == [("report", "sent")]
        sent = store.query("SELECT attempts FROM notifications").to_pylist()
        assert sent == [{"attempts": 1}]
    done = [r for r in runs(settings.reports) if r.status == "succeeded"]
    assert [(r.id, r.attempts, r.due_at) for r in done] == [(due.run_id, 2, due.due_at)]
