"""PEM blocks (RFC 7468): keys, certificates and PGP blocks, up to their end line or, where that is missing, to the
end of the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pitchey_slo.scrub.found import Found

GATES: Final = ("-----BEGIN",)

_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}-{2,5}")
_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}-{2,5}")


def find(text: str) -> Iterator[Found]:
    at = 0
    while (begin := _BEGIN.search(text, at)) is not None:
        end = _END.search(text, begin.end())
        at = end.end() if end else len(text)
        yield Found(begin.start(), at, "pem", text[begin.start() : at])
