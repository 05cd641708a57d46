"""`pitchey-slo sql`: one SELECT on the live data, as a table, CSV or JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from pitchey_slo.errors import QueryError


def sql(
    text: Annotated[str, typer.Argument(help="the query; - reads it from standard input")],
    home: Annotated[Path | None, typer.Option(help="folder of the store")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per row")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV with a header")] = False,
    rows: Annotated[int, typer.Option(help="rows shown as a table, at most; --json and --csv give all")] = 100,
) -> None:
    """Run SQL over requests, business_events, incidents, deployments and report_runs, while the server writes."""
    from pitchey_slo.workbench import connect

    query = sys.stdin.read() if text == "-" else text
    table = connect(home).reader.query(query)
    if as_json and as_csv:
        raise QueryError("--json and --csv exclude each other")
    if as_csv:
        import pyarrow.csv

        pyarrow.csv.write_csv(table, sys.stdout.buffer)
    elif as_json:
        import orjson

        for batch in table.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE, default=str))
    else:
        _show(table, rows)


def _show(table: "pyarrow.Table", rows: int) -> None:  # type: ignore[name-defined]  # noqa: F821, UP037  # imported when used
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table(*(escape(name) for name in table.column_names), caption=None)
    for row in table.slice(0, rows).to_pylist():
        shown.add_row(*("" if value is None else escape(str(value)) for value in row.values()))
    console = Console()
    console.print(shown)
    more = f" (first {rows:,} shown; --rows, --csv or --json give more)" if table.num_rows > rows else ""
    console.print(f"{table.num_rows:,} rows{more}")
