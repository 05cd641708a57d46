"""The whole chain on a clock that is turned: the platform, checks of its parts, tests from three locations, the quorum,
series and rows in a store, and the shipped alert rules. What is looked at is looked at for real."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pitchey_slo.alert.engine import Engine
from pitchey_slo.alert.rule_book import RuleBook
from pitchey_slo.demo.platform import Platform
from pitchey_slo.guard import Guard
from pitchey_slo.probe import Result
from pitchey_slo.probe.health import Context, Status, look
from pitchey_slo.probe.health import read as read_health
from pitchey_slo.probe.health.series import batch_of
from pitchey_slo.probe.result import rows_of
from pitchey_slo.probe.synthetic import Definition, run
from pitchey_slo.probe.synthetic.board import Board
from pitchey_slo.probe.synthetic.definition import Retries
from pitchey_slo.probe.synthetic.quorum import Judgement, Target
from pitchey_slo.probe.synthetic.reader import read_file
from pitchey_slo.probe.synthetic.series import Ends, values
from pitchey_slo.promql.lake_scan import StoreScan
from pitchey_slo.settings import Settings
from pitchey_slo.store import Store
from pitchey_slo.testing import FixedClock, fresh_store

ROOT = Path(__file__).parents[2]
PLACES = ("fra", "iad", "sin")
TICK = 15.0
RULES = frozenset(
    {"HighErrorRate", "DatabaseUnavailable", "WorkerUnresponsive", "ComponentUnavailable", "ComponentDegraded"}
    | {"SyntheticTestFailing"}
)
HEALTH = """
defaults: {interval: 15s, timeout: 1500ms, unknown_after: 2}
checks:
  api: {check: http, url: "${BASE}", path: /api/health, ca_file: "${CA}", degraded: {latency_seconds: 0.25}}
  database: {check: postgres, url: "${DATABASE}"}
  cache: {check: redis, url: "${REDIS}"}
  live-updates: {check: websocket, url: "${SOCKET}", ca_file: "${CA}", messages: 5}
