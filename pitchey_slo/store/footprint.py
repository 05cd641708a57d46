"""What the lake of this machine takes: live files of each table by day, and what a vacuum has yet to remove."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from pitchey_slo.store.home import Home
from pitchey_slo.store.lake import table_uri
from pitchey_slo.store.reader import LakeReader
from pitchey_slo.tables import STORED

_DAY: Final = re.compile(r"/day=(\d{4}-\d{2}-\d{2})/")
_EVER: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Held:
    """One table. `bytes` are those of live files, `plain` the same before compression, `folder` all that lies there
    (older versions and the log too). `days`: (rows, bytes) of each day; empty for tables that are not kept by day."""

    table: str
    rows: int
    files: int
    bytes: int
    plain: int
    folder: int
    days: Mapping[date, tuple[int, int]] = field(default_factory=dict)


def footprint(reader: LakeReader) -> tuple[Held, ...]:
    """Every table that has a row, the largest first; none when the lake is an object store. Reads the files' footers,
    about a millisecond each."""
    made = [_held(reader, name) for name in STORED] if not reader.remote else []
    return tuple(sorted((h for h in made if h is not None), key=lambda h: -h.bytes))


def room(home: Path) -> tuple[int, int]:
    """(bytes that may still be written before new data is refused, bytes of the hot file and its log)."""
    disk = Home(home)
    hot = sum(p.stat().st_size for p in (disk.hot, disk.wal) if p.exists())
    return max(0, shutil.disk_usage(home).free - disk.floor_bytes()), hot


def _held(reader: LakeReader, name: str) -> Held | None:
    live = reader.live(name, *_EVER)
    if not live:
        return None
    days: dict[date, tuple[int, int]] = defaultdict(lambda: (0, 0))
    size = plain = 0
    for uri, rows in live:
        path = Path(uri.removeprefix("file://"))
        own = path.stat().st_size
        meta = pq.read_metadata(path)
        size += own
        plain += sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        if found := _DAY.search(uri):
            day = date.fromisoformat(found[1])
            days[day] = (days[day][0] + rows, days[day][1] + own)
    folder = Path(table_uri(reader.uri, name).removeprefix("file://"))
    whole = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    return Held(name, sum(n for _, n in live), len(live), size, plain, whole, dict(sorted(days.items())))
