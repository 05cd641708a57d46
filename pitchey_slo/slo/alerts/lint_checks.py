"""What can be wrong with a burn condition: one function per thing, each a sentence and what would work instead.

A check gets everything known about a condition and says what it finds. Levels: an error is an alert that does not do
what somebody believes it does; a warning is a weakness to decide about; an info explains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from pitchey_slo.slo.alerts.burn import minutes_of
from pitchey_slo.slo.alerts.lint_subject import Finding, Level, Subject, Tried
from pitchey_slo.slo.findings import Floats
from pitchey_slo.slo.words import number, percent

#: An alert that holds for more than this part of the time says nothing; above the second it is noise.
ALWAYS, OFTEN = 0.95, 0.10
#: A total outage that spends the whole budget within so many minutes is over before people are there.
TOO_QUICK = 5
_BELOW = ("lt", "lte")


Check = Callable[[Subject, Tried], Iterator[tuple[Level, str, str]]]


def check_condition(subject: Subject, tried: Tried) -> list[Finding]:
    """Everything there is to say about one condition; what cannot fire needs no advice about its floor."""
    found = []
    for kind, check in CHECKS.items():
        found += [_finding(subject, tried.condition.windows, kind, *said) for said in check(subject, tried)]
        if kind in ("cannot_fire", "always_fires") and found:
            break
    return found


def check_subject(subject: Subject, tried: list[Tried]) -> list[Finding]:
    """What is to say about an objective as a whole."""
    return [_finding(subject, None, kind, *said) for kind, *said in _whole(subject, tried)]  # type: ignore[arg-type]


def _finding(subject: Subject, windows: str | None, kind: str, level: Level, text: str, hint: str) -> Finding:
    return Finding(level, kind, subject.slo.name, subject.objective.title, windows, text, hint)


def _whole(subject: Subject, tried: list[Tried]) -> Iterator[tuple[str, Level, str, str]]:
    if subject.objective.target == 0:
        text = "The target is 0: everything may fail, and no burn rate can be above 1."
        yield "target_zero", "error", text, "set a target that somebody would miss, such as 0.9"
        return
    if not tried:
        yield (
            "no_burn_alerts",
            "warning",
            "No burn alert watches this objective.",
            "remove `pitchey.com/burn-alerts: none`",
        )
    outage = subject.part * subject.period
    if outage < TOO_QUICK:
        text = f"A total outage spends the whole budget in {span(outage)}: no alert brings people in time."
        yield "spent_at_once", "warning", text, "lower the target, or promise it over a longer window"
    if subject.traffic is None or subject.per_minute is None:
        text = "There are no data yet: nothing is known about traffic."
        yield "no_data", "info", text, "run it again when there are some"
    elif subject.traffic.weeks < 1:
        text = f"The data cover {span(subject.traffic.weeks * 10_080)}: some hours of the week are not known yet."
        yield "little_data", "info", text, ""


# ---- one condition ---------------------------------------------------------------------------------------------------


def cannot_fire(subject: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    if tried.condition.op in _BELOW or tried.limit < (1.0 if tried.condition.op == "gt" else 1.0 + 1e-12):
        return
    highest, hours = 1 / subject.part, minutes_of(tried.condition.long)
    better = f"{highest / 2:.3g}"
    lost = percent(highest / 2 * hours / subject.period)
    yield (
        "error",
        f"It can never fire: a burn rate above {number(tried.condition.factor)} is asked for; when everything fails "
        f"it is {number(round(highest, 2))} (1 / (1 - target)).",
        f"a factor below {number(round(highest, 2))}; {better} fires when half fails, after {tried.condition.long} and "
        f"{lost} of the budget",
    )


def always_fires(subject: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    condition = tried.condition
    if condition.op in _BELOW:
        yield (
            "error",
            f"It fires whenever all is well: `op: {condition.op}` asks for a burn rate below {condition.factor:g}.",
            "op: gt",
        )
    elif condition.factor < 0 or (condition.factor == 0 and condition.op == "gte"):
        yield "error", f"It always fires: no burn rate is below {number(condition.factor)}.", "a factor of 1 or more"
    elif tried.held is not None and tried.held >= ALWAYS:
        bad = subject.traffic.bad if subject.traffic else None
        usual = f" Of all {subject.unit}, {percent(bad, 2)} are bad." if bad is not None else ""
        yield (
            "error",
            f"It always fires: in the data it holds {percent(tried.held)} of the time (above "
            f"{percent(tried.limit, 2)} bad).{usual}",
            "a target that is met on ordinary days, or a higher factor",
        )


def holds_often(_: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    if tried.held is not None and OFTEN <= tried.held < ALWAYS:
        text = f"It holds {percent(tried.held)} of the time in the data: people will stop reading it."
        yield "warning", text, "a target that is met on ordinary days, or a higher factor"


def inside_promise(_: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    factor = tried.condition.factor
    if factor < 0.5:
        text = (
            f"It fires at a burn rate of {number(round(factor, 2))}, when most of the budget would be left in the end."
        )
        yield "warning", text, "a factor of 1 or more"
    elif factor < 0.9:
        text = f"It fires at a burn rate of {factor:.3g}: {percent(factor)} of the budget would be spent in the end."
        yield "info", text, "a factor of 1 or more, if that is too early"


def too_late(subject: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    if tried.lost >= 1:
        most = subject.period / minutes_of(tried.condition.long)
        yield (
            "error",
            f"When it fires, {percent(tried.lost, 0)} of the budget is gone already.",
            f"a factor below {number(round(most, 2))} over {tried.condition.long}, or a shorter window",
        )


def longer_than_window(subject: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    if minutes_of(tried.condition.long) > subject.period:
        text = (
            f"It looks back {tried.condition.long}, longer than the SLO window ({subject.slo.windows[0].text}): it "
            "fires about failures that the budget has forgotten."
        )
        yield "warning", text, f"a long window below {subject.slo.windows[0].text}"


def short_window(subject: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    condition = tried.condition
    long = minutes_of(condition.long)
    if condition.short is None:
        ends = tried.detections[-1].reset_minutes
        stays = f" After a total outage it stays for {span(ends)}." if ends else ""
        yield (
            "warning",
            f"It has no short window: it goes on long after the trouble has ended.{stays}",
            f"annotation pitchey.com/burn-alerts with long {condition.long} and short {span(max(1, long // 12))}",
        )
        return
    short = minutes_of(condition.short)
    if short >= long:
        text = f"The short window ({condition.short}) is not shorter than the long one ({condition.long})."
        yield "error", text, f"short: {span(max(1, long // 12))}"
    if subject.width > short:
        text = f"The short window ({condition.short}) is shorter than one time slice; it is taken as {subject.width}m."
        yield "warning", text, f"short: {subject.width}m or more"


def longer_than_data(subject: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    known = subject.data_minutes
    if known is not None and known < minutes_of(tried.condition.long):
        text = f"It looks back {tried.condition.long}, but the data only {span(known)}: it judges by what there is."
        yield "warning", text, ""


def floor(subject: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    least = subject.slo.minimum_bad
    if least <= 0:
        return
    if not subject.counted:
        text = "The floor of bad events does nothing: this SLI is a ratio without counts."
        yield "warning", text, "ratioMetric with good or bad, and total"
        return
    seen = _events_seen(subject, tried)
    known = np.isfinite(seen)
    if not known.any():
        return
    blind = known & (seen < least)
    most = float(np.nanmax(seen))
    where = f"{tried.condition.long} of this service"
    if blind.sum() == known.sum():
        yield (
            "error",
            f"The floor of {number(least)} bad {subject.noun} is never reached: even the busiest {where} has "
            f"{number(round(most, 1))} in all.",
            f"pitchey.com/minimum-bad-events below {number(max(1.0, np.floor(most)))}, or a longer window",
        )
    elif blind.any():
        yield (
            "warning",
            f"At {int(blind.sum())} of {int(known.sum())} hours of the week not even a total outage reaches the floor "
            f"of {number(least)} bad {subject.noun}.",
            f"pitchey.com/minimum-bad-events of at most {number(max(1.0, np.floor(float(np.nanmin(seen)))))}",
        )


def few_events(subject: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    """One failure that pages says more about the traffic than about the service."""
    if not subject.counted or subject.width:
        return
    alone = tried.needed <= 1
    if alone.any():
        yield (
            "warning",
            f"At {int(alone.sum())} of 168 hours of the week a single failure is enough.",
            "a floor, such as pitchey.com/minimum-bad-events: 5; a lower target; or time slices",
        )


def silent_hours(subject: Subject, tried: Tried) -> Iterator[tuple[Level, str, str]]:
    if subject.width or not np.isfinite(tried.seen).any():
        return
    empty = int((tried.seen == 0).sum())
    if empty:
        text = f"At {empty} hours of the week nothing at all comes in over {tried.condition.long}: it cannot fire then."
        yield "info", text, "a synthetic check, if the service must work then"


def _events_seen(subject: Subject, tried: Tried) -> Floats:
    if not subject.width:
        return tried.seen
    assert subject.traffic is not None
    return subject.traffic.over(minutes_of(tried.condition.long))


#: kind of finding -> its check, in the order they are told.
CHECKS: dict[str, Check] = {
    "cannot_fire": cannot_fire,
    "always_fires": always_fires,
    "too_late": too_late,
    "longer_than_window": longer_than_window,
    "short_window": short_window,
    "holds_often": holds_often,
    "floor": floor,
    "few_events": few_events,
    "longer_than_data": longer_than_data,
    "inside_promise": inside_promise,
    "silent_hours": silent_hours,
}


def span(minutes: float | None) -> str:
    """A time for people: `36 s`, `8 min`, `1.3 h`, `2.5 d`; `never` for None.

    >>> span(0.6), span(8.06), span(80), span(3600), span(None)
    ('36 s', '8.1 min', '1.3 h', '2.5 d', 'never')
    """
    if minutes is None:
        return "never"
    units = (("s", 1 / 60, 1.0), ("min", 1, 60.0), ("h", 60, 2_880.0), ("d", 1440, np.inf))
    unit, each = next((name, each) for name, each, below in units if minutes < below)
    value = minutes / each
    return f"{value:.0f} {unit}" if value >= 10 or value == round(value) else f"{value:.1f} {unit}"
