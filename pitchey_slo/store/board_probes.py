"""What dashboards ask of results of health checks and synthetic tests; as `board_questions.py` does of the rest."""

from __future__ import annotations

from typing import Final

from pitchey_slo.names import PHASES

_VERDICT: Final = "scope = 'verdict'"
_TEST: Final = f"{_VERDICT} AND kind <> 'health'"
_PASSED: Final = "state IN ('healthy', 'degraded')"


def newest(probes: str, *, health: bool) -> str:
    """The newest verdict of each check (or test) and location: `component`, `test`, `location`, `ms`, `state`,
    `reason`, `latency_ms`, `failure`."""
    kind = "kind = 'health'" if health else "kind <> 'health'"
    columns = ("state", "reason", "duration_ms", "failure", "component")
    picked = ", ".join(f"arg_max_null({name}, ts) AS {name}" for name in columns)
    # arg_max would pass over a null and take an older verdict's value
    return f"""
        SELECT test, location, epoch_ms(max(ts)) AS ms, {picked}
        FROM (SELECT ts, test, location, state, coalesce(reason, '') AS reason, duration_ms,
                     coalesce(failure, '') AS failure, coalesce(component, test) AS component
              FROM {probes} WHERE {_VERDICT} AND {kind})
        GROUP BY test, location ORDER BY test, location"""


def tests(probes: str) -> str:
    """Per test and location: newest verdict with its time and reason, share of verdicts that passed, usual durations.
    Verdicts that know nothing (`unknown`) count neither way."""
    return f"""
        SELECT test, location, arg_max(state, ts) AS state, epoch_ms(max(ts)) AS ms,
               count(*) FILTER ({_PASSED}) / nullif(count(*) FILTER (state <> 'unknown'), 0) AS passed,
               count(*) FILTER (state <> 'unknown') AS looks,
               quantile_cont(duration_ms, 0.5) FILTER ({_PASSED}) AS p50,
               quantile_cont(duration_ms, 0.95) FILTER ({_PASSED}) AS p95,
               arg_max(coalesce(reason, ''), ts) AS reason
        FROM {probes} WHERE {_TEST} GROUP BY test, location ORDER BY passed, test, location"""


def phases(probes: str, condition: str, step_ms: int) -> str:
    """Medians of each phase per bucket over passing verdicts: `ms` and a column per phase, milliseconds."""
    medians = ", ".join(f"quantile_cont({phase}_ms, 0.5) AS {phase}" for phase in PHASES)
    return f"""
        SELECT epoch_ms(ts) // {step_ms} * {step_ms} AS ms, {medians}
        FROM {probes} WHERE {_TEST} AND {_PASSED} AND {condition} GROUP BY 1 ORDER BY 1"""


def failures(probes: str, most: int) -> str:
    """Failing verdicts by test, location, class and phase: how many, when last, the newest reason."""
    return f"""
        SELECT test, location, coalesce(failure, '') AS failure, coalesce(phase, '') AS phase, count(*) AS times,
               epoch_ms(max(ts)) AS ms, arg_max(coalesce(reason, ''), ts) AS reason
        FROM {probes} WHERE {_TEST} AND state = 'unhealthy'
        GROUP BY ALL ORDER BY times DESC, test, location LIMIT {most}"""


def certificates(probes: str) -> str:
    """Newest days until the certificate ends, by test and location, the soonest first."""
    return f"""
        SELECT test, location, arg_max(cert_days, ts) AS days, epoch_ms(max(ts)) AS ms
        FROM {probes} WHERE {_TEST} AND cert_days IS NOT NULL GROUP BY ALL ORDER BY days, test, location"""
