"""How long one step of dispatch takes: with a crowd of alerts, and in a backtest's loop.

    python benchmarks/dispatch.py

10,000 alerts in one group and in 10,000 groups: the step that places them, the one that tells them, one in which all is
as it was, and the one that tells their end (two channels, ten silences, an inhibition rule). Then 10,000 steps of 20
alerts that fire all the time. Seconds of CPU.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pitchey_slo.alert.config import RoutesConfig, load_routes
from pitchey_slo.alert.dispatch import Memory, Plan, plan
from pitchey_slo.alert.matchers import parse
from pitchey_slo.alert.model import Alert
from pitchey_slo.alert.silences import Silence
from pitchey_slo.settings import Settings
from pitchey_slo.testing import NOON

ROUTES = """
route:
  receiver: a
  group_by: [alertname]
  group_wait: 10s
  group_interval: 60s
  routes:
    - {matchers: [severity="critical"], receiver: a}
    - {matchers: ['severity=~"warn.*"'], receiver: a}
receivers: [{name: a, webhook_configs: [{url: 'http://127.0.0.1/'}], console_configs: [{}]}]
inhibit_rules:
  - {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [alertname]}
"""


def timed(what: str, step: Callable[[], Plan]) -> Plan:
    begin = time.process_time()
    done = step()
    took = time.process_time() - begin
    print(f"  {what:<12} {took:6.2f} s  {len(done.notifications):>6} messages  {len(done.events):>6} events")
    return done


def crowd(config: RoutesConfig, groups: int, alerts: int = 10_000) -> None:
    config.known.clear()
    made = [
        Alert({"alertname": f"A{n % groups}", "n": str(n), "severity": "warning"}, "firing", NOON, NOON, fired_at=NOON)
        for n in range(alerts)
    ]
    quiet = [
        Silence(str(k), parse(f'n=~"{k}.*x"'), NOON, NOON + timedelta(hours=1), "anna", "why", NOON) for k in range(10)
    ]
    print(f"{alerts:,} alerts in {groups:,} groups")
    first = timed("place", lambda: plan(config, Memory(), made, quiet, NOON))
    told = timed("tell", lambda: plan(config, first.memory, made, quiet, NOON + timedelta(seconds=10)))
    same = timed("nothing new", lambda: plan(config, told.memory, made, quiet, NOON + timedelta(seconds=70)))
    over = [replace(a, state="resolved", resolved_at=NOON) for a in made]
    timed("tell the end", lambda: plan(config, same.memory, over, quiet, NOON + timedelta(seconds=130)))


def loop(config: RoutesConfig, steps: int = 10_000) -> None:
    made = [Alert({"alertname": f"A{n % 5}", "n": str(n)}, "firing", NOON, NOON, fired_at=NOON) for n in range(20)]
    memory, now, begin = Memory(), NOON, time.process_time()
    for _ in range(steps):
        memory = plan(config, memory, made, [], now).memory
        now += timedelta(seconds=15)
    print(f"{steps:,} steps of {len(made)} alerts: {time.process_time() - begin:.2f} s")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "routes.yml"
        file.write_text(ROUTES, encoding="utf-8")
        config = load_routes(file, settings=Settings.load(env_file=None), environ={})
        crowd(config, 1)
        crowd(config, 10_000)
        loop(config)


if __name__ == "__main__":
    main()
