"""Hours as a time zone's clock shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
from numpy.typing import NDArray

from pitchey_slo.analyse.anomaly.samples import Floats, Times
from pitchey_slo.errors import AnomalyError, did_you_mean

HOUR_MS: Final = 3_600_000
#: No zone has changed its offset, or has one, that is not a multiple of this since 1972.
QUARTER_MS: Final = 900_000
THURSDAY: Final = 3  # 1970-01-01, Monday being 0


class LocalHours:
    """The hour of the week of any time, by the clock of one zone. Raises AnomalyError on an unknown zone."""

    def __init__(self, timezone: str) -> None:
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as wrong:
            near = did_you_mean(str(timezone), available_timezones()) or 'give a name like "Europe/Amsterdam"'
            raise AnomalyError(f"no time zone {timezone!r}: {near}") from wrong
        self._fixed = timezone == "UTC"

    def of(self, times: Times) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
        """(number of the local hour since 1970, hour of the week from Monday 00:00, share of it gone) of each time."""
        local = times + self._offsets(times)
        hour = local // HOUR_MS
        return hour, (hour + 24 * THURSDAY) % 168, (local % HOUR_MS) / HOUR_MS

    def _offsets(self, times: Times) -> NDArray[np.int64]:
        if self._fixed:
            return np.zeros(len(times), np.int64)
        quarters, where = np.unique(times // QUARTER_MS, return_inverse=True)
        known = [self._offset(int(quarter)) for quarter in quarters]
        return np.array(known, np.int64)[where]

    def _offset(self, quarter: int) -> int:
        moment = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, self._zone)
        offset = moment.utcoffset()
        return 0 if offset is None else int(offset.total_seconds() * 1000)
