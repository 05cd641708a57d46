"""Decisions about rules in the store, and what they do to the rule file and to the alerts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.alert.engine import Engine
from pitchey_slo.analyse.review.decisions import Verdict, apply, decide, every, revert, told
from pitchey_slo.errors import DecisionError, NotFound
from pitchey_slo.promql import MemoryScan
from pitchey_slo.store import LakeReader, Store
from pitchey_slo.testing import NOON, FixedClock, fresh_store

TEXT = """\
groups:
  - name: warning   # today
    rules:
      - alert: Queue
        # so many wait
        expr: queue_length > 10
        for: 1m
        annotations: {summary: more than 10 wait}
  - name: critical
    rules:
      - alert: Queue
        expr: queue_length > 100
      - alert: Both
        expr: a > 1 and b > 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rules = tmp_path / "config" / "rules"
    rules.mkdir(parents=True)
    (rules / "more").mkdir()
    (rules / "queue.yml").write_text(TEXT)
    (rules / "more" / "other.yml").write_text("groups: [{name: x, rules: [{alert: Other, expr: up == 0}]}]\n")
    return rules


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with fresh_store(tmp_path / "home", config=tmp_path / "config") as store:
        yield store


def say(kind: str = "accept", rule: str = "warning/Queue", **more: Any) -> Verdict:
    given = {"decided_by": "Ann", "reason": "nobody suffers below 30", **more}
    return Verdict(rule, kind, **given)


def test_a_decision_is_kept_applied_and_taken_back(store: Store, folder: Path) -> None:
    row = decide(store, say(threshold=30, hold="3m", look_again_at=NOON + timedelta(days=7)), folder, NOON)
    file = folder / "queue.yml"
    assert file.read_text() == TEXT, "deciding changes no file"
    assert (
        "-        expr: queue_length > 10\n-        for: 1m\n+        expr: queue_length > 30\n+        for: 3m"
        in row["diff"]
    )
    evidence = json.loads(row["evidence"])
    assert evidence["file"] == "queue.yml"
    assert (evidence["rule"]["before"]["for"], evidence["rule"]["after"]["for"]) == (60, 180)
    done = apply(store, row["id"], "Bea", folder, NOON + timedelta(hours=1))
    changed = TEXT.replace("> 10\n        for: 1m", "> 30\n        for: 3m")
    assert file.read_text() == changed
    assert (done["state"], done["applied_by"], done["applied_at"]) == ("applied", "Bea", NOON + timedelta(hours=1))
    assert apply(store, row["id"], "Cy", folder, NOON + timedelta(hours=2)) == done, "twice is once"
    back = revert(store, row["id"], "Cy", folder, NOON + timedelta(hours=3))
    assert file.read_text() == TEXT
    assert (back["state"], back["reverted_by"]) == ("reverted", "Cy")
    with pytest.raises(DecisionError, match="was reverted by Cy; decide again"):
        apply(store, row["id"], "Bea", folder, NOON)
    store.flush()
    (kept,) = every(LakeReader(store.settings.lake_uri))
    assert kept == back
    assert told(kept | {"state": "applied"}, NOON + timedelta(days=8))["due"] is True
    assert told(kept, NOON + timedelta(days=8))["due"] is False


def test_several_decisions_about_one_file_do_not_block_each_other(store: Store, folder: Path) -> None:
    one = decide(store, say(threshold=30), folder, NOON)
    two = decide(store, say("change", "critical/Queue", threshold=200), folder, NOON)
    text = (folder / "queue.yml").read_text()
    (folder / "queue.yml").write_text("# a new comment\n" + text)
    apply(store, two["id"], "Ann", folder, NOON)
    apply(store, one["id"], "Ann", folder, NOON)
    now = (folder / "queue.yml").read_text()
    assert now == "# a new comment\n" + TEXT.replace("> 100", "> 200").replace("> 10\n", "> 30\n")
    revert(store, two["id"], "Ann", folder, NOON)
    assert (folder / "queue.yml").read_text() == "# a new comment\n" + TEXT.replace("> 10\n", "> 30\n")


def test_a_rule_that_somebody_edited_meanwhile_is_not_written_over(store: Store, folder: Path) -> None:
    row = decide(store, say(threshold=30), folder, NOON)
    edited = TEXT.replace("> 10\n", "> 12\n")
    (folder / "queue.yml").write_text(edited)
    with pytest.raises(DecisionError, match=r"queue\.yml:\d+: Queue is not what was decided about.*decide again"):
        apply(store, row["id"], "Ann", folder, NOON)
    assert (folder / "queue.yml").read_text() == edited
    assert every(store)[0]["state"] == "decided"
    (folder / "queue.yml").unlink()
    with pytest.raises(NotFound, match="no rule"):
        apply(store, row["id"], "Ann", folder, NOON)


