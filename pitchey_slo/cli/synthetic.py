"""`pitchey-slo synthetic`: run the tests of a location, as an agent or once by hand, and see what all of them say.

The agent is `run --location NAME --api URL`: it needs nothing but this package and a token of the scope `ingest`.
Without `--api` the tests of `config/synthetics` are run once, here, and printed; nothing is stored.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pitchey_slo.cli.console import Home, Json
from pitchey_slo.errors import ConfigError, StoreUnavailable, did_you_mean
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from pitchey_slo.probe.result import Result
    from pitchey_slo.probe.synthetic.agent import Agent
    from pitchey_slo.probe.synthetic.definition import Definition

app = typer.Typer(help="Synthetic tests: run, list.", no_args_is_help=True)

#: The agent's token, where `--token-file` is not given.
TOKEN = "PITCHEY_TOKEN"
_MARKS = {"healthy": "✓", "degraded": "!", "unhealthy": "✗", "unknown": "?"}


@app.command()
def run(
    location: Annotated[str | None, typer.Option(help="What this place is called (PITCHEY_LOCATION).")] = None,
    api: Annotated[str | None, typer.Option(help="Address of the API that gives tests and takes results.")] = None,
    token_file: Annotated[
        Path | None, typer.Option(help=f"File with a token of the scope ingest; {TOKEN} without it.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Run every test once, tell, and end: 1 when one failed.")
    ] = False,
    test: Annotated[
        list[str] | None, typer.Option("--test", help="Only this test; may be given several times.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="What {{ base }} means here; API_BASE_URL where that is set, else what the API says."),
    ] = None,
    spool: Annotated[Path | None, typer.Option(help="Folder for what waits; PITCHEY_HOME/spool without it.")] = None,
    spool_limit: Annotated[int, typer.Option(help="MiB the spool may take; beyond it the oldest goes.", min=1)] = 32,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Run the tests of a location until Ctrl-C or SIGTERM and bring their results to the API."""
    import asyncio

    settings = Settings.load(home=home)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    place = location or settings.location
    if not place:
        raise ConfigError("what is this place called?", key="--location", hint="such as --location frankfurt")
    if api is None:
        if not once:
            hint = "or --once to run config/synthetics here and print the results"
            raise ConfigError("where do the results go?", key="--api", hint=f"--api https://slo.example.com, {hint}")
        _tell(asyncio.run(_here(settings, place, test or (), base)), as_json)
        return
    agent = _agent(settings, place, api, token_file, test or (), base, spool, spool_limit)
    if once:
        found = asyncio.run(agent.once())
        _tell(found, as_json, waiting=None if agent.spool.empty else agent.away)
        return
    asyncio.run(_until_signal(agent))


@app.command("list")
def list_(home: Home = None, as_json: Json = False) -> None:
    """Every test: what all its locations together say, and each of them. Needs the running server for the states; shows
    what the files say without it."""
    from pitchey_slo.client import HttpDoor, find_server

    settings = Settings.load(home=home)
    server = find_server(settings.home)
    if server is None:
        told: dict[str, Any] = {"tests": _from_files(settings), "locations": [], "problems": []}
    else:
        with HttpDoor(server) as door:
            told = door.ask("GET", "/api/monitoring/synthetic")
    if as_json:
        import orjson

        typer.echo(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        return
    _print_list(told, running=server is not None)


def _agent(
    settings: Settings, location: str, api: str, token_file: Path | None, only: Sequence[str], base: str | None,
    spool: Path | None, limit: int,
) -> Agent:  # fmt: skip
    from datetime import UTC, datetime

    from pitchey_slo.probe.synthetic import run as run_test
    from pitchey_slo.probe.synthetic.agent import Agent, Api
    from pitchey_slo.probe.synthetic.keep import FOLDER as KEPT
    from pitchey_slo.probe.synthetic.reader import read
    from pitchey_slo.probe.synthetic.shelf import secrets_here
    from pitchey_slo.probe.synthetic.spool import MiB, Spool

    secrets = secrets_here()

    async def engine(definition: Definition, told: str | None) -> Sequence[Result]:
        where = told or settings.api_base_url
        return await run_test(
            definition, base=where, location=location, clock=lambda: datetime.now(UTC), secrets=secrets,
            keep=settings.home / KEPT,
        )  # fmt: skip

    base = base or (settings.api_base_url if "api_base_url" in settings.model_fields_set else None)
    folder = spool or settings.home / "spool" / location
    door = Api(api, _token(token_file), location)
    return Agent(location, door, Spool(folder, limit=limit * MiB), engine, read, base=base, only=only)


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN) or None
    try:
        return file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=file, key="--token-file") from None


