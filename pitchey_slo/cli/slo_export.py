"""`pitchey-slo slo export`: the same SLOs for other systems, on stdout or into a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pitchey_slo.cli.console import Home, Names, Service, specs_of
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from pitchey_slo.slo import Slo

app = typer.Typer(help="Write the SLOs as other systems read them.", no_args_is_help=True)

Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file instead of the screen.")]


@app.command()
def prometheus(name: Names = None, service: Service = None, home: Home = None, out: Out = None) -> None:
    """A Prometheus rule file: recording rules that count events, and burn alerts. sloth's dashboards work with it."""
    from pitchey_slo.slo.export.prometheus import export_prometheus

    _write(export_prometheus(_slos(name, service, home)), out)


@app.command()
def grafana(name: Names = None, service: Service = None, home: Home = None, out: Out = None) -> None:
    """A Grafana dashboard (JSON) on the series of `export prometheus`; it can be imported and provisioned."""
    from pitchey_slo.slo.export.grafana import export_grafana

    _write(export_grafana(_slos(name, service, home)), out)


@app.command()
def openslo(home: Home = None, out: Out = None) -> None:
    """Everything that config/slos says, as one OpenSLO file."""
    from pitchey_slo.slo.spec.write import export_openslo

    _write(export_openslo(specs_of(Settings.load(home=home))[0]), out)


def _slos(names: list[str] | None, service: str | None, home: Path | None) -> tuple[Slo, ...]:
    return specs_of(Settings.load(home=home))[0].pick(names or [], service=service)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
