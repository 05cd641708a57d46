"""What a look found, as a record, as a row, and back."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from pitchey_slo.collect.conform import conform
from pitchey_slo.probe import Result, rows_of, worst
from pitchey_slo.store import Store
from pitchey_slo.tables import PROBES
from pitchey_slo.testing import NOON

FULL = Result(
    "signup", "unhealthy", NOON, kind="journey", component="api", location="fra", scope="step", attempt=2,
    step="log in", failure="timeout", phase="first_byte", reason="no answer in 10 s", duration_ms=10_012.5,
    phases={"dns": 1.5, "connect": 8.0, "tls": 20.25}, status=504, bytes=17, cert_days=61.5, run_id="r1",
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736", details={"limit": 10, "kept": ["a.png"]}, event_id="e1",
)  # fmt: skip


def test_a_stored_result_comes_back_as_it_was(store: Store) -> None:
    plain = Result("api", "healthy", NOON)
    store.append("probes", rows_of([FULL, plain]))
    rows = store.query("FROM probes ORDER BY test").to_pylist()
    assert [Result.of(row) for row in rows] == [plain, FULL]


def test_the_row_has_every_column_of_the_table_and_conforms() -> None:
    assert list(FULL.row()) == PROBES.names
    batch = conform(PROBES, rows_of([FULL]), now=NOON)
    assert batch.rejected == [] and batch.rows.num_rows == 1


def test_texts_that_are_too_long_are_cut_not_refused() -> None:
    long = Result("api", "unhealthy", NOON, reason="x" * 9_999, step="y" * 999, details={"body": "z" * 99_999})
    batch = conform(PROBES, rows_of([long]), now=NOON)
    row = batch.rows.to_pylist()[0]
    assert batch.rejected == []
    assert len(row["reason"]) == 4_096 and row["reason"].endswith("...") and len(row["step"]) == 256
    assert "100" in json.loads(row["details"])["left_out"]


@pytest.mark.parametrize(
    "wrong", [{"state": "down"}, {"failure": "http"}, {"phase": "wait"}, {"phases": {"ssl": 1.0}}, {"scope": "final"}]
)
def test_a_word_outside_the_closed_lists_is_our_mistake(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="one of"):
        Result(**{"test": "api", "state": "healthy", "at": NOON, **wrong})  # type: ignore[arg-type]


def test_no_result_is_unknown_and_an_empty_table_has_all_columns() -> None:
    assert worst([]) == "unknown"
    assert worst(["degraded", "unknown"]) == "unknown" and worst(["unhealthy", "unknown"]) == "unhealthy"
    assert rows_of([]).schema.equals(pa.schema([pa.field(c.name, c.type) for c in PROBES.columns]))
