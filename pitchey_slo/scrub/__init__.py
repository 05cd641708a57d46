"""Scrubbing: personal data and secrets are taken out of a value before it is stored, sent or shown.

`scrubber(settings)` reads config/scrubbing.yml and the home's key; `Scrubber.default()` does without a home. `text`,
`value` (trees), `labels` (of series) and `rows` (Arrow tables) give back what may be kept: what a rule finds is masked
(`[card]`), hashed with the home's key so that the rows of one person still meet (`email:3f2a...`, 64 bits), or
removed. `counts` says how often which rule found something, by source.

Rules look for forms that can be checked, and for names of fields; disguises (JSON in texts, percent signs, base64,
look-alike letters) are taken off first. They do not know the names of people or places, nor what a sentence means. What
cannot be scrubbed within its bounds is replaced by `[scrub_failed]`, never passed. Nothing here stores or sends.
"""

from pitchey_slo.scrub.config import scrubber
from pitchey_slo.scrub.engine import MARK, Scrubber
from pitchey_slo.scrub.key import user_key
from pitchey_slo.scrub.policy import RULES, Policy

__all__ = ["MARK", "RULES", "Policy", "Scrubber", "scrubber", "user_key"]
