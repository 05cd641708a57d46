"""The review on four made weeks: a rule that cries wolf, one that sleeps, one that is right; then live, as applied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.rules import load_rules
from pitchey_slo.analyse.backtest import backtest
from pitchey_slo.analyse.review import Review, decisions, propose
from pitchey_slo.errors import DecisionError
from pitchey_slo.promql import MemoryScan
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store

STEP = 150
START = NOON - timedelta(days=28)
TEXT = """\
# our rules
groups:
  - name: shop
    interval: 10m
    rules:
      # it was quieter once
      - alert: PoolFull
        expr: pool_used > 0.5
        annotations: {summary: over 50 % of the pool}
      - alert: ErrorsHigh
        expr: error_ratio > 0.2   # one in five
        for: 20m
      - alert: Down
        expr: up == 0
      - alert: Blind
        expr: no_such_metric > 3
      - alert: Fine
        expr: error_ratio > 0.6
"""


def incidents() -> list[dict[str, Any]]:
    """Each week one full pool of two hours and one loud and one quiet burst of errors of an hour and a half."""
    found = []
    for week in range(4):
        for kind, hours, length in (("pool", 50, 120), ("loud", 75, 90), ("quiet", 110, 90)):
            begin = START + timedelta(days=7 * week, hours=hours + week)
            found.append(
                {"id": f"{kind}-{week}", "title": f"{kind} {week}", "kind": kind, "started_at": begin,
                 "ended_at": begin + timedelta(minutes=length)}
            )  # fmt: skip
    return found


@pytest.fixture(scope="module")
def scan() -> MemoryScan:
    """`pool_used` swells every day to 0.6 and is 0.95 in its incidents; `error_ratio` is 0.01, 0.8 when loud, 0.1 when
    quiet."""
    rng = np.random.default_rng(3)
    low, high = round(START.timestamp()), round(NOON.timestamp())
    seconds = np.arange(low - 600, high + 600, STEP)
    pool = 0.4 + 0.2 * np.sin(seconds / 86_400 * 2 * np.pi) + rng.normal(0, 0.01, len(seconds))
    errors = 0.01 + rng.exponential(0.004, len(seconds))
    for row in incidents():
        inside = (seconds >= row["started_at"].timestamp()) & (seconds < row["ended_at"].timestamp())
        if row["kind"] == "pool":
            pool[inside] = 0.95 + rng.normal(0, 0.01, int(inside.sum()))
        else:
            errors[inside] = (0.8 if row["kind"] == "loud" else 0.1) + rng.normal(0, 0.01, int(inside.sum()))
    made = MemoryScan()
    for name, values in (("pool_used", pool), ("error_ratio", errors), ("up", np.ones(len(seconds)))):
        made.add({"__name__": name}, seconds * 1000, values)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rules = tmp_path / "config" / "rules"
    rules.mkdir(parents=True)
    (rules / "shop.yml").write_text(TEXT)
    return rules


@pytest.fixture
def store(tmp_path: Path, folder: Path) -> Iterator[Store]:
    with fresh_store(tmp_path / "home", config=folder.parent) as store:
        yield store


def look(scan: MemoryScan, folder: Path, **more: Any) -> Review:
    return propose(load_rules(folder), scan, START, NOON, more.pop("incidents", incidents()), folder, **more)


def test_it_finds_the_noisy_rule_and_the_missed_incidents(scan: MemoryScan, folder: Path) -> None:
    review = look(scan, folder)
    by_name = {r.rule.name: r for r in review.rules}
    assert [r.rule.name for r in review.noisy] == ["PoolFull"]
    assert review.rules[0].rule.name == "PoolFull", "noisiest first"
    assert by_name["PoolFull"].ignored
    assert {i.id for i in by_name["Fine"].caught} == {f"loud-{w}" for w in range(4)}
    assert ([r.rule.name for r in review.blind], [r.rule.name for r in review.silent]) == (["Blind"], ["Down"])
    # nobody listens to PoolFull, so what it caught was told to nobody either
    assert {m.incident.id for m in review.missed} == {f"{kind}-{w}" for kind in ("quiet", "pool") for w in range(4)}
    wolf, asleep = review.proposals
    assert (wolf.rule.name, wolf.why, asleep.rule.name, asleep.why) == ("PoolFull", "noisy", "ErrorsHigh", "missed")
    assert wolf.threshold is not None and 0.65 < wolf.threshold < 0.95
    assert asleep.threshold is not None and 0.03 < asleep.threshold < 0.1
    assert {i.id for i in asleep.gains} == {f"quiet-{w}" for w in range(4)}
    assert not [c for c in wolf.changes.changes if c.after is not None and c.incident is None]
    told = " ".join(wolf.reasons)
    assert "fired" in told and "without an incident" in told and "Each week was judged" in told
    assert wolf.spoken == ("summary",), "its summary tells people the old number"
    json.dumps(review.as_dict(), allow_nan=False)


def test_a_lost_incident_that_nobody_else_catches_stops_a_proposal(scan: MemoryScan, folder: Path) -> None:
    """A threshold that is fine is left alone, and nothing is proposed without incidents."""
    only = [i for i in incidents() if i["kind"] == "loud"]
    review = look(scan, folder, incidents=only)
    assert not [p for p in review.proposals if p.rule.name in ("Fine", "Down")]
    nothing = look(scan, folder, incidents=[])
    assert nothing.proposals == () and nothing.missed == ()


def test_a_rejected_proposal_rests_until_its_date(scan: MemoryScan, folder: Path, store: Store) -> None:
    (wolf, _) = look(scan, folder).proposals
    again = NOON + timedelta(days=7)
    verdict = wolf.verdict("reject", "Ann", "we want to know", look_again_at=again)
    row = decisions.decide(store, verdict, folder, NOON)
    assert [p.rule.name for p in look(scan, folder, decisions=[row]).proposals] == ["ErrorsHigh"]
    come = row | {"look_again_at": NOON - timedelta(hours=1)}
    review = look(scan, folder, decisions=[come])
    assert [p.rule.name for p in review.proposals] == ["PoolFull", "ErrorsHigh"]
    assert [d["id"] for d in review.due] == [row["id"]]


def test_evidence_is_kept_and_old_reviews_do_not_decide(scan: MemoryScan, folder: Path, store: Store) -> None:
    review = look(scan, folder)
    wolf, asleep = review.proposals
    row = decisions.decide(store, wolf.verdict("accept", "Ann", "too noisy"), folder, NOON)
    evidence = json.loads(row["evidence"])
    assert evidence["incidents_hash"] == review.incidents_hash
    assert evidence["before"]["false"] > evidence["after"]["false"] == 0
    assert (evidence["start"], evidence["rule_hash"]) == (START.isoformat(), wolf.text.hash)
    changed = decisions.decide(
        store, asleep.verdict("change", "Ann", "rounder", threshold=0.05, hold="10m"), folder, NOON
    )
    assert "+        expr: error_ratio > 0.05   # one in five\n+        for: 10m" in changed["diff"]
    (folder / "shop.yml").write_text(TEXT.replace("pool_used > 0.5", "pool_used > 0.55"))
    with pytest.raises(DecisionError, match="changed since the review"):
        decisions.decide(store, wolf.verdict("accept", "Ann", "late"), folder, NOON)


def test_live_alerts_do_what_the_review_promised(scan: MemoryScan, folder: Path, store: Store) -> None:
    """Both proposals applied, the last week lived through by the engine: every firing as the backtest has it."""
    for proposal in look(scan, folder).proposals:
        row = decisions.decide(store, proposal.verdict("accept", "Ann", "as proposed"), folder, NOON)
        decisions.apply(store, row["id"], "Ann", folder, NOON)
    text = (folder / "shop.yml").read_text()
    assert "# it was quieter once" in text and "# one in five" in text
    begin = NOON - timedelta(days=7)
    clock = FixedClock(begin)
    engine = Engine(store, scan, store.settings, clock=clock)
    while clock.now < NOON:
        engine.run_due()
        clock.forward(seconds=600)
    engine.close()
    sql = "SELECT name, active_at, fired_at, resolved_at FROM alerts WHERE source = 'rules' AND rule_group IS NOT NULL"
    rows = [row for row in store.query(sql).to_pylist() if row["fired_at"] is not None]
    live = sorted((r["name"], r["active_at"], r["fired_at"], r["resolved_at"]) for r in rows)
    tested = backtest(load_rules(folder), scan, begin, NOON)
    wanted = sorted((f.alertname, f.pending_at, f.fired_at, f.resolved_at) for f in tested.firings())
    assert {n for n, *_ in wanted} == {"PoolFull", "ErrorsHigh", "Fine"}
    assert len(wanted) == 4, "one full pool, a loud burst seen by two rules, a quiet one"
    delay = _delay(live, wanted)
    assert [tuple(t + delay if isinstance(t, datetime) else t for t in w) for w in wanted] == live
    assert timedelta(0) <= delay < timedelta(minutes=10)


def _delay(live: list[Any], wanted: list[Any]) -> timedelta:
    """The engine spreads groups over their interval: the same delay for every evaluation."""
    assert live, "nothing fired"
    found: timedelta = live[0][1] - wanted[0][1]
    return found


def test_rules_that_others_share_are_judged_and_not_changed(scan: MemoryScan, folder: Path) -> None:
    groups = load_rules(folder)
    renamed = [replace(g, rules=tuple(replace(r, group="slos;x") for r in g.rules)) for g in groups]
    review = propose(renamed, scan, START, NOON, incidents(), folder)
    assert [r.rule.name for r in review.noisy] == ["PoolFull"]
    assert review.proposals == ()
