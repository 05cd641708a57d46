"""The server is killed while alerts fire and end: `PITCHEY_CRASH_ROUNDS` kills at points that chance chooses, 4 by
default."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import orjson
import pytest

HARNESS = Path(__file__).parents[2] / "benchmarks" / "alert_crash.py"


def test_no_alert_is_missed_and_a_kill_doubles_one_message_at_most() -> None:
    kills = os.environ.get("PITCHEY_CRASH_ROUNDS", "4")
    env = {k: v for k, v in os.environ.items() if not k.startswith("PITCHEY_")}
    command = [sys.executable, str(HARNESS), "--point", "mixed", "--kills", kills]
    run = subprocess.run(command, capture_output=True, text=True, env=env, timeout=240 + 60 * int(kills))
    assert run.returncode == 0, run.stdout + run.stderr  # the output names the seed
    told = orjson.loads(run.stdout.splitlines()[-1])
    assert told["kills"] == int(kills)
    assert told["messages"] >= 12
    assert told["repeats"] <= int(kills)
    assert told["wrong"] == 0


@pytest.fixture(scope="module")
def harness() -> ModuleType:
    spec = importlib.util.spec_from_file_location("alert_crash", HARNESS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["alert_crash"] = module
    spec.loader.exec_module(module)
    return module


GOOD = [(0, "0-0", "firing", "a", "key"), (1, "0-0", "resolved", "b", "key")]


@pytest.mark.parametrize(
    ("taken", "repeats", "says"),
    [
        (GOOD, 0, None),
        ([*GOOD, (2, "0-0", "resolved", "b", "key")], 1, None),  # one repeat after one kill
        (GOOD[:1], 0, "resolved: 0 messages"),
        ([*GOOD, (2, "0-0", "resolved", "c", "key")], 0, "resolved: 2 messages"),
        ([*GOOD, (2, "0-0", "resolved", "b", "other")], 1, "dedup keys"),
        ([*GOOD, (1, "0-0", "resolved", "b", "key")], 1, "twice from one server"),
        ([*GOOD, (2, "0-0", "firing", "a", "key"), (2, "0-0", "resolved", "b", "key")], 2, "doubled 2 messages"),
        ([*GOOD, (0, "0-0", "firing", "a", "key")], 1, "doubled 1 messages"),  # nothing was killed before server 0
        ([*GOOD, (1, "9-9", "firing", "x", "y")], 0, "nobody sent 9-9"),
    ],
)
def test_the_harness_sees_what_is_wrong(
    harness: ModuleType, taken: list[tuple[int, str, str, str, str]], repeats: int, says: str | None
) -> None:
    collector = harness.Collector(flaky=False, taken=taken)
    senders = harness.Senders(collector, lambda: None)
    senders.names = ["0-0"]
    wrong, found = harness.judge(collector, senders)
    assert found == repeats
    assert (not wrong) if says is None else any(says in line for line in wrong), wrong
