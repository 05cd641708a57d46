"""What logs say: patterns, what is new among them, what is said more than before, and which requests it was about.

`log_patterns` groups lines by fingerprint and merges groups that differ in words that turn out to be parameters (drain3
over templates, bounded and the same each time). Counts are weighted by `sample_interval`. Each pattern is compared with
a time before: per request where there are requests in both, else per second; `p` is that of an exact binomial test,
times the number of patterns looked at. `log_requests` joins lines to requests by their trace.

Lines without a fingerprint get theirs here. Nothing is stored, nothing is judged: an alert on lines is a rule over
`pitchey_log_lines_total`.
"""

from pitchey_slo.analyse.logs.patterns import Pattern, Patterns, log_patterns
from pitchey_slo.analyse.logs.requests import Joined, log_requests

__all__ = ["Joined", "Pattern", "Patterns", "log_patterns", "log_requests"]
