"""`pitchey-slo rules`: check rule files, list the rules that run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pitchey_slo.cli import review
from pitchey_slo.cli.backtest import backtest
from pitchey_slo.cli.tune import tune
from pitchey_slo.cli.whatif import whatif
from pitchey_slo.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Alerting and recording rules.")
review.register(app)


@app.command()
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="rule files or folders; those of config/ when none")
    ] = None,
) -> None:
    """Read rule files strictly and say everything that is wrong with them; exit code 1 when something is."""
    from pitchey_slo.alert.rule_book import slo_groups
    from pitchey_slo.alert.rules import load_rules

    settings = Settings.load()
    groups = load_rules(*(files or [settings.config / "rules"]))
    if not files and (settings.config / "slos").is_dir():
        groups += slo_groups(settings.config / "slos")
    alerts = sum(rule.kind == "alert" for group in groups for rule in group.rules)
    records = sum(len(group.rules) for group in groups) - alerts
    typer.echo(f"{len(groups)} groups, {alerts} alerting and {records} recording rules: all good")


@app.command("list")
def list_rules(
    home: Annotated[Path | None, typer.Option(help="folder of the store whose server is asked")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as the API answers it")] = False,
) -> None:
    """The rules of the running server with their states, or those of config/ when none runs."""
    from pitchey_slo.client import find_server

    settings = Settings.load(home=home)
    server = find_server(settings.home)
    groups = _asked(server.url, server.token) if server else _read(settings)
    if as_json:
        typer.echo(json.dumps({"groups": groups}, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("rule", "severity", "for", "state", "group", box=None, pad_edge=False)
    for group in groups:
        for rule in group["rules"]:
            state = rule.get("lastError") or rule.get("state") or rule.get("health", "")
            hold = f"{rule['duration']:g}s" if rule.get("duration") else ""
            table.add_row(rule["name"], rule.get("labels", {}).get("severity", ""), hold, state, group["name"])
    Console().print(table)
    if not server:
        typer.echo("no server runs on this home: these are the rules of the files")


def _asked(url: str, token: str) -> list[dict[str, Any]]:
    import httpx

    secure = url.startswith("https:")  # else it would read certificates that nobody shows
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False, timeout=30, verify=secure
    ) as client:
        found: list[dict[str, Any]] = client.get("/api/v1/rules").raise_for_status().json()["data"]["groups"]
    return found


def _read(settings: Settings) -> list[dict[str, Any]]:
    from pitchey_slo.alert.rule_book import RuleBook
    from pitchey_slo.alert.table import Table
    from pitchey_slo.alert.told import Status, Wanted, prometheus_groups

    book = RuleBook(settings.config / "rules", settings.config / "slos")
    book.refresh()
    for problem in book.problems.values():
        typer.echo(problem, err=True)
    return prometheus_groups(Status(book.groups, Table()), Wanted())


app.command("tune")(tune)
app.command("whatif")(whatif)
app.command("backtest")(backtest)
