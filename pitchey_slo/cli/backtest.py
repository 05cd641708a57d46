"""`pitchey-slo rules backtest`: what rules would have done over history."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitchey_slo.cli.console import Home, Json, show
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

    from pitchey_slo.analyse.backtest import Firing, RuleHistory, Score, Tested

#: Lines of a list; --all or --json has the others.
LISTED = 10


def backtest(
    file: Annotated[
        Path | None, typer.Argument(help="Rule file or folder; config/ and the SLOs' alerts when left out.")
    ] = None,
    last: Annotated[str, typer.Option(help="How far back, such as 30d.")] = "28d",
    start: Annotated[str | None, typer.Option(help="From this time (ISO 8601), instead of --last.")] = None,
    end: Annotated[str | None, typer.Option(help="Up to this time; the newest data when left out.")] = None,
    grace: Annotated[str, typer.Option(help="A firing so long after an incident still tells of it.")] = "5m",
    zone: Annotated[str, typer.Option(help="Whose nights count, such as Europe/London.")] = "UTC",
    acked_after: Annotated[
        str | None, typer.Option(help="How soon somebody takes an alert on, such as 10m; never when left out.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="List all firings without an incident.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run every rule over history: what would have fired, what it caught, whom it would have woken."""
    from pitchey_slo.workbench import connect, parse_time, step_ms

    wb = connect(settings=Settings.load(home=home))
    until = wb.series_end(end)
    begin = parse_time(start, "start") or until - timedelta(milliseconds=step_ms(last))
    with progress_bar("testing", quiet=as_json) as progress:
        found = wb.backtest(
            file, begin, until, grace=grace, zone=zone, acked_after=acked_after, progress=progress
        )  # fmt: skip
    if as_json:
        import orjson

        typer.echo(orjson.dumps(found.as_dict(), option=orjson.OPT_INDENT_2).decode())
        return
    _tell(found, None if everything else LISTED)


def _tell(found: Tested, most: int | None) -> None:
    from rich.markup import escape

    from pitchey_slo.analyse.backtest.tested import worst_first

    test = found.backtest
    show(
        f"[bold]{len(test.rules)} rules[/] {test.start:%Y-%m-%d %H:%M} to {test.end:%Y-%m-%d %H:%M} UTC, "
        f"{len(found.incidents)} incidents",
        "",
    )
    pairs = worst_first(found)
    loud = [(h, s) for h, s in pairs if h.firings or h.problem]
    if loud:
        show(_table(loud), "")
    for line in _silent([h for h, _ in pairs if not h.firings and not h.problem]):
        show(escape(line))
    for history, _ in loud:
        if history.problem:
            show(f"[yellow]{escape(history.rule.name)}[/]: {history.failed:,} of {history.steps:,} evaluations failed: "
                 f"{escape(history.problem)}")  # fmt: skip
    show("", f"Together: {escape(found.together.words())}")
    for incident in found.together.missed:
        show(f"  missed: {escape(incident.title)}, {incident.started_at:%Y-%m-%d %H:%M} ({escape(incident.id)})")
    show(f"Through routing: {escape(found.pages.words() if found.pages else found.no_pages)}")
    _unlabelled(found.unlabelled(), most)


def _table(pairs: Sequence[tuple[RuleHistory, Score]]) -> Table:
    from rich.table import Column, Table

    table = Table(
        Column("rule", overflow="fold"), Column("about", overflow="fold"), "severity",
        *(Column(name, justify="right", no_wrap=True)
          for name in ("fired", "false", "a week", "caught", "after", "reset", "budget lost", "data")),
        box=None, pad_edge=False,
    )  # fmt: skip
    for history, score in pairs:
        rule = history.rule
        about = " ".join(
            filter(None, (rule.labels.get("slo") or rule.labels.get("service"), rule.labels.get("windows")))
        )
        table.add_row(
            rule.name, about, rule.labels.get("severity", ""), str(score.firings), str(len(score.false_firings)),
            f"{score.alerts_per_week:.2g}", f"{len(score.caught)} of {score.incidents}",
            lasting(score.detect_seconds), lasting(score.reset_seconds), share(score.budget_lost_before_page),
            share(history.evaluated),
        )  # fmt: skip
    return table


def _silent(histories: Sequence[RuleHistory]) -> list[str]:
    """Rules that did nothing: because all was well, or because they never saw anything."""
    blind = [h for h in histories if h.evaluated == 0]
    quiet = [h for h in histories if h.evaluated != 0]
    lines = [f"never had data: {h.rule.name} ({', '.join(h.unseen)})" for h in blind]
    if quiet:
        names = dict.fromkeys(h.rule.name for h in quiet)
        lines.append(f"never fired: {len(quiet)} rules ({', '.join(names)})")
    return lines


def _unlabelled(firings: Sequence[Firing], most: int | None) -> None:
    if not firings:
        return
    from rich.markup import escape

    from pitchey_slo.analyse.backtest.tested import label_command

    show("", f"{len(firings)} firings without an incident. If one was real, label it:")
    for firing in firings[:most]:
        show(f"  [dim]{escape(label_command(firing))}[/]")
    if most is not None and len(firings) > most:
        show(f"  and {len(firings) - most} more (--all)")


def lasting(seconds: float | None) -> str:
    """
    >>> lasting(None), lasting(45.0), lasting(600.0), lasting(9000.0)
    ('', '45 s', '10 min', '2.5 h')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def share(part: float | None) -> str:
    """
    >>> share(None), share(0.0312), share(1.0)
    ('', '3.1 %', '100 %')
    """
    return "" if part is None else f"{part * 100:.3g} %" if part >= 0.995 or part < 0.001 else f"{part * 100:.1f} %"


@contextlib.contextmanager
def progress_bar(word: str, *, quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """A bar that appears when the work takes longer than two seconds."""
    import time

    from rich.console import Console
    from rich.progress import Progress

    begun = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task: list[Any] = []

        def tell(part: float, name: str) -> None:
            if not task and time.monotonic() - begun > 2:
                task.append(bar.add_task(word, total=1.0))
            if task:
                bar.update(task[0], completed=part, description=f"{word} {name}")

        yield tell
