"""Every name that more than one room spells: reasons, scopes, file names, metric names.

The columns of the tables are in `pitchey_slo.tables`; the settings in `pitchey_slo.settings`.
"""

from __future__ import annotations

from typing import Final

APP: Final = "pitchey-slo"

#: Why a whole delivery is refused. Closed: a client may switch on it, and counters are kept by it.
REASONS: Final[dict[str, str]] = {
    "malformed_body": "400: the body is not what its content type says",
    "bad_parameter": "400: a query parameter or header has no meaning here",
    "invalid_query": "400: SQL or PromQL that cannot be answered",
    "unauthorized": "401: no token, or one that is unknown, expired or revoked",
    "forbidden": "403: the token lacks the scope this path needs",
    "not_found": "404: no such path or object",
    "method_not_allowed": "405: the path exists, not with this method",
    "conflict": "409: somebody changed it meanwhile; load it again and repeat the change",
    "body_timeout": "408: the body stopped arriving; send it again",
    "payload_too_large": "413: more bytes than allowed, counted after decompression",
    "unsupported_media_type": "415: a content type or encoding nobody here reads",
    "invalid_rows": "422: every row of the delivery was refused; `detail` lists why",
    "invalid_slo": "422: an SLO, window or correction that cannot be meant",
    "invalid_decision": "422: a decision about a rule that cannot be taken, applied or reverted; the message says why",
    "invalid_test": "422: a synthetic test that cannot be meant; the message has line and key",
    "invalid_dashboard": "422: a dashboard's definition that cannot be meant; `detail` has file, line and key",
    "rate_limited": "429: this token sends faster than its limit; wait for `Retry-After`",
    "store_busy": "503: too much waits to be written; wait for `Retry-After`",
    "disk_full": "503: free space is below the floor; nothing is lost, try again later",
    "store_unavailable": "503: the store is opening or reopening; try again",
}

#: Why one row of a delivery is refused, the rest being kept. Closed.
ROW_REASONS: Final[dict[str, str]] = {
    "malformed_line": "the line is not of its format",
    "not_an_object": "the row is not a JSON object",
    "missing_field": "a required field is absent or null",
    "wrong_type": "a value of another type than the column's",
    "out_of_range": "a number outside what the column can mean",
    "bad_time": "a time nobody can read, or before 1970",
    "too_far_in_future": "a time more than ten minutes ahead of this machine's clock",
    "too_long": "a text longer than the column allows",
    "invalid_utf8": "bytes that are not UTF-8, or a NUL or lone surrogate inside a text",
}

#: What a token may do.
SCOPES: Final[dict[str, str]] = {
    "ingest": "send events, metrics, logs and results",
    "read": "read everything that is not a secret",
    "alert": "acknowledge, resolve and silence alerts",
    "admin": "everything, tokens and retention included",
}

TOKEN_PREFIX: Final = "pslo_"

# Files of a home folder (`--home`, PITCHEY_HOME).
HOT_FILE: Final = "hot.duckdb"
SEQUENCE_FILE: Final = "hot.seq"
LOCK_FILE: Final = "lock"
SERVER_FILE: Final = "server.json"
LAKE_DIR: Final = "lake"

#: A row may be this far ahead of our clock (Prometheus allows the same).
FUTURE_SECONDS: Final = 600

#: Events become series at whole multiples of this many seconds; rollups count per such tick.
TICK_SECONDS: Final = 15

#: Upper bounds of the response time histogram, in seconds (Prometheus' base unit); above the last one is +Inf.
#: Changing one makes the rollups on disk unreadable: bounds are edges of the latency sketch (store/sketch.py).
RESPONSE_TIME_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: SLO counts as series (slo/series.py); what burn alerts are written on.
SLO_VALID: Final = "pitchey_slo_valid_total"
SLO_BAD: Final = "pitchey_slo_bad_total"
SLO_TARGET: Final = "pitchey_slo_target"

#: How unusual a watched series is, in [0, 1] (analyse/watch): labels `detector`, `series` and those of the expression.
ANOMALY_SCORE: Final = "pitchey_anomaly_score"

#: Upper bounds in milliseconds at which requests are counted per minute (table request_minutes): those above, and round
#: times that people promise. An SLO with one of them as its value is answered from there.
#: Removing or adding one makes the minutes on disk wrong.
MINUTE_EDGES_MS: Final = tuple(
    sorted(
        {*(round(b * 1e6) / 1e3 for b in RESPONSE_TIME_BOUNDS), 200.0, 300.0, 400.0, 750.0, 1_500.0, 2_000.0, 3_000.0}
        | {30_000.0, 60_000.0}
    )
)

#: What a look at the platform can find. Closed.
STATES: Final[dict[str, str]] = {
    "healthy": "it works as it should",
    "degraded": "it works, and is slow or near a limit",
    "unhealthy": "it does not work",
    "unknown": "nothing can be said: no answer in time, or the fault is ours",
}