"""


class Resolver:
    """Names as a location sees them; `broken`: no name has an address there."""

    def __init__(self, host: str) -> None:
        self.host, self.broken = host, False

    def __call__(self, host: str, port: int) -> list[str]:
        if self.broken or host != self.host:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ["127.0.0.1"]


@dataclass
class Stage:
    """One tick is fifteen seconds: everybody looks, the rules are evaluated."""

    platform: Platform
    clock: FixedClock
    store: Store
    engine: Engine
    tests: dict[str, Definition]
    base: str
    resolvers: dict[str, Resolver]
    status: dict[str, Status]
    board: Board = field(default_factory=Board)
    ends: Ends = field(default_factory=Ends)
    judgement: Judgement | None = None
    results: list[Result] = field(default_factory=list)

    def tick(self, *names: str, seconds: float = TICK) -> list[Result]:
        """Look with these tests (usually two of them) and all checks; verdicts of this tick."""
        self.clock.forward(seconds=seconds)
        chosen = [self.tests[name] for name in names or ("api-health", "login")]
        self.results = asyncio.run(self._look(chosen))
        self.platform.flush()
        self._tell()
        self.engine.run_due()
        return self.verdicts()

    def verdicts(self, **wanted: Any) -> list[Result]:
        """Verdicts of the last tick that have these values."""
        found = [r for r in self.results if r.scope == "verdict"]
        return [r for r in found if all(getattr(r, name) == value for name, value in wanted.items())]

    def firing(self) -> dict[str, dict[str, str]]:
        """Labels by the names of the alerts that fire now."""
        rows = self.store.query(
            "SELECT name, labels FROM alerts WHERE fired_at IS NOT NULL AND resolved_at IS NULL ORDER BY active_at"
        ).to_pylist()
        return {row["name"]: json.loads(row["labels"]) for row in rows}

    async def _look(self, tests: list[Definition]) -> list[Result]:
        runs = [
            run(test, base=self.base, location=place, clock=self.clock, guard=Guard(lookup=self.resolvers[place]))
            for test in tests
            for place in PLACES
        ]
        looks = [look(s.planned, Context(s.planned.name, "local", self.clock)) for s in self.status.values()]
        *found, seen = await asyncio.gather(*runs, asyncio.gather(*looks))
        for result in seen:
            self.status[result.test] = self.status[result.test].after(result)
        return [r for results in found for r in results] + seen

    def _tell(self) -> None:
        """What a server does with results: rows, the quorum, series."""
        now = self.clock()
        self.store.append("probes", rows_of(self.results))
        outside = [r for r in self.results if r.kind != "health"]
        self.board.take(outside, {name: test.interval for name, test in self.tests.items()})
        targets = {n: Target(n, t.interval, "pitchey.test", t.component) for n, t in self.tests.items()}
        self.judgement = self.board.judge(targets, now)
        limits = {name: test.consecutive for name, test in self.tests.items()}
        told = self.ends.batch(now, values(self.board, self.judgement, limits))
        at = round(now.timestamp() * 1_000)
        points = [(point, at) for status in self.status.values() for point in status.points()]
        waiting = [self.store.samples(batch) for batch in (told, batch_of(points))]
        for receipt in waiting:
            receipt.result(20)


@contextmanager
def staged(
    home: Path, *, host: str, ca: str, certificates: dict[str, tuple[Path, Path]], database: str, redis: str
) -> Iterator[Stage]:
    clock = FixedClock(datetime.now(UTC).replace(second=0, microsecond=0))
    settings = Settings.load(env_file=None, home=home)
    ca_file = home / "ca.pem"
    home.mkdir(parents=True, exist_ok=True)
    ca_file.write_text(ca)
    with fresh_store(home / "store", clock=clock) as store, Platform(
        home / "platform", database=database, redis=redis, certificates=certificates, sink=store.append, clock=clock,
    ) as platform:  # fmt: skip
        for status in status_of(platform, ca_file).values():
            status.planned.kind.warm()
        engine = Engine(store, StoreScan(store), settings, clock=clock, book=RuleBook(rules_in(home / "rules")))
        base = platform.url.replace("127.0.0.1", host)
        tests = {d.name: _quick(d, ca) for d in map(read_file, sorted((ROOT / "config" / "synthetics").glob("*.yaml")))}
        resolvers = {place: Resolver(host) for place in PLACES}
        yield Stage(platform, clock, store, engine, tests, base, resolvers, status_of(platform, ca_file))
        engine.close()


def status_of(platform: Platform, ca_file: Path) -> dict[str, Status]:
    """Checks of the platform's parts, none looked at yet."""
    given = {
        "BASE": platform.url, "CA": str(ca_file), "DATABASE": platform.database_url or "",
        "REDIS": platform.redis_url or "", "SOCKET": platform.url.replace("https", "wss") + "/ws",
    }  # fmt: skip
    return {p.name: Status(p) for p in read_health(HEALTH, "health.yml", given).checks}


def rules_in(folder: Path) -> Path:
    """A folder with those of the shipped rules that speak of what this test breaks, as they stand: the others would
    only be evaluated beside them, a hundred times."""
    folder.mkdir()
    yaml = YAML(typ="safe", pure=True)
    told = yaml.load((ROOT / "config" / "rules" / "alert_rules.yml").read_text())
    for group in told["groups"]:
        group["rules"] = [rule for rule in group["rules"] if rule["alert"] in RULES]
    with (folder / "alert_rules.yml").open("w") as out:
        YAML().dump(told, out)
    return folder


def _quick(definition: Definition, ca: str) -> Definition:
    """The shipped test, in less time: nobody waits for seconds here."""
    return replace(
        definition, ca=ca, interval=TICK, timeout=2.0 if definition.kind == "http" else 20.0, degraded_after=None,
        retries=Retries(0),
    )  # fmt: skip
