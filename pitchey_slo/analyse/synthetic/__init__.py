"""What the results of synthetic tests say over weeks: uptime and reachability, outages, phases, failure classes, how
the locations differ, which tests flap.

Numbers are of verdicts, never of attempts: a test that passed on its second try passed, and `Flaky.saved` counts it.
Uptime is the share of the time in which something is known (`probe/synthetic/uptime.py`); time without verdicts is
neither up nor down and shows as `covered`. Durations are medians of passing verdicts in milliseconds, null where
nothing was measured. Health checks are not among them, and nothing here looks at real traffic.
"""

from pitchey_slo.analyse.synthetic.frames import outage_rows, uptime_rows
from pitchey_slo.analyse.synthetic.review import Advice, Flaky, Reviewed, review
from pitchey_slo.analyse.synthetic.uptime import History, history

__all__ = ["Advice", "Flaky", "History", "Reviewed", "history", "outage_rows", "review", "uptime_rows"]