#: Why a look failed. Closed.
FAILURES: Final[dict[str, str]] = {
    "dns": "the name has no address, or one that probes may not go to",
    "connect": "nothing listens there, or the connection broke before anything was said",
    "tls": "the handshake failed, or the certificate is not to be trusted",
    "timeout": "no answer in time; the phase says where it hung",
    "http_status": "an answer with a status that was not hoped for",
    "assertion": "an answer that does not say what it should, or a measured value beyond its limit",
    "body": "an answer that cannot be read: broken off, too long, not what its type says",
    "cert_expiry": "the certificate ended, or ends too soon",
    "probe_error": "our own fault: a bad template, a missing secret; says nothing of the target",
}

#: Where the time of a look goes; columns `<phase>_ms` of the table `probes`. Closed, in order.
PHASES: Final[dict[str, str]] = {
    "dns": "name to address",
    "connect": "TCP connection",
    "tls": "TLS handshake",
    "first_byte": "request sent until the first byte of the answer",
    "transfer": "first to last byte of the answer",
}

#: What a row of `probes` is.
PROBE_SCOPES: Final[dict[str, str]] = {
    "verdict": "the result that counts",
    "attempt": "one try; the last of them, or a better one, made the verdict",
    "step": "one step of a journey",
}

#: Series that alert rules ask for and that are not made of events: what they mean, and who sends them.
#: Probes (`pitchey-slo synthetic`) and health checks write the first four; the Worker module pushes the others.
PROBE_SERIES: Final[dict[str, str]] = {
    "pitchey_db_up": "gauge: 1 when a health check reached the database, 0 when it did not; by instance, location",
    "pitchey_worker_up": "gauge: 1 when the Worker answered a health check, 0 when it did not; by worker, location",
    "pitchey_health_up": "gauge: 1 when a component answers a health check, 0 when it does not or was out of time too "
    "often in a row; by component, test, location",
    "pitchey_health_state": "gauge: 2 healthy, 1 degraded, 0 unhealthy; ends while it is unknown; by component, test, "
    "location",
    "pitchey_health_latency_seconds": "gauge: time a health check took; by component, test, location",
    "pitchey_health_probe_error": "gauge: 1 while a health check fails by its own fault, such as a wrong password; by "
    "component, test, location",
    "pitchey_db_query_seconds": "gauge: time of the plainest query; by instance, location",
    "pitchey_db_connections_used": "gauge: connections of clients; by instance, location",
    "pitchey_db_connections_active": "gauge: connections at work; by instance, location",
    "pitchey_db_connections_max": "gauge: connections that clients may have; by instance, location",
    "pitchey_db_locks_waiting": "gauge: waits for a lock; by instance, location",
    "pitchey_db_lock_wait_seconds": "gauge: the longest wait for a lock; by instance, location",
    "pitchey_db_transaction_seconds": "gauge: age of the oldest transaction; by instance, location",
    "pitchey_db_replication_lag_seconds": "gauge: how far a replica is behind; by instance, location",
    "pitchey_db_replication_lag_bytes": "gauge: how far the slowest replica is behind; by instance, location",
    "pitchey_cache_evicted_total": "counter: keys thrown out for want of memory; by instance, location",
    "pitchey_cache_hit_rate": "gauge: share of reads that hit since the last look; by instance, location",
    "pitchey_cache_memory_bytes": "gauge: memory the cache uses; by instance, location",
    "pitchey_cache_memory_max_bytes": "gauge: memory the cache may use; by instance, location",
    "pitchey_cache_replication_lag_bytes": "gauge: how far the slowest replica is behind; by instance, location",
    "pitchey_storage_seconds": "gauge: time to put, get or delete a canary; by operation, instance, location",
    "pitchey_storage_success": "gauge: 1 when a canary was put, read or deleted, 0 when not; by operation, instance, "
    "location",
    "pitchey_websocket_echo_seconds": "gauge: time until a message came back; by instance, location",
    "pitchey_websocket_messages_per_second": "gauge: echoes per second; by instance, location",
    "pitchey_synthetic_success": "gauge: 1 when a synthetic test passed, 0 when it failed; by test, location",
    "pitchey_synthetic_consecutive_failures": "gauge: failures since a test last passed, of locations that count; "
    "by test, location, reason",
    "pitchey_synthetic_consecutive_limit": "gauge: failures in a row before people are told; by test",
    "pitchey_synthetic_duration_seconds": "gauge: time a test took; by test, location, phase (`total` is the whole)",
    "pitchey_synthetic_cert_days": "gauge: days until the certificate ends, negative when it did; by test, location",
    "pitchey_synthetic_up": "gauge: 0 when at least half of the locations that count fail, else 1; none when no "
    "location counts; by test",
    "pitchey_synthetic_locations": "gauge: how many locations are counting, failing (among those), stale, excluded, "
    "unknown; by test, state",
    "pitchey_synthetic_location_blind": "gauge: 1 when a location is excluded, or silent; by location, reason",
    "pitchey_synthetic_start_late_seconds": "gauge: how late runs begin; by location, quantile",
    "pitchey_synthetic_runs_total": "counter: runs begun; by location",
    "pitchey_synthetic_skipped_total": "counter: slots not run, still_running or missed; by location, reason",
    "pitchey_synthetic_spool_dropped_total": "counter: results an agent dropped while the API was away; by location",
    "pitchey_memory_used_bytes": "gauge: memory a process uses; by instance",
    "pitchey_memory_limit_bytes": "gauge: memory a process may use; by instance",
    "pitchey_cache_hits_total": "counter: reads that the cache answered",
    "pitchey_cache_misses_total": "counter: reads that the cache could not answer",
}

