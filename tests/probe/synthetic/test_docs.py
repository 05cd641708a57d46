"""docs/synthetics.md: its example is a definition, and it names every key, class, operator and move there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pitchey_slo.names import FAILURES, PHASES, STATES
from pitchey_slo.probe.synthetic import form, read, template
from pitchey_slo.probe.synthetic.shape import Many, OneOrMany, Record

TEXT = (Path(__file__).parents[3] / "docs" / "synthetics.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def keys(record: Record) -> set[str]:
    """Every key of a map and of the maps inside."""
    found = set(record.fields)
    for each in record.fields.values():
        kind = each.kind.of if isinstance(each.kind, (Many, OneOrMany)) else each.kind
        if isinstance(kind, Record):
            found |= keys(kind)
    return found


def test_the_examples_are_definitions() -> None:
    whole, moves = BLOCKS
    assert read(whole, "docs").name == "search"
    head = 'name: t\nkind: browser\ncomponent: web\nvariables: {email: "{{ random.email }}"}\n'
    assert len(read(head + moves, "docs").moves) == 6


@pytest.mark.parametrize("record", [form.DEFINITION, form.STEP, form.MOVE, form.REQUEST, form.ASSERTION, form.EXTRACT])
def test_every_key_is_told_of_in_the_page_or_in_the_schema_it_points_to(record: Record) -> None:
    known_from_schema = {"description", "ca", "form", "body", "name", "start", "duration"}
    missing = {key for key in keys(record) if not re.search(rf"\b{key}\b", TEXT)}
    assert missing - known_from_schema == set()


def test_every_word_of_a_result_is_explained() -> None:
    for word in (*FAILURES, *STATES):
        assert f"| `{word}` |" in TEXT, word
    for phase in PHASES:
        assert f"`{phase}_ms`" in TEXT, phase
    for name in template.GIVEN:
        assert f"`{name}`" in TEXT, name
    for name in template.RANDOM:
        assert re.search(rf"`(random)?\.{name}`", TEXT), name
