"""Which requests lines belong to, by their trace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pitchey_slo.store.log_questions import at_least, joined, of_requests
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import LOGS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Joined:
    """Lines of a window, and the requests they were about; all counts weighted.

    by_route            `route`, `method`, `status`, `requests`, `with_lines` (requests with at least one line),
                        `share` of them, `traced`, `lines`; requests that failed (5xx) or have a line
    by_pattern          `fingerprint`, `route`, `status`, `fate` (request, no_trace, no_request), `lines`
    lines               all lines;  no_trace: without a trace id;  no_request: with one that no request has
    failing             requests that failed;  failing_with_line: those with a line;  failing_traced: those with a trace
    """

    start: datetime
    end: datetime
    by_route: pd.DataFrame
    by_pattern: pd.DataFrame
    lines: float
    no_trace: float
    no_request: float
    failing: float
    failing_traced: float
    failing_with_line: float

    @property
    def told(self) -> float | None:
        """Share of the failing requests that say in a line why; None when none failed."""
        return self.failing_with_line / self.failing if self.failing else None


def log_requests(
    reader: LakeReader, start: datetime, end: datetime, *, level: str = "error", where: str | None = None
) -> Joined:
    """Lines of `level` and worse with the condition `where` on logs, joined to requests. Raises QueryError."""
    if where:
        reader.check_filter(LOGS.name, where)
    chosen = f"{at_least(level)} AND ({where or 'true'})"
    with reader.pinned():
        routes = of_requests(reader, start, end, chosen).to_pandas()
        patterns = joined(reader, start, end, chosen).to_pandas()
    routes.insert(5, "share", routes["with_lines"] / routes["requests"].where(routes["requests"] > 0))
    failing = routes[routes["status"] >= 500]
    fates = patterns.groupby("fate")["lines"].sum()
    return Joined(
        start=start,
        end=end,
        by_route=routes,
        by_pattern=patterns,
        lines=float(patterns["lines"].sum()),
        no_trace=float(fates.get("no_trace", 0.0)),
        no_request=float(fates.get("no_request", 0.0)),
        failing=float(failing["requests"].sum()),
        failing_traced=float(failing["traced"].sum()),
        failing_with_line=float(failing["with_lines"].sum()),
    )
