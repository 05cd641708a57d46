"""The tables of what is collected: requests, business events, labels of people, time series, and what is counted of
them."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from pitchey_slo.tables.table import TEXT, TIME, Column, Table

_SAMPLED = Column("sample_interval", pa.float64(), "this row stands for so many events", default=1.0, low=1, high=1e9)
_SOURCE = Column("source", TEXT, "who sent it: a service, a file, a collector", default="api", longest=512)
_EVENT_ID = Column("event_id", TEXT, "unique within its source; null when the sender has none", longest=256, scrub="id")

REQUESTS: Final = Table(
    "requests",
    "one row per HTTP request served (or per N, when sampled)",
    "stream",
    time="ts",
    keep_days=90,
    columns=(
        Column("ts", TIME, "when the request ended", required=True),
        Column("route", TEXT, "route pattern such as /api/pitches/:id, or the path", required=True, longest=2_048),
        Column("method", TEXT, "HTTP method in capitals", default="GET", longest=32),
        Column("status", pa.int16(), "HTTP status code; 0 when the client went away", required=True, low=0, high=999),
        Column("duration_ms", pa.float64(), "time to serve, milliseconds; null when not measured", low=0, high=1e9),
        Column("location", TEXT, "where it was served: colo, region or city", longest=128),
        Column("user_hash", TEXT, "keyed hash of the user; never the user", longest=128, scrub="id"),
        Column("trace_id", TEXT, "W3C trace id in hex", longest=128, scrub="id"),
        Column("cache_status", TEXT, "HIT, MISS, EXPIRED, BYPASS, DYNAMIC, ...", longest=32),
        Column("bytes", pa.int64(), "bytes sent in the response body", low=0, high=2**62),
        _SAMPLED,
        _SOURCE,
        _EVENT_ID,
    ),
)

BUSINESS_EVENTS: Final = Table(
    "business_events",
    "one row per thing a user did that the business counts",
    "stream",
    time="ts",
    keep_days=730,
    columns=(
        Column("ts", TIME, "when it happened", required=True),
        Column("event", TEXT, "pitch_viewed, nda_signed, payment_succeeded, ...", required=True, longest=128),
        Column("user_hash", TEXT, "keyed hash of the user; never the user", longest=128, scrub="id"),
        Column("location", TEXT, "where the user is: country or region", longest=128),
        Column("value", pa.float64(), "amount, in `currency` for money", low=-1e15, high=1e15),
        Column("currency", TEXT, "ISO 4217 code for money", longest=8),
        Column("trace_id", TEXT, "W3C trace id in hex of the request that caused it", longest=128, scrub="id"),
        Column("properties", TEXT, "anything else, as JSON text", longest=16_384, scrub="json"),
        _SAMPLED,
        _SOURCE,
        _EVENT_ID,
    ),
)

INCIDENTS: Final = Table(
    "incidents",
    "labels: when something was really wrong, as people judged it",
    "register",
    time="started_at",
    keep_days=0,
    columns=(
        Column("id", TEXT, "stable name of the incident", required=True, longest=128, scrub="id"),
        Column("title", TEXT, "one line in plain words", required=True),
        Column("kind", TEXT, "error_burst, slow_database, bad_deployment, regional_outage, slow_leak, flapping, ..."),
        Column("severity", TEXT, "critical, warning or info", default="warning", longest=32),
        Column("started_at", TIME, "when users began to suffer", required=True),
        Column("ended_at", TIME, "when it was over; null while it lasts"),
        Column("routes", TEXT, "the routes that suffered, comma-separated; null for all"),
        Column("location", TEXT, "the location that suffered; null for all", longest=128),
        Column("description", TEXT, "what happened and what was done", longest=16_384),
        Column("labelled_by", TEXT, "who says so", longest=128, scrub="no"),
        Column("updated_at", TIME, "when the label was last changed"),
        Column("source", TEXT, "where the label came from", default="api", longest=512),
    ),
)

DEPLOYMENTS: Final = Table(
    "deployments",
    "what was put into production, and when",
    "register",
    time="ts",
    keep_days=0,
    columns=(
        Column("id", TEXT, "stable name of the deployment", required=True, longest=128, scrub="id"),
        Column("ts", TIME, "when it went live", required=True),
        Column("service", TEXT, "what was deployed", default="pitchey", longest=128),
        Column("version", TEXT, "version, tag or commit", required=True, longest=128),
        Column("description", TEXT, "what changed", longest=16_384),
        Column("deployed_by", TEXT, "who or what did it", longest=128, scrub="no"),
        Column("source", TEXT, "where the row came from", default="api", longest=512),
    ),
)

REPORT_RUNS: Final = Table(
    "report_runs",
    "every run of a report notebook: with which parameters, on which data, how it ended",
    "register",
    time="started_at",
    keep_days=365,
    columns=(
        Column("id", TEXT, "name of the run, also of its folder", required=True, longest=128),
        Column("notebook", TEXT, "file name of the notebook without .ipynb", required=True, longest=128),
        Column("notebook_hash", TEXT, "SHA-256 of the notebook as it was run", longest=64),
        Column("parameters", TEXT, "all parameters as JSON, defaults included", longest=16_384),
        Column("data_watermark", TIME, "newest event the run could see"),
        Column("started_at", TIME, "when the worker started", required=True),
        Column("ended_at", TIME, "when it ended; null while it runs"),
        Column("status", TEXT, "running, succeeded or failed", required=True, longest=32),
        Column("failed_cell", pa.int64(), "number of the cell that failed, counted from 1"),
        Column("error", TEXT, "its error in one line", longest=4_096, scrub="text"),
        Column("output", TEXT, "path of the notebook as it was run", longest=4_096),
        Column("html", TEXT, "path of the page made from it", longest=4_096),
        Column("kind", TEXT, "what people call the notebook: 30_slo_report is slo", longest=128),
        Column("trigger", TEXT, "who asked for it: manual, schedule or alert", longest=32),
        Column("schedule", TEXT, "name of the schedule it was run for", longest=128),
        Column("due_at", TIME, "the time of the schedule it was run for"),
        Column(
            "identity", TEXT, "SHA-256 of notebook, parameters and data: equal ones are the same report", longest=64
        ),
        Column("verdict", TEXT, "its data when it began: fresh, stale, partial or unknown", longest=32),
        Column("freshness", TEXT, "how old each table it needs was, and what was missing, as JSON", longest=16_384),
        Column("attempts", pa.int64(), "which attempt at the same question it is, counted from 1"),
        Column("rerun_of", TEXT, "the run that it repeats", longest=128),
        Column("masked", pa.int64(), "secrets that were taken out of what it wrote"),
        Column("summary", TEXT, "its first paragraph", longest=4_096),
        Column("delivery", TEXT, "who was sent it, when, by which channel, or why not, as JSON", longest=16_384),
    ),
)

SERIES: Final = Table(
    "series",
    "one row per time series ever seen: its labels",
    "series",
    time="first_seen",
    keep_days=0,
    columns=(
        Column("series_id", pa.int64(), "64 bits made from the labels, the same everywhere", required=True),
        Column("name", TEXT, "metric name", required=True),
        Column(
            "labels", TEXT, "all labels as a JSON object, sorted, `__name__` among them", required=True, longest=65_536
        ),
        Column("first_seen", TIME, "when it was first stored", required=True),
    ),
)

SAMPLES: Final = Table(
    "samples",
    "one row per sample of a time series; milliseconds count, float bits are kept",
    "series",
    time="ts",
    keep_days=400,
    columns=(
        Column("series_id", pa.int64(), "which series", required=True),
        Column("ts", TIME, "when, whole milliseconds", required=True),
        Column("value", pa.float64(), "value; NaN is one, and one NaN is the stale marker", required=True),
    ),
    sorted_by="series_id, ts",
)

ROLLUPS: Final = Table(
    "rollups",
    "requests counted per 15 s tick, labels and latency bucket; rows are partial sums: add those with the same key",
    "rollup",
    time="tick",
    keep_days=800,
    columns=(
        Column("tick", TIME, "the first whole 15 s at or after the request ended", required=True),
        Column("route", TEXT, "as in requests", required=True),
        Column("method", TEXT, "as in requests"),
        Column("status", pa.int16(), "as in requests", required=True),
        Column("location", TEXT, "as in requests"),
        Column("bucket", pa.int16(), "latency bucket (table latency_buckets); null when not measured"),
        Column("rows", pa.int64(), "rows of requests counted", required=True),
        Column("requests", pa.float64(), "requests they stand for: the sum of sample_interval", required=True),
        Column("duration_sum", pa.float64(), "sum of duration_ms times sample_interval, milliseconds", required=True),
    ),
    sorted_by="route, method, status, location, tick, bucket",
)

REQUEST_MINUTES: Final = Table(
    "request_minutes",
    "requests counted per minute and labels, for days that are over; rows of a day are written all at once",
    "rollup",
    time="minute",
    keep_days=800,
    columns=(
        Column("minute", TIME, "the minute in which the request ended, its first moment included", required=True),
        Column("route", TEXT, "as in requests", required=True),
        Column("method", TEXT, "as in requests"),
        Column("status", pa.int16(), "as in requests", required=True),
        Column("location", TEXT, "as in requests"),
        Column("le_ms", pa.float64(), "smallest edge at or above the latency, infinity above all; null: not measured"),
        Column("rows", pa.int64(), "rows of requests counted", required=True),
        Column("usable", pa.int64(), "those with a weight that can be meant; null: all of them weigh 1"),
        Column("weight", pa.float64(), "requests they stand for, as sample_interval says; null: as many as rows"),
        Column("squares", pa.float64(), "sum of their squared weights; null: as many as rows"),
        Column("counted", pa.int64(), "rows of requests counted that day, the same in each of its rows", required=True),
    ),
    sorted_by="route, method, status, location, le_ms, minute",
)
