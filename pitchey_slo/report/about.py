"""What every report says about itself: what changed since the one before, and at its end where its numbers come from.

found.about = about(wb, "30_slo_report", start=..., end=..., tables=("requests",), parameters={"window": window})
changes(found.about, found.facts(), found.summary())    # below the first paragraph
ending(found.about)                                     # the last cell
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from pitchey_slo.report import facts as kept
from pitchey_slo.report import told
from pitchey_slo.report.facts import Change, Fact, Facts
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago, said, shown

if TYPE_CHECKING:
    from pitchey_slo.workbench import Workbench

#: What made the numbers, beside Python.
_MADE_WITH: Final = ("pitchey-slo", "duckdb", "deltalake", "pyarrow", "numpy", "pandas", "plotly")
_LOOKS: Final = {
    "better": ("healthy", "✓ better"),
    "worse": ("exhausted", "✕ worse"),
    "missing": ("at_risk", "! missing now"),
    "found": ("no_data", "was missing"),
    "new": ("no_data", "new"),
    "gone": ("no_data", "no longer told"),
    "changed": ("no_data", "changed"),
    "same": ("no_data", "the same"),
    "chance": ("no_data", "within chance"),
}


@dataclass(frozen=True)
class Read:
    """One table a report read: its newest row and how old that was, its rows in the report's time, its version."""

    table: str
    newest: datetime | None
    age_seconds: float | None
    rows: int
    version: int


@dataclass(frozen=True, eq=False)
class About:
    """Which notebook, what it was asked, over which time, from what. `run` is the record of the run it is part of;
    None when it is run by hand."""

    notebook: str
    parameters: Mapping[str, Any]
    start: datetime
    end: datetime
    now: datetime
    reads: tuple[Read, ...]
    store: str
    reports: Path
    notebook_hash: str | None
    run: Mapping[str, Any] | None


def about(
    wb: Workbench,
    notebook: str,
    *,
    start: datetime,
    end: datetime,
    tables: Sequence[str],
    parameters: Mapping[str, Any],
    now: datetime | None = None,
) -> About:
    """Gather it for the notebook of that name, which read `tables` from `start` to `end`."""
    moment = now or datetime.now(UTC)
    run = _run(notebook)
    return About(
        notebook=notebook,
        parameters=dict(parameters),
        start=start,
        end=end,
        now=moment,
        reads=tuple(_read(wb, table, start, end, moment) for table in tables),
        store=wb.settings.lake_uri,
        reports=wb.settings.reports,
        notebook_hash=run["notebook_hash"] if run else _hash(notebook),
        run=run,
    )


def changes(about: About, facts: Sequence[Fact], summary: Html | None = None) -> Html:
    """The block "what changed since the last report": keeps the facts of this one, and tells them against those of the
    one before: then, now, by how much, and whether that is good."""
    now = Facts(
        facts=kept.all_of(facts),
        summary=_lead(summary) if summary else "",
        notebook=about.notebook,
        parameters={k: kept.iso(v) if isinstance(v, datetime) else v for k, v in about.parameters.items()},
        start=kept.iso(about.start),
        end=kept.iso(about.end),
        written_at=kept.iso(about.now),
        notebook_hash=about.notebook_hash,
    )
    kept.write(now)
    return since(kept.previous(about.notebook, about.parameters, about.reports), now)


def since(then: Facts | None, now: Facts) -> Html:
    """The same of two reports at hand."""
    if then is None:
        return told.paragraph("This is the first report of its kind: there is none to compare it with.", kind="quiet")
    every = kept.compare(then, now)
    moved = [c for c in every if c.verdict not in ("same", "chance")]
    columns = (
        Column("", wide=True),
        Column("then", number=True),
        Column("now", number=True),
        Column("change", number=True),
        Column("", short=True),
    )
    same, chance = ([c.fact.label for c in every if c.verdict == v] for v in ("same", "chance"))
    return (
        told.paragraph(*_against(then, now, every))
        + (told.table(columns, [_row(c) for c in moved]) if moved else Html(""))
        + told.paragraph(
            f"No more than chance would do: {', '.join(chance)}." if chance else "",
            f"As before: {', '.join(same)}." if same and len(same) < len(every) else "",
            kind="quiet",
        )
    )


