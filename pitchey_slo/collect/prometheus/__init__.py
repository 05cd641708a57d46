"""Prometheus' wire formats <-> `series.SampleBatch`: text and OpenMetrics (read and written), remote write 1.0 and 2.0,
metrics pushed as JSON, and a scraper that reads Prometheus' own configuration.

Numbers keep their bits, so that the stale marker stays one; a time that a sender did not give is the time of asking.
Whole deliveries that mean nothing raise CollectError and its kin; single series that break a rule are listed in
`SampleBatch.refused` while the others are taken. Everything has a limit that counts after decompression.

Not done here: storing, serving HTTP, limits on the number of series (that is `store`'s), native histograms (refused)
and exemplars (read, counted, left out). OpenMetrics 2.0 and Prometheus' protobuf exposition are not spoken.
"""

from pitchey_slo.collect.prometheus.config import load_scrape_config
from pitchey_slo.collect.prometheus.expose import expose, negotiate
from pitchey_slo.collect.prometheus.jobs import ScrapeConfig
from pitchey_slo.collect.prometheus.openmetrics_file import read_openmetrics
from pitchey_slo.collect.prometheus.push import Pushed, decode_push
from pitchey_slo.collect.prometheus.remote_write import RemoteWrite, Written, written_headers
from pitchey_slo.collect.prometheus.scrape import Scraper, TargetState
from pitchey_slo.collect.prometheus.text import Exposition, TextParser, parse_text

__all__ = [
    "Exposition",
    "Pushed",
    "RemoteWrite",
    "ScrapeConfig",
    "Scraper",
    "TargetState",
    "TextParser",
    "Written",
    "decode_push",
    "expose",
    "load_scrape_config",
    "negotiate",
    "parse_text",
    "read_openmetrics",
    "written_headers",
]
