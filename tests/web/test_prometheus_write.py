"""Remote write 1.0 and 2.0: what is stored, what is refused, and how much of it the sender is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from pitchey_slo.errors import StoreBusy
from pitchey_slo.series import STALE

from .conftest import Running, running
from .series_made import protos, write_v1, write_v2

PREFIX = "X-Prometheus-Remote-Write-"
UP = (("__name__", "up"), ("job", "a"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as it:
        yield it


@pytest.fixture
def sender(server: Running) -> Iterator[httpx.Client]:
    with server.client(server.token("ingest")) as client:
        yield client


def written(answer: httpx.Response) -> tuple[int, int, int]:
    return tuple(int(answer.headers[f"{PREFIX}{what}-Written"]) for what in ("Samples", "Histograms", "Exemplars"))  # type: ignore[return-value]


def values(server: Running, expr: str, at: float) -> dict[str, float]:
    with server.client(server.info.token) as client:
        found = client.get("/api/v1/query", params={"query": expr, "time": at}).json()["data"]["result"]
    return {each["metric"].get("job", ""): float(each["value"][1]) for each in found}


@pytest.mark.parametrize(("write", "encode"), [(write_v1, "v1"), (write_v2, "v2")])
def test_what_is_written_can_be_asked(server: Running, sender: httpx.Client, write, encode: str) -> None:
    body = getattr(protos, encode)(
        [(UP, [(1_000_000, 1.0), (1_015_000, 2.5)]), ((*UP[:1], ("job", "b")), [(1_000_000, 7)])]
    )
    answer = write(sender, body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert written(answer) == (3, 0, 0)
    assert values(server, "up", 1_020) == {"a": 2.5, "b": 7.0}


def test_sent_again_is_a_success_and_stored_once(server: Running, sender: httpx.Client) -> None:
    body = protos.v2([(UP, [(1_000_000, 1.0), (1_015_000, 2.0)])])
    for _ in range(3):
        answer = write_v2(sender, body)
        assert answer.status_code == 204 and written(answer) == (2, 0, 0)
    assert values(server, "count_over_time(up[5m])", 1_020) == {"a": 2.0}


def test_part_of_a_write_is_400_with_exact_counts(server: Running, sender: httpx.Client) -> None:
    good = [(UP, [(1_000_000, 1.0)]), ((*UP[:1], ("job", "b")), [(1_000_000, 2.0)])]
    nameless = ((("job", "c"),), [(1_000_000, 3.0)])
    answer = write_v2(sender, protos.v2([*good, nameless]))
    assert answer.status_code == 400 and written(answer) == (2, 0, 0)
    assert answer.json()["error"]["detail"]["reasons"] == {"invalid_labels": 1}
    assert values(server, "up", 1_000) == {"a": 1.0, "b": 2.0}


def test_order_and_duplicates(server: Running, sender: httpx.Client) -> None:
    newest = 10_000_000
    assert write_v1(sender, protos.v1([(UP, [(newest, 1.0)])])).status_code == 204
    # late within the window of an hour: taken
    late = write_v1(sender, protos.v1([(UP, [(newest - 60_000, 5.0)])]))
    assert late.status_code == 204 and written(late) == (1, 0, 0)
    # another value for a time that has one: the first wins
    other = write_v1(sender, protos.v1([(UP, [(newest, 2.0), (newest + 15_000, 3.0)])]))
    assert other.status_code == 400 and written(other) == (1, 0, 0)
    assert other.json()["error"]["detail"]["reasons"] == {"duplicate_timestamp": 1}
    # too old
    old = write_v1(sender, protos.v1([(UP, [(newest - 2 * 3_600_000, 5.0)])]))
    assert old.status_code == 400 and written(old) == (0, 0, 0) and "too_old" in old.text
    assert values(server, "sum_over_time(up[5m])", newest / 1000 + 20) == {"a": 9.0}


def test_the_future_is_refused(sender: httpx.Client) -> None:
    import time

    ahead = round(time.time() * 1000) + 11 * 60_000
    answer = write_v1(sender, protos.v1([(UP, [(ahead, 1.0)])]))
    assert answer.status_code == 400 and "too_far_in_future" in answer.text


def test_a_stale_marker_ends_a_series(server: Running, sender: httpx.Client) -> None:
    write_v1(sender, protos.v1([(UP, [(1_000_000, 1.0), (1_015_000, float(STALE))])]))
    assert values(server, "up", 1_010) == {"a": 1.0}
    assert values(server, "up", 1_020) == {}


def test_wrong_types_and_damage(sender: httpx.Client) -> None:
    body = protos.v1([(UP, [(1_000_000, 1.0)])])
    for headers, status in (
        ({"Content-Type": "application/json"}, 415),
        ({"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v3.Request"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
    ):
        answer = write_v1(sender, body, **headers)
        assert answer.status_code == status and written(answer) == (0, 0, 0)
    for bad in (b"", b"\xff" * 40, protos.snap(b"\x0a\xff"), b"not snappy at all"):
        answer = sender.post("/api/v1/write", content=bad, headers={"Content-Type": protos.V1_TYPE})
        assert answer.status_code == 400, (bad, answer.text)
    bomb = protos.snap(b"\0" * (33 << 20))
    answer = sender.post("/api/v1/write", content=bomb, headers={"Content-Type": protos.V1_TYPE})
    assert answer.status_code == 413


def test_metadata_alone_is_a_success_and_remembered(server: Running, sender: httpx.Client, tmp_path: Path) -> None:
    said = {"type": 1, "metric_family_name": "jobs_total", "help": "Jobs done.", "unit": ""}
    assert write_v1(sender, protos.v1([], [said])).status_code == 204
    with server.client(server.info.token) as client:
        found = client.get("/api/v1/metadata", params={"metric": "jobs_total"}).json()["data"]
    assert found == {"jobs_total": [{"type": "counter", "help": "Jobs done.", "unit": ""}]}


def test_descriptions_outlive_the_process(tmp_path: Path) -> None:
    said = {"type": 2, "metric_family_name": "depth", "help": "Depth.", "unit": ""}
    with running(tmp_path) as server, server.client(server.info.token) as client:
        assert write_v1(client, protos.v1([], [said])).status_code == 204
    with running(tmp_path) as server, server.client(server.info.token) as client:
        assert client.get("/api/v1/metadata?metric=depth").json()["data"]["depth"][0]["help"] == "Depth."


def test_the_series_limit_refuses_the_new_and_takes_the_known(tmp_path: Path) -> None:
    with running(tmp_path, series_limit=2) as server, server.client(server.info.token) as client:
        names = [(("__name__", f"m{i}"),) for i in range(3)]
        answer = write_v1(client, protos.v1([(labels, [(1_000_000, 1.0)]) for labels in names]))
        assert answer.status_code == 400 and written(answer)[0] == 2 and "series_limit" in answer.text
        assert write_v1(client, protos.v1([(names[0], [(1_015_000, 1.0)])])).status_code == 204


def test_what_may_succeed_later_is_503_with_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a sender that is too fast: Prometheus drops what got a 429."""
    body = protos.v1([(UP, [(1_000_000 + i, 1.0) for i in range(50)])])
    with running(tmp_path, rate_limit=10) as server, server.client(server.token("ingest")) as client:
        assert write_v1(client, body).status_code == 204
        answer = write_v1(client, body)
        assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1

    def busy(*_: object, **__: object) -> None:
        raise StoreBusy("the queue is full")

    with running(tmp_path) as server, server.client(server.info.token) as client:
        monkeypatch.setattr("pitchey_slo.store.Store.samples", busy)
        answer = write_v1(client, body)
        assert answer.status_code == 503 and answer.headers["retry-after"]


def test_only_senders_may_write(server: Running) -> None:
    with server.client(server.token("read")) as client:
        assert write_v1(client, b"").status_code == 403
    with server.client() as client:
        assert write_v1(client, b"").status_code == 401
