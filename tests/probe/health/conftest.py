"""A database for the tests of one file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .servers import Postgres, postgres_in


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="pitchey-pg-"))
    try:
        with postgres_in(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)
