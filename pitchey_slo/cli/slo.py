"""`pitchey-slo slo`: list and report here; lint, export and corrections in modules of their names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pitchey_slo.cli import correct, slo_export, slo_lint
from pitchey_slo.cli.console import Home, Json, Names, Service, show, specs_of, width
from pitchey_slo.settings import Settings
from pitchey_slo.slo.words import number, percent

if TYPE_CHECKING:
    from rich.table import Table

    from pitchey_slo.slo import SloReport

app = typer.Typer(
    help="Service level objectives: what was promised, and what is left of the budget.", no_args_is_help=True
)
app.command()(correct.correct)
app.command()(correct.corrections)
app.command()(correct.withdraw)
app.command()(slo_lint.lint)
app.add_typer(slo_export.app, name="export")

_WORDS = {
    "exhausted": "[bold red]exhausted[/]",
    "at_risk": "[yellow]at risk[/]",
    "healthy": "[green]healthy[/]",
    "no_data": "[dim]no data[/]",
}


@app.command("list")
def list_(service: Service = None, home: Home = None, as_json: Json = False) -> None:
    """List the SLOs of config/slos (the shipped ones when that folder is absent)."""
    specs, folder = specs_of(Settings.load(home=home))
    slos = specs.pick(service=service)
    if as_json:
        typer.echo(json.dumps([_described(s) for s in slos], indent=2))
        return
    from rich.table import Table

    table = Table(
        "SLO", "service", "objective", "target", "windows", "method", box=None, pad_edge=False, padding=(0, 2)
    )
    for slo in slos:
        for objective in slo.objectives:
            windows = ", ".join(w.text for w in slo.windows)
            target = f"{objective.target * 100:.10g} %"
            table.add_row(slo.name, slo.service, objective.title, target, windows, slo.method)
    show(table, f"{len(slos)} SLOs from {folder}")


@app.command()
def report(
    name: Names = None,
    window: Annotated[
        list[str] | None, typer.Option(help='Such as 28d or "1M Europe/London", instead of the specs\' own.')
    ] = None,
    end: Annotated[
        str | None, typer.Option(help="Judge what happened before this time (ISO 8601, UTC when it names no zone).")
    ] = None,
    service: Service = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Judge SLOs on the data in the store: the least budget left comes first."""
    from pitchey_slo.workbench import connect, parse_time

    settings = Settings.load(home=home)
    slos = specs_of(settings)[0].pick(name or [], service=service)
    stop = parse_time(end, "--end")
    reports = by_budget(connect(settings=settings).evaluate(slos, window or "", stop))
    if as_json:
        typer.echo(json.dumps([r.as_dict() for r in reports], indent=2, allow_nan=False))
        return
    if not reports:
        show("no SLOs")
        return
    show(_table(reports, wide=width() >= 140))
    worst = [r for r in reports if r.state in ("exhausted", "at_risk")]
    # what needs words: trouble, and a window that the data do not fill; whoever asks by name gets all of it
    told = reports if name else worst[:5] or [r for r in reports if r.coverage.data_starts_late][:1]
    show(*(f"- {r.sentence()}" for r in told), *([""] if told else []), _foot(reports[0]))


def by_budget(reports: Sequence[SloReport]) -> list[SloReport]:
    """The least budget left first, those without data last."""
    return sorted(reports, key=lambda r: (r.budget_left is None, r.budget_left or 0.0, r.slo, r.window))


def _table(reports: Sequence[SloReport], *, wide: bool) -> Table:
    """The reports as rows; a narrow terminal shows fewer columns rather than cut numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1) if wide else (0, 0))
    several = {r.slo for r in reports if sum(o.slo == r.slo and o.window == r.window for o in reports) > 1}
    for title in ("SLO", "window"):
        table.add_column(title, no_wrap=True)
    detail = ("95 % interval", "target", "bad", "of")
    burns = tuple(f"burn {b}" if b == "1h" or not wide else b for b in reports[0].burn)
    for title in ("good", *(detail if wide else ()), "budget left", *(burns if wide else burns[2:3])):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for r in reports:
        name = f"{r.slo} ({r.objective})" if r.slo in several else r.slo
        counts = _counts(r) if wide else ()
        burn = [_burn(b) for b in r.burn.values()]
        table.add_row(name, r.window, *_good(r), *counts, _left(r), *(burn if wide else burn[2:3]), _WORDS[r.state])
    return table


def _good(r: SloReport) -> tuple[str]:
    return ("–" if r.sli is None else percent(r.sli, 2),)


def _counts(r: SloReport) -> tuple[str, str, str, str]:
    sure = "–" if r.sli_low is None or r.sli_high is None else f"{percent(r.sli_low, 2)} – {percent(r.sli_high, 2)}"
    if r.sli is None:
        return sure, percent(r.target, 2), "–", "–"
    return sure, percent(r.target, 2), number(r.bad), number(r.valid)


def _left(r: SloReport) -> str:
    return "–" if r.budget_left is None else percent(r.budget_left)


def _burn(rate: float | None) -> str:
    if rate is None:
        return "–"
    text = f"{rate:,.1f}" if rate >= 0.05 or rate == 0 else f"{rate:.2g}"
    return f"[red]{text}[/]" if rate > 1 else text


def _foot(first: SloReport) -> str:
    source = first.provenance
    newest = f"{source.watermark:%Y-%m-%d %H:%M:%S} UTC" if source.watermark else "none"
    return (
        f"[dim]up to {first.end:%Y-%m-%d %H:%M} UTC · newest row {newest} · {source.rows_read:,} rows read in "
        f"{source.seconds:.2f} s · budget left of a calendar window: of the whole window, estimated[/]"
    )


def _described(slo: object) -> dict[str, object]:
    from pitchey_slo.slo import Slo

    assert isinstance(slo, Slo)
    return {
        "name": slo.name,
        "display_name": slo.display_name,
        "service": slo.service,
        "description": slo.description,
        "method": slo.method,
        "windows": [w.text for w in slo.windows],
        "objectives": [{"title": o.title, "target": o.target, "op": o.op, "value": o.value} for o in slo.objectives],
        "file": slo.place.file,
        "line": slo.place.line,
    }
