"""Power cuts in small: the server is killed while it takes deliveries. `PITCHEY_CRASH_ROUNDS` kills, 3 by default."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

HARNESS = Path(__file__).parents[2] / "benchmarks" / "crash.py"


def test_every_acknowledged_row_survives_kill_9_exactly_once() -> None:
    rounds = os.environ.get("PITCHEY_CRASH_ROUNDS", "3")
    env = {k: v for k, v in os.environ.items() if not k.startswith("PITCHEY_")}
    command = [sys.executable, str(HARNESS), "--rounds", rounds]
    run = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60 + 15 * int(rounds))
    assert run.returncode == 0, run.stdout + run.stderr  # the output names the seed
    told = orjson.loads(run.stdout.splitlines()[-1])
    assert told["kills"] == int(rounds) and told["rows"] > 0 and told["wrong"] == 0
