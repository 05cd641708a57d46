"""When is the budget spent so fast that somebody must know? Pairs of windows, and the burn rate that counts in both.

    share of the budget x length of the SLO window / long window = factor (a burn rate)

The numbers come from `burn_windows.yaml`, which cites where each is from, and are scaled to the SLO's own first window:
2 % of the budget in an hour is a burn rate of 14.4 for 30 days and of 13.44 for 28. A spec may say its own instead: the
annotation `pitchey.com/burn-alerts`, or OpenSLO's alert policies, whose conditions have one window only.
`burn_rules.py` makes alert rules of them, `lint.py` says what they are good for.

>>> [p.factor for p in scaled("google", 30 * 1440)]
[14.4, 6.0, 3.0, 1.0]
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pitchey_slo.errors import SloError, did_you_mean
from pitchey_slo.slo.model import BurnPair, Duration, Op, Slo, TimeWindow

DATA_FILE = Path(__file__).with_name("burn_windows.yaml")


@dataclass(frozen=True)
class Condition:
    """One thing that makes an alert: the burn rate is above `factor` over `long` and, unless None, over `short`.

    `source` says where it stands: "burn_windows.yaml google", "pitchey.com/burn-alerts", "alert policy fast-burn".
    `op` is gt, or what an alert policy says.
    """

    long: Duration
    short: Duration | None
    factor: float
    severity: str
    hold: Duration | None
    source: str
    op: Op = "gt"

    @property
    def label(self) -> str:
        """`severity` of its alerts."""
        return label_of(self.severity)

    @property
    def windows(self) -> str:
        """`1h/5m`, or `1h` alone."""
        return f"{self.long}/{self.short}" if self.short else str(self.long)


def pairs(slo: Slo, window: TimeWindow | str | None = None, *, windows: str | None = None) -> tuple[BurnPair, ...]:
    """The pairs of an SLO: those its annotation gives, else the data file's, scaled to `window` (default: its first).

    `windows` names a set of the data file; without it the one that fits the length of the window is used.
    """
    if slo.burn_pairs is not None:
        return slo.burn_pairs
    minutes = period_minutes(slo.windows[0] if window is None else window)
    return scaled(windows or chosen_set(minutes), minutes)


def conditions(slo: Slo) -> tuple[Condition, ...]:
    """What alerts for this SLO: its annotation, else the burn conditions of its OpenSLO alert policies, else the data
    file's pairs."""
    if slo.burn_pairs is not None:
        source = "pitchey.com/burn-alerts"
    else:
        own = policy_conditions(slo)
        if own:
            return own
        source = f"{DATA_FILE.name} {chosen_set(period_minutes(slo.windows[0]))}"
    return tuple(Condition(p.long, p.short, p.factor, p.severity, p.hold, source) for p in pairs(slo))


def policy_conditions(slo: Slo) -> tuple[Condition, ...]:
    """The burn conditions of its OpenSLO alert policies; a policy that watches no breach has none."""
    return tuple(
        Condition(c.lookback, None, c.threshold, c.severity, c.after, f"alert policy {policy.name}", c.op)
        for policy in slo.alert_policies
        if policy.when_breaching
        for c in policy.conditions
    )


def period_minutes(window: TimeWindow | str) -> int:
    """Length of an SLO window that thresholds are made from; months, quarters and years have one length each."""
    return minutes_of((TimeWindow.parse(window) if isinstance(window, str) else window).duration)


def minutes_of(duration: Duration) -> int:
    """Minutes of a duration; a month, quarter or year as the data file has it."""
    return duration.minutes or duration.count * int(data()["months"][duration.unit]) * 1440


def chosen_set(minutes: int) -> str:
    """The set of the data file for an SLO window of so many minutes."""
    for choice in data()["choose"]:
        if minutes >= _minutes(choice["from"]):
            return str(choice["set"])
    raise SloError(f"no burn windows for an SLO window of {minutes} minutes")


def scaled(name: str, minutes: int) -> tuple[BurnPair, ...]:
    """The pairs of one set for an SLO window of so many minutes. No window is shorter than a minute, and none is as
    short as its partner; SloError for an unknown set.

    >>> [(str(p.long), p.factor) for p in scaled("google", 28 * 1440)]
    [('1h', 13.44), ('6h', 5.6), ('1d', 2.8), ('3d', 0.9333333333333333)]
    """
    sets = data()["sets"]
    if name not in sets:
        raise SloError(f"no burn windows named {name!r}; {did_you_mean(name, sets) or 'there are: ' + ', '.join(sets)}")
    known = sets[name]
    shrink = Decimal(minutes) / _minutes(known["period"]) if known["scale"] == "windows" else Decimal(1)
    return tuple(_pair(p, minutes, _minutes(known["period"]), shrink) for p in known["pairs"])


def _pair(entry: Mapping[str, Any], minutes: int, base: int, shrink: Decimal) -> BurnPair:
    long, short = (max(1, round(_minutes(entry[key]) * shrink)) for key in ("long", "short"))
    # a short SLO window must not make a window of 0 (pyrra-dev/pyrra#1028), nor a pair whose windows are the same
    long = max(long, 2, short + 1)
    period = Decimal(minutes if shrink == 1 else base * shrink)
    asked = Decimal(str(entry["factor"])) if "factor" in entry else Decimal(str(entry["share"])) * period / long
    hold = max(1, round(_minutes(entry["hold"]) * shrink)) if "hold" in entry else None
    return BurnPair(shown(long), shown(short), float(asked), str(entry["severity"]), shown(hold) if hold else None)


def shown(minutes: int) -> Duration:
    """So many minutes as people write them: 60 is 1h, 4320 is 3d.

    >>> str(shown(60)), str(shown(90)), str(shown(4320))
    ('1h', '90m', '3d')
    """
    for unit, each in (("d", 1440), ("h", 60)):
        if minutes % each == 0:
            return Duration(minutes // each, unit)
    return Duration(minutes, "m")


def label_of(severity: str) -> str:
    """page -> critical, ticket -> warning; any other word is itself."""
    return str(data()["severities"].get(severity, severity))


def _minutes(text: str) -> int:
    return Duration.parse(text).minutes or 0


@functools.cache
def data() -> Mapping[str, Any]:
    """The data file as it stands."""
    from ruamel.yaml import YAML

    found: dict[str, Any] = YAML(typ="safe", pure=True).load(DATA_FILE.read_text())
    return found
