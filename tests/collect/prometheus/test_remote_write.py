"""Remote write is read as Google's protobuf reads it, refuses what the specifications refuse, and survives anything."""

from __future__ import annotations

import contextlib
import math
import resource
import time
from typing import Any

import cramjam
import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from pitchey_slo.collect.prometheus import wire
from pitchey_slo.collect.prometheus.remote_write import RemoteWrite, Written, version_of, written_headers
from pitchey_slo.errors import BodyTooLarge, CollectError, UnknownFormat
from pitchey_slo.series import STALE, STALE_BITS, Labels, Metadata, labels_of
from tests.collect.prometheus import protos
from tests.collect.prometheus.protos import V1, V1_TYPE, V2, V2_TYPE, bits, snap

NOW = 1_772_452_800_000
UP = {"__name__": "up", "job": "testjob", "instance": "localhost:9090"}
Points = list[tuple[Labels, int, int]]


def decode(message: bytes, content_type: str = V1_TYPE, decoder: RemoteWrite | None = None) -> Written:
    return (decoder or RemoteWrite()).decode(snap(message), content_type=content_type, content_encoding="snappy")


def points(written: Written) -> Points:
    """(labels, time, bits) of every sample."""
    batch = written.batch
    assert len(batch.series) == len(batch.ts) == len(batch.value)
    return [
        (batch.labels[s], int(t), int(v))
        for s, t, v in zip(batch.series, batch.ts, batch.value.view(np.uint64), strict=True)
    ]


def both(series: list[tuple[dict[str, str], list[tuple[int, float]]]]) -> list[Written]:
    """The same series through both versions, each decoded twice by one decoder."""
    rows = [(sorted(labels.items()), samples) for labels, samples in series]
    results = []
    for message, kind in ((protos.v1(rows), V1_TYPE), (protos.v2(rows), V2_TYPE)):
        decoder = RemoteWrite()
        first, again = decode(message, kind, decoder), decode(message, kind, decoder)
        assert points(first) == points(again)
        assert first.batch.refused == again.batch.refused
        results.append(again)
    return results


# cases of the receiver tests in prometheus/compliance, remotewrite/receiver

SPECIAL = [1.0, 0.0, -0.0, float(STALE), math.nan, math.inf, -math.inf]
NAMES_AND_LABELS = [
    ({"__name__": "up"}, True),
    (UP, True),
    ({"__name__": "up", "job": "test\njob\n", "instance": "localhost:9090"}, True),
    ({"__name__": "resource.cpu.usage", "job.name": "testjob", "instance.name": "localhost:9090"}, True),
    ({"__name__": "resource cpu usage", "job name": "testjob"}, True),
    ({"__name__": "test_metric", "environment": "test🚀"}, True),
    ({"job": "testjob", "instance": "localhost:9090"}, False),
    ({"__name__": ""}, False),
    ({}, False),
]


@pytest.mark.parametrize("value", SPECIAL)
@pytest.mark.parametrize(("labels", "good"), NAMES_AND_LABELS)
def test_single_metric(labels: dict[str, str], good: bool, value: float) -> None:
    for written in both([(labels, [(NOW, value)])]):
        assert points(written) == ([(labels_of(labels), NOW, bits(value))] if good else [])
        assert [r.reason for r in written.batch.refused] == ([] if good else ["invalid_labels"])


@pytest.mark.parametrize("value", SPECIAL)
def test_multiple_metrics_one_of_them_without_a_name(value: float) -> None:
    series = [({**UP, "instance": f"localhost:909{i}"}, [(NOW, value)]) for i in range(4)]
    del series[0][0]["__name__"]
    for written in both(series):
        assert points(written) == [(labels_of(labels), NOW, bits(value)) for labels, _ in series[1:]]
        (refused,) = written.batch.refused
        assert written.batch.labels[refused.series] == labels_of(series[0][0])
        assert "no metric name" in refused.message


