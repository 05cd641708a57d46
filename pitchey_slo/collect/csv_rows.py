"""CSV -> columns: a header line, then records; quoted cells may hold line ends.

Every cell is read as bytes and judged by `conform`, so one bad cell costs its row. An empty cell is missing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from pyarrow import csv as pacsv

from pitchey_slo.collect.batch import Rejected

DELIMITERS: Final = ",;\t|"
LONGEST_RECORD: Final = 1_000  # lines; a quote that is never closed would swallow the file


@dataclass(frozen=True)
class Header:
    fields: list[str]
    delimiter: str


def read_header(line: bytes) -> Header:
    """Field names and delimiter of a header line (the delimiter that gives most fields)."""
    text = line.decode("utf-8-sig", errors="replace")
    best = max(DELIMITERS, key=text.count)
    return Header([cell.strip() for cell in next(csv.reader([text], delimiter=best), [])], best)


class Records:
    """Lines -> records: a line with an open quote goes on in the next one, also across pieces."""

    def __init__(self) -> None:
        self.open: list[bytes] = []
        self.since = 0

    def feed(self, lines: Sequence[bytes], first: int) -> Iterator[tuple[int, bytes]]:
        """Complete records with the number of their first line; blank ones are left out."""
        for number, line in enumerate(lines, first):
            odd = line.count(b'"') % 2 == 1
            if self.open:
                self.open.append(line)
                if odd or len(self.open) >= LONGEST_RECORD:
                    yield self.since, b"\n".join(self.open)
                    self.open = []
            elif odd:
                self.open, self.since = [line], number
            elif line and not line.isspace():
                yield number, line

    def rest(self) -> Iterator[tuple[int, bytes]]:
        """What is still open at the end of the file."""
        if self.open:
            yield self.since, b"\n".join(self.open)


def parse(
    header: Header, records: Sequence[bytes], numbers: Sequence[int]
) -> tuple[list[str], list[pa.Array], list[int], list[Rejected]]:
    """Records -> names and arrays, the positions of records that gave a row, and the refused ones."""
    names = [f"c{i}" for i in range(len(header.fields))]
    try:
        rows = pacsv.read_csv(
            pa.BufferReader(b"\n".join(records) + b"\n"),
            read_options=pacsv.ReadOptions(column_names=names, block_size=64 << 20, use_threads=False),
            parse_options=pacsv.ParseOptions(delimiter=header.delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, pa.binary()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid:
        return _one_by_one(header, records, numbers)
    if rows.num_rows != len(records):
        return _one_by_one(header, records, numbers)
    return header.fields, [column.combine_chunks() for column in rows.columns], list(range(len(records))), []


def _one_by_one(
    header: Header, records: Sequence[bytes], numbers: Sequence[int]
) -> tuple[list[str], list[pa.Array], list[int], list[Rejected]]:
    width = len(header.fields)
    rows: list[list[Any]] = []
    places: list[int] = []
    refused: list[Rejected] = []
    for place, record in enumerate(records):
        text = record.decode("utf-8", "surrogateescape")
        try:
            cells = next(csv.reader(io.StringIO(text, newline=""), delimiter=header.delimiter, strict=True), [])
        except csv.Error as error:
            refused.append(Rejected(numbers[place], "malformed_line", f"not CSV: {error}"))
            continue
        if len(cells) != width:
            problem = f"{len(cells)} cells where the header has {width}"
            refused.append(Rejected(numbers[place], "malformed_line", problem))
            continue
        rows.append([cell.encode("utf-8", "surrogateescape") or None for cell in cells])
        places.append(place)
    columns = list(zip(*rows, strict=True)) if rows else [()] * width
    return header.fields, [pa.array(column, pa.binary()) for column in columns], places, refused
