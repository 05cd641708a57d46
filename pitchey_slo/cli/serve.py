"""`pitchey-slo serve`: the API over the store of a home folder, and the dashboards beside it."""

from __future__ import annotations

import ipaddress
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pitchey_slo.client import ServerInfo
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from pitchey_slo.report.on_alert import Investigations
    from pitchey_slo.show import Dashboards
    from pitchey_slo.web.alerting import Alerting

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)


def serve(
    host: Annotated[str | None, typer.Option(help="address to listen on (PITCHEY_HOST)")] = None,
    port: Annotated[int | None, typer.Option(help="port, 0 takes a free one (PITCHEY_PORT)", min=0, max=65535)] = None,
    home: Annotated[Path | None, typer.Option(help="folder of the store (PITCHEY_HOME)")] = None,
) -> None:
    """Serve the API and write what arrives, until Ctrl-C or SIGTERM."""
    from pitchey_slo import web
    from pitchey_slo.scrub import scrubber

    settings = Settings.load(host=host, port=port, home=home)
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:  # an error may quote what somebody sent
        handler.addFilter(scrubber(settings).logging_filter())
    if settings.log_level != "debug":
        # a line per scrape says nothing; failures are told elsewhere
        logging.getLogger("httpx").setLevel(logging.WARNING)
    if not is_loopback(settings.host):
        err.print(
            f"warning: {settings.host} can be reached from other machines, and the API speaks plain HTTP; "
            "put a proxy with TLS in front, or listen on 127.0.0.1",
            style="yellow",
        )
    screens = dashboards(settings)
    web.serve(
        settings,
        on_ready=lambda info: tell(info, settings, screens),
        beside=[lambda alerting: investigations(alerting, settings)],
        screens=screens,
    )
    out.print("stopped; everything acknowledged is stored")


def dashboards(settings: Settings) -> Dashboards | None:
    """The dashboards, not started yet; None when they are switched off or their port is taken: the API serves all the
    same."""
    from pitchey_slo.show import Dashboards
    from pitchey_slo.web.serve import listen

    if settings.dashboards == "off":
        return None
    try:
        return Dashboards(settings, listen(settings.host, settings.dashboards_port))
    except ConfigError as error:
        err.print(f"no dashboards: {error.message.splitlines()[0]} (PITCHEY_DASHBOARDS_PORT)", style="yellow")
        return None


def investigations(alerting: Alerting, settings: Settings) -> Investigations:
    """The investigation notebook for every alert of the chosen severities."""
    from pitchey_slo.report.on_alert import Investigations

    chosen = [severity for text in settings.investigate.split(",") if (severity := text.strip())]
    return Investigations(alerting.house.opened(), settings, alerting.engine.alerts, chosen)


def tell(info: ServerInfo, settings: Settings, screens: Dashboards | None) -> None:
    """Where it listens and what to do next."""
    out.print(f"serving {settings.home} on {info.url} (process {info.pid}); Ctrl-C stops")
    if screens is not None:
        out.print(f"  dashboards    {screens.url}")
        if is_loopback(settings.host):
            out.print(f"  as admin      {screens.link} (works once, for 10 minutes)")
    out.print(f"  send events   POST {info.url}/api/monitoring/events")
    out.print(f"  a token       pitchey-slo token create --scope ingest --home {settings.home}")
    out.print(f"  all paths     {info.url}/docs")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
