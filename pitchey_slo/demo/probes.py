"""Results of the simulated health checks and tests: the `probes` table, shaped by the same plan as the traffic.

Every look meets the troubles of the routes it asks: it fails as their requests do, with the same chance and codes, and
is as much slower. An outage at a place is felt from the location that is served there, as connections that fail. Once
in a few hundred looks the way there is bad and the second attempt passes. One location is blind for an hour
(`Plan.blind`). Attempts and steps are kept of runs that did not pass at once; of the others only the verdict.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pitchey_slo.demo.incidents import MINUTE, Trouble
from pitchey_slo.demo.looks import EVERY, HEALTH, LOCAL, SPOTS, TESTS, Look, Spot
from pitchey_slo.demo.plan import SOURCE, Plan
from pitchey_slo.demo.text import counter, hexadecimal, same
from pitchey_slo.tables import PROBES

#: Part of the looks whose first attempt finds a bad network.
UNLUCKY: Final = 0.003
_PASSED: Final = 0
FAILURES: Final = (None, "dns", "connect", "tls", "timeout", "http_status")
_PHASES: Final = (None, "dns", "connect", "tls", "first_byte", "first_byte")
_DNS, _CONNECT, _TLS, _TIMEOUT, _STATUS = range(1, 6)
STATES: Final = ("healthy", "degraded", "unhealthy", "unknown")
#: Certificates last 90 days and are renewed after 60.
_CERTIFICATE: Final = (90.0, 60.0)


@dataclass
class Run:
    """All looks of one kind from one spot, in order of time: arrays of one value per look."""

    look: Look
    spot: Spot
    at: NDArray[np.int64]  # microseconds, when it ended
    state: NDArray[np.int8]  # number in STATES
    failure: NDArray[np.int8]  # number in FAILURES
    step: NDArray[np.int8]  # the step that failed or was slow; -1 for none
    status: NDArray[np.int16]
    attempt: NDArray[np.int16]
    phases: NDArray[np.float64]  # (looks, 5): milliseconds; NaN where it did not come to that
    cert_days: NDArray[np.float64]

    @property
    def duration(self) -> NDArray[np.float64]:
        total: NDArray[np.float64] = np.nansum(self.phases, axis=1)
        return total


def runs(plan: Plan) -> list[Run]:
    """Every look of the plan's month, one Run per check and spot."""
    pairs = [(look, LOCAL) for look in HEALTH] + [(look, spot) for look in TESTS for spot in SPOTS]
    return [_run(plan, look, spot, number) for number, (look, spot) in enumerate(pairs)]


def probes(plan: Plan, made: list[Run] | None = None) -> pa.Table:
    """Rows of `PROBES.schema` in the order of time. The same plan gives the same rows."""
    tables = [_rows(plan, run, number) for number, run in enumerate(made if made is not None else runs(plan))]
    whole = pa.concat_tables(tables)
    return whole.take(pa.array(np.argsort(whole["ts"].cast(pa.int64()).to_numpy(), kind="stable"))).combine_chunks()


