"""`pitchey-slo query`: one PromQL expression on the live data, as a table with small curves, or as JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitchey_slo.errors import QueryError

if TYPE_CHECKING:
    from pitchey_slo.promql import Result

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 40


def query(
    expr: Annotated[str, typer.Argument(help="the expression; - reads it from standard input")],
    start: Annotated[str | None, typer.Option(help="first step, as 2026-03-01T12:00; without it one moment")] = None,
    end: Annotated[str | None, typer.Option(help="last step; the minute after the newest data when not given")] = None,
    step: Annotated[str | None, typer.Option(help="15s, 5m, 1h or seconds; about 250 steps when not given")] = None,
    at: Annotated[str | None, typer.Option(help="the moment, when there is no start")] = None,
    home: Annotated[Path | None, typer.Option(help="folder of the store (PITCHEY_HOME)")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per series")] = False,
    rows: Annotated[int, typer.Option(help="series shown as a table, at most; --json gives all")] = 50,
) -> None:
    """Ask PromQL over stored samples and the series that events become."""
    from pitchey_slo.workbench import connect

    if at and (start or end):
        raise QueryError("--at is one moment; --start and --end are a range")
    if step and not start:
        raise QueryError("--step needs --start")
    text = sys.stdin.read() if expr == "-" else expr
    result = connect(home).promql_result(text, start, at or end, step)
    if as_json:
        _write(result)
    else:
        _show(result, rows)
    for note in (*result.warnings, *result.infos):
        print(note, file=sys.stderr)  # noqa: T201  # beside the answer, not in it


def _write(result: Result) -> None:
    import orjson

    def line(told: dict[str, Any]) -> None:
        sys.stdout.buffer.write(orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE))

    if result.text is not None:
        line({"text": result.text})
    for labels, times, values in result.series():
        numbers = [value if math.isfinite(value) else readable(value) for value in values.tolist()]
        line({"labels": labels, "points": list(zip(times.tolist(), numbers, strict=True))})


def _show(result: Result, most: int) -> None:
    from datetime import UTC, datetime

    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from pitchey_slo.promql.labels import show

    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width
        console = Console(highlight=False, width=200)
    if result.text is not None:
        console.print(Text(result.text))
        return
    if not len(result):
        console.print("no data")
        return
    one = len(result.times) == 1
    grid = Table(Column("series", overflow="fold"), *(("value",) if one else ("", "last", "min", "max")))
    for column in grid.columns[1 if one else 2 :]:
        column.justify = "right"
    for labels, values, present in list(zip(result.labels, result.values, result.present, strict=True))[:most]:
        found = values[present].tolist()
        name = Text(show(labels) if labels else "(no labels)")
        told = [readable(found[-1])]
        if not one:
            steps = [value if there else None for value, there in zip(values.tolist(), present, strict=True)]
            told = [curve(steps), *told, readable(min(found)), readable(max(found))]
        grid.add_row(name, *told)
    console.print(grid)
    first, last = (datetime.fromtimestamp(int(ms) / 1000, UTC) for ms in (result.times[0], result.times[-1]))
    span = f"at {first:%Y-%m-%d %H:%M:%S}" if one else f"{first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}"
    more = f" (first {most:,} shown; --rows or --json give more)" if len(result) > most else ""
    console.print(f"{len(result):,} series, {span} UTC{more}")


def readable(value: float) -> str:
    """A number for people, with five digits.

    >>> readable(1234567.0), readable(0.000123456), readable(3.0)
    ('1,234,567', '0.00012346', '3')
    """
    if not math.isfinite(value):
        return {"nan": "NaN", "inf": "+Inf"}.get(str(value), "-Inf")
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10_000 else f"{value:.5g}"


def curve(values: Sequence[float | None], width: int = WIDTH) -> str:
    """A row of small bars from the smallest to the largest value; a blank where nothing is.

    Each bar is the mean of its share of the steps.

    >>> curve([0, 1, None, 7])
    '▁▂ █'
    """
    count = min(width, len(values))
    bars = []
    for i in range(count):
        part = values[i * len(values) // count : (i + 1) * len(values) // count]
        numbers = [v for v in part if v is not None and math.isfinite(v)]
        bars.append(sum(numbers) / len(numbers) if numbers else None)
    known = [bar for bar in bars if bar is not None]
    if not known:
        return " " * count
    low, high = min(known), max(known)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if bar is None else BARS[round((bar - low) * scale)] for bar in bars)
