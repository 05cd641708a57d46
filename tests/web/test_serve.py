"""Starting and stopping."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitchey_slo.client import find_server
from pitchey_slo.errors import ConfigError, StoreError, StoreLocked
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.web.serve import listen

from .conftest import event, running, stored
from .test_events import ndjson, post


def test_a_lake_that_takes_nothing_at_the_stop_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="rows are safe"), running(tmp_path, flush_seconds=600) as server:
        with server.client(server.token("ingest")) as client:
            assert post(client, ndjson(event())).status_code == 200
        (tmp_path / "lake").rename(tmp_path / "away") if (tmp_path / "lake").exists() else None
        (tmp_path / "lake").write_text("not a folder")
    (tmp_path / "lake").unlink()
    assert find_server(tmp_path) is None
    assert len(stored(tmp_path)) == 1


def test_a_home_in_use_ends_the_start(tmp_path: Path) -> None:
    with (
        Store.open(Settings.load(env_file=None, home=tmp_path), background=False),
        pytest.raises(StoreLocked),
        running(tmp_path),
    ):
        pass
    assert find_server(tmp_path) is None


def test_an_address_that_is_none_is_said_plainly() -> None:
    with pytest.raises(ConfigError, match="no such address"):
        listen("no such host.invalid", 0)
    with pytest.raises(ConfigError, match="cannot listen on"):
        listen("203.0.113.9", 0)  # of nobody's machine: TEST-NET-3
    with listen("::1", 0) as six:
        assert six.getsockname()[1] > 0
