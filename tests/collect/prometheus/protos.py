"""Remote write's messages as Google's protobuf knows them, from descriptors built here: an encoder for tests, and a
second decoder to compare ours with."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

V1_TYPE = "application/x-protobuf"
V2_TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"

_KINDS = {"double": 1, "int64": 3, "string": 9, "uint32": 13, "enum": 5, "bytes": 12}


def _messages(package: str, shapes: Mapping[str, Mapping[str, tuple[int, str]]]) -> dict[str, Any]:
    """`{"Label": {"name": (1, "string")}}` -> message classes; a type with * is repeated, another name a message."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, shape in shapes.items():
        message = file.message_type.add(name=name)
        for field_name, (number, kind) in shape.items():
            label = 3 if kind.endswith("*") else 1
            kind = kind.removesuffix("*")
            if kind in _KINDS:
                message.field.add(name=field_name, number=number, label=label, type=_KINDS[kind])
            else:
                message.field.add(name=field_name, number=number, label=label, type=11, type_name=f".{package}.{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{n}")) for n in shapes}


_SAMPLE = {"value": (1, "double"), "timestamp": (2, "int64")}
V1 = _messages(
    "prometheus",
    {
        "Label": {"name": (1, "string"), "value": (2, "string")},
        "Sample": _SAMPLE,
        "Exemplar": {"labels": (1, "Label*"), "value": (2, "double"), "timestamp": (3, "int64")},
        "Histogram": {"sum": (3, "double"), "timestamp": (15, "int64")},
        "TimeSeries": {
            "labels": (1, "Label*"),
            "samples": (2, "Sample*"),
            "exemplars": (3, "Exemplar*"),
            "histograms": (4, "Histogram*"),
        },
        "MetricMetadata": {
            "type": (1, "enum"),
            "metric_family_name": (2, "string"),
            "help": (4, "string"),
            "unit": (5, "string"),
        },
        "WriteRequest": {"timeseries": (1, "TimeSeries*"), "metadata": (3, "MetricMetadata*")},
    },
)
V2 = _messages(
    "io.prometheus.write.v2",
    {
        "Sample": _SAMPLE,
        "Exemplar": {"labels_refs": (1, "uint32*"), "value": (2, "double"), "timestamp": (3, "int64")},
        "Histogram": {"sum": (3, "double"), "timestamp": (15, "int64")},
        "Metadata": {"type": (1, "enum"), "help_ref": (3, "uint32"), "unit_ref": (4, "uint32")},
        "TimeSeries": {
            "labels_refs": (1, "uint32*"),
            "samples": (2, "Sample*"),
            "histograms": (3, "Histogram*"),
            "exemplars": (4, "Exemplar*"),
            "metadata": (5, "Metadata"),
            "created_timestamp": (6, "int64"),
        },
        "Request": {"symbols": (4, "string*"), "timeseries": (5, "TimeSeries*")},
    },
)

Pairs = Iterable[tuple[str, str]]
Series = tuple[Pairs, list[tuple[int, float]]]


def snap(message: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(message))


def v1(series: Iterable[Series], metadata: Iterable[Mapping[str, Any]] = ()) -> bytes:
    """A WriteRequest, not compressed; labels in the order given."""
    request = V1["WriteRequest"]()
    for labels, samples in series:
        one = request.timeseries.add()
        for name, value in labels:
            one.labels.add(name=name, value=value)
        for ts, number in samples:
            one.samples.add(value=number, timestamp=ts)
    for said in metadata:
        request.metadata.add(**said)
    return bytes(request.SerializeToString())


class Symbols:
    """A symbol table that grows."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {"": 0}

    def __call__(self, text: str) -> int:
        return self.places.setdefault(text, len(self.places))

    def refs(self, labels: Pairs) -> list[int]:
        return [self(text) for pair in labels for text in pair]


def v2(series: Iterable[Series], metadata: tuple[int, str, str] | None = None, created: int = 0) -> bytes:
    """A Request, not compressed; the same metadata (type, help, unit) and created time for every series."""
    request = V2["Request"]()
    symbols = Symbols()
    for labels, samples in series:
        one = request.timeseries.add(labels_refs=symbols.refs(labels), created_timestamp=created)
        for ts, number in samples:
            one.samples.add(value=number, timestamp=ts)
        if metadata:
            one.metadata.type = metadata[0]
            one.metadata.help_ref, one.metadata.unit_ref = symbols(metadata[1]), symbols(metadata[2])
    request.symbols.extend(symbols.places)
    return bytes(request.SerializeToString())


def bits(value: float) -> int:
    return int.from_bytes(struct.pack("<d", value), "little")
