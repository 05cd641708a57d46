"""`pitchey-slo rules whatif`: every threshold and `for` of a rule as one JSON object, for the page with the sliders."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated

import typer

from pitchey_slo.cli.console import Home
from pitchey_slo.settings import Settings


def whatif(
    name: Annotated[str, typer.Argument(help="Name or key of the alert; group/name where several share it.")],
    last: Annotated[str, typer.Option(help="How far back, such as 30d.")] = "28d",
    end: Annotated[str | None, typer.Option(help="Up to this time (ISO 8601); the newest data when not given.")] = None,
    home: Home = None,
) -> None:
    """What other numbers of a rule would have done, as JSON: firings, incidents caught, pages."""
    from pitchey_slo.workbench import connect, step_ms

    wb = connect(settings=Settings.load(home=home))
    until = wb.series_end(end)
    found = wb.whatif(name, until - timedelta(milliseconds=step_ms(last)), until)
    typer.echo(json.dumps(found, allow_nan=False, ensure_ascii=False, separators=(",", ":")))
