"""`pitchey-slo token`: make, list and revoke API tokens; through the server when one runs, else in the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import orjson
import typer
from rich.console import Console
from rich.table import Column, Table

from pitchey_slo.client import HttpDoor, find_server
from pitchey_slo.names import SCOPES
from pitchey_slo.settings import Settings

app = typer.Typer(help="Make, list and revoke API tokens.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Home = Annotated[Path | None, typer.Option(help="folder of the store (PITCHEY_HOME)")]
Json = Annotated[bool, typer.Option("--json", help="for machines")]


class Keeper(Protocol):
    """Where tokens are kept: the server (HttpDoor), or the store itself."""

    def tokens(self) -> list[dict[str, Any]]: ...
    def create_token(self, name: str, scopes: list[str], days: int | None = 365) -> str: ...
    def revoke_token(self, token_id: str) -> None: ...


@app.command()
def create(
    scope: Annotated[list[str], typer.Option(help="what it may do; repeat for more: " + ", ".join(SCOPES))],
    name: Annotated[str, typer.Option(help="whom it is for")] = "",
    days: Annotated[int, typer.Option(help="days until it expires; 0 for never", min=0)] = 365,
    home: Home = None,
    json: Json = False,
) -> None:
    """Make a token and print it. It cannot be shown again."""
    with keeper(home) as tokens:
        text = tokens.create_token(name, scope, days or None)
    if json:
        out.print_json(orjson.dumps({"token": text}).decode())
        return
    typer.echo(text)
    err.print("keep it now: it cannot be shown again; send it as `Authorization: Bearer ...`")


@app.command(name="list")
def list_(home: Home = None, json: Json = False) -> None:
    """Show all tokens, without their secrets."""
    with keeper(home) as tokens:
        found = tokens.tokens()
    if json:
        out.print_json(orjson.dumps(found).decode())
        return
    key = Column("id", no_wrap=True, min_width=12)  # the one that people copy
    table = Table(key, "name", "scopes", "created", "expires", "last used", "state", box=None, padding=(0, 2, 0, 0))
    for token in found:
        table.add_row(
            token["id"],
            token["name"],
            ", ".join(token["scopes"]),
            day(token["created_at"]),
            day(token["expires_at"]) or "never",
            day(token["last_used_at"]) or "not yet",
            "revoked" if token["revoked_at"] else "",
        )
    out.print(table if found else "no tokens yet; `pitchey-slo token create --scope ingest` makes one")


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="as `token list` shows it")], home: Home = None
) -> None:
    """From now on the token opens nothing."""
    with keeper(home) as tokens:
        tokens.revoke_token(token_id)
    out.print(f"token {token_id} is revoked")


@contextmanager
def keeper(home: Path | None) -> Iterator[Keeper]:
    """The running server's tokens, or the store's when no server runs on this home."""
    settings = Settings.load(home=home)
    server = find_server(settings.home)
    if server is not None:
        with HttpDoor(server) as door:
            yield door
        return
    from pitchey_slo.store import Store

    with Store.open(settings, background=False) as store:
        yield StoreKeeper(store)


class StoreKeeper:
    """The tokens of a store that this process has open."""

    def __init__(self, store: Any) -> None:
        self._tokens = store.tokens

    def tokens(self) -> list[dict[str, Any]]:
        return [
            {**{k: v for k, v in vars(t).items() if k != "secret_sha256"}, "scopes": sorted(t.scopes)}
            for t in self._tokens.list()
        ]

    def create_token(self, name: str, scopes: list[str], days: int | None = 365) -> str:
        return str(self._tokens.create(name, scopes, days))

    def revoke_token(self, token_id: str) -> None:
        self._tokens.revoke(token_id)


def day(moment: Any) -> str:
    """The day of a time as people read it; empty for none."""
    return str(moment)[:10] if moment else ""
