"""What one look at the platform found: the same record for a health check, a synthetic test, its attempts and steps."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pitchey_slo.names import FAILURES, PHASES, PROBE_SCOPES, STATES
from pitchey_slo.scrub import Scrubber
from pitchey_slo.tables import PROBES

if TYPE_CHECKING:
    import pyarrow as pa

State = Literal["healthy", "degraded", "unhealthy", "unknown"]

#: From the best to the worst of what people are told first. Nothing being known is worse than slow, better than broken.
ORDER: Final[tuple[State, ...]] = ("healthy", "degraded", "unknown", "unhealthy")
_TEXTS: Final = {column.name: column.longest for column in PROBES.columns if column.name in ("reason", "step")}
#: Whose text it is, for the rules of scrubbing.
SOURCE: Final = "probe:here"
_DETAILS: Final = PROBES.column("details").longest


@dataclass(frozen=True)
class Result:
    """One look. Fields are the columns of the table `probes`; `at` is its `ts`, the moment the look ended.

    state       of STATES; unknown when nothing can be said of the target, such as a timeout of a health check
    failure     of FAILURES; None when it passed. `phase` of PHASES: where it failed or was slow
    reason      why it is not healthy, with numbers, in plain words; None when it is healthy
    phases      milliseconds per phase of PHASES; what did not happen is absent
    details     measured values and kept files; JSON values, never a secret
    scope       verdict (counts), or attempt or step (what led to it); one `run_id` ties them together
    attempt     which attempt, from 1; of a verdict how many there were

    Raises ValueError for a word outside the closed lists: that is a mistake of the code that made it.
    """

    test: str
    state: State
    at: datetime
    kind: str = "http"
    component: str | None = None
    location: str = "local"
    scope: str = "verdict"
    attempt: int | None = None
    step: str | None = None
    failure: str | None = None
    phase: str | None = None
    reason: str | None = None
    duration_ms: float | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    status: int | None = None
    bytes: int | None = None
    cert_days: float | None = None
    run_id: str | None = None
    trace_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    source: str = "server"
    event_id: str | None = None

    def __post_init__(self) -> None:
        _known("state", self.state, STATES)
        _known("scope", self.scope, PROBE_SCOPES)
        _known("failure", self.failure, FAILURES)
        for phase in (self.phase, *self.phases):
            _known("phase", phase, PHASES)
        if self.reason or self.details:  # an answer's body may be quoted in them
            object.__setattr__(self, "reason", self.reason and scrubbed(self.reason))
            object.__setattr__(self, "details", _scrubber().value(dict(self.details), source=SOURCE))

    @property
    def ok(self) -> bool:
        """It works, be it slowly."""
        return self.state in ("healthy", "degraded")

    def row(self) -> dict[str, Any]:
        """The row of `probes`; texts cut to what a column takes, details left out (and said so) when they are too
        long."""
        return {
            "ts": self.at,
            "test": self.test,
            "kind": self.kind,
            "component": self.component,
            "location": self.location,
            "state": self.state,
            "scope": self.scope,
            "attempt": self.attempt,
            "step": _cut("step", self.step),
            "failure": self.failure,
            "phase": self.phase,
            "reason": _cut("reason", self.reason),
            "duration_ms": self.duration_ms,
            **{f"{phase}_ms": self.phases.get(phase) for phase in PHASES},
            "status": self.status,
            "bytes": self.bytes,
            "cert_days": self.cert_days,
            "run_id": self.run_id,
            "trace_id": self.trace_id,
            "details": _json(self.details),
            "source": self.source,
            "event_id": self.event_id,
        }

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Result:
        """The result of a row of `probes`. Raises ValueError for a word outside the closed lists."""
        same: dict[str, Any] = {
            name: row.get(name) for name in cls.__dataclass_fields__ if name in row and name != "details"
        }
        return cls(
            **same,
            at=row["ts"],
            phases={p: ms for p in PHASES if (ms := row.get(f"{p}_ms")) is not None},
            details=json.loads(row["details"]) if row.get("details") else {},
        )


def scrubbed(text: str) -> str:
    """What a look at the platform quotes, without personal data and secrets: before it is kept, sent or shown."""
    return _scrubber().text(text, source=SOURCE)


@functools.cache
def _scrubber() -> Scrubber:
    return Scrubber.default()


def rows_of(results: Iterable[Result]) -> pa.Table:
    """Rows of the table `probes`, ready for `Store.append`."""
    return PROBES.of([result.row() for result in results])


def worst(states: Iterable[State]) -> State:
    """The worst of these; unknown when there is none.

    >>> worst(["healthy", "unhealthy", "unknown"])
    'unhealthy'
    """
    return max(states, key=ORDER.index, default="unknown")


def _known(name: str, value: str | None, words: Mapping[str, str]) -> None:
    if value is not None and value not in words:
        raise ValueError(f"{name} {value!r}; one of {', '.join(words)}")


def _cut(name: str, text: str | None) -> str | None:
    longest = _TEXTS[name]
    return text if text is None or len(text) <= longest else text[: longest - 3] + "..."


def _json(details: Mapping[str, Any]) -> str | None:
    if not details:
        return None
    text = json.dumps(details, default=str, ensure_ascii=False)
    return text if len(text) <= _DETAILS else json.dumps({"left_out": f"{len(text)} characters of details"})
