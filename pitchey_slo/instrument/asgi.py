"""Requests of an ASGI application as they are answered: a layer around it that neither waits, buffers nor raises.

`add_monitoring(app)` puts it around Starlette, FastAPI and any other ASGI application. WebSockets and lifespan go
through untouched.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import perf_counter
from typing import Any, Final

from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument import given, jobs, trace
from pitchey_slo.instrument.clean import Scrubs
from pitchey_slo.instrument.context import CURRENT, Work
from pitchey_slo.instrument.encode import text
from pitchey_slo.instrument.monitoring import GONE, METHODS, Monitoring, Plan
from pitchey_slo.instrument.pace import Pace
from pitchey_slo.instrument.routes import UNMATCHED, Scope

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

#: What may name a request; anything else in that header is anybody's text.
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_.:/+=-]{1,128}")
_LONGEST_ROUTE: Final = 2_048


def monitor(
    *,
    url: str | None = None,
    token: str | None = None,
    service: str | None = None,
    location: str | Callable[[Scope], str | None] | None = None,
    sample: float | None = None,
    slow_ms: float | None = None,
    user: Callable[[Scope], str | int | None] | None = None,
    user_key: str | None = None,
    route: Callable[[Scope], str | None] | None = None,
    ignore: Iterable[str] = (),
    errors: bool = True,
    request_lines: bool = False,
    answer_header: str | None = "traceparent",
    scrubber: Scrubs | None = None,
    pace: Pace | None = None,
) -> Monitoring:
    """Monitoring without an application: jobs (`monitored`) and business events (`.event`).

    `url`, `token`, `service`, `location`, `sample` and `user_key` default to the environment (`given.ENVIRONMENT`).
    `slow_ms`: slower requests are told whatever `sample` says. `ignore`: paths that are not watched. `errors`: an
    exception becomes a row of `logs`. `request_lines`: one log line per request. `answer_header`: the header in which
    the answer tells its trace; None for none. Raises ConfigError for what cannot be meant; nothing raises later.
    """
    key = given.text(user_key, "PITCHEY_SLO_USER_KEY")
    if user is not None and key is None:
        raise ConfigError(
            "`user` needs a key to hash users with: set it (`openssl rand -hex 32`)", key="PITCHEY_SLO_USER_KEY"
        )
    plan = Plan(
        service=text(given.text(service, "PITCHEY_SLO_SERVICE") or "service", 128),
        location=location or given.text(None, "PITCHEY_SLO_LOCATION"),
        sample=given.share(sample, "PITCHEY_SLO_SAMPLE"),
        slow_ms=slow_ms,
        user=user,
        user_key=key,
        route=route,
        ignore=frozenset(ignore),
        errors=errors,
        lines=request_lines,
        answer_header=answer_header,
    )
    made = Monitoring.of(
        plan, given.text(url, "PITCHEY_SLO_URL"), given.text(token, "PITCHEY_SLO_TOKEN"), scrubber, pace
    )
    jobs.use(made)
    return made


def add_monitoring(app: App, **options: Any) -> Monitoring:
    """Watch the requests of `app`; options as of `monitor`.

    Starlette and FastAPI get the layer as their middleware: call it before the application serves, and after the other
    `add_middleware` so that their time counts. For any other ASGI application serve `add_monitoring(app).app`.
    Raises ConfigError when the application serves already or is watched already.
    """
    add = getattr(app, "add_middleware", None)
    if any(getattr(m, "cls", None) is Layer for m in getattr(app, "user_middleware", ())):
        raise ConfigError("this application is monitored already; every request would be told twice")
    monitoring = monitor(**options)
    if add is None:
        monitoring.app = Layer(app, monitoring)
        return monitoring
    try:
        add(Layer, monitoring=monitoring)
    except RuntimeError as error:
        raise ConfigError(f"{error}; call add_monitoring where the application is made") from None
    monitoring.app = app
    return monitoring


class Layer:
    """The ASGI middleware."""

    def __init__(self, app: App, monitoring: Monitoring) -> None:
        self.app, self.monitoring = app, monitoring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self.monitoring.plan.ignore:
            await self.app(scope, receive, send)
            return
        exchange = begun(self.monitoring, scope, receive, send)
        if exchange is None:
            await self.app(scope, receive, send)
            return
        token = CURRENT.set(exchange)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.failed(error)
            raise
        else:
            exchange.end()
        finally:
            CURRENT.reset(token)


def begun(monitoring: Monitoring, scope: Scope, receive: Receive, send: Send) -> Exchange | None:
    try:
        return Exchange(monitoring, scope, receive, send)
    except Exception:  # noqa: BLE001  # the promise: the service never sees an error of ours
        monitoring.broke("a request could not be watched")
        return None


class Exchange(Work):
    """One request and its answer."""

    __slots__ = (
        "_began", "_bytes", "_ending", "_gone", "_header", "_monitoring", "_receive", "_root", "_scope", "_send",
        "_status", "_told", "_user_hash",
    )  # fmt: skip

    def __init__(self, monitoring: Monitoring, scope: Scope, receive: Receive, send: Send) -> None:
        parent = request_id = None
        for name, value in scope["headers"]:
            if name == b"traceparent":
                parent = trace.parse(value.decode("latin-1"))
            elif name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                request_id = value.decode()
        at = trace.of_opentelemetry()
        if at is None:
            at = trace.child(parent) if parent else trace.made()
        self.trace_id, self.span_id, self.sampled = at
        self.request_id = request_id
        self._header = at.header.encode()
        if parent is None:  # so that tracing inside joins this trace instead of beginning one of its own
            scope["headers"] = [*scope["headers"], (b"traceparent", self._header)]
        self._monitoring, self._scope, self._receive, self._send = monitoring, scope, receive, send
        self._root = str(scope.get("root_path") or "")
        self._user_hash: str | None = None
        self._status: int | None = None
        self._bytes: int | None = 0
        self._ending = self._gone = self._told = False
        self._began = perf_counter()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._ending:
            self._gone = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.body":
            self._bytes = (self._bytes or 0) + len(message.get("body", b""))
            self._ending = not message.get("more_body", False)
        elif kind == "http.response.start":
            self._status = message["status"]
            message = self._headed(message)
        elif kind == "http.response.pathsend":
            self._ending, self._bytes = True, None  # a file the server sends by itself: only it knows how much
        try:
            await self._send(message)
        except OSError:  # ASGI: the client is gone
            self._gone = True
            raise
        if self._ending and not self._told:
            self.end()

    @property
    def route(self) -> str | None:
        """Known once the request was routed."""
        return self._route_of(200) if "route" in self._scope else None

    @property
    def user_hash(self) -> str | None:
        """Of whoever asks, as soon as the application knows."""
        if self._user_hash is None and self._monitoring.plan.user is not None:
            try:
                self._user_hash = self._monitoring.hash_of(self._monitoring.plan.user(self._scope))
            except Exception:  # noqa: BLE001  # theirs; `request.user` raises where nobody logged in
                return None
        return self._user_hash

    @user_hash.setter
    def user_hash(self, value: str | None) -> None:
        self._user_hash = value

    def end(self) -> None:
        """Tell it: the last byte was sent, or the application returned without one."""
        if self._told:
            return
        self._told = True
        ms = (perf_counter() - self._began) * 1e3
        status = self._status if self._ending and self._status is not None else 500
        self._tell(GONE if self._gone else status, ms)

    def failed(self, error: BaseException) -> None:
        """The application raised. What was answered by then stays: a task in the background failed."""
        ms = (perf_counter() - self._began) * 1e3
        gone = self._gone or isinstance(error, asyncio.CancelledError)
        status = GONE if gone else 500
        if not self._told:
            self._told = True
            self._tell(status, ms)
        if isinstance(error, Exception) and not gone:
            self._tell_error(error, self._status if self._ending and self._status is not None else 500, ms)

    def _tell_error(self, error: Exception, status: int, ms: float) -> None:
        try:
            route, location = self._route_of(status), self._location()
        except Exception:  # noqa: BLE001
            self._monitoring.broke("the route of an error could not be told")
            return
        self._monitoring.error(error, self, route=route, status=status, duration_ms=ms, location=location)

    def _tell(self, status: int, ms: float) -> None:
        monitoring = self._monitoring
        try:
            weight = monitoring.weight(status, ms)
            if weight == 0 and not monitoring.plan.lines:
                return
            route, method = self._route_of(status), _method(self._scope)
            if weight:
                monitoring.request(self, route, method, status, ms, self._bytes, weight, location=self._location())
            monitoring.tell_line(route, method, status, ms, self._bytes)
        except Exception:  # noqa: BLE001
            monitoring.broke("a request could not be told")

    def _route_of(self, status: int) -> str:
        plan = self._monitoring.plan
        own = plan.route(self._scope) if plan.route is not None else None
        found = own or self._monitoring.routes.of(self._scope, status, root=self._root)
        return text(found, _LONGEST_ROUTE) or UNMATCHED

    def _location(self) -> str | None:
        where = self._monitoring.plan.location
        found = where(self._scope) if callable(where) else where
        return text(found, 128) if found else None

    def _headed(self, message: Message) -> Message:
        name = self._monitoring.plan.answer_header
        if name is None:
            return message
        return {**message, "headers": [*message.get("headers", ()), (name.encode(), self._header)]}


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else "OTHER"
