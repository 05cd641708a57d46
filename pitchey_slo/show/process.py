"""The process of the dashboards: one event loop with Panel's documents, the hub and the client of the API."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import bokeh.server.urls as urls
import panel as pn
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from panel.io.application import build_applications
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from pitchey_slo.errors import Forbidden, PitcheyError, Unauthorized
from pitchey_slo.show import doors, files
from pitchey_slo.show.acts import Acts
from pitchey_slo.show.api import Api
from pitchey_slo.show.boards import Boards
from pitchey_slo.show.hub import Hub
from pitchey_slo.show.orders import LINK_SECONDS, Orders
from pitchey_slo.show.page import Viewer, document
from pitchey_slo.show.people import Once, Patience, Person, Sessions, anonymous

log = logging.getLogger(__name__)

#: Bytes of one message from a browser, at most: a definition that is saved.
MESSAGE_BYTES = 1 << 20
#: How often tokens that people signed in with are asked about: a revoked one ends their sessions.
ASK_AGAIN = 60.0


class App:
    """What everything in this process shares."""

    def __init__(self, orders: Orders, *, clock: Callable[[], float] = time.time, hurry: float = 1.0) -> None:
        self.orders, self.clock = orders, clock
        self.api = Api(orders.api, orders.token)
        self.hub = Hub(self.api, clock=clock, hurry=hurry)
        self.boards = Boards(self.api)
        self.acts = Acts(self.api, self.hub.again)
        self.sessions = Sessions(clock)
        self.once = Once(orders.once, LINK_SECONDS, clock)
        self.patience = Patience(20, 60.0, clock)
        self.anonymous = anonymous(orders.anonymous)
        self.viewers: set[Viewer] = set()

    def sees(self, person: Person, name: str) -> bool:
        """Whether `person` may look at the board `name`; one that is not there may be looked for by viewers."""
        board = self.boards.find(name)
        return person.may(board.role if board else "viewer")

    def check(self, person: Person | None, name: str) -> None:
        """Raises Unauthorized without a person, Forbidden when they may not look at `name`."""
        if person is None:
            raise Unauthorized("your session is over; sign in again")
        if not self.sees(person, name):
            raise Forbidden(f"{person.name} may not look at {name!r}; sign in with a token that may")

    async def who(self, token: str) -> Person:
        """Whose `token` it is. Raises PitcheyError: unknown, revoked, or the server does not answer."""
        if not token.isascii() or not token.isprintable() or not token:
            raise Unauthorized("this is no token; `pitchey-slo token create` makes one")
        told = await self.api.ask("GET", "/api/monitoring/whoami", token=token)
        return Person(str(told["name"]), str(told["role"]), token)

    def end(self, session: str) -> None:
        """End a session, for the pages that are open with it too."""
        self.sessions.end(session)
        for viewer in [v for v in self.viewers if v.session == session]:
            self.hub.leave(viewer)
            viewer.tell(kind="gone")

    async def ask_again(self) -> None:
        """End the sessions of tokens that were revoked, for ever."""
        while True:
            await asyncio.sleep(ASK_AGAIN)
            for token in self.sessions.tokens():
                try:
                    await self.who(token)
                except Unauthorized:
                    over = [v for v in self.viewers if v.person and v.person.token == token]
                    self.sessions.end_all_of(token)
                    for viewer in over:
                        self.hub.leave(viewer)
                        viewer.tell(kind="gone")
                except PitcheyError as error:
                    log.debug("not asked about a token: %s", error.message)


def tornado(app: App) -> BokehTornado:
    """The application with all its paths."""
    urls.per_app_patterns[:] = [(r"/ws", doors.Wire), (r"/?", doors.Page)]
    pn.config.notifications = False
    ours: dict[str, Any] = {"app": app}
    pages = build_applications({"/show": lambda: document(app)})["/show"]
    return BokehTornado(
        {r"/show/(?P<name>[^/]+)": pages},
        extra_patterns=[
            (r"/", doors.Start, ours),
            (r"/signin", doors.SignIn, ours),
            (r"/signout", doors.SignOut, ours),
            (r"/alive", doors.Alive, ours),
            (r"/at/([0-9a-f]+)/([a-z_]+/[A-Za-z0-9_.-]+)", files.Files),
        ],
        secret_key=app.orders.secret.encode(),
        sign_sessions=True,
        cookie_secret=app.orders.secret,
        auth_provider=doors.Door(app),
        extra_websocket_origins=list(app.orders.origins),
        include_headers=[],
        include_cookies=[],  # what is included stands in the page, where scripts can read it
        use_index=False,
        websocket_max_message_size_bytes=MESSAGE_BYTES,
        keep_alive_milliseconds=20_000,
        unused_session_lifetime_milliseconds=20_000,
    )


async def serve(app: App, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. The secret signs sessions and cookies."""
    application = tornado(app)
    http = HTTPServer(application, xheaders=app.orders.secure, max_body_size=1 << 20)
    listener.setblocking(False)
    http.add_sockets([listener])
    server = BaseServer(IOLoop.current(), application, http)
    server.start()
    tasks = [asyncio.create_task(app.boards.keep()), asyncio.create_task(app.ask_again())]
    try:
        await stop.wait()
    finally:
        for task in tasks:
            task.cancel()
        await app.hub.close()
        server.stop(wait=False)
        http.stop()
        await app.api.close()


def run(orders: Orders) -> None:
    """Serve until SIGTERM or Ctrl-C; with `orders.watch` also until standard input ends: the parent is gone."""
    logging.basicConfig(level=orders.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if orders.log_level != "debug":
        for noisy in ("httpx", "tornado.access", "bokeh", "panel"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
    asyncio.run(_until_told(orders))


async def _until_told(orders: Orders) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if orders.watch:
        loop.add_reader(sys.stdin.fileno(), lambda: stop.set() if not os.read(sys.stdin.fileno(), 1_024) else None)
    with socket.socket(fileno=os.dup(orders.fd)) as listener:
        await serve(App(orders), listener, stop)
