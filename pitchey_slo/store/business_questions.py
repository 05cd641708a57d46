"""What the business report asks of requests and business events: SQL written once.

Functions get the table expression of a stream's rows (`LakeReader.source`) and give the SQL. A *day* is 24 hours back
from `end`, numbered from 0, so that a report made at any minute has whole days. What the dashboards ask too (funnel,
time between events, features) stands in `board_questions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from pitchey_slo.store.board_questions import pairs_between
from pitchey_slo.store.lake import sql_time
from pitchey_slo.store.questions import WEIGHT


def counts_by_day(rows: str, end: datetime, conditions: Mapping[str, str]) -> str:
    """Per day and name of a condition: `day`, `name`, `total` (weighted), `squares` (of the weights), `rows`."""
    cases = ", ".join(f"CASE WHEN {condition} THEN '{name}' END" for name, condition in conditions.items())
    return f"""
        SELECT {_day(end)} AS day, name, sum({WEIGHT}) AS total, sum({WEIGHT} * {WEIGHT}) AS squares, count(*) AS rows
        FROM (SELECT *, unnest([{cases}]) AS name FROM {rows}) WHERE name IS NOT NULL GROUP BY ALL ORDER BY ALL"""


def active_by_day(requests: str, end: datetime) -> str:
    """Who came on which day: distinct `day`, `person` (a hash of the user hash)."""
    return f"SELECT DISTINCT {_day(end)} AS day, hash(user_hash) AS person FROM {requests} WHERE user_hash IS NOT NULL"


def active_people(requests: str, end: datetime, spans: Sequence[tuple[int, int]], days: int) -> str:
    """Distinct people of spans of days (first, one after the last), then of each single day below `days`: `kind` (its
    position in `spans`, or -1), `day` and `people`. One look at the requests, however many spans."""
    kinds = " UNION ALL ".join(
        f"SELECT {i} AS kind, NULL AS day, count(DISTINCT person) AS people FROM seen WHERE day >= {a} AND day < {b}"
        for i, (a, b) in enumerate(spans)
    )
    return f"""
        WITH seen AS MATERIALIZED ({active_by_day(requests, end)})
        {kinds} UNION ALL SELECT -1, day, count(*) FROM seen WHERE day < {days} GROUP BY day ORDER BY 1, 2"""


def people(rows: str) -> str:
    """Distinct known people: `people`."""
    return f"SELECT count(DISTINCT user_hash) AS people FROM {rows}"


def money(events: str, middle: datetime, condition: str) -> str:
    """Per period (0: from `middle` on, 1: before) and currency: `period`, `currency`, `total` of values, `squares` of
    value times weight, `rows`. Weighted; a value that is no number counts nothing."""
    amount = f"CASE WHEN isfinite(value * sample_interval) THEN value * {WEIGHT} ELSE 0 END"
    return f"""
        SELECT {_period(middle)} AS period, currency, sum({amount}) AS total, sum(({amount}) ** 2) AS squares,
               count(value) AS rows
        FROM {events} WHERE {condition} GROUP BY ALL ORDER BY ALL"""


def by_event(events: str, middle: datetime, condition: str) -> str:
    """Per period and event: `period`, `name`, `total`, `squares`, `rows`."""
    return f"""
        SELECT {_period(middle)} AS period, event AS name, sum({WEIGHT}) AS total, sum({WEIGHT} * {WEIGHT}) AS squares,
               count(*) AS rows
        FROM {events} WHERE {condition} GROUP BY ALL ORDER BY ALL"""


def by_place(events: str, middle: datetime, conditions: Mapping[str, str]) -> str:
    """Per period and location: `period`, `location`, `people`, and `<name>_total`, `<name>_squares`, `<name>_rows` for
    each condition."""
    columns = ", ".join(
        f"coalesce(sum({WEIGHT}) FILTER (WHERE {condition}), 0) AS {name}_total, "
        f"coalesce(sum({WEIGHT} * {WEIGHT}) FILTER (WHERE {condition}), 0) AS {name}_squares, "
        f"count(*) FILTER (WHERE {condition}) AS {name}_rows"
        for name, condition in conditions.items()
    )
    return f"""
        SELECT {_period(middle)} AS period, location, count(DISTINCT user_hash) AS people, {columns}
        FROM {events} GROUP BY ALL ORDER BY people DESC, location"""


def waits(events: str, first: str, then: str, quantiles: Sequence[float]) -> str:
    """How long it took people from one event to the next of another kind: `pairs`, and a list `seconds` with one value
    per quantile (null without a pair)."""
    listed = ", ".join(repr(q) for q in quantiles)
    return f"""
        {pairs_between(events, first, then)}
        SELECT count(*) AS pairs, quantile_cont(seconds, [{listed}]) AS seconds FROM pairs"""


def _day(end: datetime) -> str:
    # rows are before `end`, so the difference is positive; one exactly a day before it belongs to that day
    return f"((epoch_us(TIMESTAMPTZ '{sql_time(end)}') - epoch_us(ts) - 1) // 86400000000)::INTEGER"


def _period(middle: datetime) -> str:
    return f"CASE WHEN ts >= TIMESTAMPTZ '{sql_time(middle)}' THEN 0 ELSE 1 END"
