"""The question for one window of time, in the dialect of Analytics Engine's SQL API (ClickHouse's, one table).

FORMAT JSON, not JSONEachRow: an answer that was cut off between two rows still reads as JSONEachRow, while the one
object of JSON ends with its closing brace and says how many rows it has.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pitchey_slo.collect.analytics_engine.config import Pulled


def names(pulled: Pulled) -> list[str]:
    """Columns of the dataset that are asked for, each once, in a steady order."""
    return ["timestamp", "_sample_interval", *dict.fromkeys(pulled.columns.values())]


def question(dataset: str, pulled: Pulled, start: datetime, end: datetime, most: int | None) -> str:
    """Rows with start <= timestamp < end; timestamps are whole seconds. `most` None: all of them."""
    return (
        f"SELECT {', '.join(names(pulled))} FROM {dataset} "
        f"WHERE timestamp >= {_moment(start)} AND timestamp < {_moment(end)} AND ({pulled.when}) "
        f"ORDER BY timestamp LIMIT {'ALL' if most is None else most} FORMAT JSON"
    )


def _moment(at: datetime) -> str:
    return f"toDateTime('{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}')"
