"""Every error this package raises on purpose.

    PitcheyError                 reason, message, detail; `transient` says "try again" or "give up"
    +-- ConfigError              a setting or a config file: file, line, key, what would work
    +-- CollectError             a delivery that cannot be read at all
    |   +-- BodyTooLarge         more bytes than allowed, counted after decompression
    |   +-- UnknownFormat        a content type, encoding or file format nobody here reads
    |   +-- BadRows              every row of a delivery was refused
    |   +-- PullError            a service did not give the rows it was asked for: `kind` says why
    +-- StoreError
    |   +-- StoreLocked          another process owns the hot store
    |   +-- StoreBusy            too much waits to be written (transient)
    |   +-- DiskFull             below the floor of free space (transient)
    |   +-- StoreUnavailable     the database is being reopened, or the server cannot be reached (transient)
    |   +-- StoreDamaged         acknowledged rows are missing or the file does not open: `pitchey-slo repair`
    +-- QueryError               SQL or PromQL that cannot be answered
    +-- SloError                 a spec that cannot be evaluated
    +-- AnomalyError             a series that cannot be scored, an unknown detector or parameter
    +-- SyntheticError           a synthetic test that cannot be meant
    +-- BoardError               a dashboard's definition that cannot be meant
    +-- DecisionError            a decision about a rule that cannot be taken, applied or reverted
    +-- ReportError
    |   +-- ParameterError       unknown or mistyped notebook parameter
    |   +-- NotFresh             the data is older or less than the report wants, and it was to be fresh
    |   +-- RunFailed            the notebook ran and failed: which cell, where the notebook lies
    +-- TargetError              a target that is not asked
    |   +-- NameNotResolved      its name has no address, or none in time (transient)
    |   +-- AddressRefused       its address is not on the internet and nobody allowed it
    +-- ProbeFault               a synthetic test that we cannot carry out: a template, a secret, a browser
    +-- ChannelError             a channel did not take a message: `permanent` says "give up"
    +-- AccessError
    |   +-- Unauthorized         no token, unknown, expired or revoked
    |   +-- Forbidden            the token lacks the scope
    +-- RequestError             an HTTP request that means nothing here
        +-- NotFound             no such path or object
        +-- Conflict             somebody else changed it meanwhile
        +-- BodyTimeout          the body stopped arriving (transient)
        +-- RateLimited          this token sends faster than its limit (transient)

`reason` comes from a closed list (`pitchey_slo.names.REASONS`): machines read it, and counters are kept by it.
A message names what was given and what would work.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class PitcheyError(Exception):
    """Base of all: `reason` for machines, `message` for people, `detail` for both."""

    reason = "internal"
    status = 500
    transient = False

    def __init__(self, message: str, *, reason: str | None = None, detail: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        if reason is not None:
            self.reason = reason

    def as_dict(self) -> dict[str, Any]:
        """The one error shape of the API: `{"error": {"reason", "message", "detail"}}`."""
        return {"error": {"reason": self.reason, "message": self.message, "detail": self.detail}}


class ConfigError(PitcheyError):
    """A setting or a config file is wrong; the text shows `file:line:column: key: message`."""

    reason = "bad_config"

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        line: int | None = None,
        column: int | None = None,
        key: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.file, self.line, self.column, self.key, self.hint = file, line, column, key, hint
        place = (f":{line}" if line else "") + (f":{column}" if line and column else "")
        where = f"{file}{place}: " if file else ""
        what = f"{key}: " if key else ""
        super().__init__(where + what + message + (f" ({hint})" if hint else ""))
        self.problem = message


class CollectError(PitcheyError):
    reason = "malformed_body"
    status = 400


class BodyTooLarge(CollectError):
    reason = "payload_too_large"
    status = 413


class UnknownFormat(CollectError):
    reason = "unsupported_media_type"
    status = 415


class BadRows(CollectError):
    reason = "invalid_rows"
    status = 422


class PullError(CollectError):
    """A service did not give the rows it was asked for. `kind` is auth, refused, limited, busy, slow, too_big or
    unreadable; `retry_after` the seconds it asked us to wait."""

    reason = "pull_failed"
    status = 502

    def __init__(self, message: str, kind: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.transient = kind not in ("auth", "refused")
        self.retry_after = retry_after


class StoreError(PitcheyError):
    reason = "store_error"


class StoreLocked(StoreError):
    reason = "store_locked"


class StoreBusy(StoreError):
    reason = "store_busy"
    status = 503
    transient = True


class DiskFull(StoreError):
    reason = "disk_full"
    status = 503
    transient = True


class StoreUnavailable(StoreError):
    reason = "store_unavailable"
    status = 503
    transient = True


class StoreDamaged(StoreError):
    reason = "store_damaged"


class QueryError(PitcheyError):
    reason = "invalid_query"
    status = 400


class SloError(PitcheyError):
    reason = "invalid_slo"
    status = 422


class AnomalyError(PitcheyError):
    reason = "bad_parameter"
    status = 400


class SyntheticError(PitcheyError):
    reason = "invalid_test"
    status = 422


class BoardError(PitcheyError):
    reason = "invalid_dashboard"
    status = 422


class DecisionError(PitcheyError):
    reason = "invalid_decision"
    status = 422


class ReportError(PitcheyError):
    reason = "report_failed"


class ParameterError(ReportError):
    reason = "invalid_parameter"
    status = 422


class RunFailed(ReportError):
    reason = "run_failed"


class NotFresh(ReportError):
    reason = "not_fresh"


class TargetError(PitcheyError):
    reason = "bad_parameter"
    status = 422


class NameNotResolved(TargetError):
    """`timed_out`: the name server did not answer in time."""

    transient = True

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class AddressRefused(TargetError):
    pass


class ProbeFault(PitcheyError):
    reason = "bad_config"


class ChannelError(PitcheyError):
    """A channel did not take a message. `permanent`: no later attempt will work; `retry_after`: seconds the other side
    asked us to wait."""

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.transient = not permanent
        self.retry_after = retry_after


class AccessError(PitcheyError):
    reason = "unauthorized"
    status = 401


class Unauthorized(AccessError):
    pass


class Forbidden(AccessError):
    reason = "forbidden"
    status = 403


class RequestError(PitcheyError):
    reason = "bad_parameter"
    status = 400


class NotFound(RequestError):
    reason = "not_found"
    status = 404


class Conflict(RequestError):
    reason = "conflict"
    status = 409


class BodyTimeout(RequestError):
    reason = "body_timeout"
    status = 408
    transient = True


class RateLimited(RequestError):
    """`retry_after`: seconds until the token may send again."""

    reason = "rate_limited"
    status = 429
    transient = True

    def __init__(self, message: str, *, retry_after: int, detail: Any = None) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean "status"?` for a misspelt word, or None when nothing known is near.

    >>> did_you_mean("stauts", ["status", "route"])
    'did you mean "status"?'
    """
    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else None
