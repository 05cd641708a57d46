"""Where the numbers of a dashboard come from: the server's own store, or the lake alone in a notebook.

One seam for all widgets: series for PromQL, rows for named questions, and what is made elsewhere (SLO reports, what
dispatch makes of an alert), which the server hands in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import pyarrow as pa

from pitchey_slo.alert.model import Alert
from pitchey_slo.alert.rules import RuleGroup
from pitchey_slo.promql import Matcher, SeriesBlock
from pitchey_slo.promql.rows import Rows
from pitchey_slo.series import Labels

#: SQL table expression of the rows of one table, and who answers a query that names it.
Query = Callable[[str], pa.Table]


class SeriesSource(Protocol):
    """All series there are; `series` reads no values."""

    def select(
        self, matchers: Sequence[Matcher], start_ms: int, end_ms: int, *, needs: Collection[str] | None = None
    ) -> SeriesBlock: ...

    def series(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]: ...


def _nothing() -> Sequence[Mapping[str, Any]]:
    return ()


def _no_rules() -> Sequence[RuleGroup]:
    return ()


@dataclass(frozen=True)
class Source:
    """scan      series, for any thread that asks
    rows      rows of streams, those of the asking thread
    register  SQL over registers, which hot holds wholly (the lake does outside the server)
    reports   SLO reports as plain values, the least budget left first; LateError while they are being made
    views     alerts with who is told of them and what keeps them from being told
    rules     groups of alert rules that run, for the review
    """

    scan: SeriesSource
    rows: Callable[[], Rows]
    register: Callable[[str, Sequence[Any]], pa.Table]
    reports: Callable[[], Sequence[Mapping[str, Any]]] = _nothing
    views: Callable[[Sequence[Alert], datetime], Sequence[Mapping[str, Any]]] | None = None
    rules: Callable[[], Sequence[RuleGroup]] = _no_rules

    @contextmanager
    def table(self, name: str, start_ms: int, end_ms: int) -> Iterator[tuple[str, Query]]:
        """Inside: the table expression of a stream's rows with start <= time <= end (ms), and who answers SQL."""
        rows = self.rows()
        with rows.snapshot([name], start_ms, end_ms, wide=[name]):
            yield rows.whole(name, start_ms, end_ms), rows.query


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1_000, UTC)


def of_workbench(workbench: Any) -> Source:
    """The source of a notebook: what the lake has."""
    from pitchey_slo.analyse.backtest.ask import groups_of

    scan = workbench._series()

    def register(sql: str, params: Sequence[Any]) -> pa.Table:
        return workbench.reader.query(sql, list(params))

    return Source(
        scan=scan,
        rows=lambda: scan.rows,
        register=register,
        reports=lambda: [r.as_dict() for r in sorted(workbench.slo_report(), key=_by_budget)],
        rules=lambda: groups_of(workbench.settings),
    )


def _by_budget(report: Any) -> tuple[bool, float]:
    return report.budget_left is None, report.budget_left or 0.0