def ending(about: About, more: Mapping[str, str] | None = None) -> Html:
    """The last block: how fresh the data was, what was read of it, by what, and how to have the same again. `more`
    adds names with values of the report's own."""
    columns = (
        Column("table"),
        Column("newest row", short=True),
        Column("its age", number=True, hint="when this report was made"),
        Column("rows", number=True, hint="those of the time this report is about"),
        Column("version", number=True, hint="of the table in the lake"),
    )
    rows = [
        (r.table, said(r.newest) if r.newest else "no row", ago(r.age_seconds), f"{r.rows:,}", _version(r.version))
        for r in about.reads
    ]
    given = ", ".join(f"{name}: {_shown(value)}" for name, value in about.parameters.items()) or "none"
    pairs = {
        "time": f"{said(about.start)} to {said(about.end)}",
        "made": said(about.now),
        "run": str(about.run["id"]) if about.run else "by hand",
        "notebook": f"{about.notebook} ({about.notebook_hash[:12]})" if about.notebook_hash else about.notebook,
        "parameters": given,
        "store": about.store,
        **(more or {}),
        "made with": ", ".join(f"{name} {version}" for name, version in _versions().items()),
    }
    return (
        told.facts(pairs)
        + told.table(columns, rows, empty="No table was read.")
        + told.folded("the same again", _command(about))
    )


def _read(wb: Workbench, table: str, start: datetime, end: datetime, now: datetime) -> Read:
    newest = wb.reader.watermark(table)
    counted = wb.reader.query(f"SELECT count(*) AS n FROM {wb.reader.source(table, start, end)}")["n"][0].as_py()
    age = (now - newest).total_seconds() if newest else None
    return Read(table, newest, age, int(counted), wb.reader.version(table))


def _run(notebook: str) -> Mapping[str, Any] | None:
    """The record of the run this process works for."""
    folder = Path(os.environ[kept.WRITE]).parent if os.environ.get(kept.WRITE) else Path()
    try:
        found: dict[str, Any] = orjson.loads((folder / "run.json").read_bytes())
        return found if found["notebook"] == notebook else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hash(notebook: str) -> str | None:
    from pitchey_slo.errors import PitcheyError
    from pitchey_slo.report.catalogue import find

    try:
        return find(notebook).hash
    except PitcheyError:
        return None


def _against(then: Facts, now: Facts, every: Sequence[Change]) -> list[str]:
    counts = {v: sum(c.verdict == v for c in every) for v in ("better", "worse", "same", "chance", "missing")}
    first = f"Against the report of {_moment(then.written_at)}"
    if then.end and then.end == now.end:
        first += ", on data up to the same minute"
    elif then.end:
        first += f", on data up to {_moment(then.end)}"
    parts = [
        f"{counts['worse']} worse" if counts["worse"] else "",
        f"{counts['better']} better" if counts["better"] else "",
        f"{counts['missing']} missing now" if counts["missing"] else "",
        f"{counts['same'] + counts['chance']} as before" if counts["same"] + counts["chance"] else "",
    ]
    listed = ", ".join(p for p in parts if p)
    if counts["same"] + counts["chance"] == len(every):
        listed = "all as before"
    told_ = [f"{first}: {listed or 'nothing to compare'}."]
    if then.notebook_hash and now.notebook_hash and then.notebook_hash != now.notebook_hash:
        told_.append("The notebook itself has changed since.")
    return told_


def _row(change: Change) -> tuple[str | Html, ...]:
    return (
        change.fact.label,
        str(change.then) if change.then else "–",
        str(change.now) if change.now else "–",
        change.words or "–",
        told.mark(*_LOOKS[change.verdict]),
    )


def _lead(summary: Html) -> str:
    """The first paragraph of a summary, as text."""
    return told.plain(Html(summary.markup.partition("</p>")[0]))


def _moment(iso: str | None) -> str:
    return said(datetime.fromisoformat(iso)) if iso else "an unknown time"


def _shown(value: Any) -> str:
    return said(value) if isinstance(value, datetime) else shown(value)


def _version(number: int) -> str:
    return str(number) if number >= 0 else "–"


def _versions() -> dict[str, str]:
    found = {}
    for name in _MADE_WITH:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {**found, "Python": platform.python_version()}


def _command(about: About) -> str:
    """A command that asks the same of the same time."""
    import shlex

    given = {k: v for k, v in about.parameters.items() if v not in (None, "", [], {})}
    if "end" in about.parameters:
        given["end"] = kept.iso(about.end)
    words = [w for k, v in given.items() for w in ("-p", f"{k}={v if isinstance(v, str) else _parameter(v)}")]
    return shlex.join(["pitchey-slo", "report", "run", about.notebook, *words])


def _parameter(value: Any) -> str:
    return str(kept.iso(value)) if isinstance(value, datetime) else orjson.dumps(value).decode()
