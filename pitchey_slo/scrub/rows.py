"""Arrow rows, column by column: few different values are scrubbed once each, of many only those RE2 has doubts about.

pyarrow matches all gates as one pattern without holding Python's lock, half of a long column on each of two threads.
What it lets through is scrubbed value by value, as `Scrubber.text` does.
"""

from __future__ import annotations

import functools
import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from pitchey_slo.scrub.key import keyed
from pitchey_slo.scrub.tree import allowed
from pitchey_slo.tables import PROBES, scrubbed

if TYPE_CHECKING:
    import pyarrow as pa

    from pitchey_slo.scrub.engine import Scrubber

#: Identifiers that nobody need look at: hex as trace ids, digests and span ids have it, and UUIDs.
_UUID: Final = r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_PLAIN_ID: Final = rf"^(?:[0-9a-f]{{32}}(?:-[0-9a-f]{{16}})?|[0-9a-f]{{24}}|[0-9a-f]{{40}}|[0-9a-f]{{64}}|{_UUID})$"
#: Of the hex ones, in bytes; nothing is a null.
_LENGTHS: Final = (0, 24, 32, 40, 64)
_SAMPLE: Final = 2_048
_SLICE: Final = 16_384
#: Values that are scrubbed one by one sooner than a second pattern is asked about them.
_FEW: Final = 64
#: A process that was given no key still keeps different values apart.
_PASSING: Final = os.urandom(32)


def scrub_rows(scrubber: Scrubber, table: str, rows: pa.Table) -> pa.Table:
    """`rows` with the columns that `tables.scrubbed(table)` names scrubbed; the same object when nothing was found."""
    sources = _sources(table, rows)
    for column, how in scrubbed(table).items():
        at = rows.schema.get_field_index(column)
        if at < 0 or not rows.num_rows or rows.column(at).null_count == rows.num_rows:
            continue
        if allowed(column, scrubber.policy):
            continue
        after = _column(scrubber, how, rows.column(at), sources)
        if after is not None:
            rows = rows.set_column(at, rows.schema.field(at), after)
    return rows


def _sources(table: str, rows: pa.Table) -> pa.ChunkedArray | None:
    """Whose rows they are; of what looks at the platform `probe:` and its source, since it may name machines."""
    at = rows.schema.get_field_index("source")
    if at < 0 or table != PROBES.name:
        return rows.column(at) if at >= 0 else None
    import pyarrow.compute as pc

    return pc.binary_join_element_wise("probe", pc.fill_null(rows.column(at), ""), ":")


def _column(scrubber: Scrubber, how: str, values: pa.ChunkedArray, sources: pa.ChunkedArray | None) -> pa.Array | None:
    """The column scrubbed; None when nothing was found."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    mask = _doubtful(scrubber, how, array)
    hits = np.flatnonzero(mask)
    if not len(hits):
        return None
    texts = array.take(pa.array(hits)).to_pylist()
    named = pc.take(sources, pa.array(hits)).to_pylist() if sources is not None else [""] * len(texts)
    rows = list(zip(texts, (source or "" for source in named), strict=True))
    known: dict[tuple[str, str], str] = {}
    for (text, source), times in Counter(rows).items():
        with scrubber.times(times):
            known[text, source] = _one(scrubber, how, text, source)
    after = [known[row] for row in rows]
    if after == texts:
        return None
    return pc.replace_with_mask(array, pa.array(mask), pa.array(after, array.type))


def _one(scrubber: Scrubber, how: str, text: str, source: str) -> str:
    after = scrubber.text(text, source=source)
    if after == text or how == "text":
        return after
    if how == "id":
        return f"id:{keyed(scrubber.key or _PASSING, 'id', text)}"
    return after if _is_json(after) else json.dumps(after)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _doubtful(scrubber: Scrubber, how: str, array: pa.Array) -> Any:
    """Which values a rule could find something in, as booleans."""
    import numpy as np

    if how == "id" and _hex_alone(array):
        return np.zeros(len(array), dtype=bool)
    if how != "id" and _repeats(array):
        encoded = array.dictionary_encode()
        inner = _matches(scrubber, encoded.dictionary)
        if not inner.any():
            return np.zeros(len(array), dtype=bool)
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return np.append(inner, False)[codes]
    if len(array) < 2 * _SLICE:
        return _matches(scrubber, array, ids=how == "id")
    half = len(array) // 2
    with ThreadPoolExecutor(2) as pool:
        parts = pool.map(lambda part: _matches(scrubber, part, ids=how == "id"), (array[:half], array[half:]))
        return np.concatenate(list(parts))


def _hex_alone(array: pa.Array) -> bool:
    """True when every value has the length and the letters of a hex identifier: read from the buffers, in half the
    time of a pattern."""
    import numpy as np

    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    lengths = np.diff(ends)
    if data is None or not np.isin(lengths[:_SAMPLE], _LENGTHS).all() or not np.isin(lengths, _LENGTHS).all():
        return False
    return bool(_hex()[np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]].all())


@functools.cache
def _hex() -> Any:
    import numpy as np

    known = np.zeros(256, dtype=bool)
    known[list(b"0123456789abcdef")] = True
    return known


def _repeats(array: pa.Array) -> bool:
    return len(array) > _SAMPLE and len(array[:_SAMPLE].unique()) < _SAMPLE // 2


def _matches(scrubber: Scrubber, array: pa.Array, *, ids: bool = False) -> Any:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if ids:
        odd = pc.invert(pc.match_substring_regex(array, _PLAIN_ID)).fill_null(False).to_numpy(zero_copy_only=False)
        at = np.flatnonzero(odd)
        if len(at):
            odd = odd.copy()
            odd[at] = _matches(scrubber, array.take(pa.array(at)))
        return odd
    found = pc.match_substring_regex(array, scrubber.gate.any).fill_null(False).to_numpy(zero_copy_only=False)
    hits = np.flatnonzero(found)
    if len(hits) < _FEW:
        return found
    found = found.copy()
    found[hits] = pc.match_substring_regex(array.take(pa.array(hits)), scrubber.closer)
    return found
