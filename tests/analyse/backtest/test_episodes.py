"""All steps at once against `alert.state.step`, one step after the other."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.alert.model import Alert, fingerprint
from pitchey_slo.alert.rules import Rule
from pitchey_slo.alert.state import Sample, step
from pitchey_slo.analyse.backtest import Runs, episodes, episodes_of, runs
from pitchey_slo.analyse.backtest.episodes import joined

Found = list[tuple[int, int, int, int, float]]


def stepped(holds: np.ndarray, value: np.ndarray, times: np.ndarray, for_: float, keep: float, lowest: bool) -> Found:
    """(series, pending, fired, resolved, peak) by the live function. Rows without a sample are no rows: labels appear
    and vanish."""
    rule = Rule("alert", "A", "x > 1", for_seconds=for_, keep_firing_seconds=keep)
    index = {datetime.fromtimestamp(int(t) / 1000, UTC): i for i, t in enumerate(times)}
    alerts: dict[str, Alert] = {}
    peaks: dict[str, float] = {}
    found: Found = []
    names = {fingerprint({"s": str(i)}): i for i in range(len(holds))}
    for now, k in index.items():
        there = {}
        for i in np.flatnonzero(holds[:, k]):
            labels = {"s": str(i)}
            there[fingerprint(labels)] = Sample(labels, float(value[i, k]))
        alerts, _ = step(rule, {f: a for f, a in alerts.items() if a.state != "resolved"}, there, now)
        for key, alert in alerts.items():
            if key in there:
                best = np.fmin if lowest else np.fmax
                peaks[alert.id] = float(best(peaks.get(alert.id, np.nan), there[key].value))
            if alert.state == "resolved":
                found.append(row(alert, names[key], index, k, peaks))
    found += [row(a, names[f], index, len(times), peaks) for f, a in alerts.items() if a.state != "resolved"]
    return sorted(found, key=lambda r: r[:2])


def row(alert: Alert, series: int, index: dict[datetime, int], resolved: int, peaks: dict[str, float]) -> tuple:
    fired = index[alert.fired_at] if alert.fired_at else -1
    return series, index[alert.active_at], fired, resolved, peaks[alert.id]


def at_once(holds: np.ndarray, value: np.ndarray, times: np.ndarray, for_: float, keep: float, lowest: bool) -> Found:
    found = episodes(holds, times, for_, keep, value=value, lowest=lowest)
    columns = (found.series, found.pending, found.fired, found.resolved, found.peak)
    return sorted(zip(*(c.tolist() for c in columns), strict=True), key=lambda r: r[:2])


@st.composite
def histories(draw: st.DrawFn) -> tuple:
    many, steps = draw(st.integers(1, 4)), draw(st.integers(1, 60))
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    # sticky or nervous series, and some that are there only for a while
    stay = rng.choice([0.3, 0.7, 0.9, 0.97], size=(many, 1))
    flips = rng.random((many, steps)) > stay
    holds = (np.cumsum(flips, axis=1) + rng.integers(0, 2, (many, 1))) % 2 == 1
    value = rng.normal(size=(many, steps))
    value[rng.random((many, steps)) < 0.2] = np.nan  # NaN is a value: `x != 1` holds for it
    times = 15_000 * np.arange(steps, dtype=np.int64) + 1_700_000_000_000
    times = times[rng.random(steps) > draw(st.sampled_from([0.0, 0.0, 0.3]))]  # evaluations that failed
    if not len(times):
        times = np.array([1_700_000_000_000])
    span = st.sampled_from([0.0, 1.0, 15.0, 30.0, 40.0, 60.0, 120.0, 300.0])
    kept = holds[:, : len(times)], value[:, : len(times)]
    return *kept, times, draw(span), draw(span), draw(st.booleans())


@settings(max_examples=400)
@given(histories())
def test_the_same_life_as_step_by_step(history: tuple) -> None:
    assert str(at_once(*history)) == str(stepped(*history))


@settings(max_examples=100)
@given(histories(), st.integers(0, 60))
def test_a_history_in_two_pieces_is_the_same_history(history: tuple, cut: int) -> None:
    holds, value, times, for_, keep, lowest = history
    cut = min(cut, len(times))
    early = runs(holds[:, :cut], value[:, :cut], lowest=lowest)
    late = runs(holds[:, cut:], value[:, cut:], lowest=lowest)
    both = Runs(
        np.concatenate([early.series, late.series]),
        np.concatenate([early.first, late.first + cut]),
        np.concatenate([early.end, late.end + cut]),
        np.concatenate([early.peak, late.peak]),
    )
    whole = episodes(holds, times, for_, keep, value=value, lowest=lowest)
    pieces = episodes_of(joined(both, lowest=lowest), times, for_, keep, lowest=lowest)
    for name in ("series", "pending", "fired", "resolved", "peak"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name), name)


@pytest.mark.parametrize(
    ("for_", "keep", "expected"),
    [
        # x marks the condition: 0123456789 = .xxx.xx..x
        (0, 0, [(1, 1, 4), (5, 5, 7), (9, 9, 10)]),
        (30, 0, [(1, 3, 4), (5, -1, 7), (9, -1, 10)]),
        (30, 15, [(1, 3, 8), (9, -1, 10)]),  # the gap at 4 is over before it ends; the one at 7 ends at 8
        (30, 45, [(1, 3, 10)]),
        (60, 45, [(1, -1, 4), (5, -1, 7), (9, -1, 10)]),  # what never fired is not kept
    ],
)
def test_by_hand(for_: float, keep: float, expected: list[tuple[int, int, int]]) -> None:
    holds = np.array([[c == "x" for c in ".xxx.xx..x"]])
    found = episodes(holds, 15_000 * np.arange(10), for_, keep)
    assert list(zip(found.pending.tolist(), found.fired.tolist(), found.resolved.tolist(), strict=True)) == expected


def test_nothing_holds() -> None:
    assert len(episodes(np.zeros((2, 5), np.bool_), np.arange(5), 0, 60)) == 0
    assert len(episodes(np.zeros((0, 5), np.bool_), np.arange(5))) == 0
