"""Writes docs/reference.md from the code, so that it cannot be out of date.

python docs/reference.py            writes the page
python docs/reference.py --check    exit code 1 when it is not what would be written
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
import yaml

from pitchey_slo import cli
from pitchey_slo.collect.files import FORMATS
from pitchey_slo.collect.log_formats import log_formats
from pitchey_slo.names import ANOMALY_SCORE, PROBE_SERIES, REASONS, ROW_REASONS, SCOPES
from pitchey_slo.promql.derived_metrics import FAMILIES
from pitchey_slo.scrub import RULES
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.slo.series import FAMILIES as SLO_FAMILIES
from pitchey_slo.web.meter import Meter

PAGE = Path(__file__).parent / "reference.md"
HEAD = """# Reference

Every setting, command, series, alert, dashboard, scrubbing rule, format and reason there is.
Written by `python docs/reference.py` from the code itself; a test says when it is not what the code says.
Notebooks stand in [reports.md](reports.md), keys of files in the page of their subject.
"""


def page() -> str:
    """The whole page."""
    config = shipped("config")
    formats = {**FORMATS, **{name: each.what for name, each in log_formats(None).items()}}
    unusual = f"`{ANOMALY_SCORE}`", "gauge", "how unusual a series is, 0 to 1; by series, detector"
    parts = [
        HEAD,
        part("Settings", "From the environment, or from `.env`, which `pitchey-slo init` writes; the environment wins.",
             ("name", "default", "meaning"), settings()),
        part("Commands", "`pitchey-slo COMMAND --help` has every option.", ("command", "does"), commands()),
        part("Series made of events", "Ask them with PromQL ([promql.md](promql.md)).", ("metric", "type", "meaning"),
             [(f"`{n}`", m.type, m.help) for n, m in {**FAMILIES, **SLO_FAMILIES}.items()]),
        part("Series of checks and senders", "By health checks, synthetic tests, detectors and the Worker module.",
             ("metric", "type", "meaning"), [*looks(), unusual]),
        part("The workbench's own series", "`GET /api/monitoring/metrics`, and stored ([overhead.md](overhead.md)).",
             ("metric", "type", "meaning"),
             [(f"`{n}`", m.type, m.help) for n, m in Meter().descriptions.items()]),
        part("Shipped alerts", "`config/rules/`; the burn alerts of each SLO and the watchdog's come beside them.",
             ("alert", "severity", "after", "summary", "runbook"), alerts(config)),
        part("Dashboards", "`config/dashboards/` ([dashboards.md](dashboards.md)).", ("board", "title", "shows"),
             boards(config)),
        part("Scrubbing rules", "What is taken out before anything is stored ([scrubbing.md](scrubbing.md)).",
             ("rule", "finds", "does by default"), [(f"`{n}`", what, act) for n, (what, act) in RULES.items()]),
        part("Formats of files", "`pitchey-slo ingest --format`; found by looking inside ([ingest.md](ingest.md), "
             "[logs.md](logs.md)).", ("format", "is"),
             [(f"`{n}`", what) for n, what in formats.items()]),
        part("Scopes of tokens", "", ("scope", "may"), [(f"`{n}`", what) for n, what in SCOPES.items()]),
        part("Reasons of refusals", "`error.reason` of an answer.", ("reason", "means"),
             [(f"`{n}`", what) for n, what in REASONS.items()]),
        part("Reasons of single rows", "", ("reason", "means"), [(f"`{n}`", what) for n, what in ROW_REASONS.items()]),
    ]  # fmt: skip
    return "\n".join(parts)


def part(title: str, words: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A heading, a sentence, a table."""
    lines = [f"## {title}", "", *([words, ""] if words else [])]
    lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def settings() -> Iterator[tuple[str, str, str]]:
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        yield f"`{field.alias or name}`", "" if default in (None, {}) else f"`{default}`", str(field.description)


def commands() -> Iterator[tuple[str, str]]:
    def walk(group: Any, prefix: str) -> Iterator[tuple[str, str]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, f"{prefix}{name} ")
            else:
                first = re.split(r"(?<=[.;:])\s", " ".join((command.help or "").split()))[0]
                yield f"`{prefix}{name}`", first.rstrip(";:.")

    return walk(typer.main.get_command(cli.build(["--help"])), "")


def looks() -> Iterator[tuple[str, str, str]]:
    for name, text in PROBE_SERIES.items():
        kind, _, meaning = text.partition(": ")
        yield f"`{name}`", kind, meaning


def alerts(config: Path) -> Iterator[tuple[str, ...]]:
    for file in sorted((config / "rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    notes = rule["annotations"]
                    book = Path(notes["runbook_url"]).name
                    summary = " ".join(notes["summary"].split())
                    link = f"[{book.removesuffix('.md')}](runbooks/{book})"
                    yield f"`{rule['alert']}`", rule["labels"]["severity"], rule.get("for", "0s"), f"`{summary}`", link


def boards(config: Path) -> Iterator[tuple[str, str, str]]:
    for file in sorted((config / "dashboards").glob("*.yml")):
        board = yaml.safe_load(file.read_text("utf-8"))
        yield f"`{file.stem}`", board["title"], " ".join(str(board.get("description", "")).split())


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def main() -> None:
    made = page()
    if "--check" in sys.argv:
        if not PAGE.exists() or PAGE.read_text("utf-8") != made:
            raise SystemExit(f"{PAGE} is not what the code says; run: python docs/reference.py")
        return
    PAGE.write_text(made, "utf-8")


if __name__ == "__main__":
    main()
