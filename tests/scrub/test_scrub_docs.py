"""docs/scrubbing.md names every rule, key and action, and its examples are read by the reader of the file."""

from __future__ import annotations

import re
from pathlib import Path

from pitchey_slo.scrub import RULES
from pitchey_slo.scrub.config import TOP, read
from pitchey_slo.scrub.engine import DEEPEST, LONGEST
from pitchey_slo.scrub.policy import ACTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "scrubbing.md").read_text(encoding="utf-8")


def test_the_page_names_everything() -> None:
    for word in (*RULES, *TOP):
        assert f"`{word}`" in PAGE, word
    assert all(word in PAGE for word in ACTIONS)
    assert f"{LONGEST:,}" in PAGE
    assert DEEPEST == 5


def test_its_file_can_be_read() -> None:
    example = re.search("```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example
    policy = read(example[1])
    assert policy.actions["ip"] == "off"
    assert policy.patterns[0].name == "member"
