"""The live incidents, done to the platform: so that checks and journeys see what the simulated users see."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from pitchey_slo.demo import plan
from pitchey_slo.demo.incidents import Trouble
from pitchey_slo.demo.looks import SPOTS
from pitchey_slo.demo.platform import Faults
from pitchey_slo.demo.routes import ROUTES

#: Seconds that each answer takes longer while the database is slow: journeys become slow, none fails.
SLOW_SECONDS: Final = 1.6
#: Simulated routes that the platform has under another name.
_ELSEWHERE: Final = {
    "/api/ndas/:id/request": "/api/pitches/:id/nda",
    "/api/ndas/:id/sign": "/api/pitches/:id/nda",
    "/api/investments": "/api/pitches/:id/investments",
}


def faults_of(trouble: Trouble) -> list[tuple[str, dict[str, Any]]]:
    """Faults, with their options, that are this trouble to the platform's users; none for one nobody feels, or that
    only those feel who are served at one place (`cut_off`)."""
    if trouble.location is not None:
        return []
    if trouble.kind == "slow_database":
        return [("slow", {"seconds": SLOW_SECONDS, "routes": ["/api/"]})]
    if not trouble.codes:
        return []
    touched = [ROUTES[i] for i in trouble.routes]
    routes = sorted({_ELSEWHERE.get(r.pattern, r.pattern) for r in touched})
    methods = {r.method for r in touched}
    options: dict[str, Any] = {"status": trouble.codes[0], "share": trouble.errors, "routes": routes}
    return [("errors", options | ({"method": methods.pop()} if len(methods) == 1 else {}))]


def cut_off(trouble: Trouble) -> str | None:
    """The probes' location that is served at the place of this outage."""
    return next((spot.name for spot in SPOTS if trouble.location in spot.places), None)


class Unrest:
    """`troubles` are those of the traffic, in the order of time; `out` are the probes' locations that reach nothing."""

    def __init__(self, faults: Faults, troubles: Iterable[Trouble], out: set[str] | None = None) -> None:
        self._faults, self._out = faults, out if out is not None else set()
        self._coming = iter(troubles)
        self._next = next(self._coming, None)
        self._lasting: list[Trouble] = []

    def at(self, now: datetime) -> None:
        """Switch on what has begun, and off what is over."""
        moment = plan.microseconds(now)
        while self._next is not None and self._next.start <= moment:
            self._lasting.append(self._next)
            for name, options in faults_of(self._next):
                self._faults.on(name, **options)
            self._out |= {place} if (place := cut_off(self._next)) else set()
            self._next = next(self._coming, None)
        for trouble in [t for t in self._lasting if t.end <= moment]:
            self._lasting.remove(trouble)
            for name, _ in faults_of(trouble):
                self._faults.off(name)
            self._out -= {cut_off(trouble) or ""}
