"""The first paragraphs of the SLO report, the numbers as a person would say them, and the key numbers as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pitchey_slo.plots.theme import count, percent
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.words import ago, hours, milliseconds, moment, said

if TYPE_CHECKING:
    from pitchey_slo.report.review import Review
    from pitchey_slo.slo import SloReport

_ORDER = {"exhausted": 0, "at_risk": 1}


def promises(found: Review) -> list[str]:
    """Which objectives kept their error budget, and the worst of those that did not or may not."""
    return [_verdict(found), *_worst(found), _tightest(found)]


def circumstances(found: Review) -> list[str]:
    """Traffic, speed, what happened, and how old the data is."""
    return [_traffic(found), speed(found), _happened(found), _age(found)]


def facts(found: Review) -> list[Fact]:
    """What is compared from report to report: kept budgets, what is left of each, traffic, errors, speed, incidents."""
    known = [r for r in found.primary if r.budget_left is not None]
    kept = sum(r.state != "exhausted" for r in known)
    requests, errors = float(found.volume["requests"].sum()), float(found.volume["errors"].sum())
    p95 = found.overall["p95"].iloc[0] if len(found.overall) else None
    return [
        Fact("budgets_kept", "objectives that kept their budget", kept if known else None, better="up"),
        *(_left(r) for r in found.primary),
        Fact("requests", "requests", requests),
        Fact("error_ratio", "server errors", errors / requests if requests else None, "ratio", "down", 2),
        Fact("p95", f"p95 of the {whose(found)}", None if pd.isna(p95) else float(p95), "ms", "down"),
        Fact("incidents", "labelled incidents", len(found.incidents), better="down"),
    ]


def _left(report: SloReport) -> Fact:
    name = f"budget_left:{report.slo}:{report.objective}"
    label = f"budget left, {report.display_name or report.slo} ({report.objective})"
    return Fact(name, label, report.budget_left, "ratio", "up", 0)


def _verdict(found: Review) -> str:
    """How many kept their budget."""
    known = [r for r in found.primary if r.state != "no_data"]
    if not known:
        return "None of the objectives has data in its window: nothing can be said about them, good or bad."
    kept = sum(r.state != "exhausted" for r in known)
    match len(known):
        case 1:
            verdict = f"the one objective with data {'kept' if kept else 'overspent'} its error budget."
        case all_ if all_ == kept:
            verdict = f"all {all_} objectives with data kept their error budget."
        case all_:
            verdict = f"{kept} of {all_} objectives with data kept their error budget."
    silent = len(found.primary) - len(known)
    return f"Up to {said(found.end)}, {verdict}" + (f" {silent} had no data." if silent else "")


def _worst(found: Review, most: int = 3) -> list[str]:
    """The ones to talk about, worst first."""
    bad = [r for r in found.primary if r.state in ("exhausted", "at_risk")]
    bad.sort(key=lambda r: (_ORDER[r.state], r.budget_left if r.budget_left is not None else 0.0))
    more = len(bad) - most
    sentences = [r.sentence() for r in bad[:most]]
    return (
        [*sentences, f"{more} more need a look." if more > 1 else "One more needs a look."] if more > 0 else sentences
    )


def _tightest(found: Review, most: int = 2) -> str:
    """Where least is left among those that are well."""
    well = [r for r in found.primary if r.state == "healthy" and r.budget_left is not None][:most]
    named = " and ".join(f"{r.display_name or r.slo} ({percent(r.budget_left, 0)})" for r in well)
    states = {r.state for r in found.primary}
    if not named or "at_risk" in states:
        return ""
    return f"Of the others, least is left of {named}." if "exhausted" in states else f"Least is left of {named}."


def _traffic(found: Review) -> str:
    requests, errors = found.volume["requests"].sum(), found.volume["errors"].sum()
    if not requests:
        return "No request was recorded."
    first_seen = max(found.start, moment(found.volume["time"].min()) or found.start)
    share = percent(errors / requests, 2)
    first = f"{count(requests)} requests were served since {said(first_seen)}, {share} of them with a server error."
    worst = found.routes[found.routes["errors"] > 0].head(1)
    for row in worst.to_dict("records"):
        who = f"{row['method']} {row['route']}"
        first += f" Of the {whose(found)}, {who} failed most often, {count(row['errors'])} times."
    return first


def speed(found: Review) -> str:
    row = found.overall.iloc[0] if len(found.overall) else None
    if row is None or pd.isna(row["p50"]):
        return "No duration was measured, so nothing can be said about speed."
    middle, slow, slowest = (milliseconds(row[name]) for name in ("p50", "p95", "p99"))
    return f"Half of the {whose(found)} took up to {middle}, 95 % up to {slow}, 99 % up to {slowest}."


def whose(found: Review) -> str:
    """What the requests that are split up by route and speed are called."""
    return found.context.noun if found.context else "requests"


def _happened(found: Review) -> str:
    incidents, deployments = len(found.incidents), len(found.deployments)
    wrong = "No incident was labelled"
    if incidents:
        total = sum(hours(row, found.end) for row in found.incidents.to_dict("records"))
        wrong = f"{_many(incidents, 'incident was', 'incidents were')} labelled, {total:.1f} hours in all"
    return f"{wrong}; {_many(deployments, 'deployment', 'deployments')} went live."


def _age(found: Review) -> str:
    read = next(r for r in found.about.reads if r.table == "requests")
    return f"The newest request was {ago(read.age_seconds)} old when this was written." if read.newest else ""


def _many(number: int, one: str, more: str) -> str:
    return f"{number or 'no'} {one if number == 1 else more}"
