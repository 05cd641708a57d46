"""The audit: tokens of every kind, what people changed, what was refused; and that what nobody knows is said so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pitchey_slo.report import find, told
from pitchey_slo.report.audit import Audit, audit
from pitchey_slo.series import SampleBatch, labels_of
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.store import Store
from pitchey_slo.store.tokens import LIST, listed
from pitchey_slo.tables import CORRECTIONS, DASHBOARDS, DECISIONS, NOTIFICATIONS, SILENCES
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows
from pitchey_slo.workbench import Workbench
from tests.probe.synthetic.made import HOSTILE

NOTEBOOK = shipped("notebooks") / "90_monthly_audit.ipynb"
DAY = timedelta(days=1)
KEY = "alert_rules.yml;g;alert;Errors;[];0"


def fill(store: Store, clock: FixedClock) -> None:
    clock.now = NOON - 200 * DAY
    store.tokens.create("old", ["read"])
    store.tokens.create("for ever", ["admin"], days=None)
    gone = store.tokens.create("gone", ["admin"])
    clock.now = NOON - 20 * DAY
    store.tokens.create("young", ["ingest"])
    store.tokens.create(HOSTILE, ["read"], days=25)
    store.tokens.revoke(gone.split("_")[1])
    clock.now = NOON
    ids = {t.name: t.id for t in store.tokens.list()}
    store.tokens.used(ids["for ever"], NOON - DAY)
    decision = {"id": "d", "rule": KEY, "kind": "accept", "decided_by": "ann", "reason": HOSTILE, "before": "a",
                "after": "b", "state": "applied", "created_at": NOON - 3 * DAY, "applied_at": NOON - 2 * DAY,
                "applied_by": "bob"}  # fmt: skip
    store.append("decisions", DECISIONS.of([decision, {**decision, "id": "e", "created_at": NOON - 40 * DAY,
                                                       "applied_at": None}]))  # fmt: skip
    store.append("dashboards", DASHBOARDS.of([{"id": "system@1", "name": "system", "version": 1, "definition": "x",
                                               "saved_by": "cid", "created_at": NOON - DAY}]))  # fmt: skip
    matchers = [{"name": "alertname", "value": "Errors", "isRegex": False, "isEqual": True}]
    store.append("silences", SILENCES.of([{"id": "s", "matchers": json.dumps(matchers), "starts_at": NOON - 5 * DAY,
                                           "ends_at": NOON, "created_by": "dan", "comment": "work",
                                           "updated_at": NOON}]))  # fmt: skip
    store.append("corrections", CORRECTIONS.of([{"id": "c", "category": "deployment", "reason": "release",
                                                 "approver": "eve", "starts_at": NOON - DAY, "seconds": 600.0,
                                                 "created_at": NOON - 4 * DAY}]))  # fmt: skip
    message = {"id": "m", "dedup_key": "m", "receiver": "people", "channel": "slack/0", "action": "firing",
               "payload": "{}", "state": "dead", "attempts": 7, "created_at": NOON - DAY, "due_at": NOON,
               "next_attempt_at": NOON, "updated_at": NOON}  # fmt: skip
    store.append("notifications", NOTIFICATIONS.of([message, {**message, "id": "n", "state": "sent",
                                                              "sent_at": NOON - DAY}]))  # fmt: skip
    store.append("logs", rows("logs", 2, ts=[NOON - 60 * DAY, NOON]))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder, clock = tmp_path_factory.mktemp("audit"), FixedClock(NOON)
    with fresh_store(folder / "home", clock=clock) as store:
        fill(store, clock)
        store.backup(folder / "backups")
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "none")


@pytest.fixture(scope="module")
def month(settings: Settings) -> Iterator[Audit]:
    yield audit(Workbench(settings), backups=str(settings.home.parent / "backups"), end=NOON, now=NOON)


def test_each_token_gets_its_remarks(month: Audit) -> None:
    assert {t.name: month.remarks(t) for t in month.alive} == {
        "old": ("never used",),
        "for ever": ("never expires", "may do everything"),
        "young": (),
        HOSTILE: ("ends in 5 d",),
    }
    assert [t.name for t in month.unused] == ["old"] and month.tokens_at is None
    facts = {f.name: f.value for f in month.facts()}
    assert (facts["tokens"], facts["admin"], facts["unused"]) == (4, 1, 1)
    assert "1 token more is revoked or expired" in told.plain(month.access())
    assert all(t.secret_sha256 == "" for t in month.tokens or ())


def test_while_a_server_owns_the_store_the_list_beside_it_is_read(tmp_path: Path) -> None:
    clock = FixedClock(NOON)
    with fresh_store(tmp_path / "home", clock=clock) as store:
        text = store.tokens.create("sender", ["ingest"])
        found = listed(tmp_path / "home")
        assert found is not None and found[1] == NOON and [t.name for t in found[0]] == ["sender"]
        token = store.tokens.list()[0]
        assert (found[0][0].id, found[0][0].scopes, found[0][0].expires_at) == (
            token.id,
            token.scopes,
            token.expires_at,
        )
        kept = tmp_path / "home" / LIST
        assert kept.stat().st_mode & 0o077 == 0
        assert token.secret_sha256 not in kept.read_text() and text.split("_")[2] not in kept.read_text()
        clock.forward(hours=2)
        store.tokens.used(token.id, NOON + timedelta(hours=2))
        store.tokens.create("second", ["read"])  # written after the use, so the use is there
        again = listed(tmp_path / "home")
        assert again is not None and again[0][0].last_used_at == NOON + timedelta(hours=2)
        kept.unlink()
        assert listed(tmp_path / "home") is None
        unknown = audit(Workbench(Settings.load(env_file=None, home=tmp_path / "home", config=tmp_path)), now=NOON)
        assert unknown.tokens is None and "cannot be read" in told.plain(unknown.access())
        assert next(f for f in unknown.facts() if f.name == "tokens").value is None
    assert listed(tmp_path / "home") is not None  # nobody owns it any more


def test_what_people_changed_is_told_with_who_and_why(month: Audit) -> None:
    assert [(c["kind"], c["who"]) for c in month.changed] == [
        ("dashboard", "cid"),
        ("rule: applied", "bob"),
        ("rule: accept", "ann"),
        ("correction: deployment", "eve"),
        ("silence", "dan"),
    ]
    assert [c["kind"] for c in month.nameless] == ["dashboard"]  # nobody said why
    page = told.plain(month.changed_by())
    assert "Errors" in page and "alertname=Errors" in page and "all SLOs" in page


def test_the_list_of_work_names_what_is_wrong(month: Audit) -> None:
    page = told.plain(month.todo())
    assert "Revoke old" in page and "Replace for ever by one that ends" in page and "young" not in page
    assert "logs holds rows beyond its 30 days" in page and "slack/0 of people: 1 message given up" in page
    assert "backup" not in page and "1" in told.plain(month.copies())
    later = audit(Workbench(month_settings(month)), backups=str(Path(month.about.store).parent), now=NOON + 30 * DAY)
    assert later.backups == () and "there is none of the last week" in told.plain(later.todo())


def month_settings(month: Audit) -> Settings:
    home = Path(month.about.store.removeprefix("file://")).parent
    return Settings.load(env_file=None, home=home, config=home / "none")


def test_what_nobody_counted_is_not_nothing(month: Audit) -> None:
    assert month.denied is None and month.scrubbed is None
    assert "Not counted" in told.plain(month.refusals()) and "Not counted" in told.plain(month.personal())
    assert "not counted" in told.plain(month.summary()) and "no audit trail of reads" in told.plain(month.summary())
    assert {f.name: f.value for f in month.facts()}["denied"] is None


def test_refusals_and_scrubbing_are_those_the_server_counted(tmp_path: Path) -> None:
    stamps = np.array([round((NOON - m * timedelta(minutes=1)).timestamp() * 1000) for m in (3, 2, 1, 0)], np.int64)
    series = [
        ({"__name__": "pitchey_slo_http_requests_total", "path": "/a", "method": "GET", "status": "200"}, 100.0),
        ({"__name__": "pitchey_slo_http_requests_total", "path": "/a", "method": "GET", "status": "403"}, 30.0),
        ({"__name__": "pitchey_slo_http_requests_total", "path": "/b", "method": "PUT", "status": "429"}, 60.0),
        ({"__name__": "pitchey_scrubbed_total", "rule": "email", "source": "otlp"}, 9.0),
    ]
    with fresh_store(tmp_path / "home", clock=FixedClock(NOON)) as store:
        for labels, last in series:
            values = np.array([0.0, last / 3, last / 2, last])
            store.samples(SampleBatch((labels_of(labels),), np.zeros(4, np.int64), stamps, values)).result()
    found = audit(Workbench(Settings.load(env_file=None, home=tmp_path / "home", config=tmp_path / "none")),
                  window="3m", end=NOON, now=NOON)  # fmt: skip
    assert [(lab["path"], lab["status"]) for lab, _ in found.denied or ()] == [("/b", "429"), ("/a", "403")]
    assert [lab["rule"] for lab, _ in found.scrubbed or ()] == ["email"]
    assert "too many requests" in told.plain(found.refusals()) and "otlp" in told.plain(found.personal())


def test_what_people_wrote_is_escaped_and_the_notebook_is_clean(month: Audit) -> None:
    pieces = (month.summary(), month.todo(), month.access(), month.changed_by(), month.reached(), month.changes())
    assert all("<img" not in p.markup for p in pieces)
    cells = [c for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells)
    assert [p.name for p in find(str(NOTEBOOK)).parameters] == ["window", "backups", "end"]
    for cell in cells[2:]:  # every piece the notebook shows is there
        assert told.plain(eval("".join(cell["source"]), {"month": month}))
