"""A run once more: the same notebook with the same parameters, and what is different this time, in words.

A kernel's memory does not outlive it, and cells depend on those before them, so a run that failed in cell 9 cannot go
on at cell 9: results of two times and of different data would stand in one report. To resume is to run all cells anew,
in the notebook as it is now, and to say so; what was found until then stays in the failed run.
"""

from __future__ import annotations

from pathlib import Path

from pitchey_slo.errors import ReportError
from pitchey_slo.report.catalogue import Notebook, find
from pitchey_slo.report.record import Run
from pitchey_slo.report.run import Asked
from pitchey_slo.report.words import said


def again(run: Run, where: Path | None = None) -> tuple[Notebook, Asked, list[str]]:
    """What to run (with `run.given`), as whose repetition, and what is different. Raises ReportError when the notebook
    is gone or the run still goes on."""
    if run.status == "running":
        raise ReportError(f"run {run.id} still goes on; wait for it, or end process {run.pid}")
    notebook = find(run.notebook, where)
    notes = []
    if notebook.hash != run.notebook_hash:
        notes.append(f"{notebook.name} has changed since run {run.id}: this is the notebook as it is now")
    asked = Asked(
        trigger="manual",
        schedule=run.schedule,
        due_at=run.due_at,
        attempts=run.attempts + 1,
        rerun_of=run.id,
        again=True,
    )
    return notebook, asked, notes


def resumed(run: Run, where: Path | None = None) -> tuple[Notebook, Asked, list[str]]:
    """The same for a run that failed; the first note says from where and why not from there."""
    if run.status != "failed":
        raise ReportError(
            f"run {run.id} {run.status}; there is nothing to resume (`report rerun {run.id}` runs it again)"
        )
    notebook, asked, notes = again(run, where)
    cell = f"cell {run.failed_cell}" if run.failed_cell else "before its first cell"
    first = (
        f"run {run.id} failed in {cell}; its kernel is gone, and with it all that the cells before had found, so every "
        f"cell runs again on the data of now (then its newest event was {said(run.data_watermark)})"
    )
    return notebook, asked, [first, *notes]
