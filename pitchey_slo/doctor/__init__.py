"""The doctor: looks at everything the workbench needs and says what is wrong and which command or line helps.

Checks are plain functions that yield findings: `ok`, `warning` (it works, something is missing or near a limit),
`failure` (something does not work) or `not applicable` (nobody set it up, or nothing can be said). They run side by
side, each with a deadline of its own, so that one that hangs is a finding and delays nobody. They ask the server when
one answers and read files and lake when none does. Settings that cannot be read are a finding, too.

Nothing is written and nothing is mended here, and no text that comes out holds a secret. Messages are sent only with
`send`, one per channel, each marked as a test. That nothing is found does not mean that all is well: health checks,
synthetic tests and alerts look all the time, this looks once.
"""

from pitchey_slo.doctor.examine import CHECKS, SECONDS, Check, examine
from pitchey_slo.doctor.model import VERDICTS, Finding, Patient

__all__ = ["CHECKS", "SECONDS", "VERDICTS", "Check", "Finding", "Patient", "examine"]
