"""How a run ended: which cell failed and why, as its record keeps it and as a person is told."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pitchey_slo.errors import PitcheyError
from pitchey_slo.report.catalogue import Notebook, cells_of, source
from pitchey_slo.report.record import Run
from pitchey_slo.report.worker import Ending, Limits

_ANSI: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MARKER: Final = "papermill-error-cell-tag"


def ended(run: Run, notebook: Notebook, ending: Ending, limits: Limits, now: datetime) -> tuple[Run, str]:
    """(the run as it ended, the sentence that tells a person)"""
    output = Path(run.output)
    if not output.exists():
        output.write_text(notebook.text, encoding="utf-8")
    if ending.code == 0 and not ending.timed_out:
        return replace(run, status="succeeded", ended_at=now), ""
    cell = _failed_cell(cells_of(output.read_text(encoding="utf-8")), ending)
    error = _error(cell, ending, limits)
    number = cell["number"] if cell else None
    ended = replace(run, status="failed", ended_at=now, failed_cell=number, error=error)
    where = f"cell {number} ({_first_line(source(cell))})" if cell else "before its first cell"
    return ended, f"{run.notebook} failed in {where}: {error}\nThe notebook as far as it came: {run.output}"


def _failed_cell(cells: list[dict[str, Any]], ending: Ending) -> dict[str, Any] | None:
    """The cell the worker began last, with its `number` among the code cells.

    By the log, since Papermill marks every cell "completed" when the kernel dies under one of them.
    """
    cells = [c for c in cells if _MARKER not in c["metadata"].get("tags", [])]
    if not ending.cell or ending.cell > len(cells):
        return None
    return cells[ending.cell - 1] | {"number": sum(c["cell_type"] == "code" for c in cells[: ending.cell])}


def _error(cell: dict[str, Any] | None, ending: Ending, limits: Limits) -> str:
    raised = next((o for o in (cell or {}).get("outputs", []) if o["output_type"] == "error"), None)
    if raised is not None:
        lines = _ANSI.sub("", raised["evalue"]).strip().splitlines() or [""]
        return f"{raised['ename']}: {lines[0]}".removesuffix(": ")
    if ending.timed_out:
        return f"not finished after {limits.seconds:g} seconds; it was stopped"
    if "DeadKernel" in ending.last_line:
        return "the kernel died; most often the memory was used up"
    return ending.last_line or f"the worker ended with code {ending.code}"


def _first_line(source: str) -> str:
    line = next((line.strip() for line in source.splitlines() if line.strip()), "empty")
    return line if len(line) <= 80 else line[:79] + "…"


def broken_off(error: BaseException) -> str:
    """Why a run was broken off from outside."""
    if isinstance(error, PitcheyError):
        return error.message
    if isinstance(error, InterruptedError):
        return f"interrupted: {error}"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"
