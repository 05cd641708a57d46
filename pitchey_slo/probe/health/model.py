"""What a check is, what it saw, and what it may ask of the house."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

Kind = Literal["text", "url", "secret", "number", "integer", "flag", "texts", "statuses", "secrets"]


@dataclass(frozen=True)
class Key:
    """One key of a check in `config/health.yml`. A `secret` is never shown, a `url` without password and query;
    `texts` is a list, `secrets` a map of names (such as headers) to values that are never shown, `statuses` a list of
    HTTP statuses or `2xx`."""

    kind: Kind
    doc: str
    default: Any = None
    required: bool = False
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Measure:
    """One value that a check measures, and where it begins to be too much.

    degraded, unhealthy   limits unless the file gives others; None for none. Beyond means above, with `low` below
    series   name of the time series it becomes, None for none; `labels` beside the usual ones
    """

    unit: str
    doc: str
    degraded: float | None = None
    unhealthy: float | None = None
    low: bool = False
    series: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """Limits of one check by measured value: those of the file over the usual ones; None takes a usual one away."""

    degraded: Mapping[str, float | None] = field(default_factory=dict)
    unhealthy: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What a look measured: `values` by the names of the check's measures, those that could not be measured absent.

    `notes` are plain sentences on what could not be measured and why; they judge nothing.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    status: int | None = None
    bytes: int | None = None
    cert_days: float | None = None
    notes: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


class Trouble(Exception):  # like the errors of this house, named for what happened
    """The look failed: failure and phase from the closed lists, and why. `answered`: the component did say something,
    so that it is not down; a `probe_error` says nothing of the component at all."""

    def __init__(
        self,
        failure: str,
        reason: str,
        *,
        phase: str | None = None,
        answered: bool = False,
        status: int | None = None,
        values: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__(reason)
        self.failure, self.reason, self.phase, self.answered, self.status = failure, reason, phase, answered, status
        self.values = values or {}


@dataclass(frozen=True)
class Workbench:
    """How the workbench itself is; what is None is not known."""

    ready: bool
    reason: str | None = None
    lake_lag_seconds: float | None = None
    queue_share: float | None = None
    disk_free_bytes: float | None = None
    disk_floor_bytes: float | None = None
    rules_late_seconds: float | None = None
    memory_used_bytes: float | None = None
    memory_limit_bytes: float | None = None
    problems: tuple[str, ...] = ()


@dataclass
class Context:
    """What a look may use. `test` and `location` say who looks; `facts` tells of the workbench (None: there is none
    here); `phase` notes where the time goes, so that a look that hangs can say where."""

    test: str
    location: str
    clock: Callable[[], datetime]
    facts: Callable[[], Workbench] | None = None
    monotonic: Callable[[], float] = time.monotonic
    phases: dict[str, float] = field(default_factory=dict)
    now_in: str | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The block is this phase; its milliseconds count, and a failure inside it happened there."""
        self.now_in, begin = name, self.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + (self.monotonic() - begin) * 1000
        self.now_in = None  # after a failure it stays where it was


class Check(Protocol):
    """One kind of component. What is configured are the fields of the class, by the names in its `KEYS`."""

    async def look(self, context: Context) -> Seen:
        """Ask the component. Raises Trouble, or whatever its client raises, which `trouble.trouble_of` understands.
        Must leave nothing behind when it is cancelled."""
        ...


@dataclass(frozen=True)
class CheckKind:
    """A kind of check: its name in the file, what it makes, its keys and measures.

    needs       modules of its client, imported before its first look so that this counts as nobody's latency
    component   what it looks at unless the file says so
    up          series that is 1 when the component answers and 0 when it does not, beside `pitchey_health_up`, by
                component; its value is (name, label of the instance)
    """

    name: str
    make: Callable[..., Check]
    doc: str
    component: str
    keys: Mapping[str, Key]
    measures: Mapping[str, Measure]
    needs: tuple[str, ...] = ()
    up: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def warm(self) -> None:
        """Import what it needs."""
        for module in self.needs:
            importlib.import_module(module)
