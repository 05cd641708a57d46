from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pitchey_slo.demo import simulate
from pitchey_slo.settings import Settings
from pitchey_slo.testing import FixedClock, fresh_store

END = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>&<b>"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with a month of a small Pitchey, one incident of which has a hostile title."""
    folder = tmp_path_factory.mktemp("demo")
    with fresh_store(folder / "home", clock=FixedClock(END)) as store:
        for name, rows in simulate(end=END, requests=60_000):
            store.append(name, _hostile(rows) if name == "incidents" else rows)
    return Settings.load(env_file=None, home=folder / "home", reports=folder / "reports", config=folder / "none")


def _hostile(rows: pa.Table) -> pa.Table:
    titles = pc.replace_with_mask(rows["title"], pa.array([i == 0 for i in range(len(rows))]), pa.scalar(HOSTILE))
    return rows.set_column(rows.schema.get_field_index("title"), rows.schema.field("title"), titles)


@pytest.fixture(scope="session")
def shipped_notebook() -> Path:
    from pitchey_slo.settings import shipped

    return shipped("notebooks") / "30_slo_report.ipynb"
