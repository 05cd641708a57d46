"""`pitchey-slo export`: dashboards for other systems."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pitchey_slo.cli.console import Home
from pitchey_slo.errors import ConfigError, NotFound, did_you_mean
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from pitchey_slo.board import Definition

app = typer.Typer(help="Write dashboards as other systems read them.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Without it Typer drops the name of a command that is alone."""


@app.command()
def grafana(
    name: Annotated[list[str] | None, typer.Argument(help="Dashboards; all of them without a name.")] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder for one file each, and for what provisions them; the screen without it.")
    ] = None,
    home: Home = None,
) -> None:
    """Grafana dashboards (JSON) that import by hand and provision from files. Saved versions are taken, as shown."""
    from pitchey_slo.board.grafana import file_name, files, text

    chosen = _definitions(Settings.load(home=home), name or [])
    if to is None:
        if len(chosen) != 1:
            raise ConfigError(
                f"{len(chosen)} dashboards", key="export grafana", hint="name one, or give a folder: --to DIR"
            )
        typer.echo(text(chosen[0]), nl=False)
        return
    for path, content in files(chosen).items():
        target = to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    shown = ", ".join(file_name(definition) for definition in chosen)
    typer.echo(f"{to}: {shown}, and provisioning/ for Grafana's own folder of that name")


def _definitions(settings: Settings, names: list[str]) -> list[Definition]:
    from pitchey_slo.board.shelf import Shelf, folder_of
    from pitchey_slo.workbench import Workbench

    reader = Workbench(settings).reader
    shown, problems = Shelf(folder_of(settings), lambda sql, params: reader.query(sql, list(params))).every()
    if problems:
        raise ConfigError("\n".join(problems))
    known = {each.definition.name: each.definition for each in shown}
    for name in names:
        if name not in known:
            near = did_you_mean(name, known) or f"there are: {', '.join(known)}"
            raise NotFound(f"no dashboard {name!r}; {near}")
    return [known[name] for name in names] if names else list(known.values())
