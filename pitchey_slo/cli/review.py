"""`pitchey-slo rules review`, `decide`, `apply`, `revert`, `decisions`: look at the alert rules, and change them."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

Home = Annotated[Path | None, typer.Option(help="Folder of the store (default: PITCHEY_HOME, else ./data).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
By = Annotated[str, typer.Option(help="Who says so; you, when left out.")]
Decision = Annotated[str, typer.Argument(metavar="ID", help="As `rules decisions` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `pitchey-slo rules`."""
    for command in (review, decide, apply, revert, decisions):
        app.command()(command)


def review(
    last: Annotated[str, typer.Option(help="How far back, such as 28d.")] = "28d",
    end: Annotated[str | None, typer.Option(help="Up to this time (ISO 8601); the newest data when not given.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Look at all alert rules: which are noisy, what nobody was told of, what to change. `report run threshold_review`
    is the same as a page."""
    from pitchey_slo.workbench import connect, step_ms

    wb = connect(home)
    _, until = wb.span(None, end)
    with _bar(as_json) as progress:
        found = wb.review(until - timedelta(milliseconds=step_ms(last)), until, progress=progress)
    if as_json:
        _json(found.as_dict())
        return
    from pitchey_slo.cli.console import show
    from pitchey_slo.report.threshold_review import told

    show(*told(found))


def decide(
    rule: Annotated[str, typer.Argument(help="Name of the rule; group/name when several have it.")],
    kind: Annotated[str, typer.Argument(help="accept, change or reject")],
    reason: Annotated[str, typer.Option(help="Why, in plain words.")] = "",
    threshold: Annotated[float | None, typer.Option(help="The new number.")] = None,
    hold: Annotated[str | None, typer.Option("--for", help="The new `for`, such as 5m.")] = None,
    was: Annotated[float | None, typer.Option(help="The number it replaces, when the rule has several.")] = None,
    look_again: Annotated[str | None, typer.Option(help="A date; in four weeks when left out, '' for never.")] = None,
    by: By = "",
    key: Annotated[str | None, typer.Option("--id", help="A name of your own; it may then be sent again.")] = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write down what was decided about a rule, with the diff it makes. Nothing changes before `rules apply`."""
    from pitchey_slo.workbench import connect

    wb = connect(home)
    made = wb.decide(
        rule, kind, by=_me(by), reason=reason, threshold=threshold, for_=hold, was=was, look_again=look_again, id=key,
        source="cli",
    )  # fmt: skip
    told = next(row for row in wb.decisions_told() if row["id"] == made)
    if as_json:
        _json(told)
        return
    typer.echo(made)
    if told["diff"]:
        typer.echo(told["diff"], err=True)
        typer.echo(f"nothing is changed yet: pitchey-slo rules apply {made}", err=True)


def apply(decision: Decision, by: By = "", home: Home = None) -> None:
    """Change the rule file as it was decided; a running server takes it within seconds and tells it."""
    from pitchey_slo.workbench import connect

    told = connect(home).apply(decision, _me(by))
    typer.echo(told["diff"])
    typer.echo(f"applied; `pitchey-slo rules revert {decision}` takes it back", err=True)


def revert(decision: Decision, by: By = "", home: Home = None) -> None:
    """Take an applied decision back: the rule is again what it was."""
    from pitchey_slo.workbench import connect

    told = connect(home).revert(decision, _me(by))
    typer.echo(f"{told['name']} is again what it was before {decision}", err=True)


def decisions(
    due: Annotated[bool, typer.Option("--due", help="Only those to look at again by now.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what was decided about rules, oldest first."""
    from pitchey_slo.workbench import connect

    found = [row for row in connect(home).decisions_told() if row["due"] or not due]
    if as_json:
        _json(found)
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width
        console = Console(highlight=False, width=160)
    console.print(_table(found) if found else "no decisions; `pitchey-slo rules review` shows what there is to decide")


def _table(found: list[dict[str, Any]]) -> Table:
    from rich.table import Column, Table
    from rich.text import Text

    table = Table(
        Column("id", no_wrap=True),
        Column("rule", overflow="fold"),
        Column("what", overflow="fold"),
        Column("state", overflow="fold"),
        Column("why, and who", overflow="fold"),
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for row in found:
        again = f"; look again {row['look_again_at']:%Y-%m-%d}" if row["look_again_at"] else ""
        who = f"{row['reason']} ({row['decided_by']}, {row['created_at']:%Y-%m-%d}{again})"
        table.add_row(*(Text(t) for t in (row["id"], _named(row), _what(row), _state(row), who)))
    return table


def _named(row: dict[str, Any]) -> str:
    return f"{row['rule'].split(';')[1]}/{row['name']}"


def _what(row: dict[str, Any]) -> str:
    """The lines that change, without the diff around them."""
    lines = row["diff"].splitlines()[2:]
    return "\n".join(" ".join(line.split()) for line in lines if line[:1] in "+-") or "it stays as it is"


def _state(row: dict[str, Any]) -> str:
    if row["state"] == "applied":
        return f"applied by {row['applied_by']}, {row['applied_at']:%Y-%m-%d}"
    if row["state"] == "reverted":
        return f"taken back by {row['reverted_by']}, {row['reverted_at']:%Y-%m-%d}"
    return "rejected" if row["kind"] == "reject" else "decided, not applied"


@contextlib.contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """Tells what is being looked at, once that takes longer than two seconds."""
    from rich.console import Console
    from rich.progress import Progress

    begun = time.monotonic()
    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        task = bar.add_task("", total=1.0, visible=False)

        def tell(share: float, name: str) -> None:
            bar.update(task, completed=share, description=name, visible=time.monotonic() - begun > 2)

        yield tell


def _me(by: str) -> str:
    return by or os.environ.get("USER") or "unknown"


def _json(found: Any) -> None:
    import orjson

    typer.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())
