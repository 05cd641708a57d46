"""Cloudflare Analytics Engine -> request and business events, by its SQL API.

`config` says what the columns of a dataset mean, `when` which data points are meant, `sql` writes the question for one
window of time, `ask` puts it, `rows` makes rows of the answer, `puller` goes from window to window and keeps a
watermark. A row's weight (`sample_interval`) is what Analytics Engine says it stands for, so counts of the store are
its estimates: exact where nothing was sampled. Times are whole seconds.

A row is stored once, however often it is read. What is not here: Analytics Engine promises no single row back, so this
is no log of everything; rows later than lag and overlap together are found only by `pull analytics-engine --since`;
and a time that was first answered from a sample stays that sample. Storing is the business of whoever gives a `Keep`.
"""

from pitchey_slo.collect.analytics_engine.ask import Api, SqlApi
from pitchey_slo.collect.analytics_engine.config import FILE, PullConfig, load, read, schema
from pitchey_slo.collect.analytics_engine.puller import Counts, Keep, Mark, Pull, Puller, refused_told

__all__ = [
    "FILE",
    "Api",
    "Counts",
    "Keep",
    "Mark",
    "Pull",
    "PullConfig",
    "Puller",
    "SqlApi",
    "load",
    "read",
    "refused_told",
    "schema",
]
