"""What the commands about SLOs share: options, the specs of a home, and how wide to write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from pitchey_slo.slo import Specs

Home = Annotated[Path | None, typer.Option(help="Folder of the store (default: PITCHEY_HOME, else ./data).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, unrounded.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[SLO]...", help="Names of SLOs; all when none is given.")]
Service = Annotated[str | None, typer.Option(help="Only the SLOs of this service.")]


def specs_of(settings: Settings) -> tuple[Specs, Path]:
    """(what config/slos says, its folder); the shipped ones when there is no such folder."""
    from pitchey_slo.slo import read
    from pitchey_slo.slo.spec.shelf import slo_folder

    folder = slo_folder(settings)
    return read(folder), folder


def width() -> int:
    """Columns to write for; a pipe or file has none, so nothing is folded there."""
    import shutil
    import sys

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 160


def show(*parts: object, columns: int | None = None) -> None:
    """Print texts and tables with Rich, in `columns` or as wide as the terminal is."""
    from rich.console import Console

    console = Console(highlight=False, width=columns or width())
    for part in parts:
        console.print(part)
