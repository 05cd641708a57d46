"""Backtest: what rules would have done over history, by the very evaluator and the very life of alerts that run live.

    condition   where a rule's expression holds, for every step at once (the live query, the live labels)
    episodes    pending, firing, resolved: `alert.state.step` over all steps at once
    run         all rules of some files, recording rules first, stretch after stretch
    score       firings against labelled incidents: precision, recall, time to detect, budget lost before the page
    pages       firings through routing: pages per week, per night, per person
    ask         all of it for a home, as `wb.backtest` and `pitchey-slo rules backtest` give it (`Tested`)

A firing here is a firing there: same times (15 s, data of one tick ago), same labels, `for`, `keep_firing_for`, limits
and failures. Three things differ, and cannot agree: live saw data that came in late only when they came, an engine
that was down saw nothing, and alerts that ask for `ALERTS` see what was stored. `evaluated` is the share of steps at
which a rule had data at all; a rule without data is silent for another reason than a quiet one.

This room changes nothing and tells nobody; what pages people is counted by running `dispatch` over the firings.
"""

from pitchey_slo.analyse.backtest.condition import Condition, condition
from pitchey_slo.analyse.backtest.episodes import Episodes, Runs, episodes, episodes_of, runs
from pitchey_slo.analyse.backtest.incidents import Incident, incidents_of
from pitchey_slo.analyse.backtest.losses import Losses
from pitchey_slo.analyse.backtest.model import Backtest, Firing, Provenance, RuleHistory
from pitchey_slo.analyse.backtest.pages import Pages, through_routing
from pitchey_slo.analyse.backtest.run import backtest
from pitchey_slo.analyse.backtest.score import Score, score
from pitchey_slo.analyse.backtest.tested import Tested

__all__ = [
    "Backtest",
    "Condition",
    "Episodes",
    "Firing",
    "Incident",
    "Losses",
    "Pages",
    "Provenance",
    "RuleHistory",
    "Runs",
    "Score",
    "Tested",
    "backtest",
    "condition",
    "episodes",
    "episodes_of",
    "incidents_of",
    "runs",
    "score",
    "through_routing",
]
