"""All checks side by side, each with its deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pitchey_slo.doctor import channels, data, machine, platform, rules, server, services, upkeep
from pitchey_slo.doctor.model import Finding, Patient, Unanswered
from pitchey_slo.errors import ConfigError, PitcheyError
from pitchey_slo.report.scan import Scanner, scanner
from pitchey_slo.settings import Settings

#: Seconds that all checks together may take.
SECONDS: Final = 30.0
#: Of these, the look for the server, which the others build on.
FIRST: Final = 6.0


@dataclass(frozen=True)
class Check:
    """One area: its function, and the seconds it may take. `needs` is "settings" or nothing."""

    area: str
    look: Callable[[Patient], Iterable[Finding]]
    seconds: float = 12.0


CHECKS: Final[tuple[Check, ...]] = (
    Check("platform", platform.look),
    Check("cloudflare", services.cloudflare),
    Check("store", data.store),
    Check("sources", data.sources, 20.0),
    Check("tokens", data.tokens),
    Check("rules", rules.look, 20.0),
    Check("channels", channels.look, 22.0),
    Check("watchdog", server.watchdog),
    Check("health checks", upkeep.health),
    Check("synthetic tests", upkeep.synthetic),
    Check("schedules", upkeep.schedules),
    Check("notebooks", machine.notebooks, 22.0),
    Check("disk", machine.disk),
    Check("clock", platform.clock),
    Check("versions", machine.versions),
    Check("permissions", machine.permissions),
)


def examine(
    home: Path | None,
    *,
    clock: Callable[[], datetime],
    send: bool = False,
    checks: Sequence[Check] = CHECKS,
    seconds: float = SECONDS,
) -> list[Finding]:
    """Everything that was found, in the order of `checks`; returns after `seconds` at most."""
    until = time.monotonic() + seconds
    try:
        settings = Settings.load(home=home)
    except ConfigError as error:
        # the message never holds a secret's value (settings.py)
        text = f"The settings cannot be read, so nothing else was looked at: {error.message}"
        bare = Patient(Settings.model_construct(), clock)
        return [
            Finding("settings", "failure", text, "mend that line of .env or that variable; `pitchey-slo init` in an "
                    "empty folder writes a .env that shows every setting"),
            *machine.versions(bare),
        ]  # fmt: skip
    masks = scanner(settings)
    patient = Patient(settings, clock, None, send)
    first: list[Finding] = [Finding("settings", "ok", f"Read; the store is {settings.home}.")]
    box: list[server.Looked] = []

    def find() -> Iterator[Finding]:
        looked = server.look(patient)
        box.append(looked)
        yield from looked.findings

    first += _bounded([Check("server", lambda _: find(), FIRST)], patient, until)
    if box and box[0].info is not None:
        patient = replace(patient, server=box[0].info)
    found = first + _bounded(checks, patient, until)
    return [_masked(finding, masks) for finding in found]


def _bounded(checks: Sequence[Check], patient: Patient, until: float) -> list[Finding]:
    """The findings of `checks`, which run side by side; what is not done in its time is a finding itself. Its thread
    is left alone: it cannot be ended, and it ends with the process."""
    running = []
    for check in checks:
        found: list[Finding] = []
        thread = threading.Thread(target=_one, args=(check, patient, found), name=check.area, daemon=True)
        thread.start()
        running.append((check, thread, found, min(until, time.monotonic() + check.seconds)))
    told: list[Finding] = []
    for check, thread, found, deadline in running:
        thread.join(max(deadline - time.monotonic(), 0.01))
        told += list(found)
        if thread.is_alive():
            text = f"No end within {check.seconds:g} s; what is above was found by then."
            told.append(
                Finding(check.area, "failure", text, "is a disk, a bucket or a network in trouble? Run it again")
            )
    return told


def _one(check: Check, patient: Patient, found: list[Finding]) -> None:
    try:
        for finding in check.look(patient):
            found.append(finding)  # noqa: PERF402  # one by one: what was found before the deadline counts
    except Unanswered as error:
        found.append(Finding(check.area, "failure", f"The server did not tell: {error}", "look at the server's log"))
    except PitcheyError as error:
        found.append(Finding(check.area, "failure", error.message))
    except Exception as error:  # noqa: BLE001  # a check that breaks is a finding, not the end of the others
        text = f"This could not be looked at: {type(error).__name__}: {error}"
        found.append(Finding(check.area, "failure", text, "read the message; with PITCHEY_LOG_LEVEL=debug commands "
                             "show where they broke"))  # fmt: skip


def _masked(finding: Finding, masks: Scanner) -> Finding:
    return replace(finding, text=masks.text(finding.text), help=masks.text(finding.help))
