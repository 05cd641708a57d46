"""The life of an alert: told as a story, and compared with a model that looks at the whole history each time."""

from __future__ import annotations

import doctest
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.alert import state
from pitchey_slo.alert.model import Alert, fingerprint
from pitchey_slo.alert.rules import Rule
from pitchey_slo.alert.state import Sample, changed, paused, step
from pitchey_slo.testing import NOON

LABELS = {"alertname": "Errors", "severity": "critical", "route": "/api"}
ID = fingerprint(LABELS)
RULE = Rule("alert", "Errors", "x > 1", for_seconds=60, group="a.yml;g")


def found(value: float = 2.0, **annotations: str) -> dict[str, Sample]:
    return {ID: Sample(LABELS, value, annotations)}


def run(rule: Rule, *ticks: tuple[float, bool]) -> list[tuple[Alert, list[str]]]:
    """State and event texts after each (seconds, holds)."""
    alerts: dict[str, Alert] = {}
    story = []
    for seconds, holds in ticks:
        alerts, events = step(rule, alerts, found() if holds else {}, NOON + timedelta(seconds=seconds))
        story.append((alerts.get(ID), [e.text for e in events]))
    return story


def test_the_examples_in_the_code() -> None:
    assert doctest.testmod(state).failed == 0


def test_a_whole_life() -> None:
    pending, waiting, firing, still, resolved, gone = run(
        RULE, (0, True), (45, True), (60, True), (75, True), (90, False), (105, False)
    )
    assert pending[0].state == "pending" and pending[0].fired_at is None
    assert pending[1] == [
        "Errors is pending: its condition holds, value 2; it fires at 2026-03-02 12:01:00 UTC if it still holds then "
        "(for 1m)"
    ]
    assert waiting == (pending[0], [])
    assert firing[0].state == "firing" and firing[0].fired_at == NOON + timedelta(minutes=1)
    assert firing[1] == ["Errors fires: its condition has held since 2026-03-02 12:00:00 UTC, value 2 (x > 1)"]
    assert still == (firing[0], [])
    assert resolved[0].state == "resolved" and resolved[0].id == pending[0].id
    assert resolved[1] == ["Errors resolved: its condition holds no longer; it fired for 30s"]
    assert gone == (None, [])


def test_for_zero_fires_at_once() -> None:
    (firing,) = run(Rule("alert", "Errors", "x"), (0, True))
    assert firing[0].state == "firing" and len(firing[1]) == 1


def test_pending_that_goes_away_never_fired() -> None:
    _, gone = run(RULE, (0, True), (45, False))
    assert (gone[0].state, gone[0].fired_at) == ("resolved", None)
    assert gone[1] == ["Errors never fired: its condition holds no longer; it had been pending for 45s"]


def test_keep_firing_for() -> None:
    rule = Rule("alert", "Errors", "x", keep_firing_seconds=60)
    story = run(rule, (0, True), (15, False), (30, False), (45, True), (60, False), (105, False), (120, False))
    assert [alert.state for alert, _ in story] == ["firing"] * 6 + ["resolved"]
    assert "goes on firing until 2026-03-02 12:01:15 UTC (keep_firing_for 1m)" in story[1][1][0]
    assert story[2][1] == []
    assert "holds again" in story[3][1][0] and story[3][0].cleared_at is None


def test_a_new_value_is_no_change_and_a_new_annotation_is() -> None:
    first, _ = step(RULE, {}, found(2.0, summary="a"), NOON)
    other, _ = step(RULE, first, found(3.0, summary="a"), NOON + timedelta(seconds=15))
    assert other[ID].value == 3.0 and not changed(first[ID], other[ID]) and other[ID].updated_at == NOON
    third, events = step(RULE, other, found(3.0, summary="b"), NOON + timedelta(seconds=30))
    assert changed(other[ID], third[ID]) and third[ID].updated_at > NOON and events == []
    assert not changed(third[ID], third[ID]) and changed(None, third[ID])


def test_nan_is_a_value_like_any_other() -> None:
    first, _ = step(RULE, {}, found(float("nan")), NOON)
    again, _ = step(RULE, first, found(float("nan")), NOON + timedelta(seconds=15))
    assert not changed(first[ID], again[ID])


