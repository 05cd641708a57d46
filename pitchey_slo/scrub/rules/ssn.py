"""United States social security numbers: three, two and four digits with the same separator, in areas that were given.

Never given: area 000, 666 and 900 to 999, group 00, serial 0000, and the numbers of advertisements (SSA, "Social
Security Number Randomization"). Nine digits without separators count only where the field's name says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pitchey_slo.scrub.found import Found

GATES: Final = (r"[0-9]{3}[\- .][0-9]{2}[\- .][0-9]{4}",)

_SSN: Final = re.compile(r"(?<![\w.\-])([0-9]{3})([\- .])([0-9]{2})\2([0-9]{4})(?![\w]|[.\-][0-9])")
_ADVERTISED: Final = {"078051120", "219099999", "123456789"}


def find(text: str) -> Iterator[Found]:
    for match in _SSN.finditer(text):
        area, _, group, serial = match.groups()
        digits = area + group + serial
        given = area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"
        if given and digits not in _ADVERTISED:
            yield Found(match.start(), match.end(), "ssn", digits)
