"""The dashboards: pages that people look at, in a process of their own.

`Dashboards` starts that process beside the server, keeps it alive and stops it; `run` is what it does: one Panel
document for each viewer, a shell of plain HTML with one component (`page.Link`), which carries messages. All drawing
happens in the browser (`app/`, and one file for each type of widget in `widgets/`). The process is a client of the
server's API with a token of its own; it holds no data. `hub.Hub` asks for a board once per (board, range, variables,
tick) however many look, and hands everyone the same bytes. What a viewer may see and do is decided here, on the page,
on the WebSocket and at every action (`people`, `acts`); an action goes to the API with the viewer's own token, so that
its audit names who did it.

Times are ms since 1970 and values are those of the API: nothing is computed here but how to say it. What a board shows
is the room `board`'s business; what an alert or a budget means is that of `alert` and `slo`.
"""

from __future__ import annotations

from pitchey_slo.show.child import Dashboards
from pitchey_slo.show.orders import Orders

__all__ = ["Dashboards", "Orders", "run"]


def run(orders: Orders) -> None:
    """Show the dashboards until SIGTERM, or until whoever gave the orders is gone. See `process.run`."""
    from pitchey_slo.show.process import run as begin  # Panel takes a second to import

    begin(orders)
