"""Tuning: which threshold, `for` and window of a rule would have served best, on history and labelled incidents.

    knob -> scores (the rule evaluated once) -> sweep (every pair at once) -> front, hold-out -> Tuning

A pair is judged by what people care for: incidents missed, firings without an incident, minutes until somebody knew,
hours fired for nothing; `Cost` weighs them, in false firings. An incident is caught when a firing of an alert that
concerns it overlaps it, or begins shortly after. What is recommended is chosen without the block of time it is judged
on, and only when that beats the rule as it is; `reasons` say why and how sure that is. A tuning proposes, people
decide: nothing is written here (`analyse.review` does that).

Burn rules are tuned by their factor, anomaly scores by their limit: whatever a comparison compares with. A rule without
a number (`x == 0`, `absent(x)`) is tuned by its `for` alone. Alerts that were labelled wrongly, or not at all, are
taken at their word.
"""

from pitchey_slo.analyse.backtest.incidents import Incident, incidents_of
from pitchey_slo.analyse.tune.changes import Change, Changes, compare
from pitchey_slo.analyse.tune.knob import Knob, knob_of
from pitchey_slo.analyse.tune.model import Cost, Fold, Point, Tuning
from pitchey_slo.analyse.tune.tuning import tune

__all__ = [
    "Change",
    "Changes",
    "Cost",
    "Fold",
    "Incident",
    "Knob",
    "Point",
    "Tuning",
    "compare",
    "incidents_of",
    "knob_of",
    "tune",
]
