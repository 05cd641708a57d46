"""`pitchey-slo rules tune`: which threshold and `for` of a rule would have served best."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitchey_slo.cli.console import Home, Json, show
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

    from pitchey_slo.analyse.tune import Changes, Point, Tuning

#: Points of the front and firings that are listed; --json has all.
LISTED = 12


def tune(
    name: Annotated[str, typer.Argument(help="Name of the alert; group/name where several share it.")],
    last: Annotated[str, typer.Option(help="How far back, such as 30d.")] = "28d",
    end: Annotated[str | None, typer.Option(help="Up to this time (ISO 8601); the newest data when not given.")] = None,
    rules: Annotated[Path | None, typer.Option(help="Rule file or folder, instead of those of config/.")] = None,
    thresholds: Annotated[str | None, typer.Option(help="Numbers to try, such as 0.01,0.02,0.05.")] = None,
    fors: Annotated[str | None, typer.Option("--for", help="Durations to try, such as 0s,2m,10m.")] = None,
    windows: Annotated[str | None, typer.Option("--window", help="Ranges to try, such as 5m,15m.")] = None,
    changes: Annotated[bool, typer.Option(help="List the firings that would change.")] = True,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Try every threshold and duration of a rule on history, against the labelled incidents."""
    from pitchey_slo.workbench import connect, step_ms

    wb = connect(settings=Settings.load(home=home))
    until = wb.series_end(end)
    start = until - timedelta(milliseconds=step_ms(last))
    with _progress(as_json) as progress:
        tuning = wb.tune(
            name, start, until, rules=rules, progress=progress,
            thresholds=_numbers(thresholds), fors=_words(fors), windows=_words(windows),
        )  # fmt: skip
        found = wb.changes(tuning, rules=rules) if changes and tuning.changes else None
    if as_json:
        told = tuning.as_dict() | {"firings": found.as_dict() if found else None}
        typer.echo(json.dumps(told, indent=2, allow_nan=False, ensure_ascii=False))
        return
    show(_head(tuning), "", _table(tuning), "")
    show(*tuning.reasons, *(f"[yellow]note:[/] {note}" for note in tuning.notes))
    if found is not None:
        show("", _firings(found))


def _head(tuning: Tuning) -> str:
    tried = sum(turn.total.size for turn in tuning.turns)
    what = " ".join(tuning.rule.expr.split())
    return (
        f"[bold]{tuning.rule.name}[/] {tuning.start:%Y-%m-%d %H:%M} to {tuning.end:%Y-%m-%d %H:%M} UTC, "
        f"{len(tuning.incidents)} incidents, {tried:,} settings in {tuning.seconds:.1f} s\n[dim]{what}[/]"
    )


def _table(tuning: Tuning) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("", "threshold", "for", "window", "caught", "false/week", "alerts/week", "found after", "empty"):
        table.add_column(column, justify="left" if not column else "right")
    front = [p for p in tuning.front if p.place not in (tuning.current.place, tuning.recommended.place)]
    front.sort(key=lambda p: p.cost)
    marked = [("now", tuning.current), *([("proposed", tuning.recommended)] if tuning.changes else [])]
    for word, point in [*marked, *(("", p) for p in sorted(front[:LISTED], key=lambda p: (p.missed, p.false)))]:
        table.add_row(word, *_row(point), style="bold" if word == "proposed" else None)
    return table


def _row(point: Point) -> tuple[str, ...]:
    from pitchey_slo.alert.state import span
    from pitchey_slo.analyse.tune.words import lasting, rate

    return (
        "" if point.threshold is None else f"{point.threshold:g}",
        span(timedelta(seconds=point.for_seconds)),
        point.window or "",
        f"{point.caught} of {point.incidents}",
        rate(point.false_per_week),
        rate(point.alerts_per_week),
        lasting(point.detect_seconds) if point.caught else "",
        lasting(point.idle_seconds),
    )


def _firings(found: Changes) -> str:
    lines = [f"[bold]firings[/]: {found.sentence()}"]
    listed = [c for c in found.changes if c.kind != "same"]
    lines += [f"  {c.sentence()}" for c in listed[:LISTED]]
    if len(listed) > LISTED:
        lines.append(f"  and {len(listed) - LISTED} more (--json has all)")
    return "\n".join(lines)


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in _words(text) or []]
    except ValueError:
        raise typer.BadParameter(f"{text!r}: numbers with commas, such as 0.01,0.02") from None


def _words(text: str | None) -> list[str] | None:
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """A bar that appears when the work takes longer than two seconds."""
    import time

    from rich.console import Console
    from rich.progress import Progress

    begun = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task: list[Any] = []

        def tell(share: float, name: str) -> None:
            if not task and time.monotonic() - begun > 2:
                task.append(bar.add_task(f"tuning {name}", total=1.0))
            if task:
                bar.update(task[0], completed=share)

        yield tell
