"""`pitchey-slo dashboards`: the dashboards alone, for a server that runs elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from pitchey_slo.client import find_server
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import Settings

TOKEN = "PITCHEY_DASHBOARDS_TOKEN"


def dashboards(
    api: Annotated[str | None, typer.Option(help="address of the server; that of this home without it")] = None,
    host: Annotated[str | None, typer.Option(help="address to listen on (PITCHEY_HOST)")] = None,
    port: Annotated[
        int | None, typer.Option(help="port, 0 takes a free one (PITCHEY_DASHBOARDS_PORT)", min=0, max=65535)
    ] = None,
    home: Annotated[Path | None, typer.Option(help="folder of the store (PITCHEY_HOME)")] = None,
) -> None:
    """Show the dashboards of a server, until Ctrl-C. For one on another machine PITCHEY_DASHBOARDS_TOKEN holds a token
    with the scope read; what people do is done with their own tokens."""
    import secrets

    from pitchey_slo import show
    from pitchey_slo.show.orders import Orders, origins_of
    from pitchey_slo.web.serve import listen, url_of

    settings = Settings.load(host=host, dashboards_port=port, home=home)
    url, token = source(api, settings)
    with listen(settings.host, settings.dashboards_port) as listener:
        address = (settings.dashboards_url or url_of(listener)).rstrip("/")
        orders = Orders(
            api=url,
            token=token,
            fd=listener.fileno(),
            url=address,
            anonymous=settings.dashboards_anonymous,
            origins=origins_of(address, *listener.getsockname()[:2]),
            once=secrets.token_urlsafe(24),
            log_level=settings.log_level,
        )
        typer.echo(f"dashboards of {url} on {address}; Ctrl-C stops")
        typer.echo(f"  as admin      {address}/signin?once={orders.once} (works once, for 10 minutes)")
        show.run(orders)


def source(api: str | None, settings: Settings) -> tuple[str, str]:
    """(address, token) of the server. Raises ConfigError that says what is missing."""
    token = os.environ.get(TOKEN, "")
    info = find_server(settings.home)
    if api is None:
        if info is None:
            raise ConfigError(
                f"no server runs on {settings.home}", key="--api", hint="pitchey-slo serve, or give --api"
            )
        return info.url, token or info.token
    url = api.rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"{api!r} is no address", key="--api", hint="such as http://127.0.0.1:8001")
    if not token and info is not None and info.url == url:
        token = info.token
    if not token:
        raise ConfigError("no token for this server", key=TOKEN, hint="pitchey-slo token create --scope read")
    return url, token
