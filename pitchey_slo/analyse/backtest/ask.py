"""A backtest as a workbench asks for it: the rules that run, the incidents of the store, the routes of the home."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitchey_slo.alert.rules import RuleGroup, load_rules, rule_files
from pitchey_slo.analyse.backtest.incidents import incidents_of
from pitchey_slo.analyse.backtest.losses import Losses
from pitchey_slo.analyse.backtest.model import Provenance
from pitchey_slo.analyse.backtest.pages import Pages, through_routing
from pitchey_slo.analyse.backtest.run import Progress, backtest
from pitchey_slo.analyse.backtest.score import score
from pitchey_slo.analyse.backtest.tested import Tested
from pitchey_slo.errors import ConfigError, PitcheyError, QueryError
from pitchey_slo.promql import Scan
from pitchey_slo.settings import Settings, shipped

if TYPE_CHECKING:
    from pitchey_slo.alert.config import RoutesConfig
    from pitchey_slo.alert.silences import Silence
    from pitchey_slo.slo.model import Slo
    from pitchey_slo.store import LakeReader

Given = str | Path | Sequence[RuleGroup] | None


def groups_of(settings: Settings, given: Given = None) -> tuple[RuleGroup, ...]:
    """The rules of `given` (a file, a folder, groups), or those of config/rules and the burn alerts of the SLOs, the
    shipped ones where a folder is absent. A file that is wrong raises ConfigError."""
    from pitchey_slo.alert.rule_book import RuleBook
    from pitchey_slo.slo.spec.shelf import slo_folder

    if isinstance(given, str | Path):
        return load_rules(given)
    if given is not None:
        return tuple(given)
    book = RuleBook(rules_folder(settings), slo_folder(settings))
    book.refresh()
    for problem in book.problems.values():
        raise ConfigError(problem)
    return book.groups


def rules_folder(settings: Settings) -> Path:
    """config/rules, or the shipped one where it is absent."""
    own = settings.config / "rules"
    return own if own.is_dir() else shipped("config") / "rules"


def ask(
    settings: Settings,
    reader: LakeReader,
    scan: Scan,
    given: Given,
    start: datetime,
    end: datetime,
    incidents: Any,
    *,
    slos: Sequence[Slo] = (),
    grace: timedelta = timedelta(minutes=5),
    zone: str = "UTC",
    acked_after: timedelta | None = None,
    progress: Progress | None = None,
) -> Tested:
    """Rules over start <= t < end, scored against `incidents` and sent through the routes of the home."""
    groups = groups_of(settings, given)
    found = backtest(groups, scan, start, end, progress=progress, provenance=_provenance(settings, given, reader))
    known = tuple(i for i in incidents_of(incidents) if i.started_at < end)
    lost = Losses(scan, start, end, slos) if known else None
    scores = tuple(score(h, known, start, end, grace=grace, lost=lost) for h in found.rules)
    together = score(found.rules, known, start, end, grace=grace, lost=lost)
    tested = Tested(found, known, scores, together)
    try:
        return replace(tested, pages=_pages(settings, reader, tested, zone, acked_after))
    except PitcheyError as error:
        return replace(tested, no_pages=error.message)


def _pages(settings: Settings, reader: LakeReader, tested: Tested, zone: str, acked_after: timedelta | None) -> Pages:
    return through_routing(
        tested.backtest, routes_of(settings), silences_of(reader), zone=zone, acked_after=acked_after
    )  # fmt: skip


def routes_of(settings: Settings) -> RoutesConfig:
    """The routes of the home, the shipped ones where there are none. Raises ConfigError."""
    from pitchey_slo.alert.config import load_routes

    own = settings.config / "routes" / "routes.yml"
    return load_routes(own if own.is_file() else shipped("config") / "routes" / "routes.yml", settings=settings)


def silences_of(reader: LakeReader) -> tuple[Silence, ...]:
    """All silences there ever were."""
    from pitchey_slo.alert.silences import silence_from

    try:
        rows = reader.query("SELECT * FROM silences").to_pylist()
    except QueryError:  # a lake from before there were any
        return ()
    return tuple(silence_from(dict(row)) for row in rows)


def _provenance(settings: Settings, given: Given, reader: LakeReader) -> Provenance:
    """Hashes of the files, and how much data there was."""
    files = {}
    if given is None or isinstance(given, str | Path):
        for path, short in rule_files([given if given is not None else rules_folder(settings)]):
            files[short] = hashlib.sha256(path.read_bytes()).hexdigest()
    tables = ("requests", "business_events", "samples", "incidents")
    newest = [t for name in tables[:3] if (t := reader.watermark(name)) is not None]
    return Provenance("", files, max(newest, default=None), {name: reader.rows(name) for name in tables})