def _run(plan: Plan, look: Look, spot: Spot, number: int) -> Run:
    rng = np.random.default_rng([plan.seed, 10, number])
    began = np.arange(plan.start, plan.end, EVERY * MINUTE, dtype=np.int64) + int(rng.integers(EVERY * MINUTE * 4 // 5))
    rows = len(began)
    phases = np.stack(
        [
            spot.dns_ms * _spread(rng, rows, 0.4),
            spot.connect_ms * _spread(rng, rows, 0.15),
            (spot.tls_ms or np.nan) * _spread(rng, rows, 0.15),
            look.median_ms * _spread(rng, rows, 0.25) + spot.connect_ms * (1 + len(look.steps)),
            (0.4 + 0.1 * spot.connect_ms) * _spread(rng, rows, 0.5),
        ],
        axis=1,
    )
    run = Run(
        look, spot, began, np.zeros(rows, np.int8), np.zeros(rows, np.int8), np.full(rows, -1, np.int8),
        np.full(rows, look.status or 0, np.int16), np.ones(rows, np.int16), phases, _certificate(began, look, spot),
    )  # fmt: skip
    for trouble in (*plan.troubles, *plan.batches):
        _meet(rng, run, trouble)
    _judge(rng, run)
    for blind in plan.blind:
        inside = (began >= blind.start) & (began < blind.end) & (spot.name == blind.location)
        _fail(run, inside, _DNS)
        run.attempt[inside] = 2
    run.at = began + (np.nan_to_num(run.duration) * 1_000).astype(np.int64)
    keep = run.at < plan.end
    for name in ("at", "state", "failure", "step", "status", "attempt", "phases", "cert_days"):
        setattr(run, name, getattr(run, name)[keep])
    return run


def _spread(rng: np.random.Generator, rows: int, sigma: float) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.exp(rng.normal(0.0, sigma, rows))
    return values


def _certificate(at: NDArray[np.int64], look: Look, spot: Spot) -> NDArray[np.float64]:
    if look.kind == "health" or spot is LOCAL:
        return np.full(len(at), np.nan)
    lasts, renewed = _CERTIFICATE
    days: NDArray[np.float64] = np.round(lasts - (at / (1_440 * MINUTE) + 17.0) % renewed, 3)
    return days


def _meet(rng: np.random.Generator, run: Run, trouble: Trouble) -> None:
    """What one trouble does to the looks that fall into it: a failure of the network or of a step, and slowness."""
    a, b = np.searchsorted(run.at, [trouble.start, trouble.end])
    if a == b:
        return
    inside = np.arange(a, b)
    force = trouble.strength(run.at[a:b])
    if trouble.location is not None:
        if trouble.location in run.spot.places:
            hit = inside[rng.random(b - a) < trouble.errors * force]
            run.failure[hit] = _CONNECT
        return
    if trouble.kind == "slow_database" and run.look.component == "database":
        run.phases[a:b, 3] *= 9  # its own query waits for the same locks
        return
    touched = [i for i, (_, route) in enumerate(run.look.steps) if route in trouble.routes]
    if not touched or trouble.lost:
        return
    share = len(touched) / len(run.look.steps)
    run.phases[a:b, 3] *= 1 + force * (trouble.slower - 1) * share
    run.step[a:b] = touched[0]
    for i in touched:
        fresh = run.failure[a:b] == _PASSED
        hit = inside[fresh & (rng.random(b - a) < trouble.failing(force))]
        run.failure[hit] = _STATUS
        run.step[hit] = i
        run.status[hit] = rng.choice(np.array(trouble.codes, dtype=np.int16), len(hit)) if len(hit) else 0


def _judge(rng: np.random.Generator, run: Run) -> None:
    """State and failure from what was met; bad luck on the way, which a second attempt makes good."""
    took = run.duration
    late = (took > run.look.timeout_ms) & (run.failure == _PASSED)
    run.failure[late] = _TIMEOUT
    slow = (run.failure == _PASSED) & (took > run.look.degraded_ms)
    run.state[slow] = 1
    if run.spot is not LOCAL:
        unlucky = (run.failure == _PASSED) & (rng.random(len(took)) < UNLUCKY)
        run.attempt[unlucky] = 2
    for failure in (_CONNECT, _STATUS, _TIMEOUT):
        _fail(run, run.failure == failure, failure)
    if run.spot is not LOCAL:
        run.attempt[run.failure != _PASSED] = 2
    run.step[(run.state == 0)] = -1


def _fail(run: Run, rows: NDArray[np.bool_], failure: int) -> None:
    """Those looks end with `failure`: what came after its phase did not happen."""
    run.failure[rows] = failure
    run.state[rows] = 2
    if failure in (_DNS, _CONNECT, _TLS):
        phase = failure - 1
        run.phases[rows, phase] = 5_000.0
        run.phases[rows, phase + 1 :] = np.nan
        run.status[rows] = 0
        run.step[rows] = -1
        run.cert_days[rows] = np.nan
    elif failure == _TIMEOUT:
        run.phases[rows, 3] = run.look.timeout_ms
        run.phases[rows, 4] = np.nan
        run.status[rows] = 0


def _rows(plan: Plan, run: Run, number: int) -> pa.Table:
    """Verdicts, and the attempts and steps of those that did not pass at once."""
    rng = np.random.default_rng([plan.seed, 11, number])
    count = len(run.at)
    prefix = f"{plan.prefix}-p{number:02d}-"
    phases = np.round(run.phases, 2)
    took = np.round(run.duration, 2)
    ids = counter(prefix, 0, count, digits=6)
    special = np.flatnonzero((run.state != 0) | (run.attempt > 1))
    reasons: list[str | None] = [None] * count
    details: list[str | None] = [None] * count
    for i in special:
        reasons[i], details[i] = _why(run, int(i), float(took[i]))
    none = pa.nulls(count, pa.string())
    columns = {
        "ts": pa.array(run.at).cast(PROBES.column("ts").type),
        "test": same(run.look.name, count),
        "kind": same(run.look.kind, count),
        "component": same(run.look.component, count),
        "location": same(run.spot.name, count),
        "state": pa.array(STATES).take(pa.array(run.state)),
        "scope": same("verdict", count),
        "attempt": pa.array(run.attempt),
        "step": none,
        "failure": pa.array(FAILURES, pa.string()).take(pa.array(run.failure)),
        "phase": pa.array(_PHASES, pa.string()).take(pa.array(np.where(run.state == 1, 4, run.failure))),
        "reason": pa.array(reasons, pa.string()),
        "duration_ms": pa.array(took),
        **{
            f"{name}_ms": pa.array(phases[:, i], mask=np.isnan(phases[:, i]))
            for i, name in enumerate(("dns", "connect", "tls", "first_byte", "transfer"))
        },
        "status": pa.array(run.status, mask=run.status == 0),
        "bytes": pa.array(np.where(run.status > 0, 180 + 40 * len(run.look.name), 0), pa.int64(), mask=run.status == 0),
        "cert_days": pa.array(run.cert_days, mask=np.isnan(run.cert_days)),
        "run_id": ids,
        "trace_id": hexadecimal(rng, count, 32) if run.look.kind != "health" else none,
        "details": pa.array(details, pa.string()),
        "source": same(SOURCE, count),
        "event_id": ids,
    }
    verdicts = pa.table([columns[name] for name in PROBES.names], schema=PROBES.schema)
    led = [row for i in special for row in _led(run, verdicts.slice(int(i), 1).to_pylist()[0], int(i))]
    return pa.concat_tables([verdicts, pa.Table.from_pylist(led, schema=PROBES.schema)])


def _why(run: Run, i: int, took: float) -> tuple[str | None, str | None]:
    """Reason in words and details as JSON of one look."""
    look, failure, step = run.look, int(run.failure[i]), int(run.step[i])
    where = f"step {look.steps[step][0]}: " if step >= 0 and look.kind == "journey" else ""
    told: dict[str, Any] = {"attempts": int(run.attempt[i])}
    if where:
        told["step"] = look.steps[step][0]
    if failure == _DNS:
        return "the name was not resolved within 5 s", json.dumps(told)
    if failure == _CONNECT:
        return "no connection within 5 s", json.dumps(told)
    if failure == _TIMEOUT:
        return f"{where}no answer within {look.timeout_ms / 1_000:g} s", json.dumps(told)
    if failure == _STATUS:
        return f"{where}the answer was {run.status[i]}", json.dumps(told)
    if run.state[i] == 1:
        told["degraded_after_ms"] = look.degraded_ms
        what = "the query took" if look.component == "database" else "it took"
        return f"{where}{what} {took:.0f} ms, more than {look.degraded_ms:g} ms", json.dumps(told)
    return None, json.dumps(told)


def _led(run: Run, verdict: dict[str, Any], i: int) -> list[dict[str, Any]]:
    """The attempts before and with the verdict, and the steps of the last one."""
    if run.look.kind == "health":
        return []
    found = []
    passed = verdict["state"] == "healthy"
    attempts = int(run.attempt[i])
    for n in range(1, attempts + 1):
        row = verdict | {"scope": "attempt", "attempt": n, "event_id": f"{verdict['event_id']}-a{n}"}
        if passed and n < attempts:
            row |= dict.fromkeys(("tls_ms", "first_byte_ms", "transfer_ms", "status", "bytes", "cert_days"))
            row |= {"state": "unhealthy", "failure": "connect", "phase": "connect", "connect_ms": 5_000.0}
            row |= {"reason": "no connection within 5 s", "duration_ms": 5_000.0 + verdict["dns_ms"]}
        found.append(row)
    if run.look.kind != "journey" or run.failure[i] in (_DNS, _CONNECT, _TLS) or passed:
        return found
    last = int(run.step[i]) if run.failure[i] != _PASSED else len(run.look.steps) - 1
    for n, (name, _) in enumerate(run.look.steps[: last + 1]):
        row = verdict | {"scope": "step", "step": name, "event_id": f"{verdict['event_id']}-s{n}"}
        share = verdict["first_byte_ms"] / (last + 1)
        if n != run.step[i]:
            row |= {"state": "healthy", "failure": None, "phase": None, "reason": None, "status": 200}
        row |= {"first_byte_ms": round(share, 2), "duration_ms": round(share, 2), "details": None}
        row |= {"dns_ms": None, "connect_ms": None, "tls_ms": None, "cert_days": None} if n else {}
        found.append(row)
    return found