async def _until_signal(agent: Agent) -> None:
    import asyncio
    import signal

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    typer.echo(f"running the tests of {agent.location}; Ctrl-C stops")
    await agent.work(stop)
    if not agent.spool.empty:
        typer.echo(f"stopped; results wait in {agent.spool.folder} and are delivered at the next start")


async def _here(settings: Settings, location: str, only: Sequence[str], base: str | None) -> list[Result]:
    """Every test of the files once, side by side."""
    import asyncio
    from datetime import UTC, datetime

    from pitchey_slo.probe.synthetic import run as run_test
    from pitchey_slo.probe.synthetic.shelf import secrets_here

    tests = {d.name: d for d in _definitions(settings)}
    for name in only:
        if name not in tests:
            hint = did_you_mean(name, tests) or f"tests: {', '.join(tests) or 'none'}"
            raise ConfigError(f"no test {name!r}", key="--test", hint=hint)
    chosen = [d for n, d in tests.items() if (n in only if only else d.runs_at(location))]
    secrets, where = secrets_here(), base or settings.api_base_url
    runs = [
        run_test(d, base=where, location=location, clock=lambda: datetime.now(UTC), secrets=secrets) for d in chosen
    ]
    return [result for results in await asyncio.gather(*runs) for result in results]


def _definitions(settings: Settings) -> list[Definition]:
    """Those of the configuration, or the shipped ones. Raises ConfigError for what cannot be read."""
    from pitchey_slo.probe.synthetic.reader import read
    from pitchey_slo.probe.synthetic.shelf import FOLDER
    from pitchey_slo.settings import shipped

    own = settings.config / FOLDER
    folder = own if own.is_dir() else shipped("config") / FOLDER
    return [
        read(path.read_text("utf-8"), str(path)) for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    ]


def _from_files(settings: Settings) -> list[dict[str, Any]]:
    return [
        {"name": d.name, "kind": d.kind, "component": d.component, "interval_seconds": d.interval, "state": "unknown",
         "sentence": "no server runs here", "locations": [], "attribution": None, "uptime": {}}
        for d in _definitions(settings)
    ]  # fmt: skip


def _tell(results: Sequence[Result], as_json: bool, *, waiting: str | None = None) -> None:
    """What was found; ends with 1 when a test failed, 3 when results could not be delivered."""
    verdicts = [r for r in results if r.scope == "verdict"]
    if as_json:
        import orjson

        typer.echo(orjson.dumps([r.row() for r in results], option=orjson.OPT_INDENT_2).decode())
    else:
        for r in verdicts:
            took = f"{r.duration_ms:,.0f} ms" if r.duration_ms is not None else "-"
            why = f"  {r.failure or r.state}: {r.reason}" if r.reason else ""
            typer.echo(f"{_MARKS[r.state]} {r.test:<24} {r.state:<10} {took:>10}{why}")
        if not verdicts:
            typer.echo("no test runs here")
    if waiting:
        raise StoreUnavailable(f"the results wait on disk, since the API was not reached: {waiting}")
    if any(r.state == "unhealthy" for r in verdicts):
        raise typer.Exit(1)


def _print_list(told: dict[str, Any], *, running: bool) -> None:
    from rich.console import Console

    out = Console(highlight=False, soft_wrap=True)
    for test in told["tests"]:
        day = (test["uptime"].get("24h") or {}).get("uptime")
        up = f"  up {100 * day:.2f} % of 24 h" if day is not None else ""
        why = f"  {test['attribution']['text']}" if test["attribution"] else ""
        out.print(
            f"{_MARKS[test['state']]} {test['name']:<24} {test['state']:<10} {test['sentence']}{up}{why}", markup=False
        )
        for each in test["locations"]:
            took = f"{each['duration_ms']:,.0f} ms" if each["duration_ms"] is not None else "-"
            reason = f"  {each['reason']}" if each["reason"] else ""
            line = f"    {each['location']:<22} {each['place']:<10} {took:>10}  {each['at'][:19]}{reason}"
            out.print(line, markup=False, style="dim")
    for place in told["locations"]:
        if place["reason"]:
            out.print(
                f"{place['location']}: {place['state']} since {place['since'][:19]}: {place['reason']}", markup=False
            )
    for problem in told["problems"]:
        out.print(f"problem: {problem}", markup=False, style="yellow")
    if not told["tests"]:
        out.print("no tests: put files into config/synthetics, or POST them to /api/monitoring/synthetic")
    elif not running:
        out.print("no server runs here, so nothing is known of how they are", style="dim")
