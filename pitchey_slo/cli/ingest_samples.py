"""Files of samples for `pitchey-slo ingest`: OpenMetrics, and CSV with a column per metric; as history."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import Progress, TaskID

from pitchey_slo.errors import CollectError

if TYPE_CHECKING:
    from pitchey_slo.cli.ingest import Summary
    from pitchey_slo.collect.wide_csv import Wide
    from pitchey_slo.door import Door
    from pitchey_slo.store.samples import SampleReceipt

_COMMENT = re.compile(rb"# (TYPE|HELP|UNIT) \S|# EOF\s*$")
_SAMPLE = re.compile(rb"[a-zA-Z_:][\w:]*(\{[^{}]*\})? [-+0-9.eEinfINFa]+ -?\d+(\.\d+)?\s*$")


def is_samples(path: Path, format: str | None) -> bool:  # noqa: A002  # the word people type
    """Whether the file is OpenMetrics: said so, named so, or its first line is a comment or a sample with a time."""
    from pitchey_slo.collect.lines import head

    if format is not None:
        return format == "openmetrics"
    if path.name.removesuffix(".gz").removesuffix(".zst").endswith((".om", ".openmetrics", ".prom")):
        return True
    try:
        first = head(path).lstrip().split(b"\n", 1)[0]
    except CollectError:  # told when it is read
        return False
    return bool(_COMMENT.match(first) or _SAMPLE.match(first))


def load_samples(path: Path, door: Door, bar: Progress, task: TaskID) -> Summary:
    """Load one file; what was stored before a damaged line stays."""
    from pitchey_slo.cli.ingest import Summary
    from pitchey_slo.collect.prometheus.openmetrics_file import read_openmetrics

    started = time.monotonic()
    summary = Summary(str(path), "openmetrics", kind="samples")
    try:
        for batch in read_openmetrics(path):
            summary.lines += len(batch)
            _count(summary, door.samples(batch, backfill=True).result())
            _show(summary, started, bar, task)
    except CollectError as error:
        summary.error = error.message
    return summary


def load_wide(path: Path, mapping: Wide, door: Door, bar: Progress, task: TaskID) -> Summary:
    """The same with a CSV file whose columns `mapping` explains."""
    from pitchey_slo.cli.ingest import Reason, Summary
    from pitchey_slo.collect.wide_csv import read_wide

    started = time.monotonic()
    summary = Summary(str(path), "csv", kind="samples")
    try:
        for part in read_wide(path, mapping):
            summary.lines += len(part.batch) + len(part.problems)
            for problem in part.problems:
                reason = summary.reasons.setdefault(problem.reason, Reason(0, problem.line, problem.message))
                reason.count += 1
            if len(part.batch):
                _count(summary, door.samples(part.batch, backfill=True).result())
            _show(summary, started, bar, task)
    except CollectError as error:
        summary.error = error.message
    return summary


def _count(summary: Summary, receipt: SampleReceipt) -> None:
    from pitchey_slo.cli.ingest import Reason

    summary.stored += receipt.stored
    summary.duplicates += receipt.duplicates
    summary.rows += receipt.stored + receipt.duplicates
    for reason, count in receipt.counts.items():
        example = next((r.message for r in receipt.refused if r.reason == reason), "")
        summary.reasons.setdefault(reason, Reason(0, 0, example)).count += count


def _show(summary: Summary, started: float, bar: Progress, task: TaskID) -> None:
    summary.seconds = time.monotonic() - started
    speed = f"{summary.lines / max(summary.seconds, 1e-9):,.0f} samples/s"
    bar.update(task, completed=summary.lines, speed=speed)
