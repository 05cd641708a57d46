"""The outbox is killed while it sends: `PITCHEY_CRASH_ROUNDS` kills at each of six points, 1 by default."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

HARNESS = Path(__file__).parents[2] / "benchmarks" / "outbox_crash.py"


def test_no_message_is_missed_and_a_kill_doubles_one_at_most() -> None:
    kills = os.environ.get("PITCHEY_CRASH_ROUNDS", "1")
    env = {k: v for k, v in os.environ.items() if not k.startswith("PITCHEY_")}
    command = [sys.executable, str(HARNESS), "--kills", kills]
    run = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120 + 60 * int(kills))
    assert run.returncode == 0, run.stdout + run.stderr  # the output names the seed
    told = orjson.loads(run.stdout.splitlines()[-1])
    assert told["kills"] == 6 * int(kills)
    assert told["wrong"] == 0
