"""Corrections in a real store: written, sent again, withdrawn, read by who only sees the lake."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.errors import NotFound, SloError
from pitchey_slo.slo import register
from pitchey_slo.slo.corrections import check, stored
from pitchey_slo.slo.model import Correction
from pitchey_slo.store import LakeReader
from pitchey_slo.testing import NOON, fresh_store


def made(**more: Any) -> Correction:
    plain = {"id": "a", "category": "deployment", "reason": "new pump", "approver": "Ann", "starts_at": NOON}
    return check(plain | {"seconds": 1800} | more)


def test_what_was_written_is_what_readers_of_the_lake_get(tmp_path: Path) -> None:
    weekly = made(id="b", slos=["login", "signup"], rrule="FREQ=WEEKLY", zone="Europe/London", source="cli")
    with fresh_store(tmp_path) as store:
        for each in (weekly, made()):
            register.add(store, each, NOON)
        store.flush()
        reader = LakeReader(str(tmp_path / "lake"))
        assert stored(reader) == (made(), weekly)
        register.withdraw(store, "b", "Bea", NOON + timedelta(days=1))
        store.flush()
        assert stored(reader) == (made(),)
        assert [r["id"] for r in register.every(store)] == ["a", "b"], "nothing is deleted"


def test_the_same_once_more_changes_nothing_and_another_is_refused(tmp_path: Path) -> None:
    with fresh_store(tmp_path) as store:
        first = register.add(store, made(), NOON)
        assert register.add(store, made(), NOON + timedelta(hours=1)) == first
        with pytest.raises(SloError, match="says something else"):
            register.add(store, made(reason="another"), NOON)
        register.withdraw(store, "a", "Bea", NOON)
        again = register.withdraw(store, "a", "Cleo", NOON + timedelta(hours=1))
        assert (again["withdrawn_by"], again["withdrawn_at"]) == ("Bea", NOON)
        with pytest.raises(SloError, match="was withdrawn"):
            register.add(store, made(), NOON)
        with pytest.raises(NotFound, match="no correction 'b'; there are: none"):
            register.withdraw(store, "b", "Bea", NOON)
        with pytest.raises(SloError, match="who takes it back"):
            register.withdraw(store, "a", " ", NOON)


@pytest.mark.parametrize(
    ("hours", "state", "next_start"),
    [(-1, "coming", 0), (0.25, "now", 0), (0.5, "over", None), (30, "over", None)],
)
def test_a_row_tells_where_it_stands(tmp_path: Path, hours: float, state: str, next_start: float | None) -> None:
    with fresh_store(tmp_path) as store:
        register.add(store, made(), NOON)
        told = register.told(register.every(store)[0], NOON + timedelta(hours=hours))
        assert told["state"] == state and told["minutes"] == 30 and told["slos"] == []
        assert told["next_start"] == (None if next_start is None else NOON + timedelta(hours=next_start))
        register.withdraw(store, "a", "Bea", NOON)
        assert register.told(register.every(store)[0], NOON)["state"] == "withdrawn"
