"""What can be broken on purpose, and what is broken now."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from pitchey_slo.errors import ConfigError, did_you_mean

FAULTS: Final = {
    "refused": "nobody listens",
    "hang": "connections are taken, nothing is answered",
    "slow": "each answer to one of `routes` takes `seconds` longer",
    "errors": "requests to one of `routes` are answered with `status`, a `share` of them",
    "wrong_body": "answers to one of `routes` are a page that says sorry, with status 200",
    "cut_body": "answers to one of `routes` break off in the middle",
    "expired": "the certificate is one that ended",
    "wrong_host": "the certificate is one for another host",
    "self_signed": "the certificate is one nobody signed",
    "dead_database": "nothing listens where the database was",
    "hanging_database": "the database takes connections and says nothing",
    "dead_cache": "nothing listens where the cache was",
    "hanging_cache": "the cache takes connections and says nothing",
}
#: Faults that are another certificate, and so need one.
CERTIFICATES: Final = ("expired", "wrong_host", "self_signed")


@dataclass(frozen=True)
class Fault:
    """One fault that is on. `routes` are beginnings of paths, or whole patterns such as `/api/pitches/:id/nda` (empty:
    all); `method` narrows them."""

    name: str
    routes: tuple[str, ...] = ()
    method: str | None = None
    seconds: float = 3.0
    status: int = 500
    share: float = 1.0

    def reaches(self, method: str, path: str, pattern: str = "") -> bool:
        named = not self.routes or path.startswith(self.routes) or pattern in self.routes
        return named and self.method in (None, method)


class Faults:
    """The faults that are on, by name; `told` is called after every change. For any thread."""

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        self._on: dict[str, Fault] = {}
        self._lock = threading.Lock()
        self.told = told

    def on(self, name: str, **given: Any) -> Fault:
        """Break it. Raises ConfigError for a fault or an option nobody knows, or a value it cannot have."""
        fault = fault_of(name, given)
        with self._lock:
            self._on[name] = fault
        self.told()
        return fault

    def off(self, name: str | None = None) -> None:
        """Mend it, or everything."""
        with self._lock:
            self._on = {n: f for n, f in self._on.items() if name is not None and n != name}
        self.told()

    def __contains__(self, name: str) -> bool:
        return name in self._on

    def all(self) -> tuple[Fault, ...]:
        return tuple(self._on.values())

    def of(self, name: str, method: str, path: str, pattern: str = "") -> Fault | None:
        """The fault when it is on and reaches this request."""
        fault = self._on.get(name)
        return fault if fault is not None and fault.reaches(method, path, pattern) else None


def fault_of(name: str, given: dict[str, Any]) -> Fault:
    """A checked fault. Raises ConfigError."""
    if name not in FAULTS:
        raise ConfigError(f"no fault {name!r}", key="fault", hint=did_you_mean(name, FAULTS) or ", ".join(FAULTS))
    known = [n for n in Fault.__dataclass_fields__ if n != "name"]
    for key in given:
        if key not in known:
            raise ConfigError(f"no option {key!r}", key=key, hint=did_you_mean(key, known) or ", ".join(known))
    fault = replace(Fault(name), **given)
    routes = fault.routes
    if isinstance(routes, str) or not all(isinstance(r, str) and r.startswith("/") for r in routes):
        raise ConfigError(f"{routes!r} are no routes", key="routes", hint='a list of paths such as ["/api/auth"]')
    for key, low, high in (("seconds", 0, 600), ("status", 200, 599), ("share", 0, 1)):
        value = getattr(fault, key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ConfigError(f"{value!r}", key=key, hint=f"a number from {low} to {high}")
    if fault.method is not None and not isinstance(fault.method, str):
        raise ConfigError(f"{fault.method!r} is no method", key="method", hint="such as POST")
    return replace(fault, routes=tuple(routes), status=int(fault.status))
