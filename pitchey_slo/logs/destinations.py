"""Where lines go: what every destination offers, and the ones that are reached by HTTP and a queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pitchey_slo.instrument.delivery import Sink
from pitchey_slo.instrument.pace import Pace, Stats
from pitchey_slo.instrument.shipper import Shipper


class Destination(Protocol):
    """Takes one line at a time, as JSON and as the row it was made of. Never waits, never raises."""

    name: str

    def write(self, line: bytes, row: Mapping[str, Any]) -> None: ...

    def flush(self, seconds: float) -> bool: ...

    def close(self, seconds: float | None) -> Stats: ...

    def stats(self) -> Stats: ...


class Shipped:
    """A destination behind a bounded queue; `sink` speaks its protocol."""

    def __init__(self, name: str, sink: Sink, pace: Pace | None = None) -> None:
        self.name = name
        self.shipper = Shipper(f"logs/{name}", sink, pace)

    def write(self, line: bytes, row: Mapping[str, Any]) -> None:  # noqa: ARG002  # as every destination
        self.shipper.put(line)

    def flush(self, seconds: float) -> bool:
        return self.shipper.flush(seconds)

    def close(self, seconds: float | None) -> Stats:
        return self.shipper.close(seconds)

    def stats(self) -> Stats:
        return self.shipper.stats()