#: Series of the workbench about itself (web/overhead.py stores them), by type and meaning; docs/overhead.md says more.
OWN_SERIES: Final[dict[str, str]] = {
    "pitchey_slo_rows_total": "counter: rows of deliveries, by table and what became of them",
    "pitchey_slo_rows_refused_total": "counter: rows refused, by table and reason",
    "pitchey_slo_source_rows_total": "counter: rows of deliveries that could be read, by table and source",
    "pitchey_slo_samples_total": "counter: samples, by way in and what became of them",
    "pitchey_slo_samples_refused_total": "counter: samples refused, by way in and reason",
    "pitchey_slo_otlp_spans_not_kept_total": "counter: spans that came by OTLP and are no HTTP request",
    "pitchey_slo_ack_seconds": "histogram: time until a delivery was acknowledged, by path",
    "pitchey_slo_decode_seconds": "summary: time to read the rows of a delivery, by table",
    "pitchey_slo_http_requests_total": "counter: requests answered, by method, path and status",
    "pitchey_slo_http_request_seconds": "summary: time until the answer was sent, by method and path",
    "pitchey_slo_queries": "gauge: queries that run or wait",
    "pitchey_slo_queue_bytes": "gauge: bytes that wait to be written",
    "pitchey_slo_commit_sequence": "gauge: number of the newest durable commit",
    "pitchey_slo_commits_total": "counter: transactions committed",
    "pitchey_slo_commit_seconds_total": "counter: time spent in commits",
    "pitchey_slo_commit_rows_total": "counter: rows committed, samples and registers among them",
    "pitchey_slo_commit_bytes_total": "counter: bytes committed, as they lay in memory",
    "pitchey_slo_flushed_sequence": "gauge: number of the newest commit that the lake holds whole",
    "pitchey_slo_flushes_total": "counter: flushes to the lake, by outcome",
    "pitchey_slo_flush_seconds_total": "counter: time spent in flushes",
    "pitchey_slo_lake_lag_seconds": "gauge: time since the last flush to the lake that worked",
    "pitchey_slo_lake_bytes": "gauge: bytes of the lake on this disk, by table; looked at every five minutes",
    "pitchey_slo_lake_files": "gauge: data files of the lake on this disk, by table; looked at every five minutes",
    "pitchey_slo_hot_bytes": "gauge: bytes of the hot file, by part: data, or wal for its log",
    "pitchey_slo_free_bytes": "gauge: free bytes on the disk of the store",
    "pitchey_slo_series": "gauge: time series known",
    "pitchey_slo_ready": "gauge: 1 when deliveries are taken",
    "pitchey_slo_evaluations_total": "counter: evaluations of a rule group, by group and file",
    "pitchey_slo_evaluations_missed_total": "counter: evaluations that did not take place in time, by group and file",
    "pitchey_slo_evaluation_seconds": "gauge: time the newest evaluation took, by group and file",
    "pitchey_slo_evaluation_late_seconds": "gauge: time from when the newest evaluation was due until it was done, by "
    "group and file",
    "pitchey_slo_rules_failing": "gauge: rules whose newest evaluation failed",
    "pitchey_slo_notifications_total": "counter: messages, by channel and what became of them",
    "pitchey_slo_notifications_waiting": "gauge: messages that wait, by channel",
    "pitchey_scrubbed_total": "counter: places where personal data or secrets were taken out, by rule and source",
    "pitchey_slo_report_runs": "gauge: runs of reports that are kept, by notebook and status",
    "pitchey_slo_dashboard_viewers": "gauge: pages of dashboards that are open",
    "pitchey_slo_process_cpu_seconds_total": "counter: processor time, by process: server, dashboards",
    "pitchey_slo_process_resident_bytes": "gauge: memory held, by process",
    "pitchey_slo_process_threads": "gauge: threads, by process",
    "pitchey_slo_process_open_files": "gauge: open files and sockets, by process",
    "pitchey_slo_overhead_seconds_total": "counter: processor time spent on gathering these series",
    "pitchey_slo_status_published_total": "counter: times the status page was published to Cloudflare KV",
    "pitchey_slo_status_publish_errors_total": "counter: times publishing it failed",
    "pitchey_slo_analytics_engine_pulls_total": "counter: pulls of Analytics Engine, by how they ended",
    "pitchey_slo_analytics_engine_rows_total": "counter: data points pulled, by table and what became of them",
    "pitchey_slo_analytics_engine_up": "gauge: 1 when the last pull of Analytics Engine got through",
    "pitchey_slo_analytics_engine_behind_seconds": "gauge: time since the newest moment that was pulled from Analytics "
    "Engine",
}
