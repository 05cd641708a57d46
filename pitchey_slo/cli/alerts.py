"""`pitchey-slo alerts`: what fires and why, take it on, end it, silence it, and try where labels would go.

Looking works without a server too (the lake has everything up to its last flush); changes need the running one.
"""

from __future__ import annotations

import getpass
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from pitchey_slo.cli.alerts_test import test
from pitchey_slo.client import HttpDoor, find_server
from pitchey_slo.errors import QueryError, RequestError, StoreUnavailable
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from pitchey_slo.alert.why import Query

app = typer.Typer(help="Alerts: list, ack, resolve, silence, test, why.", no_args_is_help=True)
app.command("test")(test)

Home = Annotated[Path | None, typer.Option(help="Folder of the store (default: PITCHEY_HOME, else ./data).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AlertId = Annotated[str, typer.Argument(metavar="ID", help="As `alerts list` shows it; its beginning is enough.")]
By = Annotated[str, typer.Option(help="Who (default: you).")]
Comment = Annotated[str, typer.Option("--comment", "-m", help="In plain words.")]
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    severity: Annotated[str, typer.Option(help="Only this severity.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1_000)] = 50,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """What is pending or firing now, the most urgent first."""
    found = _listed(home, "all" if everything else "active", severity, limit)
    if as_json:
        _json({"alerts": found})
        return
    from rich.console import Console

    out, now = Console(highlight=False, soft_wrap=True), datetime.now(UTC)
    for alert in found:
        acked = f"  taken on by {alert['acked_by']}" if alert["acked_by"] else ""
        quiet = "  not told" if alert.get("silenced_by") or alert.get("inhibited_by") or alert.get("muted_by") else ""
        since = _since(alert["active_at"], now)
        head = f"{alert['id'][:8]}  {alert['state']:<8}  {alert['severity']:<8}  {since:<12}  {alert['name']}"
        out.print(head + quiet + acked, markup=False)
        if summary := str(alert["annotations"].get("summary", "")):
            out.print(f"          {summary}", markup=False, style="dim")
    if not found:
        out.print("nothing is pending or firing")


@app.command()
def why(alert: AlertId, home: Home = None, as_json: Json = False) -> None:
    """Why somebody was paged, or not: every decision, and every message with the channel's answer."""
    from pitchey_slo.alert.why import why as explain

    with _query(home) as query:
        told = explain(_whole(query, alert), query).as_dict()
    if as_json:
        _json(told)
        return
    typer.echo(told["sentence"])
    rule = told["rule"]
    if rule.get("expr"):
        value = f", value {told['value']}" if told["value"] is not None else ""
        typer.echo(f"rule      {rule.get('name', '')}: {rule['expr']}{value}")
    typer.echo("labels    " + ", ".join(f"{k}={v}" for k, v in sorted(told["alert"]["labels"].items())))
    for decision in told["decisions"]:
        typer.echo(f"{decision['at'][:19].replace('T', ' ')}  {decision['kind']:<12}  {decision['text']}")
    for sent in told["notifications"]:
        typer.echo(
            f"message   {sent['receiver']} {sent['channel']} ({sent['action']}): {sent['state']} after "
            f"{sent['attempts']} attempts" + (f", {sent['answer']}" if sent["answer"] else "")
        )


@app.command()
def ack(alert: AlertId, comment: Comment = "", by: By = "", home: Home = None) -> None:
    """Take an alert on: its escalation stops."""
    done = _said(home, alert, "ack", comment, by)
    typer.echo(f"{done['name']} is taken on by {done['acked_by']}")


@app.command()
def resolve(alert: AlertId, comment: Comment = "", by: By = "", home: Home = None) -> None:
    """End an alert. A rule whose condition still holds begins it anew."""
    done = _said(home, alert, "resolve", comment, by)
    typer.echo(f"{done['name']} is resolved")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    summary: Annotated[str, typer.Argument(help="One line in plain words.")],
    severity: Annotated[str, typer.Option(help="critical, warning or info.")] = "warning",
    label: Annotated[list[str] | None, typer.Option("--label", "-l", help="More labels: name=value.")] = None,
    last: Annotated[str, typer.Option("--for", help="It ends after so long: 30m, 2h.")] = "1h",
    by: By = "",
    home: Home = None,
) -> None:
    """Make an alert by hand; it is routed and told like any other."""
    body: dict[str, Any] = {"name": name, "summary": summary, "severity": severity, "labels": _labels(label or [])}
    body |= {"minutes": _seconds(last) / 60, "by": by or getpass.getuser()}
    with _door(home) as door:
        made = door.ask("POST", "/api/monitoring/alerts", body)
    typer.echo(made["id"])


@app.command()
def silence(
    matchers: Annotated[list[str], typer.Argument(metavar="MATCHER...", help='Such as service="api" or alertname=X.')],
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why, in plain words.")],
    last: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 3d (recurring: each time).")] = "2h",
    start: Annotated[str | None, typer.Option(help="ISO 8601; now without it.")] = None,
    end: Annotated[str | None, typer.Option(help="ISO 8601, instead of --for; recurring: the end of it all.")] = None,
    rrule: Annotated[str | None, typer.Option(help="Comes again, such as FREQ=WEEKLY;BYDAY=SU.")] = None,
    zone: Annotated[str, typer.Option(help="Time zone of the rule's wall clock.")] = "UTC",
    until_resolved: Annotated[bool, typer.Option(help="Ends as soon as nothing that it matches fires.")] = False,
    by: By = "",
    home: Home = None,
) -> None:
    """Do not tell about alerts that match, for a time."""
    body: dict[str, Any] = {"matchers": matchers, "comment": comment, "start": start, "end": end, "rrule": rrule}
    body |= {"zone": zone, "until_resolved": until_resolved, "by": by or getpass.getuser()}
    if end is None or rrule is not None:
        body["minutes"] = _seconds(last) / 60
    with _door(home) as door:
        made = door.ask("POST", "/api/monitoring/silences", body)
    typer.echo(made["id"])
    typer.echo(f"until {made['ends_at']}; end it with `pitchey-slo alerts unsilence {made['id']}`", err=True)


@app.command()
def silences(home: Home = None, as_json: Json = False) -> None:
    """Silences that hold or will hold."""
    from pitchey_slo.alert.silences import silence_from, status

    with _query(home) as query:
        found = [silence_from(row) for row in query("SELECT * FROM silences ORDER BY starts_at, id", []).to_pylist()]
    now = datetime.now(UTC)
    alive = [s for s in found if status(s, now) != "expired"]
    if as_json:
        _json(
            {
                "silences": [
                    {
                        "id": s.id,
                        "status": status(s, now),
                        "matchers": [str(m) for m in s.matchers],
                        "starts_at": s.starts_at.isoformat(),
                        "ends_at": s.ends_at.isoformat(),
                        "rrule": s.rrule,
                        "created_by": s.created_by,
                        "comment": s.comment,
                    }
                    for s in alive
                ]
            }
        )
        return
    for s in alive:
        again = f", again {s.rrule}" if s.rrule else ""
        typer.echo(f"{s.id}  {', '.join(map(str, s.matchers))}  until {s.ends_at:%Y-%m-%d %H:%M} UTC{again}")
        typer.echo(f"    {status(s, now)}; {s.created_by}: {s.comment}")
    if not alive:
        typer.echo("nothing is silenced")


@app.command()
def unsilence(
    key: Annotated[str, typer.Argument(metavar="ID", help="As `alerts silences` shows it.")], home: Home = None
) -> None:
    """End a silence now."""
    with _door(home) as door:
        door.ask("DELETE", f"/api/monitoring/silences/{quote(key, safe='')}")
    typer.echo(f"silence {key} ended")


def _listed(home: Path | None, state: str, severity: str, limit: int) -> list[dict[str, Any]]:
    settings = Settings.load(home=home)
    server = find_server(settings.home)
    if server is not None:
        with HttpDoor(server) as door:
            found = door.ask("GET", f"/api/monitoring/alerts?state={state}&severity={quote(severity)}&limit={limit}")
        return list(found["alerts"])
    from pitchey_slo.alert.rows import alert_from
    from pitchey_slo.alert.why import alert_dict

    chosen = "true" if state == "all" else "state <> 'resolved'"
    with _query(home) as query:
        rows = query(
            f"SELECT * FROM alerts WHERE {chosen} AND severity = coalesce(?, severity) "
            f"ORDER BY active_at DESC LIMIT {limit}",
            [severity or None],
        ).to_pylist()
    return [alert_dict(alert_from(row)) for row in rows]


def _since(at: str, now: datetime) -> str:
    """The time in UTC, with the day when it is not today's."""
    then = datetime.fromisoformat(at).astimezone(UTC)
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%d %b %H:%M}"


def _said(home: Path | None, alert: str, verb: str, comment: str, by: str) -> dict[str, Any]:
    with _query(home) as query:
        key = _whole(query, alert)
    with _door(home) as door:
        body = {"by": by or getpass.getuser(), "comment": comment}
        return dict(door.ask("POST", f"/api/monitoring/alerts/{quote(key, safe='')}/{verb}", body))


def _whole(query: Query, alert: str) -> str:
    """The id that begins so; the text itself when none does. Raises QueryError when several do."""
    rows = query(
        "SELECT id FROM alerts WHERE starts_with(id, ?) ORDER BY state = 'resolved', active_at DESC LIMIT 2", [alert]
    ).to_pylist()
    if len(rows) > 1 and len(alert) < 8:
        raise QueryError(f"{alert!r} begins several alerts; give more of the id")
    return str(rows[0]["id"]) if rows else alert


@contextmanager
def _door(home: Path | None) -> Iterator[HttpDoor]:
    settings = Settings.load(home=home)
    server = find_server(settings.home)
    if server is None:
        raise StoreUnavailable(f"no server runs on {settings.home}; start it with `pitchey-slo serve`")
    with HttpDoor(server) as door:
        yield door


@contextmanager
def _query(home: Path | None) -> Iterator[Query]:
    """Asks the lake."""
    from pitchey_slo.store.reader import LakeReader

    settings = Settings.load(home=home)
    server = find_server(settings.home)
    if server is not None:
        with HttpDoor(server) as door:
            door.flush()  # what was decided this second
    yield LakeReader(settings.lake_uri, settings.storage_options, settings.memory_limit).query


def _labels(pairs: list[str]) -> dict[str, str]:
    found = dict(pair.partition("=")[::2] for pair in pairs)
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise RequestError(f"{wrong[0]!r} is no label; name=value works")
    return found


def _seconds(text: str) -> float:
    parts = re.findall(r"(\d+)([smhdw])", text)
    if not parts or "".join(n + unit for n, unit in parts) != text.strip():
        raise RequestError(f"{text!r} is no length; 30m, 2h, 1d12h work")
    return timedelta(seconds=sum(int(n) * _UNITS[unit] for n, unit in parts)).total_seconds()


def _json(value: Any) -> None:
    import orjson

    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
