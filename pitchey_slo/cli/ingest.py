"""`pitchey-slo ingest`: files into the store, with a progress bar and a table of what was refused and why."""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid
from rich.text import Text

from pitchey_slo.errors import CollectError, did_you_mean
from pitchey_slo.settings import Settings
from pitchey_slo.tables import TABLES, Table

if TYPE_CHECKING:
    from pitchey_slo.collect.log_formats import Formats

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass
class Reason:
    """One kind of reject in one file."""

    count: int = 0
    first_line: int = 0
    message: str = ""
    example: str = ""


@dataclass
class Summary:
    """What happened to one file."""

    file: str
    source: str
    kind: str = "rows"
    table: str = "requests"
    lines: int = 0
    rows: int = 0
    stored: int = 0
    duplicates: int = 0
    with_duration: int = 0
    seconds: float = 0.0
    reasons: dict[str, Reason] = field(default_factory=dict)
    rejects_file: str | None = None
    warnings: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def rejected(self) -> int:
        return sum(reason.count for reason in self.reasons.values())

    def as_dict(self) -> dict[str, Any]:
        given = dict(vars(self), rejected=self.rejected, reasons={k: vars(v) for k, v in self.reasons.items()})
        given["rows_per_second"] = round(self.lines / self.seconds) if self.seconds else None
        return given


def ingest(
    files: Annotated[
        list[Path], typer.Argument(help="access logs, text logs, JSON lines, CSV, Parquet, OpenMetrics; .gz, .zst too")
    ],
    format: Annotated[  # noqa: A002  # the word people type
        str | None,
        typer.Option(
            help="access, jsonl, csv, parquet, openmetrics, upptime, or one of text logs (docs/logs.md): openstack, "
            "apache_error, syslog, ...; found by looking inside when not given"
        ),
    ] = None,
    table: Annotated[str, typer.Option(help="table the rows go to: " + ", ".join(TABLES))] = "requests",
    metrics: Annotated[
        Path | None, typer.Option(help="YAML file that says what the columns of a CSV of metrics mean (docs/ingest.md)")
    ] = None,
    source: Annotated[str | None, typer.Option(help="name of the rows' source; file:<path> when not given")] = None,
    home: Annotated[Path | None, typer.Option(help="folder of the store (PITCHEY_HOME)")] = None,
    json: Annotated[bool, typer.Option("--json", help="print a summary for machines")] = False,
) -> None:
    """Load files into the store. The same file again stores nothing twice; refused lines are kept in a file beside.

    Exit code 0 also when lines were refused, 1 when nothing could be read at all.
    """
    from pitchey_slo.cli.ingest_samples import is_samples, load_samples, load_wide
    from pitchey_slo.collect.wide_csv import read_mapping
    from pitchey_slo.door import open_door  # here, since it brings the database

    if table not in TABLES:
        raise CollectError(f"no table {table!r}; {did_you_mean(table, TABLES) or 'tables: ' + ', '.join(TABLES)}")
    settings = Settings.load(home=home)
    formats = _text_logs(settings, table, format)
    known = TABLES["probes" if format == "upptime" else "logs" if format in (formats or ()) else table]
    mapping = read_mapping(metrics) if metrics else None
    done: list[Summary] = []
    with open_door(settings) as door, _progress(quiet=json) as bar:
        for path in files:
            task = bar.add_task(path.name, total=None, speed="")
            if mapping is not None:
                done.append(load_wide(path, mapping, door, bar, task))
            elif is_samples(path, format):
                done.append(load_samples(path, door, bar, task))
            else:
                done.append(_one(path, known, format, source, settings.home, door, bar, task, formats))
    if json:
        typer.echo(orjson.dumps(_total(done), default=str, option=orjson.OPT_INDENT_2).decode())
    else:
        for summary in done:
            _tell(summary)
    _end(done, known, json, home)


