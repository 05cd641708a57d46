"""Minutes since 1970 as times."""

from __future__ import annotations

from datetime import UTC, datetime

from pitchey_slo.slo.findings import Times
from pitchey_slo.slo.sli import Ints


def time_of(minute: int) -> datetime:
    """The instant, in UTC."""
    return datetime.fromtimestamp(minute * 60, UTC)


def times_of(minutes: Ints) -> Times:
    """As NumPy times in microseconds."""
    return minutes.astype("datetime64[m]").astype("datetime64[us]")
