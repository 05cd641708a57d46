"""W3C trace context: read and write `traceparent`, and the span of OpenTelemetry where that is at work.

Source: https://www.w3.org/TR/trace-context/ (level 1; a version above 00 is read as 00 and may carry more).
"""

from __future__ import annotations

import os
import random
import re
import sys
from typing import Any, Final, NamedTuple

_PARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)

#: Of our own, so that a service that seeds `random` gets no old ids again; a fork begins anew. Ids need not be secret.
_ids: Final = random.Random()
os.register_at_fork(after_in_child=_ids.seed)

_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class Trace(NamedTuple):
    """32 and 16 hex digits: of the whole, and of the part it is about. `sampled`: somebody keeps its spans."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def header(self) -> str:
        """The `traceparent` that hands it on."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def parse(header: str) -> Trace | None:
    """The trace of a `traceparent` header; None for one that says nothing.

    >>> parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").span_id
    '00f067aa0ba902b7'
    >>> parse("00-00000000000000000000000000000000-00f067aa0ba902b7-01") is None
    True
    """
    found = _PARENT.fullmatch(header.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & 1))


def made() -> Trace:
    """A new trace."""
    digits = f"{_ids.getrandbits(192):048x}"
    return Trace(digits[:32], digits[32:])


def child(parent: Trace) -> Trace:
    """A part of our own in a trace that goes on."""
    return Trace(parent.trace_id, f"{_ids.getrandbits(64):016x}", parent.sampled)


def of_opentelemetry() -> Trace | None:
    """OpenTelemetry's current span; None where that library is not loaded or no span is at work."""
    library: Any = sys.modules.get("opentelemetry.trace")
    if library is None:
        return None
    context = library.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return Trace(f"{context.trace_id:032x}", f"{context.span_id:016x}", bool(context.trace_flags & 1))
