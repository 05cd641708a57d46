"""The notebooks there are, and what they say about themselves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pitchey_slo.errors import ParameterError, ReportError
from pitchey_slo.report import find, notebooks

from .made import notebook


def test_a_notebook_tells_its_title_paragraph_and_parameters(tmp_path: Path) -> None:
    path = notebook(tmp_path, cells=["1"])
    [found] = notebooks(tmp_path)
    assert (found.name, found.short, found.title) == ("10_try_report", "try", "A title")
    assert found.description == "What it tells, in a paragraph."
    assert [p.name for p in found.parameters] == ["window", "times"]
    assert found.hash == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["10_try_report", "10_try_report.ipynb", "try"])
def test_a_notebook_is_found_by_its_name_and_its_short_name(tmp_path: Path, name: str) -> None:
    notebook(tmp_path, cells=[])
    notebook(tmp_path, "20_other", cells=[])
    assert find(name, tmp_path).name == "10_try_report"


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    path = notebook(tmp_path, cells=[])
    assert find(str(path), tmp_path / "nowhere").path == path


def test_an_unknown_name_is_answered_with_what_there_is(tmp_path: Path) -> None:
    notebook(tmp_path, cells=[])
    with pytest.raises(ReportError, match="There are: 10_try_report") as caught:
        find("10_tri_report", tmp_path)
    assert 'did you mean "10_try_report"?' in caught.value.message


def test_two_notebooks_of_one_short_name_must_be_told_apart(tmp_path: Path) -> None:
    notebook(tmp_path, "10_try", cells=[])
    notebook(tmp_path, "20_try", cells=[])
    with pytest.raises(ReportError, match="10_try, 20_try"):
        find("try", tmp_path)


def test_a_file_that_is_no_notebook_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.ipynb").write_text("{")
    with pytest.raises(ReportError, match=r"bad\.ipynb"):
        notebooks(tmp_path)


def test_a_name_that_papermill_would_fill_in_is_refused(tmp_path: Path) -> None:
    notebook(tmp_path, "a{window}", cells=[])
    with pytest.raises(ReportError, match="letters, digits"):
        notebooks(tmp_path)


def test_a_bad_declaration_is_an_error_of_the_notebook(tmp_path: Path) -> None:
    notebook(tmp_path, cells=[], parameters="x = open('y')")
    with pytest.raises(ParameterError, match="10_try_report: parameters cell, line 1"):
        notebooks(tmp_path)
