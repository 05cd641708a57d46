"""Who comes in: the handlers that decide who asks, and the pages to sign in and out.

A session is a random text in a signed cookie (HttpOnly, SameSite=Lax, Secure when people come by TLS); who it belongs
to is known to this process alone. What changes something is a POST whose Origin is this very address, or a message on a
WebSocket whose Origin was checked when it opened.
"""

from __future__ import annotations

import logging
import secrets
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from bokeh.server.auth_provider import AuthProvider
from panel.io.server import DocHandler, WSHandler
from tornado.web import HTTPError, RequestHandler

from pitchey_slo.errors import PitcheyError
from pitchey_slo.show import files
from pitchey_slo.show.people import Person

if TYPE_CHECKING:
    from pitchey_slo.show.process import App

log = logging.getLogger(__name__)

COOKIE = "pitchey_session"
SCREEN = (files.HERE / "app" / "signin.html").read_text(encoding="utf-8")


def person_of(app: App, handler: RequestHandler) -> Person | None:
    """Who asks: by the session in the cookie, else whoever may come without one."""
    key = handler.get_signed_cookie(COOKIE, max_age_days=8)
    return app.sessions.find(key.decode()) if key and app.sessions.find(key.decode()) else app.anonymous


def local(path: str, otherwise: str = "/") -> str:
    """`path` when it is one of this server, so that nobody is led elsewhere after signing in.

    >>> local("/show/system?range=1h"), local("//evil.example"), local("https://evil.example")
    ('/show/system?range=1h', '/', '/')
    """
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain else otherwise


class Door(AuthProvider):
    """Decides for pages and WebSockets; `request.person` is who came."""

    def __init__(self, app: App) -> None:
        self._app = app
        super().__init__()

    @property
    def get_user(self) -> Any:
        def found(handler: RequestHandler) -> str | None:
            person = person_of(self._app, handler)
            request: Any = handler.request
            request.person = person
            board = request.path.removeprefix("/show/").removesuffix("/ws").strip("/")
            return person.name if person and self._app.sees(person, board) else None

        return found

    @property
    def get_user_async(self) -> None:
        return None

    @property
    def get_login_url(self) -> Any:
        return lambda _: "/../signin"  # Panel puts a dot before it

    @property
    def login_url(self) -> None:
        return None

    @property
    def login_handler(self) -> None:
        return None

    @property
    def logout_url(self) -> None:
        return None

    @property
    def logout_handler(self) -> None:
        return None


class Page(DocHandler):
    """The page of a board: as Panel serves it, with our headers."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        request: Any = self.request
        request.nonce = secrets.token_urlsafe(16)
        for name, value in files.HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", files.policy(request.nonce))


class Wire(WSHandler):
    """The WebSocket of a page: refused before the handshake for whoever may not look."""

    async def prepare(self) -> None:
        await super().prepare()  # type: ignore[no-untyped-call]
        if self.current_user is None:
            raise HTTPError(403, "sign in first")


class Plain(RequestHandler):
    """A small page of ours."""

    def initialize(self, app: App) -> None:
        self.app = app

    def set_default_headers(self) -> None:
        for name, value in files.HEADERS.items():
            self.set_header(name, value)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Content-Security-Policy", files.policy(secrets.token_urlsafe(16)))

    def write_error(self, status_code: int, **_: Any) -> None:
        self.finish(f"<!doctype html><title>{status_code}</title><p>{status_code} {escape(self._reason)}")

    def same_origin(self) -> None:
        """Raises HTTPError 403 when a page of another origin sent this."""
        origin = urlsplit(self.request.headers.get("Origin", "")).netloc.lower()
        if origin not in self.app.orders.origins:
            raise HTTPError(403, reason="sent from another address")


class Start(Plain):
    """/ leads to the first board that one may look at."""

    def get(self) -> None:
        boards = self.app.boards.for_(person_of(self.app, self))
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"/show/{boards[0].name}{query}" if boards else "/signin")


class SignIn(Plain):
    """A form for a token; and the link that works once."""

    async def get(self) -> None:
        code = self.get_query_argument("once", "")
        if code:
            if self.app.once.take(code):
                self._let_in(Person("this machine", "admin"), "/")
                return
            self._show("This link was used already, or is older than ten minutes. Sign in with a token.", 403)
            return
        person = person_of(self.app, self)
        wanted = self.get_query_argument("next", "")
        words = "This page needs more than you may see so far." if person and person.session and wanted else ""
        self._show(words)

    async def post(self) -> None:
        self.same_origin()
        if not self.app.patience.try_once():
            self._show("Too many tries. Wait a minute.", 429)
            return
        token = self.get_body_argument("token", "")[:300]
        try:
            person = await self.app.who(token)
        except PitcheyError as error:
            self._show(error.message, 503 if error.status >= 500 else 403)
            return
        self._let_in(person, local(self.get_body_argument("next", "/")))

    def _let_in(self, person: Person, to: str) -> None:
        begun = self.app.sessions.begin(person)
        secure = self.app.orders.secure
        self.set_signed_cookie(COOKIE, begun.session, expires_days=7, httponly=True, samesite="Lax", secure=secure)
        log.info("%s signed in as %s", person.name, person.role)
        self.redirect(to, status=303)

    def _show(self, words: str, status: int = 200) -> None:
        self.set_status(status)
        wanted = local(self.get_argument("next", "/"))
        given = {"{words}": escape(words), "{next}": escape(wanted, quote=True), "{base}": f"/at/{files.version()}/"}
        page = SCREEN
        for name, value in given.items():
            page = page.replace(name, value)
        self.finish(page)


class SignOut(Plain):
    """Ends the session; pages that are open with it stop showing anything."""

    def post(self) -> None:
        self.same_origin()
        key = self.get_signed_cookie(COOKIE, max_age_days=8)
        if key:
            self.app.end(key.decode())
        self.clear_cookie(COOKIE)
        self.redirect(f"/signin?{urlencode({'next': '/'})}", status=303)


class Alive(Plain):
    """Whether the process answers: a page that lost its WebSocket asks before it loads itself again."""

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(f'{{"status":"alive","viewers":{len(self.app.viewers)}}}')
