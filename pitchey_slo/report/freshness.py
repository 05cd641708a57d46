"""How old the data is that a report is about to read, judged before its kernel starts, and said on its first page.

A notebook says which tables it needs and how old their newest row may be, in its metadata:

    "pitchey": {"needs": {"requests": "2h", "probes": "1h"}}

Without that it is `requests`, two hours. The verdict is the worst of its tables: *fresh*; *stale* when a newest row is
older than allowed; *partial* when something is missing although the newest row is young: minutes without any row where
rows usually come, a source that stopped while others go on, rows that have not reached the lake; *unknown* when a table
has no row at all or could not be read. A report about a time that is over is judged at the end it was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

from pitchey_slo.errors import PitcheyError, ReportError, did_you_mean
from pitchey_slo.report.words import ago, said
from pitchey_slo.tables import REGISTERS, STORED, STREAMS

if TYPE_CHECKING:
    from pitchey_slo.report.catalogue import Notebook
    from pitchey_slo.store import LakeReader

Verdict = Literal["fresh", "stale", "partial", "unknown"]
#: Worst last.
ORDER: Final[tuple[Verdict, ...]] = ("fresh", "partial", "stale", "unknown")
DEFAULT: Final = {"requests": 7_200.0}
#: How far back holes are looked for, and how long a hole must be at least to be told.
LOOK: Final = timedelta(days=1)
HOLE: Final = timedelta(minutes=10)
#: A hole, or a source's silence, is told when it is so many times the usual pause; fewer rows have no rhythm to miss.
PAUSES: Final = 30
LEAST_ROWS: Final = 50
_SHOWN: Final = 3


@dataclass(frozen=True)
class Age:
    """One table: its newest row, how old that was, how old it may be (seconds), and what is wrong with it."""

    table: str
    newest: datetime | None
    seconds: float | None
    limit: float
    verdict: Verdict
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Freshness:
    """The verdict on all tables; `at` is the time it was judged for, `problems` what is wrong, as sentences."""

    verdict: Verdict
    at: datetime
    ages: tuple[Age, ...] = ()
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe, as the record of a run keeps it."""
        ages = [
            {"table": a.table, "newest": _iso(a.newest), "age_seconds": a.seconds, "limit_seconds": a.limit,
             "verdict": a.verdict}
            for a in self.ages
        ]  # fmt: skip
        return {"verdict": self.verdict, "at": _iso(self.at), "problems": list(self.problems), "tables": ages}


def needs(notebook: Notebook, given: Mapping[str, float] | None = None) -> dict[str, float]:
    """Table -> seconds its newest row may be old; `given` (of a schedule) wins over what the notebook says.

    Raises ReportError for a table that is none, or an age that is none."""
    metadata = json.loads(notebook.text).get("metadata", {}).get("pitchey", {})
    said_ = metadata.get("needs") if isinstance(metadata, dict) else None
    if said_ is not None and not isinstance(said_, dict):
        raise ReportError(f"{notebook.path}: metadata.pitchey.needs is no map of tables to ages")
    found = {str(table): _limit(notebook, str(table), age) for table, age in (said_ or DEFAULT).items()}
    return {**found, **(given or {})}


def judge(
    reader: LakeReader,
    wanted: Mapping[str, float],
    now: datetime,
    *,
    end: datetime | None = None,
    late: str | None = None,
) -> Freshness:
    """What the lake holds of the wanted tables, at `now`, or at `end` when the report is about a time that is over.

    `late` says why the lake may lack what the store has.
    """
    at = min(now, end) if end is not None else now
    ages = tuple(_age(reader, table, limit, at) for table, limit in wanted.items())
    problems = [p for a in ages for p in a.problems]
    verdicts = [a.verdict for a in ages]
    if late is not None:
        problems.append(f"The lake may lack the newest rows: {late}")
        verdicts.append("partial")
    return Freshness(worst(verdicts), at, ages, tuple(problems))


def unread(wanted: Mapping[str, float], now: datetime, why: str) -> Freshness:
    """The verdict when there is no lake that can be read."""
    ages = tuple(Age(table, None, None, limit, "unknown") for table, limit in wanted.items())
    return Freshness("unknown", now, ages, (f"How old the data is cannot be said: {why}",))


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """
    >>> worst(["fresh", "stale", "partial"])
    'stale'
    """
    return max(verdicts, key=ORDER.index, default="unknown")


def sentences(freshness: Mapping[str, Any]) -> list[str]:
    """What a reader is told of `Freshness.as_dict`: the verdict first, then what is wrong."""
    verdict = freshness.get("verdict", "unknown")
    if verdict != "fresh":
        first = {
            "stale": "The data of this report is old.",
            "partial": "The data of this report is incomplete.",
            "unknown": "Nobody knows how complete the data of this report is.",
        }[verdict]
        return [first, *freshness.get("problems", ())]
    tables = freshness.get("tables", ())
    told = ", ".join(f"{t['table']} {ago(t['age_seconds'])}" for t in tables)
    return [f"The data was fresh when this report began: newest row of {told} old."]


