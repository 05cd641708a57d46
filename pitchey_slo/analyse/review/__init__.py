"""The weekly review of alert rules: what to look at, what to change, who decided, and what came of it.

    backtest + incidents -> Review (noisy rules, missed incidents, proposals) -> a person -> decision -> rule file

`propose` judges every rule by what it did, and proposes a change where tuning found one that held up on weeks it was
not chosen from, loses no incident that no other rule catches, and is worth it: fewer firings without an incident, or
an incident that nobody was told of. Each proposal carries its evidence; people decide. A decision is a row
that keeps the rule's own text before and after: applying it puts the one in place of the other in the rule file, where
comments and order stay, and the running server takes it from there; reverting is the same the other way round.

Only thresholds and `for` of rules in files are changed. Burn alerts come from SLO specs: they are judged here, and
changed there. Firings are taken as false when no labelled incident touches them; what was not labelled counts against
the rule, so label first. Nothing here pages anybody, and nothing is applied by itself.
"""

from pitchey_slo.analyse.review.decisions import Verdict
from pitchey_slo.analyse.review.model import Looked, Missed, Proposal, Review
from pitchey_slo.analyse.review.propose import propose

__all__ = ["Looked", "Missed", "Proposal", "Review", "Verdict", "propose"]