def _text_logs(settings: Settings, table: str, format: str | None) -> Formats | None:  # noqa: A002
    """The formats of text logs, where they may be wanted."""
    from pitchey_slo.collect.files import FORMATS
    from pitchey_slo.collect.log_formats import log_formats

    wanted = table == "logs" or (format is not None and format not in FORMATS and format != "openmetrics")
    return log_formats(settings) if wanted else None


def _one(
    path: Path,
    table: Table,
    format: str | None,  # noqa: A002
    source: str | None,
    home: Path,
    door: Any,
    bar: Progress,
    task: TaskID,
    formats: Formats | None = None,
) -> Summary:
    """Load one file; a file that cannot be read says so in its summary and leaves the others alone."""
    from pitchey_slo.collect import read_file, user_key
    from pitchey_slo.collect.lines import source_name

    now, started = datetime.now(UTC), time.monotonic()
    summary = Summary(str(path), source or source_name(path), table=table.name)
    rejects = Rejects(home / "rejects", path, table, format, now, formats)
    given: dict[str, Any] = {"table": table, "format": format, "source": source, "formats": formats}
    try:
        for part in read_file(path, now=now, user_key=user_key(home), **given):
            if part.batch.rows.num_rows:
                receipt = door.append(table.name, part.batch.rows)
                summary.stored += receipt.stored
                summary.duplicates += receipt.duplicates
            _count(summary, part, table)
            rejects.write(part.batch.rejected)
            summary.seconds = time.monotonic() - started
            speed = f"{summary.lines / max(summary.seconds, 1e-9):,.0f} rows/s"
            bar.update(task, completed=part.bytes_read, total=part.total_bytes, speed=speed)
    except CollectError as error:
        summary.error = error.message
    summary.rejects_file = rejects.close()
    return summary


def _count(summary: Summary, part: Any, table: Table) -> None:
    rows = part.batch.rows
    summary.lines += part.lines
    summary.rows += rows.num_rows
    if table.name == "requests":
        summary.with_duration += rows.num_rows - rows["duration_ms"].null_count
    summary.warnings = list(dict.fromkeys([*summary.warnings, *part.batch.warnings]))[:40]
    for rejected in part.batch.rejected:
        reason = summary.reasons.setdefault(
            rejected.reason, Reason(0, rejected.row, rejected.message, printable(rejected.text or ""))
        )
        reason.count += 1


class Rejects:
    """Refused lines, exactly as they stood, in `<home>/rejects/<file>-<time>.rejects`, ready to be mended and loaded;
    why each was refused is in `<...>.reasons.csv`, a line for each. Made with the first refused line, readable by their
    owner only: the lines hold what the store does not, such as addresses."""

    def __init__(
        self,
        folder: Path,
        path: Path,
        table: Table,
        format: str | None,  # noqa: A002
        now: datetime,
        formats: Formats | None = None,
    ) -> None:
        self.folder, self.path, self.table, self.format, self.formats = folder, path, table, format, formats
        self.name = f"{path.name}-{now:%Y%m%dT%H%M%SZ}"
        self.file: Path | None = None
        self.lines: IO[bytes] | None = None
        self.reasons: IO[str] | None = None

    def write(self, rejected: list[Any]) -> None:
        if not rejected:
            return
        if self.lines is None or self.reasons is None:
            self.lines, self.reasons = self._open()
        told = csv.writer(self.reasons)
        for each in rejected:
            self.lines.write((each.text or "").encode("utf-8", "surrogateescape") + b"\n")
            told.writerow([each.row, each.reason, printable(each.message)])

    def _open(self) -> tuple[IO[bytes], IO[str]]:
        self.folder.mkdir(parents=True, exist_ok=True)
        names = (f"{self.name}{f'-{n}' if n > 1 else ''}.rejects" for n in itertools.count(1))
        file = next(self.folder / name for name in names if not (self.folder / name).exists())
        self.file = file
        lines = os.fdopen(_private(file), "wb")
        reasons = os.fdopen(_private(file.with_suffix(".reasons.csv")), "w", encoding="utf-8", newline="")
        csv.writer(reasons).writerow(["line", "reason", "message"])
        lines.write(self._header())
        return lines, reasons

    def _header(self) -> bytes:
        """A CSV's rejects begin with its header, so that they are a CSV again."""
        from pitchey_slo.collect.files import find_format
        from pitchey_slo.collect.lines import head

        start = head(self.path)
        if (self.format or find_format(self.path, start, self.table, self.formats)) not in ("csv", "upptime"):
            return b""
        return next(line for line in start.split(b"\n") if line.strip()) + b"\n"

    def close(self) -> str | None:
        if self.lines is None or self.reasons is None:
            return None
        self.lines.close()
        self.reasons.close()
        return str(self.file)


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=quiet) as bar:
        yield bar


