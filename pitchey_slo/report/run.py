"""One run of a notebook, from the question to the page: check, look for the same answer, judge the data, wait for a
place, record, work, search for secrets, tell."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_slo import later
from pitchey_slo.errors import NotFresh, PitcheyError, RunFailed
from pitchey_slo.report import again as same
from pitchey_slo.report import facts, failure, freshness, index, parameters, scan, slots, worker
from pitchey_slo.report.banner import with_verdict
from pitchey_slo.report.catalogue import Notebook, cells_of
from pitchey_slo.report.freshness import Freshness
from pitchey_slo.report.record import Run, register
from pitchey_slo.report.worker import Ending, Limits, Progress
from pitchey_slo.settings import Settings

if TYPE_CHECKING:
    from pitchey_slo.store import LakeReader

#: Writes a run down in the table report_runs; answers why that did not work, or None.
Keep = Callable[[Run, Settings], str | None]


@dataclass(frozen=True)
class Outcome:
    """A finished run, and what went wrong beside it (a registry that could not be written). `found`: it was there
    already, made earlier by the same notebook with the same parameters of the same data."""

    run: Run
    warnings: tuple[str, ...] = ()
    found: bool = False


@dataclass(frozen=True)
class Asked:
    """Who asks for a run, and how.

    trigger        manual, schedule or alert
    again          run even when the same report is there
    needs          table -> seconds its newest row may be old, beside what the notebook says
    require_fresh  refuse to run on data that is not fresh
    """

    trigger: str = "manual"
    schedule: str | None = None
    due_at: datetime | None = None
    attempts: int = 1
    rerun_of: str | None = None
    again: bool = False
    needs: Mapping[str, float] = field(default_factory=dict)
    require_fresh: bool = False


@dataclass(frozen=True)
class Told:
    """What a run tells while it goes on: cells done, place in the line, and that the same one is being made. Once
    `stop` says so it is given up, with InterruptedError."""

    progress: Progress | None = None
    waiting: Callable[[int], None] = lambda _: None
    shared: Callable[[], None] = lambda: None
    stop: Callable[[], bool] = lambda: False


def utc_now() -> datetime:
    return datetime.now(UTC)


def run_notebook(
    notebook: Notebook,
    given: Mapping[str, Any],
    settings: Settings,
    *,
    asked: Asked = Asked(),
    clock: Callable[[], datetime] = utc_now,
    limits: Limits | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
    keep: Keep = register,
    work: Callable[..., Ending] = worker.work,
) -> Outcome:
    """Run `notebook` with `given` parameters (the others keep their defaults) in a worker process, or answer with the
    run that did the same already.

    Writes `<reports>/<notebook>/<run id>/` with the notebook as it was run, its page, the log and `run.json`, and
    rewrites the index page. Two runs go on at a time; others wait. `keep` writes the run to the registry, `work` is the
    worker (`worker.work`).

    Raises ParameterError before anything is written, NotFresh when `asked.require_fresh` and the data is not, and
    RunFailed (`detail`: run, cell, error, notebook, html) after everything is written.
    """
    values = parameters.check(given, notebook.parameters, notebook=notebook.name)
    scan.check(given, settings, notebook=notebook.name)
    job = _Job(
        notebook,
        values,
        {name: values[name] for name in given},
        settings,
        asked,
        clock,
        limits or Limits(),
        told or Told(progress),
        keep,
        work,
        wanted=freshness.needs(notebook, asked.needs),
        question=same.question(notebook, values),
    )
    with slots.alone(job.reports / ".asked" / job.question[:32], job.told.shared):
        # whoever asks the same meanwhile waits here, and finds it done
        found = None if asked.again else _finished(job)
        return Outcome(found, found=True) if found is not None else _run(job)


@dataclass(frozen=True)
class _Job:
    """All that one run is made of."""

    notebook: Notebook
    values: dict[str, Any]
    given: dict[str, Any]
    settings: Settings
    asked: Asked
    clock: Callable[[], datetime]
    limits: Limits
    told: Told
    keep: Keep
    work: Callable[..., Ending]
    wanted: Mapping[str, float]
    question: str

    @property
    def reports(self) -> Path:
        return self.settings.reports.absolute()

    def identity(self, reader: LakeReader | None) -> str:
        try:
            return same.identity(self.question, reader, self.wanted, self.settings.config)
        except PitcheyError:
            return ""


def _finished(job: _Job) -> Run | None:
    """The same report, as long as what it says of its data still holds: what was fresh then may be old by now."""
    reader, _ = _reader(job.settings)
    found = same.finished(job.reports, job.notebook.name, job.identity(reader))
    if found is None or reader is None:
        return None
    verdict = freshness.judge(reader, job.wanted, job.clock(), end=_end(job.values)).verdict
    return found if verdict == found.verdict and not (job.asked.require_fresh and verdict != "fresh") else None


def _run(job: _Job) -> Outcome:
    running, warnings = _begin(job), set[str | None]()
    try:
        with slots.slot(job.reports, _waiter(running, job.told), stop=job.told.stop):
            warnings.add(late := job.keep(running, job.settings))  # which also brings what waits into the lake
            running = _judged(running, job, late)
            running.write()
            if job.asked.require_fresh and running.verdict != "fresh":
                raise NotFresh(_refused(running), detail=running.freshness)
            text = with_verdict(job.notebook.text, running.freshness)
            ending = job.work(
                text,
                job.given,
                Path(running.output),
                {**worker.environment(job.settings), **_facts_of(running, job)},
                cells=len(cells_of(text)),
                limits=job.limits,
                progress=_teller(running, job.told),
                stop=job.told.stop,
            )
            ended, sentence = failure.ended(running, job.notebook, ending, job.limits, job.clock())
            ended, more = _finish(ended, job)
    except BaseException as error:
        _finish(replace(running, status="failed", ended_at=job.clock(), error=failure.broken_off(error)), job)
        raise
    if ended.status == "failed":
        text = scan.scanner(job.settings).text(sentence)
        raise RunFailed(text, detail={**ended.as_dict(), "log": str(ended.folder / worker.LOG)})
    return Outcome(ended, tuple(w for w in warnings | more if w))


def _begin(job: _Job) -> Run:
    notebook, asked = job.notebook, job.asked
    started = job.clock()
    while True:
        name = f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        folder = job.reports / notebook.name / name
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
        parameters=job.values,
        started_at=started,
        output=str(folder / f"{notebook.name}.ipynb"),
        html=str(folder / f"{notebook.name}.html"),
        pid=os.getpid(),
        given=job.given,
        kind=notebook.short,
        trigger=asked.trigger,
        schedule=asked.schedule,
        due_at=asked.due_at,
        attempts=asked.attempts,
        rerun_of=asked.rerun_of,
    )
    run.write()
    index.write(job.reports)
    return run


def _judged(run: Run, job: _Job, late: str | None) -> Run:
    """With the verdict on its data, and what data that is."""
    reader, why = _reader(job.settings)
    if reader is None:
        found = freshness.unread(job.wanted, job.clock(), why)
    else:
        found = freshness.judge(reader, job.wanted, job.clock(), end=_end(job.values), late=late)
    return replace(
        run,
        verdict=found.verdict,
        freshness=found.as_dict(),
        data_watermark=_watermark(found),
        identity=job.identity(reader),
    )


def _reader(settings: Settings) -> tuple[LakeReader | None, str]:
    """The lake as a run will see it; None and why when there is none yet."""
    from pitchey_slo.workbench import connect

    try:
        return connect(settings=settings).reader, ""
    except PitcheyError as error:
        return None, error.message.splitlines()[0]


def _watermark(found: Freshness) -> datetime | None:
    """The newest event: of requests where those are needed, else of whatever is."""
    known = {a.table: a.newest for a in found.ages if a.newest is not None}
    return known.get("requests") or max(known.values(), default=None)


def _end(values: Mapping[str, Any]) -> datetime | None:
    """The time the report was asked to end at; None for now."""
    text = values.get("end")
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _facts_of(run: Run, job: _Job) -> dict[str, str]:
    """Where the notebook keeps its key numbers, and where those of the report before lie."""
    before = same.previous(job.reports, run)
    earlier = {facts.READ: str(before.folder)} if before is not None else {}
    return {facts.WRITE: str(run.folder / facts.FILE), **earlier}


def _waiter(run: Run, told: Told) -> Callable[[int], None]:
    def waiting(place: int) -> None:
        run.tell(waiting=place)
        told.waiting(place)

    return waiting


def _teller(run: Run, told: Told) -> Progress:
    def progress(done: int, total: int) -> None:
        run.tell(done=done, total=total)
        if told.progress is not None:
            told.progress(done, total)

    return progress


def _refused(run: Run) -> str:
    told = " ".join(freshness.sentences(run.freshness))
    return f"{run.notebook} was not run, since it was to be run on fresh data only. {told}"


def _finish(run: Run, job: _Job) -> tuple[Run, set[str | None]]:
    """Search, page, record, registry, index; the page is made of whatever the worker left."""
    later.iri_grammar()
    from pitchey_slo.report import html  # nbconvert takes a second to import

    run.tell()
    search = scan.scanner(job.settings)
    search.folder(run.folder)
    run = _searched(run, search)
    if Path(run.output).exists():
        html.write(run)
    run.write()
    warnings = {job.keep(run, job.settings)}
    if run.masked:
        warnings.add(f"{run.masked} secrets were masked in what it wrote: {', '.join(run.masked_names)}")
    index.write(job.reports)
    return run, warnings


def _searched(run: Run, search: scan.Scanner) -> Run:
    """With what the search found, and the words of its summary, which were searched too."""
    kept = facts.read(run.folder)
    error = search.text(run.error) if run.error else None
    summary = kept.summary if kept is not None else None
    return replace(run, error=error, summary=summary, masked=search.found.total(), masked_names=sorted(search.found))
