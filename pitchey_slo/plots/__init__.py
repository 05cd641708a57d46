"""Charts as Plotly figures: what the workbench found, drawn for people.

Every function takes findings or frames and answers a `plotly.graph_objects.Figure`; none of them asks the store. Times
are UTC, units stand in the axis titles, lines are named beside them, a state has a word and a mark beside its colour,
and what is projected is drawn apart from what was counted. Missing is a gap or says so, never a zero.

The charts do not judge and do not round what they are given: only what is printed is rounded. They keep to trace types
that plotly.js 3 draws too, since the dashboards bring an older one than the notebooks.
"""

from pitchey_slo.plots.budget_bars import budget_bars
from pitchey_slo.plots.burn_down import burn_down
from pitchey_slo.plots.errors import error_heatmap, worst_routes
from pitchey_slo.plots.latency import latency_percentiles
from pitchey_slo.plots.sli import sli_over_time
from pitchey_slo.plots.slo import slo

__all__ = ["budget_bars", "burn_down", "error_heatmap", "latency_percentiles", "sli_over_time", "slo", "worst_routes"]
