"""What `wb.backtest` gives: firings, scores and pages of some rules over some time, to look at in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pitchey_slo.analyse.backtest.incidents import Incident
from pitchey_slo.analyse.backtest.model import Backtest, Firing, RuleHistory
from pitchey_slo.analyse.backtest.pages import Pages
from pitchey_slo.analyse.backtest.score import Score, touches

if TYPE_CHECKING:
    import pandas as pd

#: Labels that say which rule it is, rather than about what it fires.
_OF_RULE = ("alertname", "severity")


@dataclass(frozen=True)
class Tested:
    """scores     one per rule, in the order of `backtest.rules`
    together   all rules as if they were one: what people would have had
    pages      what routing makes of the firings; None without a routes file, `no_pages` says why
    """

    backtest: Backtest
    incidents: tuple[Incident, ...]
    scores: tuple[Score, ...]
    together: Score
    pages: Pages | None = None
    no_pages: str = ""

    def __repr__(self) -> str:
        return f"<Tested {self.backtest.start:%Y-%m-%d %H:%M} to {self.backtest.end:%Y-%m-%d %H:%M}: {self.words()}>"

    def words(self) -> str:
        """In two or three sentences."""
        text = f"{len(self.backtest.rules)} rules: {self.together.words()}"
        return f"{text} {self.pages.words()}" if self.pages else text

    def unlabelled(self) -> tuple[Firing, ...]:
        """Firings of the rules that no incident explains: false alarms, or incidents nobody labelled."""
        return tuple(sorted(self.together.false_firings, key=lambda f: f.fired_at or f.pending_at))

    def unlabelled_calls(self) -> list[str]:
        """One call each that labels it, ready to paste into a notebook."""
        return [label_call(f) for f in self.unlabelled()]

    def scores_frame(self) -> pd.DataFrame:
        """One row per rule: worst first (most firings without an incident)."""
        import pandas as pd

        rows = [_row(h, s) for h, s in zip(self.backtest.rules, self.scores, strict=True)]
        return pd.DataFrame(rows).sort_values(["false", "firings"], ascending=False, kind="stable", ignore_index=True)

    def firings_frame(self) -> pd.DataFrame:
        """One row per firing, pending ones too, with the incidents it tells of."""
        import pandas as pd

        columns = ["alertname", "labels", "pending_at", "fired_at", "resolved_at", "peak_value", "incidents", "rule"]
        rows = [
            [f.alertname, dict(f.labels), f.pending_at, f.fired_at, f.resolved_at, f.peak_value,
             [i.id for i in self.incidents if touches(f, i, self.backtest.end)], f.rule_key]
            for h in self.backtest.rules for f in h.firings
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        found, made = self.backtest, self.backtest.provenance
        return {
            "start": found.start.isoformat(),
            "end": found.end.isoformat(),
            "words": self.words(),
            "rules": [
                {
                    "key": h.rule.key,
                    "name": h.rule.name,
                    "labels": dict(h.rule.labels),
                    "steps": h.steps,
                    "evaluated": h.evaluated,
                    "unseen": list(h.unseen),
                    "failed": h.failed,
                    "problem": h.problem,
                    "firings": [_told(f) for f in h.fired],
                    "only_pending": len(h.firings) - len(h.fired),
                    "score": s.as_dict(),
                }
                for h, s in zip(found.rules, self.scores, strict=True)
            ],
            "together": self.together.as_dict(),
            "incidents": [i.id for i in self.incidents],
            "pages": self.pages.as_dict() if self.pages else None,
            "provenance": {
                "rules": made.rules,
                "files": dict(made.files),
                "newest": made.newest.isoformat() if made.newest else None,
                "rows": dict(made.rows),
            },
        }


def label_call(firing: Firing) -> str:
    """The call that labels a firing as an incident.

    >>> from datetime import UTC, datetime
    >>> label_call(Firing("k", "Slow", {"alertname": "Slow", "route": "/a"}, *[datetime(2026, 3, 2, tzinfo=UTC)] * 2,
    ...                   None, 2.0))
    "wb.label_incident('Slow on /a', '2026-03-02T00:00:00Z', routes='/a')"
    """
    return f"wb.label_incident({', '.join(_arguments(firing, '{}', '{}={}'))})"


def label_command(firing: Firing) -> str:
    """The same as a line for the shell."""
    import shlex

    title, start, *rest = _pairs(firing)
    options = [f"--{name}={shlex.quote(value)}" for name, value in rest]
    return " ".join(["pitchey-slo incidents label", shlex.quote(title[1]), start[1], *options])


def _arguments(firing: Firing, plain: str, named: str) -> list[str]:
    pairs = _pairs(firing)
    return [plain.format(repr(value)) for name, value in pairs if name in ("title", "start")] + [
        named.format("ended_at" if name == "end" else name, repr(value))
        for name, value in pairs
        if name not in ("title", "start")
    ]


def _pairs(firing: Firing) -> list[tuple[str, str]]:
    """What is known of it as an incident."""
    route, location = firing.labels.get("route"), firing.labels.get("location")
    about = route or location or firing.labels.get("slo") or firing.labels.get("service")
    found = [("title", f"{firing.alertname} on {about}" if about else firing.alertname)]
    found.append(("start", _zulu(firing.pending_at)))
    if firing.resolved_at is not None:
        found.append(("end", _zulu(firing.resolved_at)))
    severity = firing.labels.get("severity")
    more = {"severity": severity, "routes": route, "location": location}
    return found + [(name, value) for name, value in more.items() if value]


def _row(history: RuleHistory, score: Score) -> dict[str, Any]:
    rule = history.rule
    return {
        "rule": rule.name,
        "severity": rule.labels.get("severity", ""),
        "about": rule.labels.get("slo") or rule.labels.get("service", ""),
        "firings": score.firings,
        "true": len(score.true_firings),
        "false": len(score.false_firings),
        "pending only": len(history.firings) - len(history.fired),
        "caught": len(score.caught),
        "incidents": score.incidents,
        "precision": score.precision,
        "recall": score.recall,
        "detect_seconds": score.detect_seconds,
        "reset_seconds": score.reset_seconds,
        "budget_lost_before_page": score.budget_lost_before_page,
        "alerts_per_week": score.alerts_per_week,
        "evaluated": history.evaluated,
        "problem": history.problem,
        "key": rule.key,
    }


def _told(firing: Firing) -> dict[str, Any]:
    import math

    return {
        "labels": dict(firing.labels),
        "pending_at": firing.pending_at.isoformat(),
        "fired_at": firing.fired_at.isoformat() if firing.fired_at else None,
        "resolved_at": firing.resolved_at.isoformat() if firing.resolved_at else None,
        "peak_value": firing.peak_value if math.isfinite(firing.peak_value) else None,
    }


def _zulu(moment: Any) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def worst_first(tested: Tested) -> Sequence[tuple[RuleHistory, Score]]:
    """Rules with their scores, those with most false firings first, silent ones last."""
    pairs = list(zip(tested.backtest.rules, tested.scores, strict=True))
    return sorted(pairs, key=lambda p: (-len(p[1].false_firings), -p[1].firings, p[0].evaluated == 0))
