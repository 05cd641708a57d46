"""`pitchey-slo report`: the notebooks, their runs, and those by schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from pitchey_slo.cli import report_schedule
from pitchey_slo.errors import ParameterError
from pitchey_slo.report import (
    Asked,
    Limits,
    Notebook,
    Run,
    Told,
    find,
    find_run,
    from_text,
    notebooks,
    run_notebook,
    runs,
)
from pitchey_slo.report.freshness import sentences
from pitchey_slo.settings import Settings

app = typer.Typer(help="Run report notebooks and keep what came out.", no_args_is_help=True)
app.add_typer(report_schedule.app, name="schedule")


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False) -> None:
    """List the notebooks there are and the parameters they take."""
    found = notebooks()
    if as_json:
        typer.echo(orjson.dumps([_as_dict(n) for n in found], option=orjson.OPT_INDENT_2))
        return
    table = Table("name", "what it tells", "parameters", show_lines=True)
    for notebook in found:
        told = f"[bold]{_plain(notebook.title)}[/]\n{_plain(notebook.description)}"
        taken = "\n".join(_plain(f"{p}  {p.help}") for p in notebook.parameters)
        table.add_row(f"{notebook.short}\n[dim]{notebook.name}[/]", told, taken)
    Console().print(table)


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="notebook, by its name or its short name: 30_slo_report, slo")],
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="KEY=VALUE", help="one parameter; repeatable")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="folder of the store")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="stop the run after so long")] = Limits.seconds,
    again: Annotated[
        bool, typer.Option("--again", help="run even when the same report of the same data exists")
    ] = False,
    require_fresh: Annotated[
        bool, typer.Option("--require-fresh", help="refuse data that is old or incomplete")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Run one notebook; print where the page and the notebook are. Exit code 1 when it failed."""
    notebook = find(name)
    given = from_text(_pairs(parameter or []), notebook.parameters, notebook=notebook.name)
    _run(notebook, given, Settings.load(home=home), Asked(again=again, require_fresh=require_fresh), seconds, as_json)


@app.command("rerun")
def rerun(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="a run, as `report runs` lists it")],
    home: Annotated[Path | None, typer.Option(help="folder of the store")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="stop the run after so long")] = Limits.seconds,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Run the same notebook with the same parameters once more."""
    from pitchey_slo.report import repeat

    _repeat(repeat.again, run_id, home, seconds, as_json)


@app.command("resume")
def resume(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="a run that failed")],
    home: Annotated[Path | None, typer.Option(help="folder of the store")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="stop the run after so long")] = Limits.seconds,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Run what failed once more, all cells, and say what is different from going on where it failed."""
    from pitchey_slo.report import repeat

    _repeat(repeat.resumed, run_id, home, seconds, as_json)


@app.command("runs")
def runs_(
    name: Annotated[str | None, typer.Argument(help="only those of this notebook")] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many, the newest first")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """List runs: how they ended, on which data, and who was sent them."""
    settings = Settings.load()
    found = runs(settings.reports.absolute(), find(name).name if name else "*")[:limit]
    if as_json:
        typer.echo(orjson.dumps([r.as_dict() for r in found], option=orjson.OPT_INDENT_2))
        return
    table = Table(Column("run", no_wrap=True), "report", "status", "data", "asked by", "delivered")
    for each in found:
        first = (each.error or "").splitlines()[0][:80] if each.error else ""
        status = _plain(f"{each.status}: {first}") if first else each.status
        told = ", ".join(f"{d['channel']} {d['state']}" for d in each.delivery)
        table.add_row(each.id, each.kind or each.notebook, status, each.verdict, each.schedule or each.trigger, told)
    Console().print(table)


def _repeat(
    how: Callable[[Run], tuple[Notebook, Asked, Sequence[str]]],
    run_id: str,
    home: Path | None,
    seconds: float,
    as_json: bool,
) -> None:
    settings = Settings.load(home=home)
    before = find_run(settings.reports.absolute(), run_id)
    notebook, asked, notes = how(before)
    _say(notes)
    _run(notebook, before.given, settings, asked, seconds, as_json)


def _run(
    notebook: Notebook, given: Mapping[str, Any], settings: Settings, asked: Asked, seconds: float, as_json: bool
) -> None:
    with _bar(notebook.short, silent=as_json) as told:
        outcome = run_notebook(notebook, given, settings, asked=asked, limits=Limits(seconds), told=told)
    _say(outcome.warnings)
    if as_json:
        typer.echo(orjson.dumps({**outcome.run.as_dict(), "found": outcome.found}, option=orjson.OPT_INDENT_2))
        return
    if outcome.found:
        typer.echo("the same notebook, parameters and data were run before; --again runs them anew")
    if outcome.run.verdict != "fresh":
        _say(sentences(outcome.run.freshness))
    typer.echo(f"report    {outcome.run.html}")
    typer.echo(f"notebook  {outcome.run.output}")
    typer.echo(f"index     {settings.reports.absolute() / 'index.html'}")


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line, err=True)


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f'"{text}" is no parameter; write it as KEY=VALUE, for example -p window=28d')
        pairs[key.strip()] = value
    return pairs


@contextmanager
def _bar(name: str, *, silent: bool) -> Iterator[Told]:
    if silent:
        yield Told()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("cells"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"running {name}", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, description=f"running {name}", completed=done, total=total)

        yield Told(
            progress,
            waiting=lambda place: bar.update(task, description=f"{name}: two reports run; number {place} in line"),
            shared=lambda: bar.update(task, description=f"{name}: somebody asks the same; waiting for that report"),
        )


def _as_dict(notebook: Notebook) -> dict[str, object]:
    return {
        "name": notebook.name,
        "short": notebook.short,
        "path": str(notebook.path),
        "title": notebook.title,
        "description": notebook.description,
        "parameters": [{**vars(p)} for p in notebook.parameters],
    }


def _plain(text: str) -> str:
    """Brackets are rich's markup."""
    return text.replace("[", "\\[")