@pytest.mark.parametrize("kind", ["application/json", "image/png", "", None, "application/x-protobuf;proto=foo.Bar"])
def test_bad_content_types_are_415(kind: str | None) -> None:
    with pytest.raises(UnknownFormat) as raised:
        RemoteWrite().decode(snap(protos.v1([])), content_type=kind, content_encoding="snappy")
    assert raised.value.status == 415


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "snappy, snappy", "identity"])
def test_bad_encodings_are_415(encoding: str) -> None:
    with pytest.raises(UnknownFormat):
        RemoteWrite().decode(snap(protos.v1([])), content_type=V1_TYPE, content_encoding=encoding)


def test_versions() -> None:
    assert version_of("application/x-protobuf") == 1
    assert version_of("application/x-protobuf; proto=prometheus.WriteRequest") == 1
    assert version_of("application/x-protobuf;proto=io.prometheus.write.v2.Request") == 2
    assert set(written_headers(5).values()) == {"5", "0"}


@pytest.mark.parametrize("kind", [V1_TYPE, V2_TYPE])
@pytest.mark.parametrize("byte", [b"0", b"\xff", b"\0"])
def test_corrupt_bodies_are_400(kind: str, byte: bytes) -> None:
    make: Any = protos.v1 if kind == V1_TYPE else protos.v2
    body = byte + snap(make([(UP.items(), [(NOW, 1.0)])]))[1:]
    with pytest.raises(CollectError) as raised:
        RemoteWrite().decode(body, content_type=kind, content_encoding="snappy")
    assert raised.value.status in (400, 413)


def test_labels_out_of_order_are_put_in_order() -> None:
    shuffled = [("job", "b"), ("__name__", "up"), ("instance", "a")]
    for message, kind in (
        (protos.v1([(shuffled, [(NOW, 1.0)])]), V1_TYPE),
        (protos.v2([(shuffled, [(NOW, 1.0)])]), V2_TYPE),
    ):
        assert decode(message, kind).batch.labels == [labels_of(shuffled)]


@pytest.mark.parametrize("extra", [("job", "b"), ("", "x"), ("nul", "a\0b")])
def test_a_label_twice_or_without_a_name_refuses_its_series_only(extra: tuple[str, str]) -> None:
    bad = sorted([*UP.items(), extra])
    rows = [(bad, [(NOW, 1.0)]), (sorted(UP.items()), [(NOW, 2.0)])]
    for message, kind in ((protos.v1(rows), V1_TYPE), (protos.v2(rows), V2_TYPE)):
        written = decode(message, kind)
        assert points(written) == [(labels_of(UP), NOW, bits(2.0))]
        assert [r.reason for r in written.batch.refused] == ["invalid_labels"]


def test_an_empty_label_is_no_label() -> None:
    for written in both([({**UP, "zone": ""}, [(NOW, 1.0)]), (UP, [(NOW + 1, 2.0)])]):
        assert written.batch.labels == [labels_of(UP)]
        assert written.batch.series.tolist() == [0, 0]


def test_labels_that_are_not_utf8_refuse_their_series_only() -> None:
    good = protos.v1([(sorted(UP.items()), [(NOW, 1.0)])])
    bad = good.replace(b"testjob", b"test\xffob")
    written = decode(bad + good)
    assert len(written.batch) == 1
    assert "UTF-8" in written.batch.refused[0].message
    message = protos.v2([(sorted({**UP, "a": "testjob"}.items()), [(NOW, 1.0)]), ([("__name__", "x")], [(NOW, 2.0)])])
    written = decode(message.replace(b"testjob", b"test\xffob"), V2_TYPE)
    assert points(written) == [((("__name__", "x"),), NOW, bits(2.0))]
    assert "UTF-8" in written.batch.refused[0].message


