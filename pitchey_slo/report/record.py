"""What is known about a run, in two places: `run.json` in its folder, and a row of the table report_runs.

The folder alone is enough to draw the index page, with no store at hand; the row is for queries.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import psutil  # type: ignore[import-untyped]
import pyarrow as pa

from pitchey_slo.errors import StoreError
from pitchey_slo.settings import Settings
from pitchey_slo.tables import REPORT_RUNS

FILE: Final = "run.json"
_PATIENCE = 20.0  # seconds to wait for a store that another run has open


@dataclass(frozen=True)
class Run:
    """One run of a notebook. `status` is running, succeeded or failed; `failed_cell` counts code cells as they were
    run, from 1, which is the number Jupyter shows; `output` and `html` are absolute paths."""

    id: str
    notebook: str
    title: str
    notebook_hash: str
    parameters: dict[str, Any]
    started_at: datetime
    output: str
    html: str
    status: str = "running"
    data_watermark: datetime | None = None
    ended_at: datetime | None = None
    failed_cell: int | None = None
    error: str | None = None
    pid: int | None = None

    @property
    def folder(self) -> Path:
        return Path(self.output).parent

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None

    def as_dict(self) -> dict[str, Any]:
        """JSON-safe; times as ISO 8601 text."""
        names = [f for f in self.__dataclass_fields__ if f != "pid"]
        return {n: _json(getattr(self, n)) for n in names}

    def row(self) -> pa.Table:
        """One row of report_runs."""
        values: dict[str, Any] = {name: getattr(self, name) for name in REPORT_RUNS.names}
        values["parameters"] = orjson.dumps(self.parameters).decode()
        values["error"] = self.error[:4_096] if self.error else None
        return pa.Table.from_pylist([values], schema=REPORT_RUNS.schema)

    def write(self) -> None:
        """Put `run.json` into the folder of the run, all of it or nothing."""
        target = self.folder / FILE
        target.with_suffix(".tmp").write_bytes(orjson.dumps({**self.as_dict(), "pid": self.pid}))
        target.with_suffix(".tmp").replace(target)


def register(run: Run, settings: Settings) -> str | None:
    """Write the run to report_runs through the one door; None, or why that did not work.

    A report that exists is worth more than its row, so this never raises, whatever is wrong with the store. A store
    that another short-lived process has open is waited for.
    """
    from pitchey_slo.door import open_door  # here, since it brings the database

    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with open_door(settings) as door:
                door.append(REPORT_RUNS.name, run.row())
            return None
        except StoreError as error:
            waitable = error.transient or error.reason == "store_locked"
            if not waitable or time.monotonic() > deadline:
                return f"run {run.id} is not in the table report_runs: {error.message}"
            time.sleep(0.2)
        except Exception as error:  # noqa: BLE001  # a fault of the store must not cost a report
            return f"run {run.id} is not in the table report_runs: {type(error).__name__}: {error}".splitlines()[0]


def runs(reports: Path) -> list[Run]:
    """All runs under a reports folder, newest first. What cannot be read is left out."""
    found = [_read(path) for path in reports.glob(f"*/*/{FILE}")]
    return sorted((r for r in found if r), key=lambda r: (r.started_at, r.id), reverse=True)


def _read(path: Path) -> Run | None:
    try:
        values = orjson.loads(path.read_bytes())
        for name in ("started_at", "ended_at", "data_watermark"):
            values[name] = datetime.fromisoformat(values[name]) if values[name] else None
        run = Run(**values)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if run.status == "running" and run.pid != os.getpid() and not (run.pid and psutil.pid_exists(run.pid)):
        return replace(run, status="failed", error="the process that ran it is gone")
    return run


def _json(value: Any) -> Any:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
