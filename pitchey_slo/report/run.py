"""One run of a notebook, from the name to the page: check, record, work, tell."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pitchey_slo import later
from pitchey_slo.errors import PitcheyError, RunFailed
from pitchey_slo.report import index, parameters, worker
from pitchey_slo.report.catalogue import Notebook, cells_of, source
from pitchey_slo.report.record import Run, register
from pitchey_slo.report.worker import Ending, Limits, Progress
from pitchey_slo.settings import Settings

_ANSI: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MARKER: Final = "papermill-error-cell-tag"


@dataclass(frozen=True)
class Outcome:
    """A finished run, and what went wrong beside it (a registry that could not be written)."""

    run: Run
    warnings: tuple[str, ...] = ()


def utc_now() -> datetime:
    return datetime.now(UTC)


def run_notebook(
    notebook: Notebook,
    given: Mapping[str, Any],
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Run `notebook` with `given` parameters (the others keep their defaults) in a worker process.

    Writes `<reports>/<notebook>/<run id>/` with the notebook as it was run, its page, the log and `run.json`, and
    rewrites the index page. Any number of runs may go on at once.

    Raises ParameterError before anything is written, and RunFailed (`detail`: run, cell, error, notebook, html) after
    everything is.
    """
    values = parameters.check(given, notebook.parameters, notebook=notebook.name)
    limits = limits or Limits()
    running = _begin(notebook, values, settings, clock)
    try:
        warnings = {register(running, settings)}
        ending = worker.work(
            notebook.text,
            {name: values[name] for name in given},
            Path(running.output),
            worker.environment(settings),
            cells=len(notebook.cells),
            limits=limits,
            progress=progress,
        )
    except BaseException as error:
        _finish(replace(running, status="failed", ended_at=clock(), error=_interrupted(error)), settings)
        raise
    ended, told = _judge(running, notebook, ending, limits, clock())
    warnings.add(_finish(ended, settings))
    if ended.status == "failed":
        raise RunFailed(told, detail={**ended.as_dict(), "log": str(ended.folder / worker.LOG)})
    return Outcome(ended, tuple(w for w in warnings if w))


def _begin(notebook: Notebook, values: dict[str, Any], settings: Settings, clock: Callable[[], datetime]) -> Run:
    started = clock()
    while True:
        name = f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        folder = settings.reports.absolute() / notebook.name / name
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            continue
    run = Run(
        id=name,
        notebook=notebook.name,
        title=notebook.title,
        notebook_hash=notebook.hash,
        parameters=values,
        started_at=started,
        output=str(folder / f"{notebook.name}.ipynb"),
        html=str(folder / f"{notebook.name}.html"),
        data_watermark=_watermark(settings),
        pid=os.getpid(),
    )
    run.write()
    index.write(settings.reports)
    return run


def _finish(run: Run, settings: Settings) -> str | None:
    """Page, record, registry, index; the page is made of whatever the worker left."""
    later.iri_grammar()
    from pitchey_slo.report import html  # nbconvert takes a second to import

    if Path(run.output).exists():
        html.write(run)
    run.write()
    warning = register(run, settings)
    index.write(settings.reports)
    return warning


def _judge(run: Run, notebook: Notebook, ending: Ending, limits: Limits, now: datetime) -> tuple[Run, str]:
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


def _interrupted(error: BaseException) -> str:
    return "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"


def _watermark(settings: Settings) -> datetime | None:
    """Newest event a run can see; None when there is no lake yet."""
    from pitchey_slo.workbench import connect

    try:
        newest: datetime | None = connect(settings.home).reader.watermark("requests")
        return newest
    except PitcheyError:
        return None
