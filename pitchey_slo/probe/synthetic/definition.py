"""What a synthetic test is: the record of one file of config/synthetics, once it has been read and found right.

Lengths of time are seconds. Texts may hold templates, `{{ ... }}` (template.py), and secrets by reference,
`${secret:NAME}` (secrets.py); they are filled in when the test runs, never here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Kind = Literal["http", "journey", "browser"]
Subject = Literal["status", "body", "json", "header", "latency", "certificate_days"]
Source = Literal["json", "header", "cookie", "regex"]

#: Redirects that are followed in one step.
MOST_REDIRECTS: Final = 10
#: Seconds a clean-up step has when it names none itself.
CLEAN_UP_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Request:
    """One request. At most one of `json` (see `has_json`), `form` and `body` is given."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    has_json: bool = False
    form: Mapping[str, str] | None = None
    body: str | None = None
    follow: bool = True


@dataclass(frozen=True)
class Extract:
    """Something taken out of an answer for later steps: `path` is a JSONPath, a header's or cookie's name, or a
    regular expression whose first group (or whole match) is taken."""

    name: str
    source: Source
    path: str


@dataclass(frozen=True)
class Assertion:
    """One thing that must be so. `path` is the JSONPath or the header's name; `degraded`: when it is not so, the target
    works badly instead of not at all."""

    subject: Subject
    op: str
    value: Any
    path: str | None = None
    degraded: bool = False


@dataclass(frozen=True)
class Step:
    """A request, what must be true of its answer, and what is kept of it. `always`: a clean-up, which runs after a
    failure too, unless what it needs never came to be."""

    name: str
    request: Request
    assertions: tuple[Assertion, ...] = ()
    extracts: tuple[Extract, ...] = ()
    always: bool = False
    timeout: float | None = None


@dataclass(frozen=True)
class Move:
    """One step of a browser: `do` is goto, fill, click, press, select or expect; `selector` what it is done to, `value`
    the address, text or key; `expects` says what `expect` looks at: visible, hidden, text, url, title."""

    name: str
    do: str
    selector: str | None = None
    value: str | None = None
    expects: str | None = None
    always: bool = False
    timeout: float | None = None


@dataclass(frozen=True)
class Retries:
    """Attempts after the first that failed, and seconds between them."""

    count: int = 1
    wait: float = 1.0


@dataclass(frozen=True)
class Maintenance:
    """A window that comes again: from `start` (ISO 8601) by `rrule` (RFC 5545), each `duration` seconds, on the clock
    of `timezone`. Without a rule it comes once."""

    start: str
    duration: float
    rrule: str | None = None
    timezone: str = "UTC"
    comment: str | None = None


@dataclass(frozen=True)
class Definition:
    """One synthetic test.

    timeout         of one attempt with all its steps; clean-up steps have time of their own
    locations       where it runs; empty: everywhere
    degraded_after  a passing attempt that took longer is degraded; None: never
    consecutive     failures in a row before people are told
    allow           addresses off the internet that it may reach, as in `guard.judge`; `base` is the host of the base
    ca              certificates (PEM) to trust instead of the machine's; None: the machine's
    variables       texts, filled in once per attempt
    text            the file it was read from, for those who pass it on
    """

    name: str
    kind: Kind
    component: str
    steps: tuple[Step, ...] = ()
    moves: tuple[Move, ...] = ()
    description: str | None = None
    interval: float = 60.0
    timeout: float = 10.0
    locations: tuple[str, ...] = ()
    enabled: bool = True
    retries: Retries = Retries()
    degraded_after: float | None = None
    consecutive: int = 3
    allow: tuple[str, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    ca: str | None = None
    text: str = ""

    def runs_at(self, location: str) -> bool:
        """Whether this location runs it."""
        return self.enabled and (not self.locations or location in self.locations)

    @property
    def longest(self) -> float:
        """Seconds a run may take at most, with every retry and clean-up."""
        steps: tuple[Step | Move, ...] = (*self.steps, *self.moves)
        clean_up = sum(step.timeout or CLEAN_UP_SECONDS for step in steps if step.always)
        return (self.retries.count + 1) * (self.timeout + clean_up) + self.retries.count * self.retries.wait