def test_native_histograms_are_refused_and_exemplars_left_out() -> None:
    request = V1["WriteRequest"]()
    series = request.timeseries.add()
    series.labels.add(name="__name__", value="h")
    series.histograms.add(sum=1.5, timestamp=NOW)
    series.exemplars.add(value=1.0).labels.add(name="trace_id", value="x")
    one = decode(request.SerializeToString())
    second = V2["Request"](symbols=["", "__name__", "h"])
    told = second.timeseries.add(labels_refs=[1, 2])
    told.histograms.add(sum=1.5, timestamp=NOW)
    told.exemplars.add(value=1.0)
    for written in (one, decode(second.SerializeToString(), V2_TYPE)):
        assert len(written.batch) == 0
        assert (written.histograms, written.exemplars) == (1, 1)
        (refused,) = written.batch.refused
        assert refused.reason == "unsupported_histogram"
        assert written.batch.labels[refused.series] == (("__name__", "h"),)


def test_metadata_of_both_versions() -> None:
    told = {"type": 1, "metric_family_name": "http_requests_total", "help": 'a\n"b"', "unit": "requests"}
    assert decode(protos.v1([], [told])).batch.metadata == {
        "http_requests_total": Metadata("counter", 'a\n"b"', "requests")
    }
    rows = [([("__name__", f"lat_{part}")], [(NOW, 1.0)]) for part in ("bucket", "sum", "count")]
    written = decode(protos.v2(rows, (3, "Latency", "seconds"), created=NOW - 5), V2_TYPE)
    assert written.batch.metadata == {"lat": Metadata("histogram", "Latency", "seconds")}
    assert written.created == {tuple(labels): NOW - 5 for labels, _ in rows}


@pytest.mark.parametrize("kind", range(9))
def test_every_metadata_type(kind: int) -> None:
    written = decode(protos.v2([([("__name__", "m")], [(NOW, 1.0)])], (kind, "help", "")), V2_TYPE)
    names = ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"]
    assert written.batch.metadata["m"].type == names[kind]


def test_metadata_or_exemplars_without_data_are_accepted() -> None:
    written = decode(protos.v2([([("__name__", "orphan")], [])], (1, "help", "count")), V2_TYPE)
    assert (len(written.batch), written.batch.refused) == (0, [])
    nameless = decode(protos.v2([([("__name__", "")], [(NOW, 1.0)])], (1, "help", "count")), V2_TYPE)
    assert len(nameless.batch.refused) == 1


@pytest.mark.parametrize("refs", [[1], [1, 2, 1], [1, 99], [99, 1], [1, 2**32 - 1]])
def test_references_that_make_no_labels_refuse_their_series_only(refs: list[int]) -> None:
    request = V2["Request"](symbols=["", "__name__", "up"])
    request.timeseries.add(labels_refs=refs).samples.add(value=1, timestamp=NOW)
    request.timeseries.add(labels_refs=[1, 2]).samples.add(value=2, timestamp=NOW)
    written = decode(request.SerializeToString(), V2_TYPE)
    assert points(written) == [((("__name__", "up"),), NOW, bits(2.0))]
    assert len(written.batch.refused) == 1


def test_symbols_must_start_with_an_empty_text() -> None:
    request = V2["Request"](symbols=["__name__", "up"])
    request.timeseries.add(labels_refs=[0, 1]).samples.add(value=1, timestamp=NOW)
    with pytest.raises(CollectError, match="empty text"):
        decode(request.SerializeToString(), V2_TYPE)


def test_a_message_of_the_other_version_is_empty_or_refused() -> None:
    rows = [(sorted(UP.items()), [(NOW, 1.0)])]
    assert len(decode(protos.v2(rows), V1_TYPE).batch) == 0
    assert len(decode(protos.v1(rows), V2_TYPE).batch) == 0


def test_one_series_in_several_pieces_is_one_series() -> None:
    for written in both([(UP, [(NOW, 1.0)]), (UP, [(NOW + 1, 0.0), (NOW + 2, 2.0)]), (UP, [(NOW + 3, 3.0)])]):
        assert written.batch.labels == [labels_of(UP)]
        assert written.batch.ts.tolist() == [NOW, NOW + 1, NOW + 2, NOW + 3]


