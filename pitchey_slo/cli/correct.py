"""`pitchey-slo slo correct`, `slo corrections` and `slo withdraw`: time that does not count against budgets."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitchey_slo.errors import SloError

if TYPE_CHECKING:
    from rich.table import Table

Home = Annotated[Path | None, typer.Option(help="Folder of the store (default: PITCHEY_HOME, else ./data).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def correct(
    names: Annotated[list[str] | None, typer.Argument(metavar="[SLO]...", help="Whose budget; or --all.")] = None,
    start: Annotated[
        str, typer.Option(help="As 2026-03-01T02:00; without a zone of its own on the clock of --zone.")
    ] = "",
    category: Annotated[
        str, typer.Option(help="scheduled_maintenance, outside_business_hours, deployment or other.")
    ] = "",
    reason: Annotated[str, typer.Option(help="Why, in plain words.")] = "",
    approver: Annotated[str, typer.Option(help="Who agreed.")] = "",
    end: Annotated[str | None, typer.Option(help="End of the first or only time; or --minutes.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Length of each time; or --end.")] = None,
    rrule: Annotated[str | None, typer.Option(help="Comes again, such as FREQ=WEEKLY;BYDAY=SU.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone whose wall clock counts, such as Europe/London.")] = "UTC",
    everything: Annotated[bool, typer.Option("--all", help="For all SLOs.")] = False,
    key: Annotated[str | None, typer.Option("--id", help="A name of your own; it may then be sent again.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Take time out of the error budget, with a reason and somebody who agreed: once, or again by a rule."""
    if bool(names) == everything:
        raise SloError("name the SLOs whose budget it is, or say --all; `pitchey-slo slo list` shows them")
    from pitchey_slo.workbench import connect

    wb = connect(home)
    made = wb.correct(
        names or None,
        start,
        end,
        minutes=minutes,
        category=category,
        reason=reason,
        approver=approver,
        rrule=rrule,
        zone=zone,
        id=key,
        source="cli",
    )
    told = next(row for row in wb.corrections_told() if row["id"] == made)
    if as_json:
        _json(told)
        return
    typer.echo(made)
    typer.echo(f"{_whose(told)}: {_when(told)}; withdraw it with `pitchey-slo slo withdraw {made}`", err=True)


def corrections(
    everything: Annotated[bool, typer.Option("--all", help="Withdrawn ones too.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show the corrections in the store; those that stand in a spec are shown by `slo report`."""
    from pitchey_slo.workbench import connect

    found = [row for row in connect(home).corrections_told() if everything or row["state"] != "withdrawn"]
    if as_json:
        _json(found)
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width
        console = Console(highlight=False, width=160)
    console.print(_table(found) if found else "no corrections; `pitchey-slo slo correct --help` tells how to write one")


def withdraw(
    correction: Annotated[str, typer.Argument(metavar="ID", help="As `slo corrections` shows it.")],
    by: Annotated[str, typer.Option(help="Who takes it back; you, when left out.")] = "",
    home: Home = None,
) -> None:
    """Take a correction back: its time counts again, in past windows too. It stays listed, as withdrawn."""
    from pitchey_slo.workbench import connect

    connect(home).withdraw_correction(correction, by or os.environ.get("USER") or "unknown")
    typer.echo(f"correction {correction} is withdrawn: its time counts again", err=True)


def _table(found: list[dict[str, Any]]) -> Table:
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(
        Column("id", no_wrap=True),
        Column("SLOs", overflow="fold"),
        Column("when", overflow="fold"),
        Column("state", overflow="fold"),
        Column("why, and who agreed", overflow="fold"),
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for row in found:
        why = f"{row['reason']} ({row['category'].replace('_', ' ')}; {row['approver']})"
        table.add_row(*(Text(part) for part in (row["id"], _whose(row), _when(row), _state(row), why)))
    return table


def _whose(row: dict[str, Any]) -> str:
    return ", ".join(row["slos"]) or "all SLOs"


def _when(row: dict[str, Any]) -> str:
    lasts = f"{row['minutes']:,.10g} min"
    again = f", {row['rrule']}" if row["rrule"] else ""
    return f"{_clock(row['starts_at'], row['zone'])} for {lasts}{again}"


def _state(row: dict[str, Any]) -> str:
    if row["state"] == "withdrawn":
        return f"withdrawn by {row['withdrawn_by']}"
    if row["state"] == "now":
        return f"now, until {_clock(row['next_end'], row['zone'])}"
    return f"next {_clock(row['next_start'], row['zone'])}" if row["state"] == "coming" else "over"


def _clock(moment: datetime, zone: str) -> str:
    """On the wall clock of the correction's own zone, which is named."""
    from zoneinfo import ZoneInfo

    return f"{moment.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"


def _json(found: Any) -> None:
    import orjson

    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
