"""`pitchey-slo report schedule`: what runs when, how it went, one of them now, and timers for systemd."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pitchey_slo.errors import PitcheyError, RunFailed
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from pitchey_slo.client import ServerInfo
    from pitchey_slo.report.schedule import Schedule

app = typer.Typer(help="Reports that run by themselves: config/schedules.yml.", no_args_is_help=True)
Home = Annotated[Path | None, typer.Option(help="folder of the store")]

#: Seconds between looks at a run that a server does for us.
_EVERY = 1.0


@app.command("list")
def list_(home: Home = None, as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False) -> None:
    """List the schedules: when each is due next, how it ended last, and whether it is dead."""
    found = _standings(Settings.load(home=home))
    if as_json:
        typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    table = Table("schedule", "notebook", "due", "next (UTC)", "last success", "state")
    for each in found:
        last = each["last"]
        state = "off" if not each["enabled"] else "dead" if each["dead"] else last["state"] if last else "not yet due"
        told = escape(f"{state}: {each['trouble']}" if each["trouble"] else state)
        due = f"{each['cron']} {each['timezone']}"
        table.add_row(each["name"], each["notebook"], due, _time(each["next_at"]), _time(each["last_success"]), told)
    Console().print(table)


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="a schedule of config/schedules.yml")],
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Run one schedule now, with its parameters, and send the report as it says. Exit code 1 when it failed."""
    from pitchey_slo.client import find_server

    settings = Settings.load(home=home)
    server = find_server(settings.home)
    due = _through(server, name) if server is not None else _here(settings, name)
    if as_json:
        typer.echo(orjson.dumps(due, option=orjson.OPT_INDENT_2))
    elif due["state"] == "succeeded":
        typer.echo(f"run       {due['run_id']}")
        for each in due["receipt"] or []:
            typer.echo(f"{each['kind']:<9} {each['receiver']} {each['channel']}: {each['state']}, {each['answer']}")
    if due["state"] != "succeeded":
        raise RunFailed(f"{name}: {due['reason']}", detail=due)


@app.command("check")
def check(file: Annotated[Path | None, typer.Argument(help="a file instead of config/schedules.yml")] = None) -> None:
    """Check the file: every key, every notebook and its parameters, every receiver."""
    from pitchey_slo.report.schedule import FILE, load

    settings = Settings.load()
    path = file or settings.config / FILE
    schedules = load(path).all
    if not schedules:
        typer.echo(f"{path}: no schedules")
        return
    wrong = [problem for schedule in schedules.values() for problem in _problems(schedule, settings)]
    for problem in wrong:
        typer.echo(f"{path}:{problem}", err=True)
    if wrong:
        raise typer.Exit(1)
    typer.echo(f"{path}: {len(schedules)} schedules, nothing wrong")


@app.command("timers")
def timers(
    output: Annotated[Path, typer.Option(help="folder for the units")] = Path("deploy/systemd"),
    file: Annotated[Path | None, typer.Option(help="a file instead of config/schedules.yml")] = None,
) -> None:
    """Write the schedules as timers for systemd; set PITCHEY_SCHEDULES=off beside them."""
    from pitchey_slo.report.schedule import FILE, load
    from pitchey_slo.report.schedule.timers import write

    settings = Settings.load()
    for path in write(list(load(file or settings.config / FILE).all.values()), output):
        typer.echo(path)


def _standings(settings: Settings) -> list[dict[str, Any]]:
    """As the lake has them: what the last seconds brought may be missing."""
    from pitchey_slo.report.schedule import FILE, load, standings
    from pitchey_slo.workbench import connect

    schedules = load(settings.config / FILE).all
    query = connect(settings=settings).reader.query
    built_in = settings.schedules == "on"
    return [s.as_dict() for s in standings(schedules, query, datetime.now(UTC), built_in=built_in)]


def _through(server: ServerInfo, name: str) -> dict[str, Any]:
    """By the server that owns the store; waits until the run ended and its messages were taken."""
    from pitchey_slo.client import HttpDoor

    with HttpDoor(server) as door:
        due: dict[str, Any] = door.ask("POST", f"/api/monitoring/reports/schedules/{name}/run")["due"]
        while due["state"] in ("waiting", "running") or due["receipt"] is None:
            time.sleep(_EVERY)
            every = door.ask("GET", f"/api/monitoring/reports/dues?schedule={name}")["dues"]
            due = next(d for d in every if d["id"] == due["id"])
    return due


def _here(settings: Settings, name: str) -> dict[str, Any]:
    """In this process, which owns the store meanwhile."""
    from pitchey_slo.report.schedule import Scheduler
    from pitchey_slo.report.schedule.own_outlet import OwnOutlet
    from pitchey_slo.store import Store, utc_now

    with Store.open(settings) as store:
        outlet = OwnOutlet(store, settings, utc_now)
        scheduler = Scheduler(store, settings, outlet, built_in=False)
        asked = scheduler.ask(name)
        done = next(due for due in scheduler.run_due() if due.id == asked.id)
        outlet.send(60.0)
        settled = next((due for due in scheduler.settle() if due.id == asked.id), done)
        return settled.as_dict()


def _problems(schedule: Schedule, settings: Settings) -> list[str]:
    """What is wrong with it beside its form, each with its line."""
    from pitchey_slo.report import find, from_text
    from pitchey_slo.report.parameters import check as check_values
    from pitchey_slo.report.schedule import times

    found = []
    try:
        notebook = find(schedule.notebook)
        texts = times.resolve(schedule.parameters, datetime.now(UTC), schedule.zone)
        given = from_text(texts, notebook.parameters, notebook=notebook.name)
        check_values(given, notebook.parameters, notebook=notebook.name)
    except PitcheyError as error:
        found.append(f"{schedule.line}: {schedule.name}: {error.message}")
    known = _receivers(settings)
    named = (*schedule.deliver.receivers, *schedule.on_failure.receivers)
    missing = [name for name in dict.fromkeys(named) if name not in known]
    return found + [f"{schedule.line}: {schedule.name}: no receiver {n!r} in {settings.routes_file}" for n in missing]


def _receivers(settings: Settings) -> set[str]:
    from pitchey_slo.alert.config import load_routes

    if not settings.routes_file.is_file():
        return set()
    return set(load_routes(settings.routes_file, settings=settings).receivers)


def _time(iso: str | None) -> str:
    return iso[:16].replace("T", " ") if iso else "–"
