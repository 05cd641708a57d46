"""Doubles and makers that we ship, for our tests and yours: a clock you turn, a store of your own, rows in one line."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pitchey_slo.names import LOCK_FILE
from pitchey_slo.settings import Settings
from pitchey_slo.tables import TABLES

if TYPE_CHECKING:
    from pitchey_slo.store import Store

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class FixedClock:
    """A clock that stands still until it is told.

    >>> clock = FixedClock(NOON)
    >>> clock.forward(hours=1)
    >>> clock().hour
    13
    """

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        """Turn it forward: `forward(minutes=5)`; arguments as for timedelta."""
        self.now += timedelta(**duration)


def lay_out(home: Path) -> None:
    """Put the files of an empty store into `home` if there is nothing yet: a copy of one that this process made once,
    which is there three times as soon as one made anew."""
    if not home.exists() or not any(home.iterdir()):
        shutil.copytree(_empty() / "home", home, dirs_exist_ok=True)


@functools.cache
def _empty() -> Path:
    from pitchey_slo.store import Store

    folder = Path(tempfile.mkdtemp(prefix="pitchey-slo-empty-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    given = Settings.load(env_file=None, home=folder / "home", lake=None)
    with Store.open(given, clock=FixedClock(), background=False):
        pass
    (folder / "home" / LOCK_FILE).unlink()
    return folder


@contextmanager
def fresh_store(home: Path, *, clock: FixedClock | None = None, **settings: Any) -> Iterator[Store]:
    """A store in `home` without background work: it flushes when told and on close."""
    from pitchey_slo.store import Store

    given = Settings.load(env_file=None, home=home, **settings)
    if given.lake is None:
        lay_out(home)
    with Store.open(given, clock=clock or FixedClock(), background=False) as store:
        yield store


def rows(
    table: str = "requests", count: int = 1, *, start: datetime = NOON, step: float = 1.0, **columns: Any
) -> pa.Table:
    """`count` conforming rows of a table, `step` seconds apart; a column given as a list is taken as it is, a single
    value for every row. Required columns have plain defaults.

    >>> rows(count=2, status=[200, 500]).column("status").to_pylist()
    [200, 500]
    """
    spec = TABLES[table]
    values: dict[str, Any] = {
        spec.time: [start + timedelta(seconds=step * i) for i in range(count)],
        **{c.name: c.default for c in spec.columns if c.default is not None},
    }
    plain: dict[str, dict[str, Any]] = {
        "requests": {"route": "/api/pitches", "status": 200, "duration_ms": 20.0},
        "business_events": {"event": "pitch_viewed"},
        "incidents": {"id": [f"inc-{i}" for i in range(count)], "title": "something broke"},
        "deployments": {"id": [f"dep-{i}" for i in range(count)], "version": "1.0.0"},
        "logs": {"message": "it happened"},
        "probes": {"test": "api-health", "state": "healthy"},
        "report_runs": {"id": [f"run-{i}" for i in range(count)], "notebook": "30_slo_report", "status": "succeeded"},
    }
    values |= plain[table] | columns
    filled = {name: value if isinstance(value, list) else [value] * count for name, value in values.items()}
    arrays = [pa.array(filled.get(c.name, [None] * count), type=c.type) for c in spec.columns]
    return pa.Table.from_arrays(arrays, schema=spec.schema)
