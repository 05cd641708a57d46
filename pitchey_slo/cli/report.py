"""`pitchey-slo report list` and `pitchey-slo report run`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pitchey_slo.errors import ParameterError
from pitchey_slo.report import Limits, Notebook, find, from_text, notebooks, run_notebook
from pitchey_slo.report.worker import Progress as Told
from pitchey_slo.settings import Settings

app = typer.Typer(help="Run report notebooks and keep what came out.", no_args_is_help=True)


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
    as_json: Annotated[bool, typer.Option("--json", help="for machines")] = False,
) -> None:
    """Run one notebook; print where the page and the notebook are. Exit code 1 when it failed."""
    notebook = find(name)
    given = from_text(_pairs(parameter or []), notebook.parameters, notebook=notebook.name)
    settings = Settings.load(home=home)
    with _bar(notebook.short, silent=as_json) as progress:
        outcome = run_notebook(notebook, given, settings, limits=Limits(seconds), progress=progress)
    for warning in outcome.warnings:
        typer.echo(warning, err=True)
    if as_json:
        typer.echo(orjson.dumps(outcome.run.as_dict(), option=orjson.OPT_INDENT_2))
        return
    typer.echo(f"report    {outcome.run.html}")
    typer.echo(f"notebook  {outcome.run.output}")
    typer.echo(f"index     {settings.reports.absolute() / 'index.html'}")


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f'"{text}" is no parameter; write it as KEY=VALUE, for example -p window=28d')
        pairs[key.strip()] = value
    return pairs


@contextmanager
def _bar(name: str, *, silent: bool) -> Iterator[Told | None]:
    if silent:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("cells"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"running {name}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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
