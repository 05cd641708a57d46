"""Patterns of one's own (config/scrubbing.yml), matched by RE2: no text makes them slow."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pitchey_slo.scrub.found import Found

if TYPE_CHECKING:
    from pitchey_slo.scrub.policy import Pattern


def find(text: str, pattern: Pattern) -> Iterator[Found]:
    for match in compiled(pattern.regex).finditer(text):
        yield Found(match.start(), match.end(), pattern.name, match.group())


@functools.lru_cache(maxsize=256)
def compiled(regex: str) -> Any:
    """Raises re2.error, an Exception, when it is no pattern of RE2."""
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(regex, options)
