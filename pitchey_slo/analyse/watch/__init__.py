"""Watching: the series of `config/anomalies.yml` are scored every minute, and the scores are series like any other.

    config    which series, by which detectors
    track     one of them: its detectors at work, from history up to now and on
    watching  all of them inside `serve`: what was missed is caught up, then a minute at a time
    judge     detectors against labelled incidents: at a threshold that pages so often, what is found and how early

A score is written as `pitchey_anomaly_score{detector, series, ...}` with the labels of the expression's series, so
rules, dashboards and backtests use it. Whether a score is high because of trouble or of a good day, no detector knows.
Live sees the data of a quarter of a minute ago, as alert rules do; what comes later than that is not scored anew.
"""

from pitchey_slo.analyse.watch.config import Watched, load_watched
from pitchey_slo.analyse.watch.judge import Judged, judge
from pitchey_slo.analyse.watch.track import Track
from pitchey_slo.analyse.watch.watching import Watching

__all__ = ["Judged", "Track", "Watched", "Watching", "judge", "load_watched"]