def test_an_edited_threshold_goes_on_with_the_state() -> None:
    pending, _ = step(RULE, {}, found(), NOON)
    longer = Rule("alert", "Errors", "x > 5", for_seconds=300, group="a.yml;g")
    still, _ = step(longer, pending, found(), NOON + timedelta(seconds=60))
    assert still[ID].state == "pending" and still[ID].active_at == NOON and still[ID].rule["expr"] == "x > 5"


def test_an_outage_does_not_count_as_held() -> None:
    """90 s into `for: 2m`, 20 s of outage: 30 s are still to come."""
    rule = Rule("alert", "Errors", "x", for_seconds=120)
    pending, _ = step(rule, {}, found(), NOON)
    alert = paused(pending[ID], timedelta(seconds=20), NOON)
    early, _ = step(rule, {ID: alert}, found(), NOON + timedelta(seconds=139))
    assert early[ID].state == "pending"
    fired, _ = step(rule, early, found(), NOON + timedelta(seconds=140))
    assert fired[ID].state == "firing" and fired[ID].id == pending[ID].id


def test_a_clock_set_back_does_not_reset_for() -> None:
    pending, _ = step(RULE, {}, found(), NOON)
    back = -timedelta(hours=1)
    alert = paused(pending[ID], back, NOON)
    fired, _ = step(RULE, {ID: alert}, found(), NOON + back + timedelta(seconds=60))
    assert fired[ID].state == "firing"


TICKS = st.lists(st.tuples(st.integers(1, 40), st.sampled_from([True, False, None])), max_size=25)


def slow(history: list[tuple[int, bool]], hold: int, keep: int) -> str:
    """The state at the end of a history of (time, holds), from its definition."""
    if not history:
        return "inactive"

    def fired_and_stays(j: int) -> bool:
        """At j the condition has held for long enough, and from there on no gap was as long as `keep`."""
        start = j
        while start > 0 and history[start - 1][1]:
            start -= 1
        if not history[j][1] or history[j][0] - history[start][0] < hold:
            return False
        for m in range(j + 1, len(history)):
            first = m
            while not history[first - 1][1]:
                first -= 1
            if not history[m][1] and (keep == 0 or history[m][0] - history[first][0] >= keep):
                return False
        return True

    if any(fired_and_stays(j) for j in range(len(history))):
        return "firing"
    return "pending" if history[-1][1] else "inactive"


@given(TICKS, st.sampled_from([0, 15, 60]), st.sampled_from([0, 20, 60]))
def test_like_the_slow_model(ticks: list[tuple[int, bool | None]], hold: int, keep: int) -> None:
    rule = Rule("alert", "Errors", "x", for_seconds=hold, keep_firing_seconds=keep)
    alerts: dict[str, Alert] = {}
    history: list[tuple[int, bool]] = []
    now, states, told = 0, [], 0
    for gap, holds in ticks:
        now += gap
        if holds is None:  # an evaluation that fails is no step
            continue
        history.append((now, holds))
        alerts, events = step(rule, alerts, found(float(now)) if holds else {}, NOON + timedelta(seconds=now))
        alert = alerts.get(ID)
        states.append(alert.state if alert and alert.state != "resolved" else "inactive")
        assert states[-1] == slow(history, hold, keep)
        if alert and alert.state == "resolved":
            assert alert.resolved_at == NOON + timedelta(seconds=now)
        told += sum(e.detail["what"] in ("pending", "firing", "resolved", "inactive") for e in events)
        assert all(e.alert_id == alert.id for e in events)
    # every change of state is told once
    assert told == sum(a != b for a, b in zip(["inactive", *states], states, strict=False))


@given(TICKS)
def test_series_do_not_disturb_each_other(ticks: list[tuple[int, bool | None]]) -> None:
    """Two series in one rule behave as each alone."""
    other = {**LABELS, "route": "/other"}
    both: dict[str, Alert] = {}
    alone: dict[str, Alert] = {}
    now = 0
    for i, (gap, holds) in enumerate(ticks):
        now += gap
        time = NOON + timedelta(seconds=now)
        mine = found() if holds else {}
        alone, _ = step(RULE, alone, mine, time)
        more = {fingerprint(other): Sample(other, 1.0)} if i % 3 else {}
        both, _ = step(RULE, both, {**mine, **more}, time)
        assert both.get(ID) == alone.get(ID)
