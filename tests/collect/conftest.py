"""A fixed clock and small makers of rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def conformance() -> Path:
    """Real data written by others; not part of the repository."""
    folder = Path("/work/shared/conformance")
    if not folder.exists():
        pytest.skip("no conformance data on this machine")
    return folder
