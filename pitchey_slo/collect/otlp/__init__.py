"""OpenTelemetry's protocol over HTTP, as protobuf or JSON, -> rows of `logs` and `requests`, and samples.

Two readers, `protobuf` and `json_tree`, give the same records; what these mean is said once: `logs`, `spans`,
`metrics`, with `keys` (which attribute is which column), `routes`, `sampling`, `cloudflare` and `metric_names` beside
them. A record that cannot be kept is listed with a reason from `names.ROW_REASONS`; a request that cannot be read
raises a CollectError. Memory stays within a small multiple of the limit, whatever is sent: one record at a time is held
as a message.

Numbers keep their weights: a sampled span stands for as many requests as its sampler kept one of. A user becomes a
keyed hash here, before anything is stored. This room keeps no traces (only requests of servers and exceptions), adds up
no deltas, and knows no exponential histograms; it says so to the sender. docs/otlp.md has the tables.
"""

from pitchey_slo.collect.otlp.answers import JSON, PROTOBUF, response, status
from pitchey_slo.collect.otlp.body import Delivery, decode_logs, decode_metrics, decode_traces, media_of, told
from pitchey_slo.collect.otlp.metrics import Samples
from pitchey_slo.collect.otlp.sampling import HEADER
from pitchey_slo.collect.otlp.spans import SpanRows

__all__ = [
    "HEADER",
    "JSON",
    "PROTOBUF",
    "Delivery",
    "Samples",
    "SpanRows",
    "decode_logs",
    "decode_metrics",
    "decode_traces",
    "media_of",
    "response",
    "status",
    "told",
]
