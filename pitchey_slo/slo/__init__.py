"""Service level objectives: OpenSLO v1 files in, judged error budgets out.

`load` reads specs strictly (all problems at once, each with file, line and a suggestion); `evaluate` judges them over
rolling and calendar windows and gives one frozen `SloReport` per objective and window. The numbers are exact counts of
events, each row weighing its `sample_interval`: a ratio of sums, never a mean of ratios. With them come a Wilson 95 %
interval (from Kish's effective sample size), the error budget spent, burn rates over 1h, 6h, 1d and 3d, and a band in
which the budget may end. What was counted and what is projected are separate fields. No data is None, which is neither
100 % nor 0 %.

An SLI is events (`type: pitchey`; all SLOs share one scan of each table, through the small `Reader` seam), or PromQL
over a `promql.Scan`: counters, numbers, values, raw ratios. Composite SLOs get a report of their own after those of
their parts. Corrections are taken out and shown: the budget with and without each. What is odd about the data (resets,
gaps, late rows, good above total) is a list of notes in the report. What this room does not do: it keeps no state,
sends nothing and draws nothing, and it asks no other system.

`rules` gives the burn alerts of an SLO as Prometheus rules, `lint` says what they are good for at this service's own
traffic; `export_prometheus.py`, `export_grafana.py` and `write.py` tell other systems, `sloth_spec.py` reads sloth's.
"""

from __future__ import annotations

from pathlib import Path

from pitchey_slo.slo.alerts.burn_rules import Rule, RuleGroup, rules
from pitchey_slo.slo.alerts.lint import LintReport, lint
from pitchey_slo.slo.evaluate import evaluate
from pitchey_slo.slo.findings import SloReport
from pitchey_slo.slo.model import Slo, Specs
from pitchey_slo.slo.sli import Reader
from pitchey_slo.slo.spec.openslo import read
from pitchey_slo.slo.spec.write import SpecFile, export_openslo, to_openslo

__all__ = [
    "LintReport",
    "Reader",
    "Rule",
    "RuleGroup",
    "Slo",
    "SloReport",
    "SpecFile",
    "Specs",
    "evaluate",
    "export_openslo",
    "lint",
    "load",
    "read",
    "rules",
    "to_openslo",
]


def load(path: str | Path, *more: str | Path) -> tuple[Slo, ...]:
    """The SLOs of these files and folders, in file order. ConfigError lists every problem in them."""
    return read(path, *more).slos
