"""The alert-tuning runbook as a report: what fired, which kind of noise it was, and the runbook's remedy for that."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import pandas as pd

from pitchey_slo.analyse.backtest.incidents import incidents_of
from pitchey_slo.analyse.daily import Fired, firings
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago, many, measured, said

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "75_runbook_alert_tuning"
#: A firing shorter than this is a flicker.
SHORT: Final = timedelta(minutes=10)
#: So few requests in five minutes make a handful of failures a rate.
FEW: Final = 100.0
#: Another alert that fired so soon before or after told of the same.
TOGETHER: Final = timedelta(minutes=5)
#: A kind of noise is named when at least this part of the firings is of it.
MOSTLY: Final = 0.5
_REMEDIES: Final = {
    "flickers": "a longer `for`, or `keep_firing_for`: one alert instead of ten",
    "on few requests": "a floor, such as `and sum(increase(pitchey_http_requests_total[5m])) > 50`",
    "with others": "`group_by` in config/routes/routes.yml, or an inhibition rule",
    "nobody took it on": "make it `info`, or remove it",
    "without incident": "label what was wrong, or try other thresholds: pitchey-slo rules tune {name}",
}


@dataclass(frozen=True, eq=False)
class Noise:
    """Firings of one alert, and how many were of which kind; one may be of several."""

    name: str
    severity: str
    fired: tuple[Fired, ...]
    minutes: float
    kinds: dict[str, int]

    @property
    def remedies(self) -> tuple[str, ...]:
        """What the runbook says to do about what most of the false ones were; nothing when none was false."""
        if not self.kinds["without incident"]:
            return ()
        most = [kind for kind, n in self.kinds.items() if n >= MOSTLY * len(self.fired)]
        return tuple(_REMEDIES[kind].replace("{name}", self.name) for kind in most)


@dataclass(frozen=True, eq=False)
class Tuning:
    start: datetime
    end: datetime
    found: tuple[Noise, ...]
    fired: tuple[Fired, ...]
    incidents: pd.DataFrame
    about: About

    @property
    def false(self) -> int:
        return sum(n.kinds["without incident"] for n in self.found)

    def summary(self) -> Html:
        """Which alert made most noise, and what to do."""
        total = sum(len(n.fired) for n in self.found)
        if not total:
            return told.paragraph("No alert fired in this time.", kind="lead")
        first = (
            f"{many(total, 'firing')} of {many(len(self.found), 'alert')}, {self.false} without a labelled incident."
        )
        worst = next((n for n in self.found if n.remedies), None)
        words = f"Most noise made {worst.name}; try {worst.remedies[0]}." if worst else "Nothing to tune."
        unlabelled = "No incident is labelled: without labels every firing looks false." if self.incidents.empty else ""
        return told.paragraph(first, unlabelled, words, kind="lead") + told.paragraph(
            f"{said(self.start)} to {said(self.end)}. The runbook this follows: docs/runbooks/alert-tuning.md.",
            kind="quiet",
        )

    def facts(self) -> list[Fact]:
        """Firings and noise in a few numbers."""
        total = sum(len(n.fired) for n in self.found)
        return [
            Fact("fired", "firings", total, better="down"),
            Fact("false", "without an incident", self.false, better="down"),
            Fact("false_share", "share without an incident", self.false / total if total else None, "ratio", "down", 0),
        ]

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def kinds(self) -> Html:
        """Each alert with the kinds of its firings."""
        rows: list[tuple[str | Html, ...]] = [
            (told.two_lines(n.name, n.severity), f"{len(n.fired):,}", ago(60 * n.minutes),
             *(str(n.kinds[k]) if n.kinds[k] else "–" for k in _REMEDIES))
            for n in self.found
        ]  # fmt: skip
        hints = {
            "flickers": "over within ten minutes",
            "on few requests": "fewer than 100 in five minutes",
            "with others": "another alert fired within five minutes",
            "nobody took it on": "and it is over",
        }
        columns = (Column("alert"), Column("fired", number=True), Column("half lasted up to", number=True),
                   *(Column(k, number=True, hint=hints.get(k, "")) for k in _REMEDIES))  # fmt: skip
        return told.table(columns, rows, empty="No alert fired.")

    def remedies(self) -> Html:
        """What the runbook says to do, the noisiest alert first."""
        rows = [(n.name if i == 0 else "", words) for n in self.found for i, words in enumerate(n.remedies)]
        return told.table((Column("alert"), Column("remedy", wide=True)), rows, empty="Nothing to tune.")

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(self.about, {"false": measured(float(self.false), "count")})


def noise(wb: Workbench, *, window: str = "7d", alert: str = "", end: Moment = None) -> Tuning:
    """Gather it: `window` up to `end` (None: the minute after the newest request); `alert` is a name, empty for all."""
    from pitchey_slo.workbench import parse_time, step_ms

    last = parse_time(end, "end") or wb.newest_minute()
    start = last - timedelta(milliseconds=step_ms(window))
    incidents = wb.incidents(start, last)
    fired = tuple(f for f in firings(wb.reader, start, last, incidents_of(incidents)) if f.began)
    volume = wb.volume(start - timedelta(minutes=10), last, bucket="5m")
    traffic = dict(zip(pd.DatetimeIndex(volume["time"]).to_pydatetime(), volume["requests"].tolist(), strict=True))
    names = sorted({f.name for f in fired if alert in ("", f.name)})
    made = [_noise([f for f in fired if f.name == name], fired, traffic, last) for name in names]
    return Tuning(
        start=start,
        end=last,
        found=tuple(sorted(made, key=lambda n: (-n.kinds["without incident"], -len(n.fired), n.name))),
        fired=tuple(f for f in fired if alert in ("", f.name)),
        incidents=incidents,
        about=about(wb, NOTEBOOK, start=start, end=last, tables=("alerts", "incidents", "requests"),
                    parameters={"window": window, "alert": alert, "end": end}),
    )  # fmt: skip


def _noise(mine: Sequence[Fired], fired: Sequence[Fired], traffic: dict[datetime, float], end: datetime) -> Noise:
    lasted = [f.seconds(end) for f in mine]
    kinds = {
        "flickers": sum(not f.active and s < SHORT.total_seconds() for f, s in zip(mine, lasted, strict=True)),
        "on few requests": sum(traffic.get(_five(f.fired_at), 0.0) < FEW for f in mine),
        "with others": sum(any(_together(f, o) for o in fired) for f in mine),
        "nobody took it on": sum(not f.active and f.acked_at is None for f in mine),
        "without incident": sum(not f.active and f.incident is None for f in mine),
    }
    return Noise(mine[0].name, mine[0].severity, tuple(mine), statistics.median(lasted) / 60, kinds)


def _together(one: Fired, other: Fired) -> bool:
    return one.name != other.name and abs(one.fired_at - other.fired_at) <= TOGETHER


def _five(moment: datetime) -> datetime:
    """The five minutes before those in which it fired: they were what it saw."""
    return moment.replace(minute=moment.minute // 5 * 5, second=0, microsecond=0) - timedelta(minutes=5)
