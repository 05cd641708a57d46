"""What looks and reports by itself: health checks, synthetic tests and their locations, schedules of reports."""

from __future__ import annotations

from collections.abc import Iterator

from pitchey_slo.doctor.model import Finding, Patient, Verdict
from pitchey_slo.errors import ConfigError, PitcheyError
from pitchey_slo.probe.health import config as health_config
from pitchey_slo.probe.synthetic.reader import read_file
from pitchey_slo.report.catalogue import find
from pitchey_slo.report.schedule import FILE as SCHEDULES
from pitchey_slo.report.schedule import load

_STATES: dict[str, Verdict] = {"healthy": "ok", "degraded": "warning", "unhealthy": "failure", "unknown": "warning"}


def health(patient: Patient) -> Iterator[Finding]:
    """config/health.yml, and what its last looks found."""
    file = patient.settings.config / health_config.FILE
    try:
        config = health_config.load(file)
    except FileNotFoundError:
        yield Finding("health checks", "not applicable", f"There is no {file}.", "pitchey-slo init writes one")
        return
    except ConfigError as error:
        yield Finding(
            "health checks", "failure", error.message, f"mend that line of {file}; docs/health.md has every key"
        )
        return
    yield Finding("health checks", "ok", f"{file}: {len(config.checks)} components are checked.")
    for name in config.left_out:
        text = f"{name} is in the file and not checked: its address is empty."
        yield Finding("health checks", "not applicable", text, f"its variable in .env; {file} says which")
    if patient.server is None:
        return
    import httpx

    address = f"{patient.server.url}/api/health/all"  # 503 is an answer
    headers = {"Authorization": f"Bearer {patient.server.token}"}
    try:
        told = httpx.get(address, headers=headers, timeout=10, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:
        yield Finding("health checks", "failure", f"The server does not tell what they found: {type(error).__name__}")
        return
    for component, each in told["components"].items():
        for name, look in each["checks"].items():
            verdict = _STATES.get(look["status"], "warning")
            why = f": {look['reason']}" if look.get("reason") else ""
            book = "database-problems.md" if component == "database" else "component-down.md"
            cure = f"docs/runbooks/{book}" if verdict != "ok" else ""
            yield Finding("health checks", verdict, f"{name} is {look['status']}{why}", cure)


def synthetic(patient: Patient) -> Iterator[Finding]:
    """Test files, and the locations they run from."""
    folder = patient.settings.config / "synthetics"
    files = sorted(p for p in folder.glob("*") if p.suffix in (".yaml", ".yml")) if folder.is_dir() else []
    if not files:
        yield Finding("synthetic tests", "not applicable", f"There are none in {folder}.", "pitchey-slo init")
        return
    good = 0
    for file in files:
        try:
            read_file(file)
            good += 1
        except PitcheyError as error:
            yield Finding("synthetic tests", "failure", error.message, f"mend that line of {file}; docs/synthetics.md")
    yield Finding("synthetic tests", "ok", f"{good} test files can be read.")
    if patient.server is None:
        return
    told = patient.ask("/api/monitoring/synthetic")
    for problem in told["problems"]:
        yield Finding("synthetic tests", "failure", str(problem), "docs/synthetics.md")
    for test in told["tests"]:
        if test["enabled"] and test["state"] == "unhealthy":
            text = f"{test['name']} fails: users most likely see the same."
            yield Finding("synthetic tests", "failure", text, "docs/runbooks/synthetic-test-failing.md")
    for place in told["locations"]:
        if place["state"] == "counting":
            yield Finding("synthetic tests", "ok", f"Location {place['location']}: its results count.")
        else:
            text = f"Location {place['location']} is {place['state']}: {place['reason']}"
            yield Finding("synthetic tests", "warning", text, "docs/runbooks/probe-location-blind.md")
    if told["tests"] and not told["locations"]:
        text = "There are tests and no results: nothing runs them."
        cure = "PITCHEY_LOCATION names this machine; elsewhere: pitchey-slo synthetic run"
        yield Finding("synthetic tests", "warning", text, cure)


def schedules(patient: Patient) -> Iterator[Finding]:
    """config/schedules.yml: can it be read, are its notebooks there, do the reports come."""
    file = patient.settings.config / SCHEDULES
    if not file.exists():
        text = f"There is no {file}: no report runs by itself."
        yield Finding("schedules", "not applicable", text, "pitchey-slo init writes one")
        return
    try:
        found = load(file)
    except ConfigError as error:
        yield Finding("schedules", "failure", error.message, "pitchey-slo report schedule check")
        return
    on = [s for s in found.all.values() if s.enabled]
    for schedule in on:
        try:
            find(schedule.notebook)
        except PitcheyError as error:
            yield Finding("schedules", "failure", f"{schedule.name}: {error.message}", "pitchey-slo report list")
    yield Finding("schedules", "ok", f"{len(on)} reports run by themselves, {len(found.all) - len(on)} are off.")
    if patient.server is None:
        if patient.settings.schedules == "off":
            text = "PITCHEY_SCHEDULES is off: systemd's timers run them, if they are enabled."
            yield Finding("schedules", "not applicable", text, "systemctl list-timers 'pitchey-report@*'")
        else:
            text = "The server that runs them does not run."
            yield Finding("schedules", "warning", text, "pitchey-slo serve")
        return
    told = patient.ask("/api/monitoring/reports/schedules")
    if told["problem"]:
        yield Finding("schedules", "failure", str(told["problem"]), "pitchey-slo report schedule check")
    if not told["built_in"]:
        text = "PITCHEY_SCHEDULES is off: systemd's timers run them, if they are enabled."
        yield Finding("schedules", "not applicable", text, "systemctl list-timers 'pitchey-report@*'")
    for name, why in told["switched_off"].items():
        text = f"{name} would not reach everybody: {'; '.join(why)}"
        yield Finding("schedules", "warning", text, f"{file}, `deliver:`; the secret in .env")
    for each in told["schedules"]:
        if each["enabled"] and each["dead"]:
            text = f"{each['name']} has not succeeded for longer than it may: {each['trouble'] or 'it never ran'}"
            yield Finding("schedules", "failure", text, f"pitchey-slo report schedule run {each['name']}")
        elif each["enabled"] and each["trouble"]:
            text = f"{each['name']}: {each['trouble']}"
            yield Finding("schedules", "warning", text, f"pitchey-slo report schedule run {each['name']}")
