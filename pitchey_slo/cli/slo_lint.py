"""`pitchey-slo slo lint`: is the alerting of an SLO any good?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from pitchey_slo.cli.console import Home, Json, Names, Service, show, specs_of, width
from pitchey_slo.settings import Settings
from pitchey_slo.slo.words import number, percent

if TYPE_CHECKING:
    from rich.table import Table

    from pitchey_slo.slo.alerts.lint import ConditionLint, LintReport

#: Readable on any terminal.
COLUMNS = 100
_LEVELS = {"error": "[bold red]error[/]", "warning": "[yellow]warning[/]", "info": "[dim]info[/]"}
_LEGEND = (
    "[dim]1 % … 100 %: fires so long after that part of all begins to fail, at once and for good · ends: after a total "
    "outage · lost: of the budget, when it fires · takes: bad ones, in the quietest and the busiest hour of the week · "
    "fired: would have, in the last 4 weeks[/]"
)


def lint(
    name: Names = None,
    end: Annotated[str | None, typer.Option(help="Look at the data before this time (ISO 8601).")] = None,
    service: Service = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Can the burn alerts fire, when, and after how many failures? Exit code 1 when one is useless."""
    from pitchey_slo.workbench import connect

    settings = Settings.load(home=home)
    chosen = [s.name for s in specs_of(settings)[0].pick(name or [], service=service)]
    reports = connect(settings=settings).lint(*chosen, end=end) if chosen else ()
    if as_json:
        typer.echo(json.dumps([r.as_dict() for r in reports], indent=2, allow_nan=False))
    else:
        columns = min(width(), COLUMNS)
        for report in reports:
            show(_head(report), columns=columns)
            if report.conditions:
                show(_table(report), columns=columns)
            show(*([_findings(report)] if report.findings else []), "", columns=columns)
        show(_foot(reports), columns=columns)
    if any(r.level == "error" for r in reports):
        raise typer.Exit(1)


def _head(r: LintReport) -> str:
    target = f"{r.target * 100:.10g} %"
    may = "" if r.allowed is None else f": {number(round(r.allowed))} {r.unit} may be bad"
    return f"[bold]{r.slo}[/] ({r.objective}) {target} over {r.window}{may}"


def _table(r: LintReport) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    ratios = [percent(d.error_ratio, 0) for d in r.conditions[0].detections]
    for title in ("alert", "windows"):
        table.add_column(title, no_wrap=True)
    for title in ("burn", "bad above", *(f"{e}" for e in ratios), "ends", "lost", "takes", "fired"):
        table.add_column(title, justify="right", no_wrap=True)
    for c in r.conditions:
        table.add_row(*_row(c))
    return table


def _row(c: ConditionLint) -> list[str]:
    return [
        c.severity,
        c.windows,
        f"{c.factor:.3g}",
        percent(c.limit, 2).replace(" ", ""),
        *(_short(d.minutes) for d in c.detections),
        _short(c.detections[-1].reset_minutes),
        percent(c.lost).replace(" ", ""),
        _takes(c),
        "–" if c.fired is None else str(c.fired),
    ]


def _takes(c: ConditionLint) -> str:
    known = c.needed[np.isfinite(c.needed)]
    if not len(known):
        return "–"
    low, high = number(float(known.min())), number(float(known.max()))
    return low if low == high else f"{low}–{high}"


def _findings(r: LintReport) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for f in r.findings:
        works = f" [dim]What works: {f.hint}.[/]" if f.hint else ""
        table.add_row(_LEVELS[f.level], f.windows or "", f.text + works)
    return table


def _short(minutes: float | None) -> str:
    """`8.1m`: a time in a narrow column."""
    from pitchey_slo.slo.alerts.lint_checks import span

    return "–" if minutes is None else span(minutes).replace(" min", "m").replace(" ", "")


def _foot(reports: tuple[LintReport, ...]) -> str:
    counts = [sum(f.level == level for r in reports for f in r.findings) for level in _LEVELS]
    told = ", ".join(
        f"{n} {word}{'' if n == 1 else 's'}" for n, word in zip(counts[:2], ("error", "warning"), strict=True)
    )
    objectives = "1 objective" if len(reports) == 1 else f"{len(reports)} objectives"
    return f"{told} in {objectives}\n{_LEGEND}"
