"""The real `amtool` takes the same files, and routes the same labels to the same receivers."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from .routes_made import EXAMPLES, SIMPLE, TREE
from .test_config import load

pytestmark = pytest.mark.skipif(
    shutil.which("amtool") is None, reason="no amtool: apt-get install prometheus-alertmanager"
)
VALUES = {
    "service": ["foo1", "foo12", "files", "database", "mysql", "inhouse-service", "cassandra"],
    "severity": ["critical", "warning"],
    "owner": ["team-X", "team-Y"],
    "team": ["frontend", "backend"],
}
#: What amtool 0.25 knows; the others need newer ones.
OLD = ("SIMPLE", "TREE", "OLD_SPELLINGS", "ALL_LABELS", "PUSHOVER", "OPSGENIE", "PAGERDUTY", "SLACK", "EMAIL")


def amtool(*words: str) -> str:
    done = subprocess.run(["amtool", *words], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", OLD)
def test_amtool_takes_our_examples(name: str, tmp_path: Path) -> None:
    file = tmp_path / "routes.yml"
    file.write_text(EXAMPLES[name])
    assert "SUCCESS" in amtool("check-config", str(file))


@pytest.mark.parametrize("text", [SIMPLE, TREE], ids=["simple", "tree"])
def test_amtool_routes_as_we_do(text: str, tmp_path: Path) -> None:
    route = load(text, tmp_path).route
    rng = random.Random(3)
    for _ in range(25):
        labels = {name: rng.choice(values) for name, values in VALUES.items() if rng.random() < 0.6}
        pairs = [f"{name}={value}" for name, value in labels.items()]
        told = amtool("config", "routes", "test", f"--config.file={tmp_path / 'routes.yml'}", *pairs)
        assert told.strip().split(",") == [r.receiver for r in route.match(labels)], labels
