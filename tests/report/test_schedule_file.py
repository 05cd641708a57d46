"""config/schedules.yml: what it may say, what is wrong with it; the shipped one, its schema and its timers agree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pitchey_slo.alert.config import load_routes
from pitchey_slo.errors import ConfigError
from pitchey_slo.report import find, from_text
from pitchey_slo.report.schedule import Schedule, Target, load, read, times
from pitchey_slo.report.schedule.form import schema_text
from pitchey_slo.report.schedule.timers import calendar, write
from pitchey_slo.settings import Settings, shipped

CONFIG = shipped("config")
FULL = """
timezone: Europe/London
jitter: 5m
deliver: {to: [team]}
on_failure: {slack: "#ops"}
schedules:
  - name: daily
    notebook: 10_daily_review
    cron: "23 6 * * MON-FRI"
    missed: backfill
    backfill: 3
    parameters: {window: 1d, end: today, routes: [/a, /b], times: 3}
    deliver: {slack: true, email: [a@example.org, b@example.org], attach: true}
    max_age: 4d
    data: {requests: 2h, probes: 1d}
    require_fresh: true
    timeout: 5m
  - {name: other, notebook: x, cron: "1 1 1 * *", timezone: UTC, jitter: 0, enabled: false}
"""


def test_every_key_is_read() -> None:
    daily, other = read(FULL, "f").all.values()
    assert daily == Schedule(
        name="daily",
        notebook="10_daily_review",
        cron="23 6 * * MON-FRI",
        zone="Europe/London",
        jitter=300.0,
        missed="backfill",
        backfill=3,
        parameters={"window": "1d", "end": "today", "routes": '["/a", "/b"]', "times": "3"},
        deliver=Target(slack="", email=("a@example.org", "b@example.org"), attach=True),
        on_failure=Target(slack="#ops"),
        max_age=4 * 86_400.0,
        data={"requests": 7_200.0, "probes": 86_400.0},
        require_fresh=True,
        seconds=300.0,
        line=7,
    )
    assert (other.zone, other.jitter, other.enabled, other.rule) == ("UTC", 0.0, False, "off")
    assert other.deliver == Target(receivers=("team",))


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("missed: backfill", "missed: bakfill"), 10, 'did you mean "backfill"'),
        (('cron: "23 6 * * MON-FRI"', 'cron: "23 6 * *"'), 9, "five are needed"),
        (("timezone: Europe/London", "timezone: Europe/Lundon"), 2, "no time zone 'Europe/Lundon'"),
        (("notebook: 10_daily_review\n", "notbook: 10_daily_review\n"), 8, "unknown key 'notbook'"),
        (("max_age: 4d", "max_age: four days"), 14, "is no duration"),
        (("probes: 1d", "probe: 1d"), 15, 'did you mean "probes"'),
        (("a@example.org", "a at example"), 13, "addresses belong"),
        (("name: other", "name: daily"), 18, "stands twice"),
        (("backfill: 3", "backfill: 3000"), 11, "no whole number from 1 to 60"),
        (("name: daily", "name: Daily Review"), 7, "lower-case letters"),
        (("timeout: 5m", "timeout: 5d"), 17, "is too long (at most 6 h)"),
    ],
)
def test_what_is_wrong_is_shown_with_its_line(change: tuple[str, str], line: int, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(FULL.replace(*change), "schedules.yml")
    assert f"schedules.yml:{line}" in str(caught.value)
    assert says in str(caught.value)


def test_no_file_is_no_schedule(tmp_path: Path) -> None:
    assert load(tmp_path / "none.yml").all == {}


def test_the_shipped_schedules_name_notebooks_parameters_and_receivers_that_exist() -> None:
    schedules = load(CONFIG / "schedules.yml").all
    receivers = load_routes(
        CONFIG / "routes" / "routes.yml", settings=Settings.load(env_file=None), environ={}
    ).receivers
    there = {p.stem for p in shipped("notebooks").glob("*.ipynb")}
    for schedule in schedules.values():
        assert {*schedule.deliver.receivers, *schedule.on_failure.receivers} <= set(receivers)
        assert schedule.cron.split()[0] != "0"
        if schedule.notebook in there:
            notebook = find(schedule.notebook, shipped("notebooks"))
            texts = times.resolve(schedule.parameters, datetime(2026, 11, 23, tzinfo=UTC), schedule.zone)
            from_text(texts, notebook.parameters, notebook=notebook.name)
    assert {"daily_review", "slo_review", "threshold_review", "monthly_audit"} <= set(schedules)


def test_the_schema_is_the_one_the_reader_knows() -> None:
    assert (CONFIG / "schema" / "schedules.schema.json").read_text(encoding="utf-8") == schema_text()
    jsonschema = pytest.importorskip("jsonschema")
    from ruamel.yaml import YAML

    def plain(text: str) -> object:
        return json.loads(json.dumps(YAML(typ="safe").load(text)))

    schema = json.loads(schema_text())
    jsonschema.validate(plain(FULL), schema)
    jsonschema.validate(plain((CONFIG / "schedules.yml").read_text()), schema)
    for change in (("missed: backfill", "missed: bakfill"), ("notebook: 10_daily_review\n", "notbook: x\n")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(plain(FULL.replace(*change)), schema)


@pytest.mark.parametrize(
    "cron",
    [
        "23 6 * * *", "23 6 * * MON-FRI", "41 6 1 * *", "*/20 2,4 * * *", "5 0-6/2 * * 0,3", "7 7 */10 * *",
        "1 1 1 1-6 *", "9 9 13 * FRI", "15 8 * JAN,jul 7", "0 5 1-7 * *", "10/15 3 * * SUN",
    ],
)  # fmt: skip
def test_a_timer_is_due_when_the_schedule_is(cron: str) -> None:
    """Against systemd's own reading of its calendars."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze (Debian package systemd) is not here")
    schedule, begin = Schedule("a", "n", cron), datetime(2026, 11, 1, tzinfo=UTC)
    base = f"--base-time={begin:%Y-%m-%d %H:%M:%S} UTC"
    found: set[datetime] = set()
    for each in calendar(schedule):
        words = ["systemd-analyze", "calendar", base, "--iterations=12", each]
        clock = {"TZ": "UTC", "PATH": "/usr/bin:/bin"}
        told = subprocess.run(words, capture_output=True, text=True, timeout=30, env=clock)
        assert told.returncode == 0, told.stderr
        times_told = re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", told.stdout)
        found |= {datetime.fromisoformat(t).replace(tzinfo=UTC) for t in times_told}
    expected = times.between(schedule, begin, begin + timedelta(days=800))[:12]
    assert sorted(found - {begin})[:12] == expected


def test_timers_of_schedules_that_are_gone_are_taken_away_and_others_left(tmp_path: Path) -> None:
    one, two = Schedule("one", "n", "1 1 * * *"), Schedule("two", "n", "1 2 * * *", missed="skip")
    (tmp_path / "pitchey-report@mine.timer").write_text("[Timer]\n")
    assert len(write([one, two], tmp_path)) == 2
    assert "Persistent=no" in (tmp_path / "pitchey-report@two.timer").read_text()
    write([one], tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pitchey-report@mine.timer", "pitchey-report@one.timer"]
