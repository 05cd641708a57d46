"""What rules leave behind as series: recorded ones, and `ALERTS` and `ALERTS_FOR_STATE` as Prometheus writes them.

A series that a rule wrote at its last evaluation and not at this one gets a stale marker, so that it ends at once
instead of lingering for five minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from pitchey_slo.alert.model import Alert
from pitchey_slo.series import STALE, Labels, SampleBatch, labels_of

ALERTS_SERIES = "ALERTS"
FOR_STATE_SERIES = "ALERTS_FOR_STATE"


def alert_series(alerts: Iterable[Alert]) -> dict[Labels, float]:
    """Two series per alert that is pending or firing: 1, and since when (seconds, pauses left out)."""
    series: dict[Labels, float] = {}
    for alert in alerts:
        if alert.state == "resolved":
            continue
        series[labels_of({**alert.labels, "__name__": ALERTS_SERIES, "alertstate": alert.state})] = 1.0
        since = alert.active_at.timestamp() + alert.paused_seconds
        series[for_state_labels(alert.labels)] = float(int(since))
    return series


def for_state_labels(labels: Mapping[str, str]) -> Labels:
    return labels_of({**labels, "__name__": FOR_STATE_SERIES})


def ended(before: Iterable[Labels], now: Mapping[Labels, float]) -> dict[Labels, float]:
    """Stale markers for series that are not written any more."""
    return {labels: float(STALE) for labels in before if labels not in now}


def batch_of(written: Iterable[tuple[int, Mapping[Labels, float]]]) -> SampleBatch | None:
    """One delivery of (time in ms, series); None when there is nothing in it."""
    labels: list[Labels] = []
    times: list[int] = []
    values: list[float] = []
    for at_ms, series in written:
        labels += series
        times += [at_ms] * len(series)
        values += series.values()
    if not labels:
        return None
    return SampleBatch(labels, np.arange(len(labels)), np.array(times, np.int64), np.array(values, np.float64))