def test_long_series_keep_order_and_bits() -> None:
    rng = np.random.default_rng(1)
    samples = [(NOW + i * 15_000, 0.0 if rng.random() < 0.05 else float(rng.normal())) for i in range(3000)]
    for written in both([(UP, samples), ({"__name__": "x"}, samples[:70])]):
        got = sorted(points(written), key=lambda p: (p[0], p[1]))
        expected = [(labels_of(UP), ts, bits(v)) for ts, v in samples]
        expected += [((("__name__", "x"),), ts, bits(v)) for ts, v in samples[:70]]
        assert got == sorted(expected, key=lambda p: (p[0], p[1]))


# against Google's protobuf

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
TIMES = st.one_of(st.just(NOW), st.integers(-(2**63), 2**63 - 1), st.integers(0, 3))
FLOATS = st.one_of(st.floats(), st.sampled_from([0.0, -0.0, float(STALE)]))
SAMPLES = st.lists(st.tuples(TIMES, FLOATS), max_size=6) | st.lists(
    st.tuples(st.just(NOW), st.sampled_from([0.0, 1.0])), min_size=3, max_size=12
)
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=3).map(lambda d: {"__name__": "m", **d})
SERIES = st.lists(st.tuples(LABELS, SAMPLES), max_size=5)


def slow(message: bytes, version: int) -> tuple[Points, int]:
    """The same by Google's protobuf and plain loops: (points of the good series, number of bad series)."""
    good: Points = []
    bad = 0
    request = (V1["WriteRequest"] if version == 1 else V2["Request"]).FromString(message)
    for series in request.timeseries:
        if version == 1:
            pairs = [(label.name, label.value) for label in series.labels]
        else:
            texts = [request.symbols[ref] for ref in series.labels_refs]
            _ = request.symbols[series.metadata.help_ref], request.symbols[series.metadata.unit_ref]
            pairs = list(zip(texts[::2], texts[1::2], strict=True))
        names = [name for name, _ in pairs]
        fine = len(set(names)) == len(names) and "" not in names and dict(pairs).get("__name__")
        if not fine or any("\0" in text for pair in pairs for text in pair):
            bad += 1
            continue
        good += [(labels_of(pairs), s.timestamp, bits(s.value)) for s in series.samples]
    return good, bad


@given(SERIES)
def test_agrees_with_protobuf(series: list[tuple[dict[str, str], list[tuple[int, float]]]]) -> None:
    for version, written in enumerate(both(series), 1):
        rows = [(sorted(labels.items()), samples) for labels, samples in series]
        expected, bad = slow(protos.v1(rows) if version == 1 else protos.v2(rows), version)
        assert sorted(points(written)) == sorted(expected)
        assert sum(r.reason == "invalid_labels" for r in written.batch.refused) == bad


MESSAGES = {
    1: protos.v1(
        [([("__name__", "a"), ("l", "x")], [(NOW, 1.5)]), ([("__name__", "b")], [(NOW, 0.0), (NOW + 1, 2.0)])],
        [{"type": 1, "metric_family_name": "a", "help": "h"}],
    ),
    2: protos.v2(
        [([("__name__", "a"), ("l", "x")], [(NOW, 1.5)]), ([("__name__", "b")], [(NOW, 0.0), (NOW + 1, 2.0)])],
        (1, "h", "u"),
        created=5,
    ),
}


