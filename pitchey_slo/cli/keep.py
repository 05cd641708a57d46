"""`retention`, `backup`, `restore`, `repair`: keeping the store healthy. Each works beside a running server."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from pitchey_slo.settings import Settings

Home = Annotated[Path | None, typer.Option(help="folder of the store")]
Json = Annotated[bool, typer.Option("--json", help="for machines")]


def _say(text: str) -> None:
    typer.echo(text)


def retention(
    home: Home = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="count only, remove nothing")] = False,
    as_json: Json = False,
) -> None:
    """Remove what is older than each table's retention (PITCHEY_RETENTION); the server does it daily."""
    from pitchey_slo.client import HttpDoor, find_server
    from pitchey_slo.store import Store

    settings = Settings.load(home=home)
    server = find_server(settings.home)
    if server is not None:
        with HttpDoor(server) as door:
            removed = door.retention(dry_run=dry_run)
    else:
        with Store.open(settings, background=False) as store:
            removed = store.apply_retention(dry_run=dry_run)
    if as_json:
        _say(json.dumps([vars(r) for r in removed], default=str))
        return
    verb = "would be removed" if dry_run else "removed"
    for r in removed:
        _say(f"{r.table}: {r.rows:,} rows {verb} (kept {r.keep_days} days, older than {r.cutoff:%Y-%m-%d %H:%M} UTC)")
    _say("an incident, a deployment and any table with 0 days is kept for ever")


def backup(
    folder: Annotated[Path, typer.Argument(help="where the backup's own folder is made")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Write a consistent, verified copy of hot and lake, while everything runs."""
    from pitchey_slo.client import HttpDoor, find_server
    from pitchey_slo.store import Store

    settings = Settings.load(home=home)
    server = find_server(settings.home)
    if server is not None:
        with HttpDoor(server) as door:
            path = door.backup(folder.resolve())
    else:
        with Store.open(settings, background=False) as store:
            path = store.backup(folder)
    manifest = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    _say(json.dumps({"path": str(path), **manifest}) if as_json else f"{path}\n{_counts(manifest['rows'])}")


def restore(
    source: Annotated[Path, typer.Argument(help="a folder that `pitchey-slo backup` made")],
    home: Home = None,
    force: Annotated[bool, typer.Option("--force", help="move what the home holds aside first")] = False,
) -> None:
    """Put a backup in place; checks it against its manifest first. The server must be stopped."""
    from pitchey_slo.store import restore as put_back

    done = put_back(source, Settings.load(home=home).home, force=force)
    _say(f"{done.home} is as it was at commit {done.commit_seq}\n{_counts(done.rows)}")
    if done.moved_aside:
        _say(f"what was there before lies in {done.moved_aside}")


def repair(home: Home = None, as_json: Json = False) -> None:
    """Bring a hot file back that does not open, and say exactly what is missing. The server must be stopped."""
    from pitchey_slo.store import repair as mend

    settings = Settings.load(home=home)
    done = mend(settings.home, settings.lake_uri, settings.storage_options, datetime.now(UTC))
    if as_json:
        _say(json.dumps(vars(done), default=str))
        return
    for step in done.steps:
        _say(step)
    if done.quarantine:
        _say(f"the files as they were lie in {done.quarantine}")
    _say(f"commits: {done.commit_seq} in hot, {done.in_lake} in the lake, {done.acknowledged} acknowledged")
    if done.lost:
        _say(f"lost: commits {done.lost[0]} to {done.lost[1]}; ask the senders for these or restore a backup")
    else:
        _say("nothing acknowledged is missing")


def _counts(rows: dict[str, Any]) -> str:
    return "\n".join(f"  {name}: {count:,} rows" for name, count in rows.items())
