"""What the anomaly notebook says: detectors side by side on one series, what each finds of the labelled incidents, and
which to use at what threshold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from pitchey_slo.analyse.anomaly import DETECTORS
from pitchey_slo.analyse.anomaly.deployments import reasons_of
from pitchey_slo.analyse.backtest import backtest
from pitchey_slo.analyse.backtest.ask import groups_of, rules_folder
from pitchey_slo.analyse.backtest.incidents import Incident, incidents_of
from pitchey_slo.analyse.backtest.score import score
from pitchey_slo.analyse.watch import Judged, Watched, judge, load_watched
from pitchey_slo.analyse.watch.config import FILE
from pitchey_slo.analyse.watch.judge import as_judged, score_rule, scores_of
from pitchey_slo.errors import QueryError
from pitchey_slo.plots.theme import count
from pitchey_slo.promql.scan import Floats, Ints, MemoryScan
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago as duration
from pitchey_slo.report.words import said
from pitchey_slo.settings import Settings, shipped

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench


NOTEBOOK: Final = "50_anomalies"


@dataclass(frozen=True, eq=False)
class Anomalies:
    """One series, the scores of every detector on it, and how each is judged. `rules` are the rules with thresholds
    that people wrote, over the same time; `together` judges all watched series at once, empty when only one was."""

    watched: Watched
    values: pd.Series
    scores: MemoryScan
    judged: tuple[Judged, ...]
    together: tuple[Judged, ...]
    rules: tuple[Judged, ...]
    incidents: pd.DataFrame
    deployments: pd.DataFrame
    false_per_week: float
    start: datetime
    end: datetime
    about: About

    @cached_property
    def known(self) -> tuple[Incident, ...]:
        """The incidents that count: those that began in the time."""
        return tuple(each for each in incidents_of(self.incidents) if self.start <= each.started_at < self.end)

    @property
    def best(self) -> Judged:
        """The detector that finds most within the false alerts that are borne; among equals the soonest."""
        quiet = [each for each in self.judged if each.within] or list(self.judged)
        return min(quiet, key=lambda j: (-j.caught, _late(j), j.false_per_week, j.name != "ensemble"))

    def scores_by(self, detector: str) -> tuple[Ints, Floats]:
        """Times in ms and scores of one detector; the highest of each time when the expression has several series."""
        parts = [pair for labels, pair in self.scores.series.items() if _is_of(labels, detector, self.watched.name)]
        if not parts:
            return np.empty(0, np.int64), np.empty(0)
        frame = pd.concat([pd.Series(scores, index=times) for times, scores in parts], axis=1).max(axis=1)
        return frame.index.to_numpy(np.int64), frame.to_numpy(np.float64)

    def summary(self) -> Html:
        """What was found, in a few sentences."""
        best, many = self.best, len(self.known)
        if not many:
            first = f"No incident is labelled in this time, so no detector on {self.watched.name} can be judged."
            return told.paragraph(first, "Label what was wrong (`wb.label_incident`) and run this again.", kind="lead")
        first = (
            f"With at most {self.false_per_week:g} false alerts a week, {best.name} on {self.watched.name} finds "
            f"{best.caught} of {many} labelled incidents"
            + (f", half of them within {duration(best.detect_seconds)}." if best.caught else ".")
        )
        worse = [each.name for each in self.judged if not each.within]
        more = f" {_listed(worse)} cannot be that quiet here." if worse else ""
        rules = max((r.caught for r in self.rules), default=None)
        second = (
            ""
            if rules is None
            else f" The rules with thresholds that people wrote find {len(_found(self.rules))} together, the best of "
            f"them {rules}."
        )
        few = " So few incidents say little: read the ranges in the tables, not the order." if many < 10 else ""
        return told.paragraph(first + more, second.strip(), few.strip(), kind="lead") + told.paragraph(
            f"{said(self.start)} to {said(self.end)}, scored every {duration(self.watched.every / 1000)}.", kind="quiet"
        )

    def facts(self) -> list[Fact]:
        """What the best detector finds, beside the rules that people wrote."""
        best, many = self.best, len(self.known)
        judged = best if many else None
        return [
            Fact("incidents", "labelled incidents", many, better="down"),
            Fact("caught", "found by the best detector", judged.caught if judged else None, better="up"),
            Fact("false", "its false alerts a week", judged.false_per_week if judged else None, "a week", "down", 1),
            Fact("late", "age of an incident when found", _late_or_none(judged), "seconds", "down"),
            Fact("by_rules", "found by rules with thresholds", len(_found(self.rules)) if many else None, better="up"),
            Fact("samples", "samples", int(self.values.notna().sum())),
        ]

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def table(self) -> Html:
        """Every detector on this series, and the rules that people wrote."""
        return told.table(_COLUMNS, [_row(each) for each in (*self._ordered(self.judged), *self.rules)])

    def table_together(self) -> Html:
        """The same with the scores of all watched series: an alert on any of them counts."""
        return told.table(_COLUMNS, [_row(each) for each in self._ordered(self.together)], empty="only one was scored")

    def matrix(self) -> Html:
        """Incident by incident: which detectors found it."""
        names = [each.name for each in self.judged]
        columns = [Column("incident", wide=True), Column("when", short=True), *(Column(name) for name in names)]
        columns.append(Column("rules", hint="any rule with a threshold that people wrote"))
        by_rules = _found(self.rules)
        rows: list[Sequence[str | Html]] = []
        for incident in self.known:
            marks = ["✓" if incident.id in each.caught_ids else "–" for each in self.judged]
            last = "✓" if incident.id in by_rules else "–"
            rows.append((told.two_lines(incident.title, incident.kind), said(incident.started_at), *marks, last))
        return told.table(columns, rows, empty="no incident is labelled in this time")

    def highest(self, most: int = 10) -> Html:
        """The most unusual stretches by the best detector, with what explains them."""
        times, scores = self.scores_by(self.best.name)
        least = min(NOTABLE, self.best.threshold)
        rows = [self._stretch(*span, times, scores) for span in _stretches(times, scores, least, most)]
        columns = (Column("from", short=True), Column("lasted", number=True), Column("score", number=True),
                   Column("value", number=True), Column("what is known", wide=True))  # fmt: skip
        return told.table(columns, rows, empty=f"nothing scored {nines(least)} or more")

    def _stretch(self, first: int, last: int, times: Ints, scores: Floats) -> tuple[str, ...]:
        begin = pd.Timestamp(times[first], unit="ms", tz="UTC").to_pydatetime()
        until = pd.Timestamp(times[last], unit="ms", tz="UTC").to_pydatetime()
        peak = first + int(np.argmax(scores[first : last + 1]))
        value = self.values.get(pd.Timestamp(times[peak], unit="ms", tz="UTC"), math.nan)
        return (
            said(begin), duration((until - begin).total_seconds() + self.watched.every / 1000), nines(scores[peak]),
            f"{value:.4g}", self._why(begin, until, times, scores, last),
        )  # fmt: skip

    def _why(self, begin: datetime, until: datetime, times: Ints, scores: Floats, last: int) -> str:
        near = [
            each.title
            for each in incidents_of(self.incidents)
            if each.started_at <= until + timedelta(minutes=5)
            and begin <= (each.ended_at or self.end) + timedelta(minutes=5)
        ]
        marks = [(row["ts"], str(row["version"])) for row in self.deployments.to_dict("records")]
        at = pd.to_datetime(times[: last + 1], unit="ms", utc=True)
        level = self.values.reindex(at).to_numpy(np.float64)
        reasons = [r for r in reasons_of(times[: last + 1], level, scores[: last + 1], marks) if r]
        said_so = [reasons[-1]] if reasons and times[last] >= begin.timestamp() * 1000 and _recent(marks, begin) else []
        return "; ".join([*dict.fromkeys(near), *said_so]) or "no incident is labelled here"

    def advice(self) -> Html:
        """Which detector to use at which threshold, as a rule to paste."""
        best = self.best
        if not self.known or not best.caught:
            return told.paragraph("Nothing to advise: no detector found a labelled incident on this series.")
        minutes = f"\n    for: {round(best.for_seconds / 60)}m" if best.for_seconds else ""
        rule = (
            f"- alert: Unusual\n    expr: {score_rule(best.name, self.watched.name, _short(best.threshold)).expr}"
            f"{minutes}\n    labels: {{severity: warning}}"
        )
        words = (
            f"Use {best.name} at {nines(best.threshold)}: over this time it gave {best.false_per_week:.2g} false "
            "alerts a week. It was chosen on the same weeks it is judged on, so expect a little less; tune it again in "
            "the weekly review, like any other rule."
        )
        return told.paragraph(words) + Html(f"<pre>{told.text(rule)}</pre>")

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(
            self.about,
            {
                "series": self.watched.name,
                "expression": self.watched.expr,
                "samples": count(int(self.values.notna().sum())),
                "missing": count(int(self.values.isna().sum())),
                "incidents": str(len(self.known)),
            },
        )

    def _ordered(self, judged: Sequence[Judged]) -> list[Judged]:
        return sorted(judged, key=lambda j: (not j.within, -j.caught, _late(j), j.false_per_week))


#: A score that is worth a line in the list of the most unusual.
NOTABLE = 0.999
_COLUMNS = (
    Column("detector or rule"),
    Column("found", number=True, hint="labelled incidents during which it fired"),
    Column("of its alerts with an incident", number=True, hint="precision"),
    Column("false a week", number=True),
    Column("median age when found", number=True, hint="from the incident's beginning to the alert"),
    Column("threshold", number=True, hint="0.999: one in a thousand samples was as unusual"),
    Column("for", number=True),
)


def anomalies(
    wb: Workbench,
    series: str = "error-ratio",
    *,
    window: str = "28d",
    detectors: Sequence[str] = (),
    false_per_week: float = 2.0,
    together: bool = True,
    end: Moment = None,
) -> Anomalies:
    """Gather it: `series` is a name of config/anomalies.yml or a PromQL expression with one series."""
    from pitchey_slo.workbench import step_ms

    entries = watched_by(wb.settings)
    chosen = next((each for each in entries if each.name == series), None) or _expression(series)
    names = tuple(detectors) or tuple(DETECTORS)
    _, last = wb.span(None, end)
    start = last - timedelta(milliseconds=step_ms(window))
    every = scores_of(entries if together and chosen in entries else [chosen], names, wb._series(), start, last)
    incidents, given = wb.incidents(start, last), {"detectors": names, "false_per_week": false_per_week}
    frame = wb.promql(chosen.expr, start, last, f"{chosen.every // 1000}s")
    if frame.empty or not frame.shape[1]:
        raise QueryError(f"{chosen.name}: {chosen.expr} has no data from {said(start)} to {said(last)}")
    return Anomalies(
        watched=chosen,
        values=frame.max(axis=1),
        scores=every,
        judged=judge(every, start, last, incidents, series=chosen.name, **given),  # type: ignore[arg-type]
        together=judge(every, start, last, incidents, **given) if together else (),  # type: ignore[arg-type]
        rules=_static(wb, start, last),
        incidents=incidents,
        deployments=wb.deployments(start, last),
        false_per_week=false_per_week,
        start=start,
        end=last,
        about=about(
            wb,
            NOTEBOOK,
            start=start,
            end=last,
            tables=["requests", "rollups", "samples", "incidents", "deployments"],
            parameters={
                "series": series,
                "window": window,
                "detectors": list(detectors),
                "false_per_week": false_per_week,
                "end": end,
            },
        ),
    )


def watched_by(settings: Settings) -> tuple[Watched, ...]:
    """What config/anomalies.yml of this home says; the file that comes with the package when there is none."""
    own = settings.config / FILE
    return load_watched(own if own.is_file() else shipped("config") / FILE)


def _expression(text: str) -> Watched:
    return Watched("series", text)


def _static(wb: Workbench, start: datetime, end: datetime) -> tuple[Judged, ...]:
    """The rules of the shipped or own files that compare with a threshold, as they are; those on scores left out."""
    file = rules_folder(wb.settings) / "alert_rules.yml"
    if not file.is_file():
        return ()
    known = tuple(i for i in incidents_of(wb.incidents(start, end)) if i.started_at < end)
    # without routing and lost budgets, which wb.backtest adds and nobody asks for here: three seconds less
    found = backtest(groups_of(wb.settings, file), wb._series(), start, end).rules
    pairs = [(h.rule.labels.get("severity", ""), score(h, known, start, end)) for h in found]
    named = [(f"{judged.name} ({severity})", judged) for severity, judged in pairs if judged.evaluated]
    return tuple(replace(as_judged(judged), name=name.removesuffix(" ()")) for name, judged in named)


def nines(score: float) -> str:
    """A score as it is read: 0.999, 0.99998.

    >>> nines(0.99925), nines(0.9999987), nines(0.42)
    ('0.9992', '0.999999', '0.42')
    """
    if not math.isfinite(score):
        return "–"
    if score <= 0.99:
        return f"{score:.2g}"
    digits = min(6, 1 - math.floor(math.log10(max(1 - score, 1e-6))))
    return f"{math.floor(score * 10**digits + 0.05) / 10**digits:.{digits}f}"


def _late_or_none(judged: Judged | None) -> float | None:
    return judged.detect_seconds if judged and math.isfinite(judged.detect_seconds) else None


def _short(threshold: float) -> float:
    return float(nines(threshold))


def _stretches(times: Ints, scores: Floats, least: float, most: int) -> list[tuple[int, int]]:
    """[first, last] of the stretches that score `least` or more, gaps of half an hour closed; the highest, by time."""
    high = np.flatnonzero(np.nan_to_num(scores) >= least)
    if not len(high):
        return []
    cuts = np.flatnonzero(np.diff(times[high]) > 30 * 60_000)
    firsts, lasts = np.append(high[0], high[cuts + 1]), np.append(high[cuts], high[-1])
    found = sorted(zip(firsts.tolist(), lasts.tolist(), strict=True), key=lambda s: -scores[s[0] : s[1] + 1].max())
    return sorted(found[:most])


def _recent(marks: Sequence[tuple[datetime, str]], begin: datetime) -> bool:
    return any(timedelta() <= begin - at <= timedelta(minutes=40) for at, _ in marks)


def _found(judged: Sequence[Judged]) -> frozenset[str]:
    return frozenset(name for each in judged for name in each.caught_ids)


def _is_of(labels: Sequence[tuple[str, str]], detector: str, series: str) -> bool:
    given: Mapping[str, str] = dict(labels)
    return given.get("detector") == detector and given.get("series") == series


def _late(judged: Judged) -> float:
    return judged.detect_seconds if math.isfinite(judged.detect_seconds) else math.inf


def _row(each: Judged) -> tuple[str, ...]:
    quiet = "" if each.within else " (no threshold is quiet enough)"
    return (
        each.name + quiet,
        f"{each.caught} of {each.incidents}",
        "–" if math.isnan(each.precision) else f"{100 * each.precision:.0f} %",
        f"{each.false_per_week:.2g}",
        "–" if not each.caught else duration(each.detect_seconds),
        nines(each.threshold) if math.isfinite(each.threshold) else "as written",
        duration(each.for_seconds) if each.for_seconds > 0 else "–",
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
