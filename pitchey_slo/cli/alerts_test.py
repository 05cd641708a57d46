"""`pitchey-slo alerts test`: where an alert with these labels would go, and when; nothing is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pitchey_slo.errors import RequestError
from pitchey_slo.settings import Settings, shipped


def test(
    labels: Annotated[list[str], typer.Argument(metavar="LABEL=VALUE...", help="Such as severity=critical.")],
    at: Annotated[str | None, typer.Option(help="When it would begin to fire, ISO 8601; now without it.")] = None,
    hours: Annotated[float, typer.Option(help="How far ahead to look.", min=0.1, max=24 * 31)] = 24.0,
    file: Annotated[Path | None, typer.Option(help="Routes file (default: routes/routes.yml of the config).")] = None,
    silences: Annotated[bool, typer.Option(help="With the silences of the store.")] = True,
    home: Annotated[Path | None, typer.Option(help="Folder of the store.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Where an alert with these labels goes at a time: receivers, waits, mutes, escalation. Nothing is sent."""
    from pitchey_slo.alert.config import load_routes
    from pitchey_slo.alert.silences import silence_from
    from pitchey_slo.alert.simulate import route_of
    from pitchey_slo.cli.alerts import _json, _labels, _query

    settings = Settings.load(home=home)
    given = _labels(labels)
    config = load_routes(file or _routes(settings), settings=settings)
    known = []
    if silences and Path(settings.home).exists():
        with _query(home) as query:
            known = [silence_from(row) for row in query("SELECT * FROM silences", []).to_pylist()]
    trace = route_of(config, {"alertname": "Test"} | given, _moment(at), known, hours=hours)
    if as_json:
        _json(trace.as_dict() | {"notices": list(config.notices)})
        return
    for line in trace.lines():
        typer.echo(line)
    for notice in config.notices:
        typer.echo(notice, err=True)


def _routes(settings: Settings) -> Path:
    own = settings.routes_file
    return own if own.exists() or settings.routes is not None else shipped("config") / "routes" / "routes.yml"


def _moment(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise RequestError(
            f"{text!r} is no time; write it as 2026-03-01T22:00 (UTC) or 2026-03-01T22:00+01:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
