"""One scrubber for all: it keeps nothing of what it is given but counts."""

from __future__ import annotations

import pytest

from pitchey_slo.scrub import Scrubber

KEY = b"k" * 32


@pytest.fixture(scope="session")
def scrub() -> Scrubber:
    return Scrubber.default(KEY)
