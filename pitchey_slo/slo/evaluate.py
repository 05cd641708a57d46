"""From specs and a reader to findings: the one function that everything that shows an SLO calls.

specs -> windows -> measure (one scan per table, one evaluation per PromQL query) -> minutes
      -> without corrections -> ledger -> verdict -> SloReport
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pitchey_slo.errors import SloError
from pitchey_slo.slo import budget as money
from pitchey_slo.slo import composite
from pitchey_slo.slo.findings import SloReport
from pitchey_slo.slo.ledger import method_of, minute_of
from pitchey_slo.slo.measure import Measured, measure, newest
from pitchey_slo.slo.model import Correction, Slo, TimeWindow
from pitchey_slo.slo.report import Case, report
from pitchey_slo.slo.sli import Asked, Reader
from pitchey_slo.slo.spared import Spared
from pitchey_slo.slo.windows import MINUTE, Window, floor_minute, resolve

if TYPE_CHECKING:
    from pitchey_slo.promql import Scan


def evaluate(
    slos: Sequence[Slo],
    reader: Reader,
    *,
    end: datetime | None = None,
    windows: Sequence[str] | None = None,
    now: datetime,
    corrections: Sequence[Correction] = (),
    scan: Scan | None = None,
) -> tuple[SloReport, ...]:
    """One report per objective and window, in the order of `slos`; after those of a composite SLO one per window for
    the whole of it. All that count events share one scan per table.

    end           judged is what happened before it, floored to the minute; None: the whole minute after the newest row,
                  but not after `now`
    windows       as in "28d" or "1M Europe/London", instead of those of the specs
    now           the present time, with a zone
    corrections   those of the store (`corrections.stored`); the ones in the specs are added here
    scan          where PromQL finds its series; without it an SLI that is PromQL is refused

    Raises SloError for what cannot be evaluated or a window that cannot be read, ConfigError with file and line for a
    filter that does not fit its table or a query that cannot be answered.
    """
    asked = [Asked(slo, objective) for slo in slos for objective in slo.objectives]
    if not asked:
        return ()
    for slo in slos:
        composite.check(slo)
    watermarks = newest(asked, reader)
    present = floor_minute(now)
    stop = _end(end, [t for t in watermarks.values() if t is not None], present)
    chosen = [_windows(slo, windows, stop) for slo in slos]
    start = _scan_start([w for ws in chosen for w in ws], asked, stop)
    measured = iter(measure(asked, reader, scan, start, stop, watermarks))
    found: list[SloReport] = []
    for slo, ws in zip(slos, chosen, strict=True):
        parts = list(itertools.islice(measured, len(slo.objectives)))
        found += _reports(slo, parts, ws, corrections, (minute_of(start), minute_of(stop), minute_of(present)))
    return tuple(found)


def _reports(
    slo: Slo,
    parts: Sequence[Measured],
    windows: Sequence[Window],
    corrections: Sequence[Correction],
    times: tuple[int, int, int],
) -> Iterator[SloReport]:
    start, stop, now = times
    spared = Spared.of((*slo.corrections, *corrections), slo.name, start, stop)
    own = {w: [report(Case(part, w, spared, now)) for part in parts] for w in windows}
    yield from (own[w][i] for i in range(len(parts)) for w in windows)
    if composite.is_composite(slo):
        yield from (composite.whole([Case(p, w, spared, now) for p in parts], own[w]) for w in windows)


def _end(end: datetime | None, newest: list[datetime], now: datetime) -> datetime:
    if end is not None:
        return floor_minute(end)
    return min(now, floor_minute(max(newest)) + MINUTE) if newest else now


def _windows(slo: Slo, texts: Sequence[str] | None, end: datetime) -> list[Window]:
    try:
        wanted = slo.windows if texts is None else tuple(dict.fromkeys(TimeWindow.parse(t) for t in texts))
        return [resolve(w, end) for w in wanted]
    except ValueError as error:
        raise SloError(str(error)) from None
    except OverflowError:
        raise SloError(f"{slo.name}: the window goes back before the calendar begins; use a shorter one") from None


def _scan_start(windows: Sequence[Window], asked: Sequence[Asked], end: datetime) -> datetime:
    """The oldest minute anything needs: windows, burn rates, and for calendar windows the days traffic is expected
    from."""
    back = max(money.LOOKBACKS.values())
    if any(w.kind == "calendar" for w in windows):
        back = max(back, money.EXPECT_DAYS * money.DAY)
    slice_width = max(method_of(a.slo, a.objective)[1] for a in asked)
    return min(*(w.start for w in windows), end - timedelta(minutes=back)) - timedelta(minutes=slice_width)
