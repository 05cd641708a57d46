"""The patterns of a window of time, against a time before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pitchey_slo.analyse.logs.change import Change, Count, chance, expected, judged
from pitchey_slo.analyse.logs.mine import merged
from pitchey_slo.errors import QueryError
from pitchey_slo.logs.fingerprint import ANY, templates
from pitchey_slo.store.log_questions import at_least, sayings, weighed
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import LOGS, REQUESTS

if TYPE_CHECKING:
    import pandas as pd

#: The time before, when none is given: as long as the window, but at least this.
BEFORE: Final = timedelta(days=7)
#: Requests that must be in both times for lines to be counted per request.
ENOUGH: Final = 1_000.0


@dataclass(frozen=True)
class Pattern:
    """One thing that was said.

    text         what all its lines share, `<*>` for what differs
    count        lines in the window, weighted; `share` of all lines there
    before       lines in the time before; `expected` in the window at the rate of before, None without a time before
    ratio        count / expected; None when nothing was expected
    p            chance of so unlikely a count if nothing changed, times the patterns tested; None without a before
    change       new, more, less, gone, same; unknown without a time before
    first_seen   the first in both times;  last_seen: the last
    """

    text: str
    level: str
    services: tuple[str, ...]
    logger: str | None
    error_type: str | None
    count: float
    share: float
    before: float
    expected: float | None
    p: float | None
    change: Change
    first_seen: datetime
    last_seen: datetime
    example: str
    fingerprints: tuple[str, ...]

    @property
    def ratio(self) -> float | None:
        return self.count / self.expected if self.expected else None


@dataclass(frozen=True)
class Patterns:
    """What was said in start <= ts < end, most said first, against baseline_start <= ts < start.

    per         what counts are compared by: "request", "second", or "" when there is nothing to compare with
    total       weighted lines in the window;  `before`: in the time before
    unnamed     rows without a fingerprint of their own;  `read`: of those, how many were looked at
    left_out    weighted lines of the rarest sayings that were not looked at
    """

    start: datetime
    end: datetime
    baseline_start: datetime
    per: str
    total: float
    before: float
    patterns: tuple[Pattern, ...]
    unnamed: int
    read: int
    left_out: float

    def __len__(self) -> int:
        return len(self.patterns)

    def of(self, *changes: Change) -> tuple[Pattern, ...]:
        """The patterns with one of these changes."""
        return tuple(pattern for pattern in self.patterns if pattern.change in changes)

    def frame(self) -> pd.DataFrame:
        """One row per pattern, with the fields of `Pattern`."""
        import pandas as pd

        names = ("text", "count", "share", "change", "before", "expected", "ratio", "p", "level", "services", "logger",
                 "error_type", "first_seen", "last_seen", "example", "fingerprints")  # fmt: skip
        rows = [{name: getattr(pattern, name) for name in names} for pattern in self.patterns]
        return pd.DataFrame(rows, columns=list(names)).rename(columns={"text": "pattern"})


def log_patterns(
    reader: LakeReader,
    start: datetime,
    end: datetime,
    *,
    baseline: datetime | None = None,
    level: str = "",
    where: str | None = None,
    most: int = 20_000,
    sample: int = 200_000,
) -> Patterns:
    """The patterns of start <= ts < end, lines of `level` and worse with the condition `where`, against `baseline` <=
    ts < start (None: as long as the window, a week at least; cut where the logs begin). Raises QueryError."""
    if where:
        reader.check_filter(LOGS.name, where)
    chosen = f"{at_least(level)} AND ({where or 'true'})"
    if baseline is not None and baseline > start:
        raise QueryError(f"baseline {baseline} is after the start {start}")
    oldest = reader.earliest(LOGS.name)
    since = baseline or start - max(BEFORE, end - start)
    since = min(start, max(since, oldest)) if oldest is not None else start
    found = sayings(reader, since, start, end, where=chosen, most=most, sample=sample)
    exposure, exposure_before, per = _exposure(reader, since, start, end)
    grouped = _grouped(found.rows.to_pylist(), _texts(found.rows))
    total = sum(r["lines"] for r in found.rows.to_pylist() if r["now"])
    made = [_pattern(text, rows, total, exposure, exposure_before, len(grouped)) for text, rows in grouped.items()]
    return Patterns(
        start=start,
        end=end,
        baseline_start=since,
        per=per,
        total=total,
        before=sum(r["lines"] for r in found.rows.to_pylist() if not r["now"]),
        patterns=tuple(sorted(made, key=lambda p: (-p.count, -p.before, p.text))),
        unnamed=found.unnamed,
        read=found.read,
        left_out=found.left_out,
    )


_Row = Mapping[str, Any]
_Key = tuple[str, str | None, str | None]


def _exposure(reader: LakeReader, since: datetime, start: datetime, end: datetime) -> tuple[float, float, str]:
    """What counts of both times are measured by. A time before that has no lines at all tells nothing."""
    if since >= start or not weighed(reader, LOGS.name, since, start):
        return 0.0, 0.0, ""
    requests = [weighed(reader, REQUESTS.name, *span) for span in ((start, end), (since, start))]
    if min(requests) >= ENOUGH:
        return requests[0], requests[1], "request"
    return (end - start).total_seconds(), (start - since).total_seconds(), "second"


def _texts(rows: Any) -> list[str]:
    """The pattern of each row."""
    newest, oldest = (templates(rows[name].combine_chunks()).to_pylist() for name in ("example", "oldest"))
    plain = _agreed(rows["fingerprint"].to_pylist(), newest, oldest)
    loggers, errors = rows["logger"].to_pylist(), rows["error_type"].to_pylist()
    weights: dict[tuple[str | None, str | None], dict[str, float]] = {}
    for text, logger, error, lines in zip(plain, loggers, errors, rows["lines"].to_pylist(), strict=True):
        each = weights.setdefault((logger, error), {})
        each[text] = each.get(text, 0.0) + lines
    patterns = {key: merged(each) for key, each in weights.items()}
    return [patterns[logger, error][text] for text, logger, error in zip(plain, loggers, errors, strict=True)]


def _agreed(fingerprints: list[str], newest: list[str], oldest: list[str]) -> list[str]:
    """The template of each fingerprint: what its newest and oldest lines share word by word. (A sender may give one
    fingerprint to lines whose words differ.)"""
    texts: dict[str, list[str]] = {}
    for name, *pair in zip(fingerprints, newest, oldest, strict=True):
        for text in pair:
            words = text.split(" ")
            known = texts.setdefault(name, words)
            if len(known) == len(words):
                texts[name] = [a if a == b else ANY for a, b in zip(known, words, strict=True)]
    return [" ".join(texts[name]) for name in fingerprints]


def _grouped(rows: list[dict[str, Any]], texts: list[str]) -> dict[_Key, list[_Row]]:
    """Rows by pattern. A fingerprint is never torn apart: it goes where its heaviest row goes."""
    home: dict[str, _Key] = {}
    for row, text in zip(rows, texts, strict=True):  # heaviest first
        home.setdefault(row["fingerprint"], (text, row["logger"], row["error_type"]))
    found: dict[_Key, list[_Row]] = {}
    for row in rows:
        found.setdefault(home[row["fingerprint"]], []).append(row)
    return found


def _pattern(
    key: _Key, rows: list[_Row], total: float, exposure: float, exposure_before: float, tested: int
) -> Pattern:
    text, logger, error_type = key
    now, before = (
        sum((Count(r["lines"], r["squares"]) for r in rows if r["now"] is side), Count()) for side in (True, False)
    )
    usual = expected(before, exposure, exposure_before)
    p = chance(now, before, exposure, exposure_before, tested)
    newest = max(rows, key=lambda r: (r["last"], r["example"]))
    return Pattern(
        text=text,
        level=rows[0]["level"],
        services=tuple(sorted({service for r in rows for service in r["services"] if service})),
        logger=logger,
        error_type=error_type,
        count=now.lines,
        share=now.lines / total if total else 0.0,
        before=before.lines,
        expected=usual,
        p=p,
        change=judged(now, before, usual, p),
        first_seen=min(r["first"] for r in rows),
        last_seen=newest["last"],
        example=newest["example"],
        fingerprints=tuple(sorted({r["fingerprint"] for r in rows})),
    )
