"""Putting it together: one chain of processors for lines of structlog and of the standard library's logging."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from pitchey_slo.errors import ConfigError
from pitchey_slo.instrument import clean
from pitchey_slo.instrument.clean import Scrubs
from pitchey_slo.instrument.context import UserHash
from pitchey_slo.instrument.encode import line, plain
from pitchey_slo.instrument.given import text
from pitchey_slo.instrument.pace import Stats
from pitchey_slo.logs import row
from pitchey_slo.logs.destinations import Destination
from pitchey_slo.logs.given import by_default, by_name, level_of
from pitchey_slo.logs.row import Event, Processor

#: Loggers of servers that bring handlers of their own and do not pass lines on.
SERVERS: Final = (
    "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "hypercorn.error", "hypercorn.access",
    "gunicorn.error", "gunicorn.access",
)  # fmt: skip

#: What a LogRecord has by itself; the rest came by `extra`.
_OWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

#: structlog keeps the list it was configured with in loggers it has cached: this one is changed in place.
_CHAIN: Final[list[Any]] = []
_current: list[Logs] = []


@dataclass
class Logs:
    """What `configure` set up: its destinations, and how they fare."""

    service: str
    destinations: Sequence[Destination]
    processors: Sequence[Processor]
    broken: int = 0
    _inside: threading.local = field(default_factory=threading.local)

    def stats(self) -> dict[str, Stats]:
        """Per destination: lines put, sent, waiting and dropped."""
        return {d.name: d.stats() for d in self.destinations}

    def flush(self, seconds: float = 10.0) -> bool:
        """Send what waits now; whether all of it left within `seconds`. Blocks: not for an event loop."""
        deadline = time.monotonic() + seconds
        late = [d for d in self.destinations if not d.flush(max(deadline - time.monotonic(), 0))]
        return not late

    def close(self, seconds: float | None = None) -> dict[str, Stats]:
        """Send what waits and stop; the end of the process does so by itself."""
        return {d.name: d.close(seconds) for d in self.destinations}

    def take(self, logger: Any, method: str, event: Event) -> None:
        """One line through the chain to every destination. Never raises: a line that cannot be told is counted."""
        if getattr(self._inside, "busy", False):
            return  # a processor or a destination logs: that would go round for ever
        self._inside.busy = True
        try:
            for process in self.processors:
                event = process(logger, method, event)
            told = line(event)
            for destination in self.destinations:
                destination.write(told, event)
        except structlog.DropEvent:
            pass
        except Exception as error:  # noqa: BLE001  # the promise: logging never breaks the service
            self.broken += 1
            if self.broken in (1, 10, 100) or self.broken % 1_000 == 0:
                # not the line itself: it may not be scrubbed yet
                with contextlib.suppress(Exception):
                    kind = type(error).__name__
                    sys.stderr.write(f"pitchey_slo.logs: {self.broken} lines could not be told, the last: {kind}\n")
        finally:
            self._inside.busy = False

    def as_processor(self, logger: Any, method: str, event: Event) -> Event:
        """The end of structlog's chain."""
        self.take(logger, method, event)
        raise structlog.DropEvent


