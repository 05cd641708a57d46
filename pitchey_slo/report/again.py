"""When two runs are the same report: the same notebook, asked the same, of the same data and configuration.

The identity of a run is a hash of these. Of a table that grows the newest row and the number of rows count, of a small
register its version in the lake; of the configuration the content of its files, since an SLO that was changed makes
another report of the same rows. The clock does not count: a report that tells the time is as good as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from pitchey_slo.report.record import Run, runs
from pitchey_slo.tables import REGISTERS

if TYPE_CHECKING:
    from pitchey_slo.report.catalogue import Notebook
    from pitchey_slo.store import LakeReader


def question(notebook: Notebook, values: Mapping[str, Any]) -> str:
    """Hash of what is asked: the notebook and all its parameters."""
    return _hash([notebook.name, notebook.hash, dict(values)])


def identity(asked: str, reader: LakeReader | None, tables: Collection[str], config: Path) -> str:
    """Hash of the question and of what it is asked of; "" when the data cannot be read, which equals nothing."""
    if reader is None:
        return ""
    seen = {}
    for table in sorted(tables):
        newest = reader.watermark(table)
        seen[table] = [reader.version(table)] if table in REGISTERS else [str(newest), reader.rows(table)]
    return _hash([asked, seen, _files(config)])


def finished(reports: Path, notebook: str, wanted: str) -> Run | None:
    """The newest run of that identity that succeeded and whose page is still there."""
    if not wanted:
        return None
    for run in runs(reports, notebook):
        if run.identity == wanted and run.status == "succeeded" and Path(run.html).is_file():
            return run
    return None


def previous(reports: Path, run: Run) -> Run | None:
    """The newest successful run before `run` of the same notebook that was asked the same, times aside."""
    from pitchey_slo.report.facts import steady

    asked = steady(run.parameters)
    for other in runs(reports, run.notebook):
        older = (other.started_at, other.id) < (run.started_at, run.id)
        if older and other.status == "succeeded" and steady(other.parameters) == asked:
            return other
    return None


def _files(config: Path) -> dict[str, str]:
    found = sorted(p for pattern in ("*.yml", "*.yaml") for p in config.rglob(pattern) if p.is_file())
    return {p.relative_to(config).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def _hash(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
