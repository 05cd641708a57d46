"""docs/routing.md names every key that is ours, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path

from pitchey_slo.alert import config, tree

from .test_config import load

DOCS = (Path(__file__).parents[2] / "docs" / "routing.md").read_text(encoding="utf-8")
POLICY = (
    "severities", "levels", "after", "receivers", "repeat", "repeat_after", "ack_timeout", "business_hours",
    "outside_hours", "holidays",
)  # fmt: skip


def test_every_key_of_a_route_and_every_key_of_ours_is_documented() -> None:
    keys = {*tree._ROUTE, *config._TOP[8:], *POLICY} - {"routes"}
    assert {key for key in keys if not re.search(rf"\b{key}\b", DOCS)} == set()


def test_the_examples_load(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert load(example, tmp_path, SLACK_WEBHOOK_URL="http://x/").receivers
