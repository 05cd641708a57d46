"""How many examples a property is tried with: few in each run, `HYPOTHESIS_PROFILE=long` for a night of them."""

from __future__ import annotations

import os

#: So many times as many examples in the long profile.
DEEPER = 20


def examples(count: int) -> int:
    """`count`, or twenty times as many in the profile `long`."""
    return count * DEEPER if os.environ.get("HYPOTHESIS_PROFILE") == "long" else count
