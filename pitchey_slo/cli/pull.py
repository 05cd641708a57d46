"""`pitchey-slo pull`: rows from services that keep them, now and by hand, with a progress bar.

With a server on this home it is the server that pulls, since it owns store and watermark; without one this command does
so itself.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitchey_slo.cli.console import Home, Json
from pitchey_slo.errors import ConfigError, PullError
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from pitchey_slo.client import ServerInfo

app = typer.Typer(help="Pull rows from a service: analytics-engine.", no_args_is_help=True)

PATH = "/api/monitoring/analytics-engine"
#: Seconds from question to question while the server pulls.
_LOOK = 0.3

Told = Callable[[dict[str, Any]], None]


@app.callback()
def _group() -> None:
    """Pull rows from a service: analytics-engine."""


@app.command("analytics-engine")
def analytics_engine(
    since: Annotated[
        str | None, typer.Option(help="everything from then on once more: 2026-05-01, 2026-05-01T12:00Z, 7d or 90m ago")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask and read, store nothing, move nothing.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Pull what is new in Cloudflare Analytics Engine, as config/analytics_engine.yml says. Rows that are stored are
    not stored twice, however often one pulls."""
    from pitchey_slo.client import find_server

    settings = Settings.load(home=home)
    begin = None if since is None else when(since, datetime.now(UTC))
    server = find_server(settings.home)
    messages: list[str] = []
    with _bar(quiet=as_json) as told:
        if server is not None:
            pull = _there(server, begin, dry_run, told)
        else:
            pull, messages = _here(settings, begin, dry_run, told)
    if as_json:
        import orjson

        typer.echo(orjson.dumps(pull, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(pull, messages)


def when(text: str, now: datetime) -> datetime:
    """A time as people write it: ISO 8601 (UTC without a zone), or a duration that reaches back from now. Raises
    ConfigError.

    >>> when("90m", datetime(2026, 5, 1, 12, tzinfo=UTC)).isoformat()
    '2026-05-01T10:30:00+00:00'
    """
    from pitchey_slo.collect.analytics_engine.config import seconds_of

    seconds = seconds_of(text)
    if seconds is not None:
        return now - timedelta(seconds=seconds)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time", key="--since", hint="2026-05-01, 2026-05-01T12:00Z or 7d") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _here(settings: Settings, since: datetime | None, dry_run: bool, told: Told) -> tuple[dict[str, Any], list[str]]:
    """Pull in this process; also what was wrong with the first data points that were refused."""
    from pitchey_slo.collect.analytics_engine import Pull, Puller
    from pitchey_slo.store import Store, utc_now
    from pitchey_slo.web.analytics_engine_keep import StoreKeep, configured, sql_api

    config, api = configured(settings), sql_api(settings, utc_now)

    def window(pull: Pull) -> None:
        told(pull.as_dict())

    try:
        with Store.open(settings) as store:
            puller = Puller(config, api, StoreKeep(store, utc_now), clock=utc_now, told=window)
            pull = puller.pull(since=since, dry_run=dry_run)
    finally:
        api.close()
    return pull.as_dict(), [f"{table}: {text}" for table, c in pull.tables.items() for text in c.told]


def _there(server: ServerInfo, since: datetime | None, dry_run: bool, told: Told) -> dict[str, Any]:
    """Let the server pull, and follow it."""
    from pitchey_slo.client import HttpDoor

    with HttpDoor(server) as door:
        body = {"dry_run": dry_run} | ({"since": since.isoformat()} if since is not None else {})
        order = door.ask("POST", f"{PATH}/pull", body)["order"]
        while order["running"]:
            if order["pull"] is not None:
                told(order["pull"])
            time.sleep(_LOOK)
            order = door.ask("GET", PATH)["order"]
        if order["error"] is not None:
            raise PullError(order["error"], "refused")
        door.flush()
    pull: dict[str, Any] = order["pull"]
    return pull


@contextlib.contextmanager
def _bar(*, quiet: bool) -> Iterator[Told]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task("asking", total=1.0, rows="")

        def told(pull: dict[str, Any]) -> None:
            rows = sum(counts["read"] for counts in pull["tables"].values())
            bar.update(task, description=_time(pull["at"]), completed=pull["share"], rows=f"{rows:,} rows")

        yield told


def _print(pull: dict[str, Any], messages: list[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from pitchey_slo.cli.console import show

    verb = "read, nothing stored" if pull["dry_run"] else "pulled"
    verb = "nothing is old enough yet" if pull["start"] == pull["end"] else verb
    show(Text(f"{_time(pull['start'])} to {_time(pull['at'])} UTC: {verb}, {pull['questions']:,} questions"))
    grid = Table("table", "data points", "events", "stored", "were there", "other sample", "refused")
    for column in grid.columns[1:]:
        column.justify = "right"
    for name, counts in pull["tables"].items():
        numbers = (counts["read"], counts["weight"], counts["stored"], counts["duplicates"], counts["resampled"])
        refused = sum(counts["refused"].values())
        grid.add_row(name, *(f"{number:,.0f}" for number in (*numbers, refused)))
    show(grid)
    if pull["note"]:
        show(Text(f"note: {pull['note']}", style="yellow"))
    for name, counts in pull["tables"].items():
        if counts["refused"]:
            why = ", ".join(f"{reason} {count:,}" for reason, count in counts["refused"].items())
            show(Text(f"refused of {name}: {why}", style="yellow"))
    for text in messages:
        show(Text(f"  {text}", style="yellow"))


def _time(text: str) -> str:
    return text[:19].replace("T", " ")
