"""Plain functions and jobs, told as requests with the method JOB: name, duration, outcome.

    @monitored("nightly-export")
    def export(): ...

    with monitored("import-pitches"):
        ...

A run that returns has status 200, one that raises 500 (and the exception becomes a row of `logs`), a cancelled one 0.
Rows of jobs are not sampled. Rules about HTTP alone leave them out by `{method!="JOB"}`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable
from contextvars import Token
from time import perf_counter
from types import TracebackType
from typing import Any, TypeVar

from pitchey_slo.instrument import trace
from pitchey_slo.instrument.context import CURRENT, Work, current
from pitchey_slo.instrument.encode import text
from pitchey_slo.instrument.monitoring import GONE, JOB, Monitoring

F = TypeVar("F", bound=Callable[..., Any])

_used: list[Monitoring] = []


def use(monitoring: Monitoring) -> None:
    """What `monitored` tells by unless it is given another: the one that was made last."""
    _used[:] = [monitoring]


class monitored:  # noqa: N801  # reads as a verb where it is used
    """Decorator and context manager, for plain and async code. `name` is the route of the rows, the function's own by
    default. `traceparent`: the trace to go on with. Without any monitoring the work runs as it would alone.

    Raises TypeError for a generator function: when its work begins and ends, only its user knows.
    """

    def __init__(
        self, name: str | None = None, *, monitoring: Monitoring | None = None, traceparent: str | None = None
    ) -> None:
        if callable(name):
            raise TypeError("write @monitored() with parentheses, or @monitored('name')")
        self.name, self._monitoring, self._parent = name, monitoring, traceparent
        self._began = 0.0
        self._work: Work | None = None
        self._token: Token[Work | None] | None = None

    def __call__(self, function: F) -> F:
        name = self.name or function.__qualname__
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{name} is a generator; use `with monitored({name!r}):` inside it")

        def run() -> monitored:
            return monitored(name, monitoring=self._monitoring, traceparent=self._parent)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: Any, **kwargs: Any) -> Any:
                with run():
                    return await function(*args, **kwargs)

            return later  # type: ignore[return-value]

        @functools.wraps(function)
        def now(*args: Any, **kwargs: Any) -> Any:
            with run():
                return function(*args, **kwargs)

        return now  # type: ignore[return-value]

    def __enter__(self) -> Work:
        around = current()
        parent = trace.parse(self._parent) if self._parent else None
        parent = parent or trace.of_opentelemetry() or (around.trace if around else None)
        work = Work(trace.child(parent) if parent else trace.made(), route=self.name or "job")
        work.user_hash = around.user_hash if around else None
        self._work, self._token, self._began = work, CURRENT.set(work), perf_counter()
        return work

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        ms = (perf_counter() - self._began) * 1e3
        if self._token is not None:
            CURRENT.reset(self._token)
        monitoring = self._monitoring or (_used[0] if _used else None)
        if monitoring is not None and self._work is not None:
            _tell(monitoring, self._work, error, ms)

    async def __aenter__(self) -> Work:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, tb)


def _tell(monitoring: Monitoring, work: Work, error: BaseException | None, ms: float) -> None:
    try:
        where = monitoring.plan.location
        location = where if isinstance(where, str) else None
        route = text(work.route or "job", 2_048)
        status = status_of(error)
        monitoring.request(work, route, JOB, status, ms, None, 1.0, location=location)
        monitoring.tell_line(route, JOB, status, ms, None)
    except Exception:  # noqa: BLE001  # the promise: the job never sees an error of ours
        monitoring.broke("a job could not be told")
        return
    if isinstance(error, Exception):
        monitoring.error(error, work, route=route, status=status, duration_ms=ms, location=location)


def status_of(error: BaseException | None) -> int:
    """200 for a return and for `sys.exit()` without an error, 0 for a cancelled run, else 500."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return 200
    return GONE if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)) else 500
