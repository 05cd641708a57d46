"""The console as a destination: coloured lines where people look, JSON where a machine reads.

Whoever reads the other end of a pipe may stop reading, and a write would then wait for ever. So a line is written at
once only where it cannot wait (the pipe says it has room for it), else by a thread behind a bounded queue.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import IO, Any, Final

from pitchey_slo.instrument.delivery import Sent
from pitchey_slo.instrument.pace import Pace, Stats
from pitchey_slo.instrument.shipper import Shipper

#: Bytes that a pipe which is ready takes at once (POSIX: PIPE_BUF is at least 512; Linux has 4,096).
AT_ONCE: Final = getattr(select, "PIPE_BUF", 512)
_PACE: Final = Pace(age=0.05, patience=3_600.0, leave=1.0, batch_bytes=4 << 20)

_DIM, _BOLD, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_RED: Final = "\x1b[31m"
_COLOURS: Final = {"debug": _DIM, "info": "\x1b[32m", "warning": "\x1b[33m", "error": _RED, "critical": _BOLD + _RED}


class Console:
    """Lines to `stream` (standard error). `style`: `pretty`, `json`, or `auto`: pretty on a terminal."""

    name = "console"

    def __init__(self, style: str = "auto", stream: IO[str] | None = None) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._fd = _file_number(self._stream)
        terminal = self._fd is not None and os.isatty(self._fd)
        self._pretty = style == "pretty" or (style == "auto" and terminal)
        self._colours = terminal and "NO_COLOR" not in os.environ
        self._lock = threading.RLock()
        self._written = 0
        self._late = Shipper("logs/console", _Writer(self._write_now), _PACE)

    def write(self, line: bytes, row: Mapping[str, Any]) -> None:
        told = (pretty(row, colours=self._colours).encode() if self._pretty else line) + b"\n"
        if self._fd is None or (len(told) <= AT_ONCE and not self._late.waiting and self._ready()):
            with self._lock, contextlib.suppress(OSError, ValueError):
                self._write_now(told)
                self._written += 1
        else:
            self._late.put(told)

    def flush(self, seconds: float) -> bool:
        return self._late.flush(seconds)

    def close(self, seconds: float | None) -> Stats:
        self._late.close(seconds)
        return self.stats()

    def stats(self) -> Stats:
        late = self._late.stats()
        return replace(late, put=late.put + self._written, sent=late.sent + self._written)

    def _ready(self) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)  # type: ignore[arg-type]  # asked for only where there is one
        return bool(poll.poll(0))

    def _write_now(self, told: bytes) -> None:
        if self._fd is None:
            self._stream.write(told.decode("utf-8", "replace"))
            return
        while told:
            told = told[os.write(self._fd, told) :]


class _Writer:
    """The thread's side: may wait as long as the reader likes."""

    def __init__(self, write: Any) -> None:
        self._write = write

    def send(self, lines: Sequence[bytes], key: str) -> Sent:  # noqa: ARG002  # as every sink
        try:
            self._write(b"".join(lines))
        except (OSError, ValueError) as error:  # nobody reads any more
            return Sent(refused={"no_reader": len(lines)}, trouble=str(error))
        return Sent(taken=len(lines))

    def forget(self) -> None: ...


def pretty(row: Mapping[str, Any], *, colours: bool) -> str:
    """`12:00:00.123 INFO  shop.pay  paid  route=/api/pay status=200 took=12.5ms`, and the stack of an error below."""
    level = str(row.get("level", "info"))
    more = [f"{name}={row[name]}" for name in ("route", "status") if name in row]
    if "duration_ms" in row:
        more.append(f"took={row['duration_ms']:.1f}ms")
    attributes = row.get("attributes")
    found = dict(attributes) if isinstance(attributes, Mapping) else {}
    error = found.pop("error", None)
    more += [f"{name}={_one_line(value)}" for name, value in found.items()]
    if "trace_id" in row:
        more.append(f"trace={str(row['trace_id'])[:8]}")

    def paint(code: str, said: str) -> str:
        return f"{code}{said}{_RESET}" if colours and said else said

    parts = [
        paint(_DIM, str(row.get("ts", ""))[11:23]),
        paint(_COLOURS.get(level, ""), f"{level.upper():<8}"),
        paint(_BOLD, _one_line(row.get("message", ""))),
        paint(_DIM, " ".join([*([f"[{row['logger']}]"] if row.get("logger") else []), *more])),
    ]
    return " ".join(part for part in parts if part) + "".join(_stack(error))


def _stack(error: Any, word: str = "") -> list[str]:
    if not isinstance(error, Mapping):
        return []
    lines = [f"\n    {word}{error.get('type')}: {_one_line(error.get('message', ''))}"]
    lines += [f"\n      {_one_line(frame)}" for frame in reversed(error.get("stack") or ())]
    return lines + _stack(error.get("cause"), "because of ")


def _one_line(value: Any) -> str:
    """Without control characters: a line break in a message must not look like another line, nor colour it."""
    said = str(value)
    if said.isprintable():
        return said
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in said)


def _file_number(stream: IO[str]) -> int | None:
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError, AttributeError):  # a notebook's, a test's
        return None