def printable(text: str, most: int = 120) -> str:
    """One short line without control characters: a log line may hold terminal commands."""
    shown = "".join(c if c.isprintable() else f"\\x{ord(c) & 0xFF:02x}" for c in text[:most])
    return shown + ("..." if len(text) > most else "")


def _total(done: list[Summary]) -> dict[str, Any]:
    names = ("lines", "rows", "stored", "duplicates", "rejected")
    return {name: sum(getattr(s, name) for s in done) for name in names} | {"files": [s.as_dict() for s in done]}


def _tell(summary: Summary) -> None:
    """One file for people: a sentence, the table of rejects, the warnings."""
    if summary.error:
        err.print(Text(summary.error, style="red"))
    if not summary.lines:
        if not summary.error:
            out.print(Text(f"{summary.file}: empty"))
        return
    again = f", {summary.duplicates:,} were there already" if summary.duplicates else ""
    speed = f"{summary.lines / max(summary.seconds, 1e-9):,.0f} rows/s"
    what = "lines" if summary.kind == "rows" else "samples"
    out.print(
        Text(
            f"{summary.file}: {summary.lines:,} {what}, {summary.stored:,} stored{again}, {summary.rejected:,} refused "
        )
        + Text(f"({summary.seconds:.1f} s, {speed}; source {summary.source})", style="dim")
    )
    if summary.reasons:
        grid = Grid("reason", "count", "first line", "why", "example")
        for name, reason in sorted(summary.reasons.items(), key=lambda item: -item[1].count):
            why, example = Text(printable(reason.message, 400)), Text(reason.example)
            grid.add_row(name, f"{reason.count:,}", f"{reason.first_line:,}", why, example)
        out.print(grid)
    for warning in summary.warnings:
        out.print(Text(f"note: {printable(warning, 300)}", style="yellow"))
    if summary.rejects_file:
        out.print(Text(f"refused lines: {summary.rejects_file} (why: the .reasons.csv beside)"))
        where = [] if summary.table == "requests" else ["--table", summary.table]
        again = shlex.join(["pitchey-slo", "ingest", *where, "--source", summary.source, summary.rejects_file])
        out.print(Text(f"  mend them, then: {again}"))


def _end(done: list[Summary], table: Table, quiet: bool, home: Path | None) -> None:
    """How to go on; or a CollectError when nothing could be read at all."""
    rows = sum(s.rows for s in done)
    if not rows and any(s.error or s.lines for s in done):
        problems = [s.error or f"{s.file}: all {s.lines:,} lines were refused" for s in done if s.error or s.lines]
        raise CollectError("nothing could be read: " + "; ".join(problems))
    if quiet or not rows:
        return
    if all(s.kind == "samples" for s in done):
        out.print("next: pitchey-slo query 'up'")
        return
    if table.name == "requests":
        if not any(s.with_duration for s in done):
            out.print(Text('note: no row carries a duration, so latency SLOs will say "no data"', style="yellow"))
        then = ["pitchey-slo", "slo", "report"]
    else:
        then = ["pitchey-slo", "sql", f"select * from {table.name} limit 10"]
    out.print(Text("next: " + shlex.join([*then, *(["--home", str(home)] if home else [])])))
