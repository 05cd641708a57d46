"""What is known about a run, in two places: `run.json` in its folder, and a row of the table report_runs.

The folder alone is enough to draw the index page, with no store at hand; the row is for queries.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import psutil  # type: ignore[import-untyped]
import pyarrow as pa

from pitchey_slo.errors import ReportError, StoreError
from pitchey_slo.settings import Settings
from pitchey_slo.tables import REPORT_RUNS

FILE: Final = "run.json"
PROGRESS: Final = "progress.json"
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
#: Runs read before, by their file: (time of change, run).
_KNOWN: dict[Path, tuple[int, Run]] = {}
_MOST_KNOWN: Final = 20_000
_PATIENCE = 20.0  # seconds to wait for a store that another run has open


@dataclass(frozen=True)
class Run:
    """One run of a notebook. `status` is running, succeeded or failed; `failed_cell` counts code cells as they were
    run, from 1, which is the number Jupyter shows; `output` and `html` are absolute paths.

    given        the parameters that were given; the others of `parameters` are the notebook's defaults
    identity     equal for runs of the same notebook with the same parameters on the same data
    verdict      of `freshness` (freshness.py): fresh, stale, partial or unknown
    masked       secrets taken out of what it wrote; None until it was searched for them
    delivery     what became of the messages about it: receiver, channel, state, at, answer
    """

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
    given: dict[str, Any] = field(default_factory=dict)
    kind: str = ""
    trigger: str = "manual"
    schedule: str | None = None
    due_at: datetime | None = None
    identity: str = ""
    verdict: str = "unknown"
    freshness: dict[str, Any] = field(default_factory=dict)
    attempts: int = 1
    rerun_of: str | None = None
    masked: int | None = None
    masked_names: list[str] = field(default_factory=list)
    summary: str | None = None
    delivery: list[dict[str, Any]] = field(default_factory=list)

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
        for name in ("parameters", "freshness", "delivery"):
            values[name] = orjson.dumps(values[name]).decode() if values[name] or name == "parameters" else None
        for name in ("error", "summary"):
            values[name] = values[name][:4_096] if values[name] else None
        return pa.Table.from_pylist([values], schema=REPORT_RUNS.schema)

    @property
    def progress(self) -> dict[str, int]:
        """{"done", "total"} cells while it runs, {"waiting": place in the line} before; {} otherwise."""
        try:
            found: dict[str, int] = orjson.loads((self.folder / PROGRESS).read_bytes())
            return found if self.status == "running" else {}
        except (OSError, ValueError):
            return {}

    def tell(self, **progress: int) -> None:
        """Leave its progress where others see it; without any, take it away."""
        target = self.folder / PROGRESS
        if not progress:
            target.unlink(missing_ok=True)
            return
        target.with_suffix(".tmp").write_bytes(orjson.dumps(progress))
        target.with_suffix(".tmp").replace(target)

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


def runs(reports: Path, notebook: str = "*") -> list[Run]:
    """All runs under a reports folder, or those of one notebook, newest first. What cannot be read is left out."""
    found = [_read(path) for path in reports.glob(f"{notebook}/*/{FILE}")]
    return sorted((r for r in found if r), key=lambda r: (r.started_at, r.id), reverse=True)


def find_run(reports: Path, run_id: str) -> Run:
    """The run of that id. Raises ReportError that says how to find it."""
    found = [_read(path) for path in reports.glob(f"*/{run_id}/{FILE}")] if _ID.fullmatch(run_id) else []
    run = next((r for r in found if r), None)
    if run is None:
        raise ReportError(
            f"no run {run_id[:100]!r} in {reports}; the index and `pitchey-slo report runs` list those there are",
            reason="not_found",
        )
    return run


def _read(path: Path) -> Run | None:
    """The run of a file as it is now; what ended is read once, since it never changes but for its receipt."""
    try:
        changed = path.stat().st_mtime_ns
        known = _KNOWN.get(path)
        if known is not None and known[0] == changed:
            return _alive(known[1])
        run = _parsed(path)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    _KNOWN[path] = changed, run
    return _alive(run)


def _parsed(path: Path) -> Run:
    found = orjson.loads(path.read_bytes())
    values = {k: v for k, v in found.items() if k in Run.__dataclass_fields__}
    for name in ("started_at", "ended_at", "data_watermark", "due_at"):
        values[name] = datetime.fromisoformat(values[name]) if values.get(name) else None
    return Run(**values)


def _alive(run: Run) -> Run:
    if run.status == "running" and run.pid != os.getpid() and not (run.pid and psutil.pid_exists(run.pid)):
        return replace(run, status="failed", error="the process that ran it is gone")
    return run


def _json(value: Any) -> Any:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
