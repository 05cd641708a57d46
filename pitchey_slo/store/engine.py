"""A DuckDB without a file of its own, for questions to the lake."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb


def in_memory(**config: Any) -> duckdb.DuckDBPyConnection:
    """A connection to an engine in memory. What does not fit there goes to the system's folder for such things: DuckDB
    itself would make `.tmp` in whatever folder the process was started in, and leave it there when it is killed."""
    spill = str(Path(tempfile.gettempdir()) / "pitchey-slo-spill")
    return duckdb.connect(":memory:", config={"temp_directory": spill, **config})
