"""PromQL: text and samples in, numbers out, with the meaning Prometheus 3 gives them.

    text -> parse (tree) -> plan (which samples) -> scan (one read per selector) -> evaluate -> Result

All series and all steps of a query are computed at once; the cost grows with samples plus points, never with their
product. Windows are open on the left, `(t - range, t]`; an instant selector takes the newest sample of the last five
minutes unless a stale marker ends the series; rate, increase and delta extrapolate and survive counter resets as
Prometheus' do. `present` says where there is a value: NaN is a value like any other.

Not here: native histograms and experimental functions (refused by name), recording and alerting rules, HTTP. This room
does not know the store: it reads through `Scan`, whose one verb is `select(matchers, start_ms, end_ms)`.
"""

from __future__ import annotations

from pitchey_slo.promql.evaluate import evaluate, instant
from pitchey_slo.promql.parse import parse
from pitchey_slo.promql.plan import Limits
from pitchey_slo.promql.result import Result
from pitchey_slo.promql.scan import MemoryScan, Scan, SeriesBlock
from pitchey_slo.promql.tree import Matcher
from pitchey_slo.series import STALE

__all__ = ["STALE", "Limits", "Matcher", "MemoryScan", "Result", "Scan", "SeriesBlock", "evaluate", "instant", "parse"]
