"""`pitchey-slo demo`: fill a home with a simulated month of Pitchey, or send it live traffic."""

from __future__ import annotations

import json as jsonlib
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitchey_slo.errors import ConfigError
from pitchey_slo.names import FUTURE_SECONDS
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

MARK = "demo.json"


@dataclass(frozen=True)
class History:
    """Which simulated history a home holds: the arguments it was made from. `done` once all of it is stored."""

    seed: int
    days: int
    requests: int
    end: str
    done: bool = False

    @property
    def options(self) -> str:
        return f"--seed {self.seed} --days {self.days} --requests {self.requests} --end {self.end}"

    @classmethod
    def of(cls, home: Path) -> History | None:
        """What the mark in `home` says; None when no demo was written there."""
        try:
            return cls(**jsonlib.loads((home / MARK).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"not the mark of a demo: {error}", file=home / MARK, hint="remove it, or use another --home"
            ) from None

    def write(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        (home / MARK).write_text(jsonlib.dumps(asdict(self)) + "\n", encoding="utf-8")


def demo(
    days: Annotated[int, typer.Option(min=1, help="days of history")] = 30,
    requests: Annotated[int, typer.Option(min=1, help="rows of the requests table")] = 3_000_000,
    seed: Annotated[int, typer.Option(min=0, help="another seed, another month")] = 7,
    end: Annotated[
        str | None, typer.Option(help="where the history ends, ISO 8601 with a zone; this minute if not given")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="folder of the store")] = None,
    again: Annotated[bool, typer.Option("--again", help="write although the home holds a demo already")] = False,
    live: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="instead of history, send so many requests per second as they happen; 0: as dense as the history",
        ),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="with --live: stop after so long")] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="with --live: run a server too; whom its alerts tell is shown here")
    ] = False,
    calm: Annotated[bool, typer.Option("--calm", help="with --live: no incidents")] = False,
    platform: Annotated[
        bool | None,
        typer.Option(
            "--platform/--no-platform",
            help="run Pitchey as a real service on this machine; with --live --serve it does unless told not to",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="of the platform, 0 takes a free one; API_BASE_URL's if not given"),
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://... for the platform; a SQLite file if not given")
    ] = None,
    redis: Annotated[str | None, typer.Option(help="redis://... for the platform; no cache if not given")] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Fill a home with a simulated month of Pitchey, incidents labelled; or send live traffic with --live; or run it as
    a real service with --platform."""
    from rich.console import Console

    settings = Settings.load(home=home)
    console = Console(stderr=json)
    if live is not None:
        from pitchey_slo.cli.demo_live import Beside, send_live

        beside = Beside(port or 0, database, redis) if serve and platform is not False else None
        rate = live or usual_rate(settings, days, requests)
        told = send_live(
            settings, console, rate=rate, seed=seed, seconds=seconds, calm=calm, serve=serve, platform=beside
        )
    elif platform:
        from pitchey_slo.cli.demo_live import asked_to_stop
        from pitchey_slo.cli.demo_platform import run_platform

        with asked_to_stop() as stop:
            told = run_platform(
                settings, console, port=port, database=database, redis=redis, seconds=seconds, stop=stop
            )
    else:
        asked = History(seed, days, requests, _end(end).isoformat())
        told = _history(settings, console, choose(asked, History.of(settings.home), given=end is not None, again=again))
    if json:
        typer.echo(jsonlib.dumps(told))


def usual_rate(settings: Settings, days: int, requests: int) -> float:
    """Requests per second that the home's history has at this hour; without one, that a history of these options
    would have."""
    from pitchey_slo.demo.traffic import usual

    held = History.of(settings.home)
    now = datetime.now(UTC)
    return usual(held.requests, held.days, now) if held else usual(requests, days, now)


def choose(asked: History, held: History | None, *, given: bool, again: bool) -> History:
    """The history to write. An unfinished one with the same options is finished (`given`: the end was among them); a
    home that holds a demo is left alone unless `again`. Raises ConfigError that names both ways out."""
    if held is None or again:
        return asked
    same = replace(held, end=asked.end, done=False) == asked
    if not held.done and same and (not given or held.end == asked.end):
        return replace(held, done=False)
    raise ConfigError(
        f"this home holds {'a' if held.done else 'an unfinished'} demo already ({held.options}); "
        "a second one would mix two histories",
        key="demo",
        hint="use another --home, or add --again to mix them; the same options with --again store nothing twice",
    )


def write_config(settings: Settings) -> Path:
    """A folder of configurations in the home, with two alert rules more than the one in use (one too eager, one asleep,
    for the threshold review to find), and with checks and tests of the demo's platform. One that is there already is
    left as it is."""
    import shutil

    from pitchey_slo import demo
    from pitchey_slo.settings import shipped

    folder = settings.home / "config"
    if not folder.exists():
        shutil.copytree(settings.config if settings.config.is_dir() else shipped("config"), folder)
        own = Path(demo.__file__).parent
        for name in ("rules", "synthetics"):
            (folder / name).mkdir(exist_ok=True)
        shutil.copy(own / "review_rules.yml", folder / "rules" / "demo.yml")
        shutil.copy(own / "health.yml", folder / "health.yml")
        for file in (own / "synthetics").iterdir():
            shutil.copy(file, folder / "synthetics" / file.name)
    return folder


def _end(text: str | None) -> datetime:
    """A whole minute: the one given, or the current one."""
    now = datetime.now(UTC)
    if text is None:
        return now.replace(second=0, microsecond=0)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no time", key="--end", hint="such as 2026-11-23T12:00:00Z") from None
    if at.tzinfo is None:
        raise ConfigError(f"{text!r} has no time zone", key="--end", hint=f"such as {text}Z or {text}+01:00")
    if at > now + timedelta(seconds=FUTURE_SECONDS):
        raise ConfigError(
            f"{text} is in the future", key="--end", hint="at most now: rows ahead of the clock are refused"
        )
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def _history(settings: Settings, console: Console, history: History) -> dict[str, Any]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from pitchey_slo.demo import gauges, probe_gauges, simulate
    from pitchey_slo.door import open_door

    end = datetime.fromisoformat(history.end)
    tables = simulate(seed=history.seed, days=history.days, requests=history.requests, end=end)
    sent: Counter[str] = Counter()
    stored: Counter[str] = Counter()
    incidents: list[dict[str, Any]] = []
    history.write(settings.home)
    started = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(), console=console, transient=True,
    )  # fmt: skip
    with open_door(settings) as door, bar:
        task = bar.add_task("requests", total=history.requests, speed="")
        for name, rows in tables:
            receipt = door.append(name, rows)
            sent[name] += len(rows)
            stored[name] += receipt.stored
            if name == "incidents":
                incidents = rows.to_pylist()
            speed = sum(sent.values()) / (time.monotonic() - started)
            bar.update(task, completed=sent["requests"], speed=f"{speed:,.0f} rows/s")
        for made in (gauges, probe_gauges):
            batch = made(seed=history.seed, days=history.days, end=end)
            sent["samples"] += len(batch)
            stored["samples"] += door.samples(batch, backfill=True).result().stored
        bar.update(task, description="bringing the rows into the lake")
    taken = time.monotonic() - started
    replace(history, done=True).write(settings.home)
    write_config(settings)
    _tell(console, settings, history, sent, stored, incidents, taken)
    return {
        **asdict(replace(history, done=True)),
        "home": str(settings.home),
        "rows": dict(sent),
        "stored": dict(stored),
        "seconds": taken,
        "incidents": [i["id"] for i in incidents],
    }


def _tell(
    console: Console,
    settings: Settings,
    history: History,
    sent: Counter[str],
    stored: Counter[str],
    incidents: list[dict[str, Any]],
    taken: float,
) -> None:
    from rich.table import Table

    total = sum(sent.values())
    speed = f"{total:,} rows in {taken:.1f} s, {total / taken:,.0f} rows/s"
    console.print(f"{history.days} days until {history.end}: {speed}", soft_wrap=True)
    rows = Table("table", "rows", "stored", "there already", box=None, header_style="dim")
    for column in rows.columns[1:]:
        column.justify = "right"
    for name, count in sent.items():
        rows.add_row(name, f"{count:,}", f"{stored[name]:,}", f"{count - stored[name]:,}")
    console.print(rows)
    console.print("\nIncidents, as labelled in the register (UTC):")
    listed = Table("start", "end", "kind", "severity", "where", "what", box=None, header_style="dim")
    listed.columns[2].no_wrap = True
    for i in incidents:
        start, end = (f"{i[k]:%d %b %H:%M}" for k in ("started_at", "ended_at"))
        listed.add_row(start, end, i["kind"], i["severity"], i["location"] or "everywhere", i["title"])
    console.print(listed)
    option = _option(settings)
    console.print("\nNext:", highlight=False)
    for command, why in (
        ("slo report", "what is left of each error budget"),
        ("report run 30_slo_report", "the same as a page to open a meeting with"),
        ("demo --live 0 --serve", "the API and dashboards on this data, live traffic, and incidents that alert"),
        ("serve", "the API alone"),
    ):
        console.print(f"  {f'pitchey-slo {command}{option}':<58} {why}", highlight=False, soft_wrap=True)
    config = settings.home / "config"
    if (config / "rules" / "demo.yml").is_file():
        console.print("\nWith two alerts more, one too eager and one asleep (docs/review.md):", highlight=False)
        command = f"PITCHEY_CONFIG={config} pitchey-slo report run threshold_review{option}"
        console.print(f"  {command}", highlight=False, soft_wrap=True)


def _option(settings: Settings) -> str:
    home = settings.home
    return "" if home == Settings.model_fields["home"].default else f" --home {home}"
