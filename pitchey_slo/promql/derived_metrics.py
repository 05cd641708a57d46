"""The series that events become: names, meaning and SQL of each. A registry; `derived.py` computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pitchey_slo.names import RESPONSE_TIME_BOUNDS
from pitchey_slo.series import Metadata
from pitchey_slo.store.sketch import LAST_BUCKET
from pitchey_slo.tables import BUSINESS_EVENTS, LOGS, REQUESTS, ROLLUPS

#: Values of `le`, as Prometheus 3 writes them.
LE: Final = (*(repr(bound) for bound in RESPONSE_TIME_BOUNDS), "+Inf")


@dataclass(frozen=True)
class Counter:
    """Sums of `value` over the rows of `table` with `condition`, by `labels` (label -> SQL expression of its text),
    ever since the oldest row. With `bounds` it is the buckets of the histogram: one series per `le`."""

    name: str
    table: str
    labels: Mapping[str, str]
    value: str
    condition: str = "true"
    bounds: bool = False


@dataclass(frozen=True)
class ActiveUsers:
    """Distinct `user_hash` among the requests of the last `seconds`; one series without labels."""

    name: str
    seconds: int
    table: str = REQUESTS.name
    labels: Mapping[str, str] = field(default_factory=dict)


Metric = Counter | ActiveUsers

_REQUEST: Final = {"route": "route", "method": "method", "status": "status::VARCHAR", "location": "location"}
_MEASURED: Final = "bucket IS NOT NULL"
_PLACE: Final = {"location": "location"}
_EVENTS: Final = "sum(CASE WHEN isfinite(sample_interval) THEN sample_interval ELSE 0 END)"
_AMOUNT: Final = "sum(CASE WHEN isfinite(value * sample_interval) THEN value * sample_interval ELSE 0 END)"
_PAYMENT: Final = {"outcome": "CASE event WHEN 'payment_succeeded' THEN 'succeeded' ELSE 'failed' END"}

#: Tables whose oldest and newest rows say where the series of requests and business events begin and end.
EVENTS: Final = (ROLLUPS.name, BUSINESS_EVENTS.name)


def clock_of(*tables: str) -> tuple[str, ...]:
    """Tables that say from when to when there are samples of what is made from `tables`: logs and probes go on where
    requests stopped, and the other way round, so each has a time of its own."""
    own = sorted({*tables} - {*EVENTS, REQUESTS.name})
    return tuple(own) if own and len(own) == len({*tables}) else EVENTS


#: SQL expression: position in LE of a rollup row's latency bucket.
BOUND_SQL: Final = (
    "CASE "
    + " ".join(f"WHEN bucket <= {last} THEN {i}" for i, last in enumerate(LAST_BUCKET))
    + f" ELSE {len(LE) - 1} END"
)


def _business(name: str, *events: str, labels: Mapping[str, str] = _PLACE, value: str = _EVENTS) -> Counter:
    listed = ", ".join(f"'{event}'" for event in events)
    return Counter(name, BUSINESS_EVENTS.name, labels, value, f"event IN ({listed})")


_WINDOWS: Final = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600}

_ALL: Final[tuple[Metric, ...]] = (
    Counter("pitchey_http_requests_total", ROLLUPS.name, _REQUEST, "sum(requests)"),
    Counter("pitchey_http_errors_total", ROLLUPS.name, _REQUEST, "sum(requests)", "status >= 500"),
    Counter("pitchey_http_response_time_bucket", ROLLUPS.name, _REQUEST, "sum(requests)", _MEASURED, bounds=True),
    Counter("pitchey_http_response_time_sum", ROLLUPS.name, _REQUEST, "sum(duration_sum) / 1000", _MEASURED),
    Counter("pitchey_http_response_time_count", ROLLUPS.name, _REQUEST, "sum(requests)", _MEASURED),
    *(ActiveUsers(f"pitchey_active_users_{label}", seconds) for label, seconds in _WINDOWS.items()),
    _business("pitchey_pitch_views_total", "pitch_viewed"),
    _business("pitchey_pitches_created_total", "pitch_created"),
    _business("pitchey_signups_total", "signup_completed"),
    _business("pitchey_nda_requests_total", "nda_requested"),
    _business("pitchey_nda_signatures_total", "nda_signed"),
    _business("pitchey_investments_total", "investment_requested", "investment_made"),
    _business("pitchey_payments_total", "payment_succeeded", "payment_failed", labels={**_PAYMENT, **_PLACE}),
    _business("pitchey_revenue_total", "payment_succeeded", labels={"currency": "currency"}, value=_AMOUNT),
    Counter("pitchey_log_lines_total", LOGS.name, {"level": "lower(level)", "service": "service"}, _EVENTS),
)
#: Sample name -> how it is computed.
METRICS: Final[dict[str, Metric]] = {metric.name: metric for metric in _ALL}

#: Metric family -> type and help, for exposition and /api/v1/metadata.
FAMILIES: Final[dict[str, Metadata]] = {
    "pitchey_http_requests_total": Metadata("counter", "HTTP requests, sampled ones by their weight"),
    "pitchey_http_errors_total": Metadata("counter", "HTTP requests answered with 5xx"),
    "pitchey_http_response_time": Metadata("histogram", "time to serve a request, in seconds; measured ones only"),
    **{
        f"pitchey_active_users_{label}": Metadata("gauge", f"distinct users seen in the last {label}")
        for label in _WINDOWS
    },
    "pitchey_pitch_views_total": Metadata("counter", "pitches viewed by a known user"),
    "pitchey_pitches_created_total": Metadata("counter", "pitches created"),
    "pitchey_signups_total": Metadata("counter", "accounts opened"),
    "pitchey_nda_requests_total": Metadata("counter", "NDAs requested"),
    "pitchey_nda_signatures_total": Metadata("counter", "NDAs signed"),
    "pitchey_investments_total": Metadata("counter", "investments requested or made"),
    "pitchey_payments_total": Metadata("counter", "payments by outcome (succeeded, failed)"),
    "pitchey_revenue_total": Metadata("counter", "money received, in the currency of the label"),
    "pitchey_log_lines_total": Metadata("counter", "log lines by level and service, sampled ones by their weight"),
}
