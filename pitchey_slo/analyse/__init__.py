"""Analysis: what can be found out beyond one number. Pure questions over the store, answers as values.

`percentile_methods` gives each quantile three ways. *Exact* sorts the raw requests, as long as they are kept. *Sketch*
adds up the rollups' buckets: within 1 % of the exact answer, whatever the data, for as long as rollups are kept.
*Histogram* interpolates between Prometheus' bounds, as `histogram_quantile` does: what a dashboard shows, and as far
off as the bucket is wide. All are weighted by sampling and in milliseconds; errors are relative to the exact answer and
signed, 0.02 is two percent too high, NaN where there is no exact answer.

`investigate` compares a bad window with a quiet one: which routes, locations and statuses the errors and the slowness
came from, which series moved, what was deployed.

This room does not judge (slo does), does not draw (plots does) and does not round.
"""

from pitchey_slo.analyse.investigate import Investigation, investigate
from pitchey_slo.analyse.percentiles import METHODS, interpolated, percentile_methods

__all__ = ["METHODS", "Investigation", "interpolated", "investigate", "percentile_methods"]
