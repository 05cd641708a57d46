"""The page: one Panel document for each viewer, made of a shell in plain HTML and one component that carries messages.

The component draws nothing itself: it loads `app/main.js`, which builds the page in the document (not in a shadow root,
where charts, focus and styles would each need another way) and gets every message from the server as bytes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import orjson
import panel as pn
import param
from panel.custom import JSComponent

from pitchey_slo.errors import PitcheyError
from pitchey_slo.show import files
from pitchey_slo.show.hub import View
from pitchey_slo.show.people import Patience, Person

if TYPE_CHECKING:
    from pitchey_slo.show.process import App

log = logging.getLogger(__name__)

TEMPLATE = (files.HERE / "app" / "page.html").read_text(encoding="utf-8")
#: Messages a browser may leave unanswered; one that is further behind gets none until it answers, then everything.
MOST_UNHEARD = 12
#: What one viewer may ask for in ten seconds.
MOST_ASKED = 60


class Link(JSComponent):
    """Carries messages between a page and this process: JSON in, bytes out."""

    base = param.String(doc="where the scripts are")

    _esm = """
export async function render({ model }) {
  const { start } = await import(new URL(model.base + "app/main.js", location.origin).href)
  const hear = (then) => model.on("msg:custom", (event) => then(event.data ?? event))
  start({ send: (said) => model.send_msg(said), hear })
  return document.createElement("div")
}
"""


class Viewer:
    """One who looks: a page in a browser. Every message is checked against who they are at that moment."""

    def __init__(self, app: App, person: Person, link: Link) -> None:
        self._app, self._link = app, link
        self.session = person.session
        self._calm = Patience(MOST_ASKED, 10.0, app.clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._view: View | None = None
        self._unheard = 0
        self._behind = False

    @property
    def person(self) -> Person | None:
        """Who this is now; None once the session is over."""
        return self._app.sessions.find(self.session) if self.session else self._app.anonymous

    def take(self, message: bytes) -> None:
        """To the browser; what is new is not sent to one that does not keep up, whose messages would pile up here."""
        if message.startswith(b'{"kind":"more"'):
            self._unheard += 1
            self._behind = self._behind or self._unheard > MOST_UNHEARD
            if self._behind:
                return
        self._link._send_msg({"b": message})

    def tell(self, **said: Any) -> None:
        self.take(orjson.dumps(said, default=str))

    def hear(self, said: Any) -> None:
        """From the browser."""
        task = asyncio.get_running_loop().create_task(self._answer(said if isinstance(said, dict) else {}))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def gone(self) -> None:
        self._app.hub.leave(self)
        self._app.viewers.discard(self)

    async def _answer(self, said: dict[str, Any]) -> None:
        what, number = said.get("do"), said.get("id")
        try:
            if not self._calm.try_once():
                raise PitcheyError("too many questions at once; wait a few seconds", reason="rate_limited")
            if what == "look":
                await self._look(said)
            elif what == "had":
                await self._had()
            elif what == "rest":
                self._app.hub.leave(self)
            elif what == "act":
                given = said.get("args")
                value = await self._act(str(said.get("name")), given if isinstance(given, dict) else {})
                self.tell(kind="done", id=number, value=value)
        except PitcheyError as error:
            self.tell(kind="failed", id=number, reason=error.reason, message=error.message, detail=error.detail)
        except Exception:
            log.exception("answering %s", what)
            self.tell(kind="failed", id=number, reason="unexpected", message="something went wrong here; see the log")

    async def _look(self, said: dict[str, Any]) -> None:
        try:
            view = View.of(said)
        except ValueError as error:
            raise PitcheyError(str(error), reason="bad_request") from None
        self._app.check(self.person, view.board)
        self._view, self._unheard, self._behind = view, 0, False
        await self._app.hub.look(self, view)

    async def _had(self) -> None:
        """The browser has drawn what it got."""
        self._unheard = 0
        if self._behind and self._view is not None:
            self._behind = False
            self._app.check(self.person, self._view.board)
            await self._app.hub.look(self, self._view)

    async def _act(self, name: str, given: dict[str, Any]) -> Any:
        person = self.person
        if person is None:
            raise PitcheyError("your session is over; sign in again", reason="unauthorized")
        if name == "boards":
            return [vars(board) for board in self._app.boards.for_(person)]
        return await self._app.acts.do(person, name, given)


def document(app: App) -> pn.Template:
    """One viewer's document; called by Panel for every page, and for a WebSocket whose session was forgotten."""
    doc: Any = pn.state.curdoc
    request = doc.session_context.request
    person: Person | None = getattr(request, "person", None)
    name = str((request.route_params or {}).get("name") or "")
    link = Link(base=f"/at/{files.version()}/")  # type: ignore[no-untyped-call]
    shell = pn.Template(TEMPLATE)
    shell.add_panel("link", link)
    board = app.boards.find(name)
    boot = {
        "board": name,
        "me": {"name": person.name, "role": person.role, "signed_in": bool(person.session)} if person else None,
        "boards": [{"name": b.name, "title": b.title} for b in app.boards.for_(person)],
        "api": app.orders.api,
        "base": link.base,
    }
    title = board.title if board else name
    given = {"page_title": title, "page_boot": script_safe(boot), "page_base": link.base, "nonce": request.nonce}
    for key, value in given.items():
        shell.add_variable(key, value)
    if person is not None:
        viewer = Viewer(app, person, link)
        link.on_msg(lambda event: viewer.hear(event.data))
        app.viewers.add(viewer)
        doc.on_session_destroyed(lambda _: viewer.gone())
    return shell


def script_safe(value: Any) -> str:
    """JSON that may stand inside a script element.

    >>> script_safe({"a": "</script>"})
    '{"a":"\\\\u003c/script\\\\u003e"}'
    """
    text = orjson.dumps(value).decode()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
