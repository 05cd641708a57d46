"""Alert rules: do they load, are they evaluated in time, and can each of them ever see a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pitchey_slo.alert.rule_book import RuleBook
from pitchey_slo.alert.rules import Rule, RuleGroup
from pitchey_slo.alert.words import length
from pitchey_slo.doctor.model import Finding, Patient, Verdict
from pitchey_slo.errors import PitcheyError
from pitchey_slo.names import ANOMALY_SCORE, PROBE_SERIES
from pitchey_slo.promql import parse
from pitchey_slo.promql.derived_metrics import METRICS
from pitchey_slo.promql.tree import Node, Selector, children
from pitchey_slo.slo.series import FAMILIES as SLO_SERIES
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import LOGS


def look(patient: Patient) -> Iterator[Finding]:
    """Files first, then what the server says of them, then what they could see."""
    settings = patient.settings
    folder = settings.config / "rules"
    book = RuleBook(folder, settings.config / "slos")
    book.refresh()
    for name, problem in book.problems.items():
        text = f"{name} is refused: {problem.strip()}"
        yield Finding("rules", "failure", text, "mend that line; `pitchey-slo rules check` says whether it is good")
    alerts = [r for g in book.groups for r in g.rules if r.kind == "alert"]
    if not alerts and not book.problems:
        text = f"There are no rules in {folder}: nothing will ever alert."
        yield Finding("rules", "failure", text, "pitchey-slo init writes them; is PITCHEY_CONFIG the right folder?")
        return
    files = len({r.file for r in alerts})
    yield Finding("rules", "ok", f"{len(alerts)} alerting rules in {files} files and the SLOs can be read.")
    if patient.server is not None:
        yield from _evaluated(patient.ask("/api/v1/rules")["data"]["groups"], patient.clock())
    yield from _blind(book.groups, alerts, patient)


def _evaluated(groups: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[Finding]:
    rules = 0
    for group in groups:
        last = _time(group["lastEvaluation"])
        allowed = 3 * float(group["interval"]) + 60
        if last is not None and (now - last).total_seconds() > allowed:
            text = f"The group {group['name']} was evaluated last {length((now - last).total_seconds())} ago."
            cure = "the server's log says why; a restart keeps all state"
            yield Finding("rules", "failure", text, cure)
        for rule in group["rules"]:
            rules += 1
            if rule.get("lastError"):
                text = f"{rule['name']} cannot be evaluated: {rule['lastError']}"
                yield Finding("rules", "failure", text, f"pitchey-slo query '{rule['query'].strip()}'")
    verdict: Verdict = "ok" if rules else "failure"
    yield Finding("rules", verdict, f"The server evaluates {rules} rules.", "" if rules else "see its log")


def _blind(groups: Sequence[RuleGroup], alerts: Sequence[Rule], patient: Patient) -> Iterator[Finding]:
    """Rules whose every number comes from series that do not exist. One that has some of them may still fire."""
    try:
        known = known_names(patient) | {r.name for g in groups for r in g.rules if r.kind == "record"}
    except PitcheyError as error:
        yield Finding("rules", "not applicable", f"Which series exist cannot be seen: {error.message}")
        return
    absent: dict[str, list[str]] = {}
    for rule in alerts:
        names = metric_names(parse(rule.expr))
        if names and not names & known:
            absent.setdefault(", ".join(sorted(names)), []).append(rule.name)
    for names_told, rules in absent.items():
        first = names_told.split(", ")[0]
        who = PROBE_SERIES.get(first)
        comes = f" ({who})" if who else ""
        text = f"{_several(rules)} can never fire now: {names_told} does not exist here{comes}."
        yield Finding("rules", "warning", text, _cure(first))
    if not absent:
        yield Finding("rules", "ok", "Every rule asks for a series that exists.")


def _cure(name: str) -> str:
    if name == ANOMALY_SCORE:
        return "the server scores series once it runs and config/anomalies.yml names some"
    if name.startswith("pitchey_synthetic"):
        return "add tests to config/synthetics and run `pitchey-slo serve` or `pitchey-slo synthetic run`"
    if name.startswith(("pitchey_db", "pitchey_cache", "pitchey_health", "pitchey_worker", "pitchey_storage")):
        return "take the # away before the component in config/health.yml and put its address into .env"
    return 'who should send it? `pitchey-slo sql "SELECT DISTINCT name FROM series ORDER BY 1"` lists what there is'


def known_names(patient: Patient) -> set[str]:
    """Metrics that have series: stored ones, those of events when there are events, those of SLOs when there are
    requests."""
    settings = patient.settings
    if not settings.lake_uri.startswith("s3://") and not Path(settings.lake_uri).is_dir():
        return set()
    reader = LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit)
    found = set(reader.query("SELECT DISTINCT name FROM series")["name"].to_pylist())
    if reader.rows("requests") or reader.rows("business_events"):
        found |= {name for name, metric in METRICS.items() if metric.table != LOGS.name} | set(SLO_SERIES)
    if reader.rows(LOGS.name):
        found |= {name for name, metric in METRICS.items() if metric.table == LOGS.name}
    return found


def metric_names(node: Node) -> set[str]:
    """The metrics an expression names literally."""
    found = set()
    if isinstance(node, Selector):
        for matchers in node.alternatives:
            found |= {m.value for m in matchers if m.name == "__name__" and m.op == "="}
    for child in children(node):
        found |= metric_names(child)
    return found


def _several(names: Sequence[str]) -> str:
    unique = sorted(set(names))
    return ", ".join(unique[:6]) + (f" and {len(unique) - 6} more" if len(unique) > 6 else "")


def _time(text: str) -> datetime | None:
    found = datetime.fromisoformat(text)
    return found if found.year > 1 else None
