"""Columns of Arrow rows: the same answer as text by text, whatever the shape of the column."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from pitchey_slo.scrub import Scrubber, scrubber
from pitchey_slo.scrub.config import read
from pitchey_slo.settings import Settings
from pitchey_slo.tables import TABLES, scrubbed
from pitchey_slo.testing import NOON, rows

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LINES = [
    "GET /api/pitches/42 200 12.5ms",
    "mail to bob@example.com from 8.8.8.8",
    "card 4111 1111 1111 1111",
    '{"password": "x", "n": 1}',
    "naïve café — nothing here",
    "q=bob%40example.com",
    None,
    "",
]


@pytest.mark.parametrize("count", [1, 8, 5_000, 40_000])
@pytest.mark.parametrize("different", [False, True], ids=["repeating", "different"])
def test_rows_give_what_text_gives_row_by_row(scrub: Scrubber, count: int, different: bool) -> None:
    given = [LINES[i % len(LINES)] for i in range(count)]
    if different:
        given = [f"{i} {line}" if line and not line.startswith("{") else line for i, line in enumerate(given)]
    table = rows("logs", count, message="x", source="a").set_column(
        TABLES["logs"].names.index("message"), "message", pa.array(given)
    )
    wanted = {line: scrub.text(line) for line in set(given) if line is not None}
    after = scrub.rows("logs", table)["message"].to_pylist()
    assert after == [None if line is None else wanted[line] for line in given]


def test_clean_rows_are_the_same_object(scrub: Scrubber) -> None:
    table = rows("requests", 100, route="/api/pitches/:id", trace_id=TRACE, source="api")
    assert scrub.rows("requests", table) is table


def test_json_stays_json(scrub: Scrubber) -> None:
    given = [
        '{"a":{"userPassword":"x y"},"b":"bob@x.com"}',
        "4111111111111111",
        '"bob@example.com"',
        "no json bob@x.com",
    ]
    after = scrub.rows("business_events", pa.table({"properties": given}))["properties"].to_pylist()
    assert json.loads(after[0])["a"] == {"userPassword": "[secret]"}
    assert all(json.loads(text) is not None for text in after)
    assert "bob" not in "".join(after)
    assert "4111" not in "".join(after)


def test_an_id_that_gives_somebody_away_becomes_a_hash_that_still_joins(scrub: Scrubber) -> None:
    given = [
        "bob@example.com",
        "eve@example.com",
        "bob@example.com",
        TRACE,
        "0c57d8a4-3f7e-4d8e-9d5a-0d2b7f0f4c11",
        "e1",
        None,
    ]
    after = scrub.rows("requests", pa.table({"event_id": given}))["event_id"].to_pylist()
    assert after[0] == after[2] != after[1]
    assert after[3:] == given[3:]
    elsewhere = scrub.rows("logs", pa.table({"user_hash": given[:1]}))["user_hash"].to_pylist()
    assert elsewhere == after[:1]
    assert scrub.rows("requests", pa.table({"event_id": after}))["event_id"].to_pylist() == after


def test_ids_of_hex_are_known_by_their_bytes(scrub: Scrubber) -> None:
    clean = [f"{i:032x}" for i in range(5_000)]
    for odd in ("bob@example.com", "4012888888881881", "0" * 31 + "@", "a" * 33):
        given = pa.table({"trace_id": [*clean, None, odd]})
        after = scrub.rows("requests", given)["trace_id"].to_pylist()
        assert after[:5_001] == [*clean, None]
        assert (after[-1] == odd) is (scrub.text(odd) == odd)
    part = pa.table({"trace_id": pa.array(["bob@example.com", *clean])[1:]})
    assert scrub.rows("requests", part) is part


def test_each_row_has_the_rules_of_its_source() -> None:
    own = Scrubber(read("sources: {'file:*': {email: 'off'}, 'b*': {email: remove}}"), b"k" * 32)
    table = pa.table({"message": ["bob@x.com"] * 3, "source": ["api", "file:/x", "b1"]})
    assert own.rows("logs", table)["message"].to_pylist() == [own.text("bob@x.com"), "bob@x.com", ""]
    assert own.counts() == {("email", "api"): 1, ("email", "b1"): 1, ("email", ""): 1}


def test_an_allowed_column_is_not_looked_at_and_every_row_counts() -> None:
    own = Scrubber(read("allow: {fields: [logger]}"), b"k" * 32)
    after = own.rows("logs", pa.table({"message": ["a@b.com"] * 3_000, "logger": ["a@b.com"] * 3_000}))
    assert after["logger"].to_pylist() == ["a@b.com"] * 3_000
    assert own.counts() == {("email", ""): 3_000}


def test_every_column_that_tables_name_is_scrubbed(scrub: Scrubber) -> None:
    for name, table in TABLES.items():
        for column, how in scrubbed(name).items():
            assert column in table.names
            given = pa.table({column: ['{"a":"bob@example.com"}' if how == "json" else "bob@example.com"]})
            assert "bob" not in scrub.rows(name, given)[column][0].as_py(), f"{name}.{column}"


def test_a_home_has_one_scrubber_with_its_own_key(tmp_path: Path) -> None:
    settings = Settings.load(env_file=None, home=tmp_path / "home", config=tmp_path / "config")
    first = scrubber(settings)
    assert scrubber(settings) is first
    assert first.key == (tmp_path / "home" / "user.key").read_bytes()
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "scrubbing.yml").write_text("rules: {email: remove}")
    assert scrubber(settings).text("a bob@x.com b") == "a  b"
    assert NOON