@settings(max_examples=400)
@given(st.sampled_from([1, 2]), st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=2)), min_size=1, max_size=3))
def test_a_damaged_message_is_refused_or_read_as_protobuf_reads_it(version: int, cuts: list[tuple[int, bytes]]) -> None:
    message = MESSAGES[version]
    kind = V1_TYPE if version == 1 else V2_TYPE
    warm = RemoteWrite()
    decode(message, kind, warm)
    for place, put in cuts:
        place %= len(message)
        message = message[:place] + put + message[place + 1 :]
    try:
        written = decode(message, kind, warm)
    except CollectError:
        with pytest.raises(CollectError):
            decode(message, kind)
        return
    assert points(written) == points(decode(message, kind))
    try:
        expected, _ = slow(message, version)
    except (DecodeError, IndexError, ValueError):
        return  # a text that is not UTF-8, or a reference to nothing: refused series by series here
    assert sorted(points(written)) == sorted(expected)


@settings(max_examples=300)
@given(st.binary(max_size=300), st.sampled_from([V1_TYPE, V2_TYPE]), st.booleans())
def test_nothing_but_collect_errors_escapes(body: bytes, kind: str, compress: bool) -> None:
    with contextlib.suppress(CollectError):
        RemoteWrite().decode(snap(body) if compress else body, content_type=kind, content_encoding="snappy")


# bombs


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(
    ("unit", "count", "kind"),
    [
        (b"\x0a\x00", 4 << 20, V1_TYPE),  # empty series: 20 times their size as message objects
        (b"\x2a\x00", 4 << 20, V2_TYPE),
        (b"\x22\x00", 4 << 20, V2_TYPE),  # empty symbols
        (b"\x1a\x05\x12\x03abc", 1 << 20, V1_TYPE),  # metadata
    ],
)
def test_many_small_messages_are_413_and_cheap(unit: bytes, count: int, kind: str) -> None:
    body = snap(unit * count)
    before, start = peak_mib(), time.process_time()
    try:
        decode_raw(body, kind)
    except BodyTooLarge as error:
        assert error.status == 413
    assert time.process_time() - start < 2
    assert peak_mib() - before < 150


def decode_raw(body: bytes, kind: str) -> Written:
    return RemoteWrite().decode(body, content_type=kind, content_encoding="snappy")


def nested(tag: int, inner: bytes) -> bytes:
    size, length = len(inner), b""
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([tag]) + length + bytes([size]) + inner


@pytest.mark.parametrize(
    "filler", [b"\x12\x00", b"\x0a\x08\x0a\x01a\x12\x03bcd", b"\x12\x07\x10\x80\x80\x80\x80\x80\x01"]
)
def test_one_series_of_very_many_labels_or_samples_is_413(filler: bytes) -> None:
    name = b"\x0a\x0d\x0a\x08__name__\x12\x01m"
    message = nested(0x0A, name + filler * (30_000_000 // len(filler)))
    with pytest.raises(BodyTooLarge, match="more than"):
        decode_raw(snap(message), V1_TYPE)


def test_the_length_is_checked_before_anything_is_unpacked() -> None:
    bomb = bytes(cramjam.snappy.compress_raw(b"\0" * (200 << 20)))
    before, start = peak_mib(), time.process_time()
    with pytest.raises(BodyTooLarge, match="209,715,200 bytes"):
        decode_raw(bomb, V1_TYPE)
    assert time.process_time() - start < 0.5
    assert peak_mib() - before < 20
    lie = b"\xff\xff\xff\x0f" + bomb[4:100]  # announces 32 MiB - 1, holds less
    with pytest.raises(CollectError):
        decode_raw(lie, V1_TYPE)


def test_what_is_remembered_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from pitchey_slo.collect.prometheus import write_v1

    monkeypatch.setattr(write_v1, "MOST_BYTES", 20_000)
    decoder = RemoteWrite()
    for i in range(50):
        decode(protos.v1([([("__name__", f"m{i}_{k}")], [(NOW, 1.0)]) for k in range(20)]), V1_TYPE, decoder)
        assert len(decoder._memory.series) < 200
    assert wire.MAX_SERIES >= 10_000


def test_the_stale_marker_keeps_its_bits() -> None:
    for written in both([(UP, [(NOW, float(STALE))])]):
        assert written.batch.value.view(np.uint64).tolist() == [STALE_BITS]
