"""The tables of what was looked at and what was said: results of health and synthetic checks, and log lines."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from pitchey_slo.tables.table import TEXT, TIME, Column, Table

#: Bounds of a time in milliseconds.
_MS: Final[dict[str, Any]] = {"low": 0, "high": 1e9}

PROBES: Final = Table(
    "probes",
    "one row per look at the platform: a health check, a synthetic test, one of its attempts or steps",
    "stream",
    time="ts",
    keep_days=400,
    columns=(
        Column("ts", TIME, "when it ended", required=True),
        Column("test", TEXT, "name of the check or test", required=True, longest=128),
        Column("kind", TEXT, "health, http, journey or browser", default="http", longest=32),
        Column("component", TEXT, "what was looked at: api, worker, database, cache, storage, websocket", longest=128),
        Column("location", TEXT, "where it was looked at from", default="local", longest=128),
        Column("state", TEXT, "healthy, degraded, unhealthy, or unknown when nothing can be said", required=True),
        Column("scope", TEXT, "verdict: the result that counts; attempt or step: what led to it", default="verdict"),
        Column("attempt", pa.int16(), "which attempt, from 1; of a verdict: how many there were", low=1, high=1_000),
        Column("step", TEXT, "name of the step of a journey; null for the whole", longest=256),
        Column(
            "failure",
            TEXT,
            "dns, connect, tls, timeout, http_status, assertion, body, cert_expiry or probe_error; null when it passed",
            longest=32,
        ),
        Column("phase", TEXT, "where it failed or was slow: dns, connect, tls, first_byte, transfer", longest=32),
        Column("reason", TEXT, "why it is not healthy, with numbers, in plain words", longest=4_096),
        Column("duration_ms", pa.float64(), "the whole of it, milliseconds", **_MS),
        Column("dns_ms", pa.float64(), "name to address", **_MS),
        Column("connect_ms", pa.float64(), "TCP connection", **_MS),
        Column("tls_ms", pa.float64(), "TLS handshake", **_MS),
        Column("first_byte_ms", pa.float64(), "request sent until the first byte of the answer", **_MS),
        Column("transfer_ms", pa.float64(), "first to last byte of the answer", **_MS),
        Column("status", pa.int16(), "HTTP status of the answer, of the failing step or the last", low=0, high=999),
        Column("bytes", pa.int64(), "bytes of the answer's body that were read", low=0, high=2**62),
        Column("cert_days", pa.float64(), "days until the certificate ends; negative when it did", low=-1e6, high=1e6),
        Column("run_id", TEXT, "the same for a verdict and its attempts and steps", longest=128, scrub="id"),
        Column("trace_id", TEXT, "W3C trace id that the check sent", longest=128, scrub="id"),
        Column(
            "details",
            TEXT,
            "measured values and kept files, as a JSON object without secrets",
            longest=16_384,
            scrub="json",
        ),
        Column("source", TEXT, "who sent it: server, agent or a file", default="api", longest=512),
        Column("event_id", TEXT, "unique within its source; null when the sender has none", longest=256, scrub="id"),
    ),
)

LOGS: Final = Table(
    "logs",
    "one row per log line, personal data taken out before it came here",
    "stream",
    time="ts",
    keep_days=30,
    columns=(
        Column("ts", TIME, "when it was written", required=True),
        Column("level", TEXT, "debug, info, warning, error or critical", default="info", longest=32),
        Column("service", TEXT, "who wrote it", default="pitchey", longest=128),
        Column("message", TEXT, "the line", required=True, longest=32_768),
        Column("logger", TEXT, "part of the service that wrote it", longest=256),
        Column("route", TEXT, "route of the request it belongs to", longest=2_048),
        Column("status", pa.int16(), "HTTP status, when the line is about an answer", low=0, high=999),
        Column("duration_ms", pa.float64(), "time it took, when the line says so", **_MS),
        Column("location", TEXT, "where it was written: colo, region or host", longest=128),
        Column("user_hash", TEXT, "keyed hash of the user; never the user", longest=128, scrub="id"),
        Column("trace_id", TEXT, "W3C trace id in hex", longest=128, scrub="id"),
        Column("span_id", TEXT, "span id in hex", longest=64, scrub="id"),
        Column("error_type", TEXT, "class or code of the error", longest=256),
        Column("fingerprint", TEXT, "the same for lines that say the same about other things", longest=64, scrub="id"),
        Column("attributes", TEXT, "anything else, as a JSON object", longest=32_768, scrub="json"),
        Column("sample_interval", pa.float64(), "this row stands for so many lines", default=1.0, low=1, high=1e9),
        Column("source", TEXT, "who sent it: a service, a file, a collector", default="api", longest=512),
        Column("event_id", TEXT, "unique within its source; null when the sender has none", longest=256, scrub="id"),
    ),
)
