"""The index page of a reports folder: every run there is, by kind and date."""

from __future__ import annotations

import fcntl
import itertools
import os
from html import escape
from pathlib import Path
from urllib.parse import quote

from pitchey_slo.report import told
from pitchey_slo.report.record import Run, runs
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import lasted, said, shown

_COLUMNS = (
    Column("started", short=True),
    Column("status"),
    Column("data", hint="how old and complete its data was when it began"),
    Column("parameters"),
    Column("asked by"),
    Column("took", number=True),
    Column("newest event", short=True),
    Column(""),
)
_CSS = Path(__file__).parent / "page" / "page.css"


def write(reports: Path) -> Path:
    """Rewrite `<reports>/index.html` from the run folders; answers the path.

    Readers see the old page or the new one. Writers take turns: without that, a run that looked first and wrote last
    would put an older state over a newer one.
    """
    reports = reports.absolute()
    target = reports / "index.html"
    with (reports / ".index.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        draft = reports / f".index.{os.getpid()}.tmp"
        draft.write_text(page(runs(reports), reports), encoding="utf-8")
        draft.replace(target)
    return target


def page(found: list[Run], reports: Path) -> str:
    """The page as text; links are relative, so the folder can be moved or served."""
    by_kind = sorted(found, key=lambda r: r.notebook)  # stable: newest first within a kind
    sections = [
        _section(name, list(group), reports) for name, group in itertools.groupby(by_kind, lambda r: r.notebook)
    ]
    body = "".join(sections) or "<p>No report has been run yet: <code>pitchey-slo report run slo</code></p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Reports</title><style>{_CSS.read_text(encoding='utf-8')}</style></head>"
        f"<body><header><h1>Reports</h1><p class='note'>{len(found)} run{'' if len(found) == 1 else 's'}; "
        f"times are UTC.</p></header><main>{body}</main></body></html>\n"
    )


def _section(name: str, found: list[Run], reports: Path) -> str:
    title = f"<h2>{escape(found[0].title)}</h2><p class='note'>{escape(name)}</p>"
    return f"{title}<div class='output'>{told.table(_COLUMNS, (_row(run, reports) for run in found))}</div>"


def _row(run: Run, reports: Path) -> tuple[str | Html, ...]:
    why = told.paragraph(_failure(run), kind="quiet") if run.status == "failed" else Html("")
    given = [f"{name}: {shown(value)}" for name, value in run.parameters.items() if value not in ("", None)]
    return (
        _link(run.html, said(run.started_at), reports),
        Html(f'<span class="state {escape(run.status)}">{escape(run.status)}</span>') + why,
        Html(f'<span class="state {escape(run.verdict)}">{escape(run.verdict)}</span>'),
        ", ".join(given) or "–",
        _asked(run),
        lasted(run.seconds),
        said(run.data_watermark),
        _link(run.output, "notebook", reports),
    )


def _asked(run: Run) -> str:
    """Who asked for it, and whether it arrived."""
    by = f"{run.schedule}, due {said(run.due_at)}" if run.schedule else run.trigger
    sent = sum(d.get("state") in ("sent", "merged") for d in run.delivery)
    lost = len(run.delivery) - sent
    return by + ("; sent" if sent else "") + (f"; {lost} not delivered" if lost else "")


def _failure(run: Run) -> str:
    where = f"cell {run.failed_cell}: " if run.failed_cell else ""
    return where + (run.error or "")


def _link(path: str, text: str, reports: Path) -> Html:
    """A relative link, or the bare text while the file is not there yet."""
    target = Path(path)
    if not target.is_relative_to(reports) or not target.exists():
        return told.text(text)
    return Html(f'<a href="{quote(target.relative_to(reports).as_posix())}">{escape(text)}</a>')