def test_a_rejection_is_kept_and_changes_nothing(store: Store, folder: Path) -> None:
    row = decide(store, say("reject"), folder, NOON)
    assert (row["diff"], row["before"]) == ("", row["after"])
    with pytest.raises(DecisionError, match="nothing to apply"):
        apply(store, row["id"], "Ann", folder, NOON)
    with pytest.raises(DecisionError, match="was not applied"):
        revert(store, row["id"], "Ann", folder, NOON)


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        (say("acept", threshold=3), 'did you mean "accept"'),
        (say("accept"), "the new threshold, the new `for`, or both"),
        (say("reject", threshold=3), "say kind change"),
        (say(threshold=10), "says that already"),
        (say(threshold=float("nan")), "is no number"),
        (say(hold="5 min"), "is not a duration"),
        (say(threshold=3, reason=" "), "reason: a text of 1"),
        (say(threshold=3, decided_by=""), "by: a text of 1"),
        (say(threshold=3, rule="Queue"), r"2 rules are called 'Queue': say warning/Queue or critical/Queue"),
        (say(threshold=3, rule="Both"), r"compares with: 1, 2; say which one"),
        (say(threshold=3, rule="slos;x;alert;Burn;[];0"), "burn alert"),
        (say(threshold=3, rule_hash="0" * 64), "changed since the review"),
        (say(threshold=3, id="../x"), "make an id"),
        (say(threshold=3, evidence={"x": "y" * 50_000}), "more than 48,000"),
    ],
)
def test_what_cannot_be_meant_is_refused(store: Store, folder: Path, verdict: Verdict, says: str) -> None:
    with pytest.raises(DecisionError, match=says):
        decide(store, verdict, folder, NOON)
    assert every(store) == []


def test_unknown_names_get_a_suggestion(store: Store, folder: Path) -> None:
    with pytest.raises(NotFound, match='did you mean "Other"'):
        decide(store, say(threshold=3, rule="Othr"), folder, NOON)
    with pytest.raises(NotFound, match="no rule"):
        decide(store, say(threshold=3, rule="../../etc/passwd;g;alert;Queue;[];0"), folder, NOON)
    with pytest.raises(NotFound, match="no decision"):
        apply(store, "dec-1", "Ann", folder, NOON)


def test_the_same_sent_again_is_one(store: Store, folder: Path) -> None:
    first = decide(store, say(threshold=30, id="d1"), folder, NOON)
    assert decide(store, say(threshold=30, id="d1"), folder, NOON + timedelta(hours=1)) == first
    with pytest.raises(DecisionError, match="says something else"):
        decide(store, say("reject", id="d1"), folder, NOON)


def test_one_of_several_numbers_is_named(store: Store, folder: Path) -> None:
    row = decide(store, say(threshold=3, was=2, rule="Both"), folder, NOON)
    assert "+        expr: a > 1 and b > 3" in row["diff"]


def test_live_alerts_follow_and_tell_who_changed_what(store: Store, folder: Path) -> None:
    """The running engine takes the changed rule, resolves what no longer holds, and tells the change once."""
    clock = FixedClock()
    scan = MemoryScan()
    begin = round(NOON.timestamp()) * 1000 - 300_000
    scan.add({"__name__": "queue_length"}, range(begin, begin + 4_000_000, 15_000), [20.0] * 267)
    engine = Engine(store, scan, store.settings, clock=clock)

    def run(minutes: float) -> None:
        for _ in range(int(minutes * 4)):
            engine.run_due()
            clock.forward(seconds=15)

    run(3)
    assert [a.name for a in engine.alerts() if a.state == "firing"] == ["Queue"]
    row = decide(store, say(threshold=30), folder, clock())
    run(0.5)
    assert [a.name for a in engine.alerts() if a.state == "firing"] == ["Queue"], "deciding changes nothing"
    apply(store, row["id"], "Bea", folder, clock())
    run(1)
    (news,) = [a for a in engine.alerts() if a.state == "firing"]
    assert (news.name, news.labels["rule"], news.severity) == ("AlertThresholdChanged", "Queue", "info")
    said = news.annotations["description"]
    assert "`queue_length > 10` and is `queue_length > 30`" in said
    assert f"Bea applied decision {row['id']} of Ann: nobody suffers below 30." in said
    revert(store, row["id"], "Cy", folder, clock())
    run(2)
    firing = sorted(a.name for a in engine.alerts() if a.state == "firing")
    assert firing == ["AlertThresholdChanged", "AlertThresholdChanged", "Queue"]
    assert any("Cy took back" in a.annotations["description"] for a in engine.alerts() if a.name != "Queue")
    engine.close()
