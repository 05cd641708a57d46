"""How a report reaches people: by receivers of the routes file, or by a schedule's own Slack channel and addresses;
with the page itself where it is wanted, once, and with a receipt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pitchey_slo.alert.config import load_routes, receiver_beside
from pitchey_slo.alert.model import Message, Notification
from pitchey_slo.alert.rows import notification_from, notification_rows
from pitchey_slo.report import Outcome, runs
from pitchey_slo.report.run import run_notebook
from pitchey_slo.report.schedule import Due, Scheduler, Target
from pitchey_slo.report.schedule.book import recent
from pitchey_slo.report.schedule.messages import channels_of
from pitchey_slo.report.schedule.own_outlet import OwnOutlet
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from tests.alert.channels.mailbox import Mailbox, receiving

from .made import notebook, quick

SCHEDULES = """
deliver: {email: [team@example.org, boss@example.org], attach: true}
on_failure: {email: oncall@example.org}
schedules:
  - {name: mailed, notebook: 10_try, cron: "5 12 * * *", jitter: 0}
"""
ROUTES = """
global: {smtp_smarthost: "ADDRESS", smtp_from: reports@example.org, smtp_require_tls: false}
route: {receiver: screen}
receivers: [{name: screen, console_configs: [{to: log}]}]
"""


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Mailbox]:
    with receiving(tmp_path, tls="none") as made:
        yield made


class House:
    """A store with one schedule, and what came of it."""

    def __init__(self, folder: Path, store: Store, clock: FixedClock, box: Mailbox, schedules: str = SCHEDULES) -> None:
        self.clock, self.store = clock, store
        for name, text in (("routes/routes.yml", ROUTES.replace("ADDRESS", box.address)), ("schedules.yml", schedules)):
            (folder / "config" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "config" / name).write_text(text)
        (folder / "notebooks").mkdir(exist_ok=True)
        notebook(folder / "notebooks", "10_try", cells=["1"])
        given = {"home": folder / "home", "reports": folder / "reports", "config": folder / "config"}
        self.settings = Settings.load(env_file=None, **given)
        self.outlet = OwnOutlet(store, self.settings, clock)
        self.scheduler = Scheduler(store, self.settings, self.outlet, clock, where=folder / "notebooks", run=self.run)

    @staticmethod
    def run(*args: object, **given: object) -> Outcome:
        return run_notebook(*args, **given, work=quick)  # type: ignore[arg-type]

    def live(self) -> Due:
        """Until a minute after it was due."""
        self.scheduler.run_due()
        self.clock.now = NOON + timedelta(minutes=6)
        self.scheduler.run_due()
        self.outlet.outbox.run_due(self.clock())
        self.scheduler.settle()
        [due] = recent(self.store.query, 10)
        return due


def test_addresses_of_a_schedule_get_the_report_with_its_page(tmp_path: Path, box: Mailbox) -> None:
    with fresh_store(tmp_path / "home", clock=(clock := FixedClock())) as store:
        store.append("requests", rows(count=3))
        due = House(tmp_path, store, clock, box).live()
        assert [(r["kind"], r["state"], r["channel"]) for r in due.receipt or ()] == [("report", "sent", "email/0")]
        [mail] = box.mails
        assert mail["Subject"] == "[REPORT] A title"
        assert mail["To"] == "team@example.org, boss@example.org"
        [run] = runs(tmp_path / "reports")
        [page] = list(mail.iter_attachments())
        assert page.get_filename() == "10_try.html"
        assert page.get_content() == Path(run.html).read_text()
        text = str(mail.get_body(("plain",)).get_content())  # type: ignore[union-attr]
        assert f"/reports/{run.id}" in text
        assert run.delivery == [dict(r) for r in due.receipt or ()]


def test_a_page_that_is_gone_is_said_in_the_mail(tmp_path: Path, box: Mailbox) -> None:
    with fresh_store(tmp_path / "home", clock=(clock := FixedClock())) as store:
        store.append("requests", rows(count=3))
        house = House(tmp_path, store, clock, box)
        house.scheduler.run_due()
        clock.now = NOON + timedelta(minutes=6)
        house.scheduler.run_due()
        Path(runs(tmp_path / "reports")[0].html).unlink()
        house.outlet.outbox.run_due(clock())
        [mail] = box.mails
        assert list(mail.iter_attachments()) == []
        assert "Not enclosed" in str(mail.get_body(("plain",)).get_content())  # type: ignore[union-attr]


def test_a_failure_goes_to_those_who_look_after_it_alone(tmp_path: Path, box: Mailbox) -> None:
    with fresh_store(tmp_path / "home", clock=(clock := FixedClock())) as store:
        due = House(tmp_path, store, clock, box, SCHEDULES.replace("10_try", "11_gone")).live()
        assert due.state == "failed"
        assert 'no notebook "11_gone"' in (due.reason or "")
        [mail] = box.mails
        assert (mail["Subject"], mail["To"]) == ("[REPORT FAILED] mailed", "oncall@example.org")


def test_a_file_that_became_wrong_changes_nothing(tmp_path: Path, box: Mailbox) -> None:
    with fresh_store(tmp_path / "home", clock=(clock := FixedClock())) as store:
        store.append("requests", rows(count=3))
        house = House(tmp_path, store, clock, box)
        house.scheduler.run_due()
        (tmp_path / "config" / "schedules.yml").write_text("schedules: [{name: x}]")
        assert house.live().state == "succeeded"
        assert "notebook is missing" in (house.scheduler.book.problem or "")


def test_a_schedule_that_is_new_or_switched_on_is_not_due_for_times_before(tmp_path: Path, box: Mailbox) -> None:
    with fresh_store(tmp_path / "home", clock=(clock := FixedClock())) as store:
        file = tmp_path / "config" / "schedules.yml"
        house = House(tmp_path, store, clock, box, SCHEDULES.replace("jitter: 0", "jitter: 0, enabled: false"))
        house.scheduler.look()
        clock.forward(days=3)
        file.write_text(SCHEDULES)
        assert house.scheduler.look() == []
        clock.forward(hours=1)
        assert [d.due_at for d in house.scheduler.look()] == [NOON + timedelta(days=3, minutes=5)]


def test_a_slack_channel_of_a_schedule_takes_the_webhook_of_the_settings(tmp_path: Path) -> None:
    settings = Settings.load(env_file=None, slack_webhook_url="https://hooks.example.org/abc")
    receiver, off = receiver_beside("schedule a", channels_of(Target(slack="#reports")), None, settings, {})
    [channel] = receiver.channels
    assert (channel.name, channel.settings["channel"], off) == ("slack/0", "#reports", ())
    assert channel.settings["api_url"].get_secret_value() == "https://hooks.example.org/abc"
    receiver, off = receiver_beside("schedule a", channels_of(Target(slack="")), None, Settings.load(env_file=None), {})
    assert receiver.channels == () and "is not set" in off[0]
    (tmp_path / "routes.yml").write_text(ROUTES.replace("ADDRESS", "mail.example.org:25"))
    routes = load_routes(tmp_path / "routes.yml", settings=settings, environ={})
    [mail] = receiver_beside("b", channels_of(Target(email=("a@b.org",))), routes, settings, {})[0].channels
    assert (mail.settings["smarthost"], mail.settings["to"]) == ("mail.example.org:25", "a@b.org")


def test_a_message_keeps_its_files_in_the_outbox_and_older_rows_have_none() -> None:
    message = Message("message", "r", "t", files=("/a/b.html",))
    note = Notification("i", "i", "", "r", "email/0", message, NOON, NOON, NOON, NOON)
    [row] = notification_rows([note]).to_pylist()
    assert notification_from(row).message.files == ("/a/b.html",)
    old = json.loads(row["payload"])
    del old["files"]
    assert notification_from(row | {"payload": json.dumps(old)}).message.files == ()