def _age(reader: LakeReader, table: str, limit: float, at: datetime) -> Age:
    try:
        newest = reader.watermark(table)
        holes = _holes(reader, table, at) if newest is not None and table in STREAMS else []
    except PitcheyError as error:
        problem = f"{table} could not be read: {error.message.splitlines()[0]}"
        return Age(table, None, None, limit, "unknown", (problem,))
    if newest is None:
        return Age(table, None, None, limit, "unknown", (f"{table} holds no row.",))
    seconds = max((at - newest).total_seconds(), 0.0)
    if table not in REGISTERS and seconds > limit:
        text = f"The newest row of {table} is of {said(newest)}, {ago(seconds)} old; this report allows {ago(limit)}."
        return Age(table, newest, seconds, limit, "stale", (text, *holes))
    return Age(table, newest, seconds, limit, "partial" if holes else "fresh", tuple(holes))


def _holes(reader: LakeReader, table: str, at: datetime) -> list[str]:
    """Times without rows, and sources that stopped, within the last day of data."""
    column, start = STORED[table].time, at - LOOK
    source = reader.source(table, start, at)
    found = reader.query(
        f"""
        WITH minutes AS (SELECT date_trunc('minute', {column}) AS m, count(*) AS n FROM {source} GROUP BY ALL),
        steps AS (SELECT m, lead(m) OVER (ORDER BY m) AS next, sum(n) OVER () AS n FROM minutes)
        SELECT epoch_us(m) + 60000000 AS first, epoch_us(next) AS last, n::DOUBLE AS n,
               (epoch_us(max(m) OVER ()) - epoch_us(min(m) OVER ())) / 1e6 AS span
        FROM steps
        """
    ).to_pylist()
    return _gaps(table, found) + _silent(reader, table, column, source, at)


def _gaps(table: str, steps: Sequence[Mapping[str, Any]]) -> list[str]:
    if not steps or steps[0]["n"] < LEAST_ROWS or not steps[0]["span"]:
        return []
    least = max(HOLE.total_seconds(), PAUSES * steps[0]["span"] / steps[0]["n"])
    gaps = [(s["first"], s["last"]) for s in steps if s["last"] and (s["last"] - s["first"]) / 1e6 >= least]
    if not gaps:
        return []
    total = sum(last - first for first, last in gaps) / 1e6
    times = [f"{said(_time(first))} to {said(_time(last))}" for first, last in sorted(gaps)[:_SHOWN]]
    more = f" and {len(gaps) - _SHOWN} more" if len(gaps) > _SHOWN else ""
    return [f"{table} has no row from {', '.join(times)}{more}: {ago(total)} in all."]


def _silent(reader: LakeReader, table: str, column: str, source: str, at: datetime) -> list[str]:
    """Sources with a rhythm that say nothing any more although another does."""
    if "source" not in STORED[table].names:
        return []
    found = reader.query(
        f"SELECT source, count(*) AS n, epoch_us(min({column})) AS first, epoch_us(max({column})) AS last "
        f"FROM {source} WHERE source IS NOT NULL GROUP BY ALL HAVING n >= {LEAST_ROWS} ORDER BY last LIMIT 100"
    ).to_pylist()
    newest = max((f["last"] for f in found), default=0)
    told = []
    for each in found:
        pause = (each["last"] - each["first"]) / (each["n"] - 1)
        silence = newest - each["last"]
        if silence > max(HOLE.total_seconds() * 1e6, PAUSES * pause):
            when = _time(each["last"])
            told.append(f"{table} of {each['source']} stopped at {said(when)}, {ago((at - when).total_seconds())} ago.")
    return told[:_SHOWN]


def _limit(notebook: Notebook, table: str, age: object) -> float:
    if table not in STORED:
        hint = did_you_mean(table, STORED) or f"tables: {', '.join(STORED)}"
        raise ReportError(f"{notebook.path}: metadata.pitchey.needs: no table {table!r}; {hint}")
    return seconds_of(str(age), f"{notebook.path}: metadata.pitchey.needs.{table}")


def seconds_of(text: str, where: str) -> float:
    """A duration such as 2h, in seconds. Raises ReportError."""
    from pitchey_slo.workbench.moments import step_ms

    try:
        return step_ms(text) / 1000
    except PitcheyError:
        raise ReportError(f"{where}: {text!r} is no duration; write it as 30m, 2h or 7d") from None


def _time(microseconds: int) -> datetime:
    from datetime import UTC

    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _iso(when: datetime | None) -> str | None:
    from pitchey_slo.report.facts import iso

    return iso(when)
