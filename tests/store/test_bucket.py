"""The lake in a bucket: the same answers through a real S3 server (moto) as from a folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from pitchey_slo.store import LakeReader
from pitchey_slo.testing import NOON, FixedClock, fresh_store, rows


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    assert httpx.put(f"{endpoint}/lake", headers={"Host": f"{host}:{port}"}).status_code == 200
    # nothing on the machine may lend its own credentials
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    yield {
        "lake": "s3://lake/pitchey",
        "s3_endpoint": endpoint,
        "s3_region": "us-east-1",
        "s3_access_key_id": "key",
        "s3_secret_access_key": "secret",
    }
    server.stop()


def test_a_lake_in_a_bucket_answers_like_one_in_a_folder(
    tmp_path: Path, bucket: dict[str, str], clock: FixedClock
) -> None:
    batches = [
        rows(count=20, start=NOON + timedelta(days=d), event_id=[f"{d}-{i}" for i in range(20)]) for d in range(3)
    ]
    with (
        fresh_store(tmp_path / "a", clock=clock, **bucket, retention={"requests": 1}) as far,
        fresh_store(tmp_path / "b", clock=clock) as near,
    ):
        for store in (far, near):
            for batch in batches:
                store.append("requests", batch)
                store.flush()
            store.append("incidents", rows("incidents"))
            store.flush()
        readers = [LakeReader(s.settings.lake_uri, s.settings.storage_options) for s in (far, near)]
        for sql in (
            "SELECT ts, event_id, status FROM requests ORDER BY ts",
            "SELECT * FROM incidents",
            "SELECT event_id FROM requests WHERE ts >= TIMESTAMPTZ '2026-03-03' ORDER BY 1",
        ):
            assert readers[0].query(sql).equals(readers[1].query(sql))
        span = (NOON + timedelta(days=1), NOON + timedelta(days=2))
        counts = [r.query(f"SELECT count(*) AS n FROM {r.source('requests', *span)}")["n"][0].as_py() for r in readers]
        assert counts == [20, 20]
        assert readers[0].watermark("requests") == readers[1].watermark("requests")

        clock.forward(days=10)
        far.trim()
        assert far.append("requests", batches[0]).duplicates == 20  # found in the bucket
        assert far.apply_retention()[0].rows == 60
        path = far.backup(tmp_path / "backups")
        assert '"lake": "s3://lake/pitchey"' in (path / "manifest.json").read_text()