def configure(
    *,
    service: str | None = None,
    destinations: Iterable[str | Destination] | None = None,
    level: str | None = None,
    location: str | None = None,
    user_key: str | None = None,
    processors: Sequence[Processor] = (),
    scrubber: Scrubs | None = None,
    adopt: Iterable[str] = SERVERS,
) -> Logs:
    """Send what is logged, by structlog and by the standard library, to `destinations`; call it once, when the service
    starts.

    `destinations`: names (`console`, `workbench`, `elasticsearch`, `loki`) or made ones. `level`: the lowest that is
    written. `user_key`: makes `user=` of a line a keyed hash. `processors`: your own, before personal data are taken
    out. `adopt`: loggers whose own handlers are taken away so that their lines come here; the root's always are.
    What is not given comes from the environment (`given.ENVIRONMENT`). Raises ConfigError.
    """
    name = text(service, "PITCHEY_SLO_SERVICE") or "service"
    key = text(user_key, "PITCHEY_SLO_USER_KEY")
    lowest = level_of(level)
    chosen = list(by_default() if destinations is None else destinations)
    if not chosen:
        raise ConfigError("no destination; lines would go nowhere. Write destinations=['console']")
    hashed = UserHash(key) if key else None
    logs = Logs(
        name,
        [by_name(d) if isinstance(d, str) else d for d in chosen],
        [
            structlog.contextvars.merge_contextvars,
            row.at_hand,
            *processors,
            row.errors,
            row.users(hashed),
            row.rows(name[:128], text(location, "PITCHEY_SLO_LOCATION")),
            row.scrub(scrubber or clean.default(key.encode() if key else None), name),
        ],
    )
    for before in _current:
        before.close(1.0)
    _current[:] = [logs]
    _structlog(logs, lowest)
    _standard(logs, lowest, adopt)
    return logs


def _structlog(logs: Logs, lowest: str) -> None:
    _CHAIN[:] = [logs.as_processor]
    structlog.configure(
        processors=_CHAIN,
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=_named,
        cache_logger_on_first_use=True,
    )


def _standard(logs: Logs, lowest: str, adopt: Iterable[str]) -> None:
    root = logging.getLogger()
    for handler in [h for h in root.handlers if _prints(h) or isinstance(h, Into)]:
        root.removeHandler(handler)
    root.addHandler(Into(logs))
    root.setLevel(lowest.upper())
    for name in adopt:
        logger = logging.getLogger(name)
        for handler in [h for h in logger.handlers if _prints(h)]:
            logger.removeHandler(handler)
        logger.propagate = True


def _prints(handler: logging.Handler) -> bool:
    """A handler that only writes to a stream; those of tools such as Sentry and pytest stay."""
    return type(handler) is logging.StreamHandler


class Into(logging.Handler):
    """Lines of the standard library's logging into the chain."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs

    def createLock(self) -> None:  # noqa: N802  # the library's name
        self.lock = None  # the chain needs none, and threads should not wait for one another

    def emit(self, record: logging.LogRecord) -> None:
        event: dict[str, Any] = {name: value for name, value in vars(record).items() if name not in _OWN}
        try:
            event["event"] = record.getMessage()
        except Exception as error:  # noqa: BLE001  # "%d" of a text: the line is told, its arguments are not
            event["event"] = f"{plain(record.msg)} (its arguments do not fit: {type(error).__name__})"
        if record.exc_info:
            event["exc_info"] = record.exc_info
        if record.stack_info:
            event["stack_info"] = record.stack_info
        self._logs.take(record, record.levelname.lower(), event)


class _Name:
    """What structlog calls a logger: here only its name, since the chain writes."""

    def __init__(self, name: str) -> None:
        self.name = name

    def msg(self, *_: Any, **__: Any) -> None:
        """structlog asks for a method of the level; the chain has dropped the line before it is called."""

    debug = info = warning = warn = error = err = exception = critical = fatal = failure = log = msg


_callers = structlog.stdlib.LoggerFactory(ignore_frame_names=["pitchey_slo.logs"])


def _named(*args: Any) -> _Name:
    """The name given, else that of the module that asks."""
    return _Name(str(args[0]) if args else _callers().name)


def get_logger(name: str | None = None, **bound: Any) -> Any:
    """A structlog logger: `log = get_logger(__name__)`, `log.info("paid", amount=12)`."""
    return structlog.get_logger(name, **bound) if name else structlog.get_logger(**bound)


def current_logs() -> Logs | None:
    """What the last `configure` set up; None before."""
    return _current[0] if _current else None


def bind(**fields: Any) -> Mapping[str, Any]:
    """Fields that all lines of this request, task or thread carry from now on."""
    return structlog.contextvars.bind_contextvars(**fields)


def unbind(*names: str) -> None:
    structlog.contextvars.unbind_contextvars(*names)
