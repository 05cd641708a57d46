"""The server is killed while alerts fire and end: `PITCHEY_CRASH_ROUNDS` kills at points that chance chooses, 4 by
default."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

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
