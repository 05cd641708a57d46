"""Findings in plain words, for people: rounded, with thousands separators, and never surer than the numbers."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from pitchey_slo.slo.findings import Coverage, Exhaustion, SloReport
from pitchey_slo.slo.notes import number

__all__ = ["coverage_sentence", "exhaustion_sentence", "moment", "number", "percent", "sentence", "span_words"]

_UNITS = {"m": "minute", "h": "hour", "d": "day", "w": "week", "M": "month", "Q": "quarter", "Y": "year"}


def percent(fraction: float, digits: int = 1) -> str:
    """`99.93 %`; enough digits that 99.996 % does not read as 100 %, and a little is not nothing.

    >>> percent(0.99996), percent(1.0), percent(0.25), percent(0.00004)
    ('99.996 %', '100 %', '25 %', '0.004 %')
    """
    for more in range(digits, digits + 6):
        text = f"{fraction * 100:,.{more}f}"
        if fraction in (0.0, 1.0) or float(text.replace(",", "")) not in (0.0, 100.0):
            break
    return (text.rstrip("0").rstrip(".") if "." in text else text) + " %"


def moment(time: datetime) -> str:
    """`2026-03-01 16:40 UTC`."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def span_words(report: SloReport) -> str:
    """`the last 28 days`, `the month that began 2026-03-01 00:00 UTC`."""
    length, _, zone = report.window.partition(" ")
    count, name = length[:-1], _UNITS[length[-1]]
    if not zone:
        return f"the last {name}" if count == "1" else f"the last {count} {name}s"
    what = f"the {name}" if count == "1" else f"the {count} {name}s"
    began, ended = moment(report.start), moment(report.window_end)
    return f"{what} that began {began}" if report.end < report.window_end else f"{what} from {began} to {ended}"


def sentence(report: SloReport) -> str:
    """What happened, what it did to the budget, and what comes, in two or three sentences."""
    if report.sli is None:
        why = f" ({number(report.unmeasured)} could not be measured)" if report.unmeasured else ""
        return f"{report.display_name}: no data in {span_words(report)}{why}."
    parts = [f"{report.display_name}: {_happened(report)}; {_spent(report)}.", report.exhaustion.sentence]
    parts += [note.text for note in report.notes]
    if report.coverage.data_starts_late:
        parts.append(report.coverage.sentence)
    return " ".join(p for p in parts if p)


def _happened(report: SloReport) -> str:
    if report.components and report.method != "Timeslices":
        each = ", ".join(f"{c.objective} {percent(c.spending)}" for c in report.components if c.spending is not None)
        return f"in {span_words(report)} its parts spent of the error budget of the whole: {each}"
    if report.slices is None:
        failed = f"{number(report.bad)} of {number(report.valid)} {report.noun} {report.verb} in {span_words(report)}"
    else:
        each = f"slices of {report.slices.minutes} min"
        quiet = f", {number(report.slices.no_data)} had no data" if report.slices.no_data else ""
        failed = f"{number(report.bad)} of {number(report.valid)} {each} were bad in {span_words(report)}{quiet}"
    return f"{failed} ({percent(report.sli or 0.0, 2)} good, target {percent(report.target, 2)})"


def _spent(report: SloReport) -> str:
    if report.spent is None:
        return "there is no budget to judge by"
    if report.full_window is None:
        return f"{percent(report.spent)} of the error budget is spent"
    full = report.full_window.spent
    band = percent(full.mid) if full.low == full.high else f"{percent(full.low)} to {percent(full.high)}"
    so_far = f"{percent(report.spent)} of the budget so far"
    return (
        f"{so_far}, {band} of the whole window's budget, is spent"
        if report.end < report.window_end
        else (f"{percent(report.spent)} of the error budget is spent")
    )


def exhaustion_sentence(found: Exhaustion) -> Exhaustion:
    """`found` with its sentence."""
    until = moment(found.until)
    match found.state:
        case "no_data":
            text = ""
        case "exhausted":
            text = f"The budget of this window was used up at {moment(found.since)}." if found.since else ""
        case "not_in_window":
            text = f"At the recent burn rates it lasts beyond {until}."
        case "projected":
            first = moment(found.earliest) if found.earliest else ""
            last = f"and {moment(found.latest)}" if found.latest else f"and not before {until}"
            text = f"At the recent burn rates it ends between {first} {last}."
    return dataclasses.replace(found, sentence=text)


def coverage_sentence(found: Coverage, start: datetime, first_row: datetime | None) -> Coverage:
    """`found` with its sentence."""
    if first_row is None:
        text = "There are no rows in this window."
    elif found.data_starts_late:
        text = f"The window begins {moment(start)}, but the data begin {moment(first_row)}."
    else:
        text = f"{percent(found.share)} of the minutes have data."
    return dataclasses.replace(found, sentence=text)
