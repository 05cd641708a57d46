"""Service level objectives: OpenSLO v1 files in, judged error budgets out.

`load` reads specs strictly (all problems at once, each with file, line and a suggestion); `evaluate` judges them over
rolling and calendar windows and gives one frozen `SloReport` per objective and window. The numbers are exact counts of
events, each row weighing its `sample_interval`: a ratio of sums, never a mean of ratios. With them come a Wilson 95 %
interval (from Kish's effective sample size), the error budget spent, burn rates over 1h, 6h, 1d and 3d, and a band in
which the budget may end. What was counted and what is projected are separate fields. No data is None, which is neither
100 % nor 0 %.

All SLOs asked for share one scan of each table (`sli.py`, `filters.py`), through the small `Reader` seam. What this
room does not do: it keeps no state, sends nothing and draws nothing; it evaluates counted events (`type: pitchey`), not
queries of other systems, raw ratios or composite SLOs, which it reads, checks and keeps.
"""

from __future__ import annotations

from pathlib import Path

from pitchey_slo.slo.burn_rules import Rule, RuleGroup, rules
from pitchey_slo.slo.evaluate import evaluate
from pitchey_slo.slo.findings import SloReport
from pitchey_slo.slo.model import Slo, Specs
from pitchey_slo.slo.openslo import read
from pitchey_slo.slo.sli import Reader

__all__ = ["Reader", "Rule", "RuleGroup", "Slo", "SloReport", "Specs", "evaluate", "load", "read", "rules"]


def load(path: str | Path, *more: str | Path) -> tuple[Slo, ...]:
    """The SLOs of these files and folders, in file order. ConfigError lists every problem in them."""
    return read(path, *more).slos
