"""When results of synthetic tests do not count: the maintenance windows of a test's own definition, and corrections of
the category `scheduled_maintenance` that somebody approved.

A correction for all SLOs is for all tests; one for some SLOs is for the tests whose component is the service of one of
them, since tests have no SLOs of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pitchey_slo.errors import SloError, SyntheticError
from pitchey_slo.probe.synthetic.definition import Definition
from pitchey_slo.slo.corrections import Occurrence, occurrences, of_row, plain_rows
from pitchey_slo.slo.model import Correction
from pitchey_slo.store import Store
from pitchey_slo.web.house import House

log = logging.getLogger(__name__)

CATEGORY: Final = "scheduled_maintenance"
_AHEAD: Final = timedelta(days=366)


@dataclass(frozen=True)
class Window:
    """A correction and the tests it is for."""

    correction: Correction
    tests: frozenset[str]


class Windows:
    """All windows as they were read last. `look` and `reason` may be called from any thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._windows: tuple[Window, ...] = ()

    def look(self, store: Store, tests: Mapping[str, Definition]) -> None:
        """Read them anew."""
        found = [Window(c, frozenset({name})) for name, d in tests.items() for c in _readable(d)]
        rows = store.query("SELECT * FROM corrections WHERE withdrawn_at IS NULL AND category = ?", [CATEGORY])
        found += [Window(c, self._tests(c, tests)) for c in map(of_row, plain_rows(rows))]
        self._windows = tuple(found)

    def reason(self, test: str, at: datetime) -> str | None:
        """Why a result of that time does not count; None when it does."""
        now = self._at(test, at)
        return f"{now.correction.reason} ({now.correction.id})" if now else None

    def now(self, test: str, at: datetime) -> Occurrence | None:
        """The window that goes on."""
        return self._at(test, at)

    def next(self, test: str, at: datetime) -> Occurrence | None:
        """The window that begins next, within a year."""
        mine = [w.correction for w in self._windows if test in w.tests]
        found = [o for c in mine for o in [next((o for o in _times(c, at, at + _AHEAD) if o.start > at), None)] if o]
        return min(found, key=lambda o: o.start, default=None)

    def _at(self, test: str, at: datetime) -> Occurrence | None:
        instant = timedelta(microseconds=1)
        for window in self._windows:
            if test in window.tests:
                found = next(_times(window.correction, at, at + instant), None)
                if found is not None:
                    return found
        return None

    def _tests(self, correction: Correction, tests: Mapping[str, Definition]) -> frozenset[str]:
        if not correction.slos:
            return frozenset(tests)
        slos, _ = self._house.slos.current()
        services = {slo.service for slo in slos if slo.name in correction.slos}
        return frozenset(name for name, d in tests.items() if d.component in services)


def _times(correction: Correction, start: datetime, end: datetime) -> Iterator[Occurrence]:
    try:
        yield from occurrences(correction, start, end)
    except SloError as error:
        log.warning("%s", error.message)


def _readable(definition: Definition) -> list[Correction]:
    try:
        return of_definition(definition)
    except SyntheticError as error:
        log.warning("%s", error.message)
        return []


def of_definition(definition: Definition) -> list[Correction]:
    """Its own windows, as corrections. Raises SyntheticError for one that cannot be meant."""
    found = []
    for i, each in enumerate(definition.maintenance):
        try:
            begin = datetime.fromisoformat(each.start)
            begin = begin if begin.tzinfo else begin.replace(tzinfo=ZoneInfo(each.timezone))
            made = Correction(
                f"{definition.name}/{i}", CATEGORY, each.comment or "maintenance", "its definition", begin,
                each.duration, rrule=each.rrule, zone=each.timezone,
            )  # fmt: skip
            next(iter(occurrences(made, begin, begin + _AHEAD)), None)
        except (ValueError, KeyError, SloError) as error:
            raise SyntheticError(
                f"{definition.name}: maintenance {i + 1}: {getattr(error, 'message', error)}"
            ) from None
        found.append(made)
    return found
