"""Instruments for services: what happens in them becomes rows of the workbench, and the service does not notice.

    from pitchey_slo import add_monitoring
    monitoring = add_monitoring(app, service="api")         # Starlette, FastAPI, any ASGI application
    monitoring.event("nda_signed", user=user.id, pitch=7)   # what the business counts
    with monitored("nightly-export"): ...                   # plain functions and jobs

Requests become rows of `requests` (route pattern, status, time to the last byte, trace), business events rows of
`business_events`, exceptions rows of `logs`. A sampled row says for how many it stands (`sample_interval`), so that
sums of it are unbiased; failed requests are always told and stand for themselves. Rows gather in a bounded queue per
table and one thread sends them (`shipper`): a receiver that is slow or away costs the service nothing, and what does
not fit the queue is dropped and counted. Personal data are taken out before a row reaches the queue; users leave as
keyed hashes. What is not done: bodies, headers and queries are never read, and nothing is kept on disk, so that
SIGKILL loses the last second. Imports nothing heavy: no pandas, no Arrow, no HTTP library, no framework.
"""

from pitchey_slo.instrument.asgi import add_monitoring, monitor
from pitchey_slo.instrument.context import UserHash, current, traceparent, work
from pitchey_slo.instrument.jobs import monitored
from pitchey_slo.instrument.monitoring import Monitoring
from pitchey_slo.instrument.pace import Pace, Stats
from pitchey_slo.instrument.shipper import Shipper

__all__ = [
    "Monitoring", "Pace", "Shipper", "Stats", "UserHash", "add_monitoring", "current", "monitor", "monitored",
    "traceparent", "work",
]  # fmt: skip
