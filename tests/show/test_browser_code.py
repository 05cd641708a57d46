"""What the browser gets: nothing that makes markup of data, nothing from elsewhere, a file for each type of widget."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pitchey_slo import show
from pitchey_slo.board.kinds import KINDS
from pitchey_slo.show import files
from pitchey_slo.show.acts import ACTS
from pitchey_slo.show.people import ROLES

HERE = Path(show.__file__).parent
CODE = sorted([*HERE.glob("app/*.js"), *HERE.glob("widgets/*.js"), *HERE.glob("app/*.html"), *HERE.glob("app/*.css")])
MARKUP = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc")
#: Names of XML namespaces are no addresses that anything is asked at.
ELSEWHERE = re.compile(r"https?://(?!www\.w3\.org/)[a-z0-9.-]+\.[a-z]{2,}|(?<!:)//[a-z0-9-]+\.[a-z]{2,}/")


@pytest.mark.parametrize("path", CODE, ids=lambda p: p.name)
def test_no_markup_from_data_and_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not MARKUP.search(text)
    assert not ELSEWHERE.search(text)


def test_every_type_of_widget_has_its_file() -> None:
    drawn = {p.stem for p in (HERE / "widgets").glob("*.js") if f'register("{p.stem}"' in p.read_text(encoding="utf-8")}
    assert set(KINDS) == drawn


def test_acts_that_scripts_ask_for_are_there_and_each_names_a_role() -> None:
    asked = {name for p in CODE for name in re.findall(r'act\("([a-z.]+)"', p.read_text(encoding="utf-8"))}
    assert asked - {"boards"} <= set(ACTS) and asked
    assert all(act.role in ROLES for act in ACTS.values())


def test_only_known_files_are_served_each_small_enough() -> None:
    known = files.known()
    assert {"lib/plotly.min.js", "lib/panel.min.js", "app/main.js", "widgets/line.js"} <= set(known)
    assert all(path.is_file() for path in known.values())
    assert sum(len(files.content(n)[1] or b"") for n in known if not n.startswith("lib/")) < 120_000
