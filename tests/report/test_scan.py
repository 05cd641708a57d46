"""Secrets in what a run wrote: however they are spelled, they are masked, named and counted."""

from __future__ import annotations

import base64
import json
from html import escape
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitchey_slo.errors import ParameterError
from pitchey_slo.report.scan import SHORTEST, Scanner, check, scanner
from pitchey_slo.settings import Settings

SECRET = 'p4ss "w/örd" <&>'


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        quote(SECRET, safe=""),
        escape(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_every_spelling_is_found(spelled: str) -> None:
    search = Scanner({"SMTP_PASSWORD": SECRET})
    masked = search.text(f"before {spelled} after")
    assert "[masked: SMTP_PASSWORD]" in masked
    assert masked.startswith("before ") and masked.endswith(" after")
    assert search.found == {"SMTP_PASSWORD": 1}


@given(st.text(min_size=SHORTEST, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_secret_outlives_a_search(secret: str, before: str, after: str) -> None:
    masked = Scanner({"A": secret}).text(before + secret + after)
    # the mask's own words may hold it; nothing else may
    assert secret not in masked.replace("[masked: A]", "") or secret in before + after


def test_own_tokens_are_found_without_being_known() -> None:
    search = Scanner({})
    assert search.text("use pslo_ab12_" + "x" * 43 + " now") == "use [masked: token] now"
    assert search.text("pslo_slo_valid and pslo_x") == "pslo_slo_valid and pslo_x"


def test_tokens_of_others_are_found_by_their_form_but_not_inside_pictures() -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    search = Scanner({})
    assert (
        search.text(f'{{"text": ["clone https://{token}@host\\n"]}}')
        == '{"text": ["clone https://[masked: token]@host\\n"]}'
    )
    picture = "A" * 2_000 + "AKIA" + "ABCDEFGHIJ234567" + "/" + "B" * 2_000
    assert search.text(f'"image/png": "{picture}"') == f'"image/png": "{picture}"'
    assert search.found == {"token": 1}


def test_what_is_short_is_not_searched_for() -> None:
    assert Scanner({"A": "abc"}).text("abc") == "abc"


def test_files_are_masked_in_place_and_stay_notebooks(tmp_path: Path) -> None:
    cells = {"cells": [{"outputs": [{"text": [f"x {SECRET}\n"]}]}]}
    (tmp_path / "a.ipynb").write_text(json.dumps(cells))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG" + SECRET.encode())
    (tmp_path / "clean.txt").write_text("nothing")
    search = Scanner({"KEY": SECRET})
    search.folder(tmp_path)
    assert json.loads((tmp_path / "a.ipynb").read_text())["cells"][0]["outputs"][0]["text"] == ["x [masked: KEY]\n"]
    assert search.found == {"KEY": 1}


def test_a_parameter_that_is_a_secret_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load(env_file=None, smtp_password=SECRET)
    with pytest.raises(ParameterError, match="parameter query holds the value of SMTP_PASSWORD") as caught:
        check({"window": "7d", "query": {"deep": [f"a {SECRET}"]}}, settings, notebook="nb")
    assert SECRET not in str(caught.value) + json.dumps(caught.value.detail)
    check({"window": "7d"}, settings, notebook="nb")
    monkeypatch.setenv("MY_VENDOR_TOKEN", "tok-0123456789")
    with pytest.raises(ParameterError, match="MY_VENDOR_TOKEN"):
        check({"x": "tok-0123456789"}, settings, notebook="nb")
    assert "SMTP_PASSWORD" in scanner(settings).text(SECRET)
