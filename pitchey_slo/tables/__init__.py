"""The tables: every column with its type and meaning, as Arrow schemas.

Four kinds. A *stream* only grows: rows arrive by the million, are never changed, and go to the lake in day partitions.
A *register* is small and mutable: rows are put by `id`, the newest wins, and the lake mirrors the whole of it. *Series*
tables grow like streams and hold what arrives as time series; rows get there through `Store.samples`, not one by one.
A *rollup* is counted from a stream when that is flushed or a day of it is over, and lies in the lake alone.

Times are UTC with microseconds. `sample_interval` says for how many events a row stands (Analytics Engine calls it
`_sample_interval`); every count, ratio and quantile weighs it. `source` with `event_id` names a delivery: the same pair
is stored once, however often it is sent. A null `event_id` promises nothing and is always stored.

What is collected stands in `given.py`, what is looked at in `watched.py`, what the house writes itself in `house.py`.
The same columns stand as SQL in `store/schema/*.sql`; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from pitchey_slo.tables.given import (
    BUSINESS_EVENTS,
    DEPLOYMENTS,
    INCIDENTS,
    REPORT_RUNS,
    REQUEST_MINUTES,
    REQUESTS,
    ROLLUPS,
    SAMPLES,
    SERIES,
)
from pitchey_slo.tables.house import (
    ALERT_EVENTS,
    ALERT_GROUPS,
    ALERTS,
    CORRECTIONS,
    DASHBOARDS,
    DECISIONS,
    ESCALATIONS,
    HOUSE,
    INCIDENT_UPDATES,
    NOTIFICATIONS,
    REPORT_DUES,
    SILENCES,
    SYNTHETICS,
)
from pitchey_slo.tables.table import TEXT, TIME, Column, Table
from pitchey_slo.tables.watched import LOGS, PROBES

__all__ = [
    "ALERTS", "ALERT_EVENTS", "ALERT_GROUPS", "BUSINESS_EVENTS", "CORRECTIONS", "DASHBOARDS", "DECISIONS",
    "DEPLOYMENTS", "ESCALATIONS", "GROWING", "HOT", "HOUSE", "INCIDENTS", "INCIDENT_UPDATES", "LOGS", "NOTIFICATIONS",
    "PROBES", "REGISTERS", "REPORT_DUES", "REPORT_RUNS", "REQUESTS", "REQUEST_MINUTES", "ROLLED", "ROLLUPS",
    "SAMPLES", "SERIES", "SERIES_TABLES", "SILENCES", "STORED", "STREAMS", "SYNTHETICS", "TABLES", "TEXT", "TIME",
    "Column", "Table", "scrubbed",
]  # fmt: skip

#: what people send rows of
TABLES: Final = {t.name: t for t in (REQUESTS, BUSINESS_EVENTS, LOGS, PROBES, INCIDENTS, DEPLOYMENTS, REPORT_RUNS)}
_WRITTEN: Final = {**TABLES, **HOUSE}
STREAMS: Final = {name: t for name, t in _WRITTEN.items() if t.kind == "stream"}
REGISTERS: Final = {name: t for name, t in _WRITTEN.items() if t.kind == "register"}
SERIES_TABLES: Final = {t.name: t for t in (SERIES, SAMPLES)}
#: what only the lake holds: counted from requests, when these are flushed and when a day is over
ROLLED: Final = {t.name: t for t in (ROLLUPS, REQUEST_MINUTES)}
#: what grows and comes into the lake by commit range
GROWING: Final = {**STREAMS, **SERIES_TABLES, **ROLLED}
#: what the hot file has tables of
HOT: Final = {**_WRITTEN, **SERIES_TABLES}
#: what the store keeps
STORED: Final = {**HOT, **ROLLED}


def scrubbed(table: str) -> dict[str, str]:
    """Which columns of `table` are scrubbed before they are stored, and how: {column: "text", "json" or "id"}.

    Whatever people may send is: each text column of those tables but the ones that say "no". Of the house's own tables
    only what people typed into them; the other texts there come from what was scrubbed on its way in.
    """
    stored = STORED[table]
    texts = [c for c in stored.columns if c.type == TEXT]
    if table in TABLES and table != REPORT_RUNS.name:
        return {c.name: c.scrub or "text" for c in texts if c.scrub != "no"}
    return {c.name: c.scrub for c in texts if c.scrub not in (None, "no")}
