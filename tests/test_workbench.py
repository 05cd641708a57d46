"""Labels written from a notebook: through the store when no server runs, seen by readers at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitchey_slo.errors import QueryError
from pitchey_slo.workbench import connect


def test_an_incident_is_labelled_and_corrected_under_its_id(tmp_path: Path) -> None:
    wb = connect(tmp_path)
    key = wb.label_incident("payments down", "2026-11-20T07:00", "2026-11-20T07:25", kind="error_burst", by="ann")
    assert wb.label_incident("payments slow", "2026-11-20T07:00", None, id=key) == key
    (found,) = wb.reader.query("SELECT id, title, ended_at, labelled_by FROM incidents").to_pylist()
    assert found == {"id": key, "title": "payments slow", "ended_at": None, "labelled_by": None}


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [("2026-11-20T08:00", "2026-11-20T07:00", "before it starts"), ("noon", None, "is no time"), ("", None, "refused")],
)
def test_a_label_that_makes_no_sense_is_refused(tmp_path: Path, start: str, end: str | None, says: str) -> None:
    with pytest.raises(QueryError, match=says):
        connect(tmp_path).label_incident("x", start, end)
