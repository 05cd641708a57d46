"""Dashboards of files and the versions that people save over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pitchey_slo.board.shelf import Shelf
from pitchey_slo.errors import BoardError, Conflict, NotFound
from pitchey_slo.store import Store
from pitchey_slo.testing import NOON

from .made import text_of

TEXT = text_of("queries: [{expr: up}]")
NEW = TEXT.replace("title: One\n", "title: Two\n", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards" / "mine.yml").write_text(TEXT)
    return tmp_path / "boards"


@pytest.fixture
def shelf(folder: Path, store: Store) -> Shelf:
    return Shelf(folder, store.query)


def save(shelf: Shelf, store: Store, text: str, base: int | None, **more: Any) -> Any:
    return shelf.save(text, base=base, by="ann", comment="why", now=NOON, append=store.append, **more)


def test_a_saved_version_is_shown_instead_of_the_file(shelf: Shelf, store: Store) -> None:
    assert (shelf.one("mine").version, shelf.one("mine").definition.title) == (0, "One")
    shown = save(shelf, store, NEW, 0, name="mine")
    assert (shown.version, shown.definition.title, shown.saved_by) == (1, "Two", "ann")
    assert [v["version"] for v in shelf.versions("mine")] == [1, 0]
    assert [v["comment"] for v in shelf.versions("mine")] == ["why", "the file"]


def test_who_saves_over_anothers_version_is_told(shelf: Shelf, store: Store) -> None:
    save(shelf, store, NEW, 0, name="mine")
    with pytest.raises(Conflict, match="version 1 now, saved by ann; yours began from version 0") as caught:
        save(shelf, store, TEXT, 0, name="mine")
    assert caught.value.detail == {"version": 1}
    with pytest.raises(Conflict, match="exists already"):
        save(shelf, store, TEXT, None, name="mine")
    assert save(shelf, store, TEXT, 1, name="mine").version == 2


def test_hidden_is_not_gone(shelf: Shelf, store: Store) -> None:
    assert shelf.remove("mine", base=None, by="ann", comment="", now=NOON, append=store.append) == 1
    with pytest.raises(NotFound):
        shelf.one("mine")
    assert shelf.every() == ([], [])
    shown = shelf.restore("mine", 0, by="bob", now=NOON, append=store.append)
    assert (shown.version, shown.text) == (2, TEXT)
    with pytest.raises(NotFound, match="no version 1 with a definition; there are: 0, 2"):
        shelf.restore("mine", 1, by="bob", now=NOON, append=store.append)


def test_a_new_one_needs_a_name_that_is_free(shelf: Shelf, store: Store) -> None:
    with pytest.raises(BoardError, match="name: missing"):
        save(shelf, store, TEXT, None)
    shown = save(shelf, store, "name: other\n" + TEXT, None)
    assert shown.version == 1 and {s.definition.name for s in shelf.every()[0]} == {"mine", "other"}
    with pytest.raises(BoardError, match="unknown key") as caught:
        save(shelf, store, "name: third\nfoo: 1\n" + TEXT, None)
    assert caught.value.detail[0]["line"] == 2


def test_a_file_is_read_again_and_a_broken_one_hides_no_other(shelf: Shelf, folder: Path) -> None:
    shelf.every()
    (folder / "mine.yml").write_text(NEW)
    assert shelf.one("mine").definition.title == "Two"
    (folder / "broken.yml").write_text("title: [")
    shown, problems = shelf.every()
    assert [s.definition.name for s in shown] == ["mine"]
    assert len(problems) == 1 and "broken.yml:" in problems[0]
    with pytest.raises(BoardError, match="broken"):
        shelf.one("broken")
    with pytest.raises(NotFound, match='did you mean "mine"'):
        shelf.one("mime")


def test_the_order_of_the_menu(shelf: Shelf, folder: Path) -> None:
    (folder / "first.yml").write_text("order: 1\n" + TEXT)
    (folder / "a.yml").write_text("order: 300\n" + TEXT)
    assert [s.definition.name for s in shelf.every()[0]] == ["first", "mine", "a"]
