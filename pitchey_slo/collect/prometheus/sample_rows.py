"""Samples as an Arrow stream: columns `labels` (a JSON object as text, `__name__` among them), `ts` (milliseconds since
1970, or a timestamp) and `value` (float64, bits kept).

The quickest way in for many samples, and how the command line hands files to a running server. `labels` is best
dictionary-encoded, so that each series is written once.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.collect.ipc import read_columns
from pitchey_slo.collect.prometheus.series_labels import check_labels
from pitchey_slo.errors import CollectError
from pitchey_slo.series import Labels, RefusedSample, SampleBatch

COLUMNS: Final = ("labels", "ts", "value")


def encode_samples(batch: SampleBatch) -> memoryview:
    """`batch` as such a stream; its metadata and refusals are not part of it."""
    texts = [orjson.dumps(dict(labels)).decode() for labels in batch.labels]
    labels = pa.DictionaryArray.from_arrays(pa.array(batch.series, pa.int32()), pa.array(texts, pa.string()))
    rows = pa.record_batch([labels, pa.array(batch.ts), pa.array(batch.value)], names=list(COLUMNS))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return memoryview(sink.getvalue())


def decode_samples(body: bytes, limit: int) -> SampleBatch:
    """Raises BodyTooLarge, CollectError and UnknownFormat; a series whose labels break a rule is in `refused`."""
    rows = read_columns(body, {name: name for name in COLUMNS}.get, limit)
    missing = [name for name in COLUMNS if name not in rows.column_names]
    if missing:
        raise CollectError(f"no column {missing[0]!r}; samples have {', '.join(COLUMNS)}")
    try:
        ts = rows["ts"]
        if pa.types.is_timestamp(ts.type):
            ts = ts.cast(pa.timestamp("ms", ts.type.tz), safe=False)
        ts, value = ts.cast(pa.int64()), rows["value"].cast(pa.float64())
        texts = rows["labels"].cast(pa.string()).combine_chunks().dictionary_encode()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise CollectError(
            f"samples have labels (text), ts (int64 or timestamp) and value (float64): {error}"
        ) from None
    for name, column in (("labels", texts), ("ts", ts), ("value", value)):
        if column.null_count:
            raise CollectError(f"column {name!r} has {column.null_count:,} nulls; every sample has all three")
    return _batch(texts, ts.to_numpy(), value.to_numpy())


def _batch(texts: pa.Array, ts: NDArray[np.int64], value: NDArray[np.float64]) -> SampleBatch:
    indices = texts.indices.to_numpy().astype(np.int64)
    labels: list[Labels] = []
    refused: list[RefusedSample] = []
    good = np.ones(len(texts.dictionary), np.bool_)
    for i, text in enumerate(texts.dictionary.to_pylist()):
        checked, wrong = _labels(text)
        labels.append(checked)
        if wrong:
            good[i] = False
            refused.append(RefusedSample(i, "invalid_labels", wrong))
    kept = good[indices]
    if not kept.all():
        indices, ts, value = indices[kept], ts[kept], value[kept]
    return SampleBatch(labels, indices, ts, value, refused=refused)


def _labels(text: str) -> tuple[Labels, str | None]:
    try:
        told = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return (), f"labels are not JSON: {error}"
    if not isinstance(told, dict) or not all(isinstance(v, str) for v in told.values()):
        return (), "labels are a JSON object of texts"
    return check_labels(list(told.items()))
