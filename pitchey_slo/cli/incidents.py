"""`pitchey-slo incidents`: list, label and import what was really wrong, which rules are judged by."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from pitchey_slo.cli.console import Home, Json, show
from pitchey_slo.settings import Settings

app = typer.Typer(no_args_is_help=True, help="What was really wrong, as people judged it.")


@app.command("list")
def list_incidents(
    last: Annotated[str, typer.Option(help="How far back, such as 90d.")] = "90d",
    home: Home = None,
    as_json: Json = False,
) -> None:
    """The labelled incidents, oldest first."""
    from pitchey_slo.workbench import connect, step_ms

    wb = connect(settings=Settings.load(home=home))
    _, end = wb.span(None, None)
    found = wb.incidents(end - timedelta(milliseconds=step_ms(last)), max(end, datetime.now(UTC)))
    rows = [{str(k): _plain(v) for k, v in row.items()} for row in found.to_dict("records")]
    if as_json:
        import orjson

        typer.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    if not rows:
        typer.echo("no incident is labelled in that time; `pitchey-slo incidents label --help` tells how to")
        return
    from rich.table import Column, Table

    names = ("started (UTC)", "lasted", "severity", "title", "about", "id")
    table = Table(*(Column(n, overflow="fold") for n in names), box=None, pad_edge=False)
    for row in rows:
        about = row["location"] or row["routes"] or ""
        table.add_row(
            f"{row['started_at']:%Y-%m-%d %H:%M}", _lasted(row), row["severity"] or "", row["title"],
            about if len(about) < 60 else f"{about.count(',') + 1} routes", row["id"],
        )  # fmt: skip
    show(table)


@app.command()
def label(
    title: Annotated[str, typer.Argument(help="One line in plain words.")],
    start: Annotated[str, typer.Argument(help="When users began to suffer, as 2026-03-01T02:00Z.")],
    end: Annotated[str | None, typer.Option(help="When it was over; while it lasts, leave it out.")] = None,
    kind: Annotated[str, typer.Option(help="error_burst, slow_database, bad_deployment, ...")] = "other",
    severity: Annotated[str, typer.Option(help="critical, warning or info.")] = "warning",
    routes: Annotated[str | None, typer.Option(help="Routes that suffered, with commas; all when left out.")] = None,
    location: Annotated[str | None, typer.Option(help="The location that suffered; all when left out.")] = None,
    description: Annotated[str | None, typer.Option(help="What happened and what was done.")] = None,
    by: Annotated[str, typer.Option(help="Who says so; you, when left out.")] = "",
    key: Annotated[str | None, typer.Option("--id", help="An incident to correct.")] = None,
    home: Home = None,
) -> None:
    """Label a time as an incident, or correct a label by its id."""
    from pitchey_slo.workbench import connect

    wb = connect(settings=Settings.load(home=home))
    made = wb.label_incident(
        title, start, end, kind=kind, severity=severity, routes=routes, location=location, description=description,
        by=by or os.environ.get("USER") or None, id=key,
    )  # fmt: skip
    typer.echo(made)


@app.command("import")
def import_incidents(
    file: Annotated[Path, typer.Argument(help="CSV or JSON: our columns, or an export of PagerDuty.")],
    minutes: Annotated[float | None, typer.Option(help="Length of incidents whose end the file does not say.")] = None,
    source: Annotated[str | None, typer.Option(help="Where they come from; the file's name when left out.")] = None,
    home: Home = None,
) -> None:
    """Read incidents from a file. Reading it again changes nothing, or corrects what changed in it."""
    from pitchey_slo.collect.incidents_file import read_incidents
    from pitchey_slo.door import open_door

    batch = read_incidents(file, now=datetime.now(UTC), minutes=minutes, source=source)
    for refused in batch.rejected[:20]:
        typer.echo(f"row {refused.row + 1}: {refused.message}", err=True)
    if batch.rows.num_rows:
        with open_door(Settings.load(home=home)) as door:
            door.append("incidents", batch.rows)
    left = f"; {len(batch.rejected)} rows are none" if batch.rejected else ""
    typer.echo(f"{batch.rows.num_rows} incidents{left}")
    if batch.rejected and not batch.rows.num_rows:
        raise typer.Exit(1)


def _plain(value: Any) -> Any:
    """Missing is None; times are datetimes."""
    if value is None or value != value:
        return None
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else value


def _lasted(row: dict[str, Any]) -> str:
    from pitchey_slo.cli.backtest import lasting

    return "lasts" if row["ended_at"] is None else lasting((row["ended_at"] - row["started_at"]).total_seconds())
