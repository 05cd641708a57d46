"""Is a server there, does it answer, who else has its port; and what its own watchdog says."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pitchey_slo.alert.watchdog import EVERY
from pitchey_slo.client import ServerInfo, read_info
from pitchey_slo.doctor.model import ANSWER, Finding, Patient, Verdict
from pitchey_slo.names import SERVER_FILE

START = "pitchey-slo serve    # or: systemctl start pitchey-slo"


@dataclass(frozen=True)
class Looked:
    """What was found; `info` only of a server that answers."""

    findings: tuple[Finding, ...]
    info: ServerInfo | None = None


def look(patient: Patient) -> Looked:
    """The server of this home."""
    info = read_info(patient.settings.home)
    if info is None:
        return Looked((_none(patient), *_port(patient)))
    if not _alive(info.pid):
        text = f"Process {info.pid}, which served {info.url}, is gone without a farewell: killed, or out of memory."
        why = f"{START}; nothing acknowledged is lost. `journalctl -u pitchey-slo` or `dmesg` may say why it ended"
        return Looked((Finding("server", "warning", text, why), *_port(patient)))
    return _answers(info, patient)


def _answers(info: ServerInfo, patient: Patient) -> Looked:
    import httpx

    try:
        found = httpx.get(f"{info.url}/api/health/live", timeout=ANSWER, trust_env=False).json()
        same = datetime.fromisoformat(found["started_at"]) == info.started_at
    except httpx.ConnectError:
        text = f"Nothing listens on {info.url}, though process {info.pid} lives: another one has its number by now."
        return Looked((Finding("server", "warning", text, START), *_port(patient)))
    except httpx.TimeoutException:
        text = f"Process {info.pid} does not answer on {info.url} within {ANSWER:g} s: it hangs, or the machine does."
        cure = f"is the machine busy (`uptime`)? Else `kill {info.pid}`, after a minute `kill -9 {info.pid}`, "
        return Looked((Finding("server", "failure", text, cure + "and start it again; nothing acknowledged is lost"),))
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        text = f"Something on {info.url} answers that is not this server ({type(error).__name__})."
        return Looked((Finding("server", "failure", text, "stop it, or choose another port with PITCHEY_PORT"),))
    if not same:
        text = f"On {info.url} another server answers than the one that `{patient.settings.home / SERVER_FILE}` names."
        return Looked((Finding("server", "failure", text, f"stop it or choose another PITCHEY_PORT, then {START}"),))
    since = info.started_at.strftime("%Y-%m-%d %H:%M UTC")
    good = Finding("server", "ok", f"Process {info.pid} answers on {info.url}, since {since}.")
    screens = f"The dashboards are on {info.dashboards}." if info.dashboards else "The dashboards are switched off."
    return Looked((good, Finding("server", "ok", screens), _ready(info)), info)


def _ready(info: ServerInfo) -> Finding:
    import httpx

    try:
        answer = httpx.get(f"{info.url}/api/health/ready", timeout=ANSWER, trust_env=False)
    except httpx.HTTPError as error:
        return Finding(
            "server", "failure", f"It is alive and does not say whether it is ready: {type(error).__name__}."
        )
    if answer.status_code == 200:
        return Finding("server", "ok", "It takes rows.")
    try:
        why = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        why = f"status {answer.status_code}"
    cure = "below the floor of the disk: free some space; damaged: stop the server, `pitchey-slo repair`"
    return Finding("server", "failure", f"It takes no rows now: {why}", cure)


def watchdog(patient: Patient) -> Iterator[Finding]:
    """What the server finds wrong with itself."""
    if patient.server is None:
        yield Finding("watchdog", "not applicable", "No server runs, so nothing watches itself.")
        return
    told = patient.ask("/api/monitoring/watchdog")
    if told["looked_at"] is None:
        yield Finding("watchdog", "not applicable", "It has not looked yet; it does half a minute after the start.")
        return
    age = patient.clock() - datetime.fromisoformat(told["looked_at"])
    if age > timedelta(seconds=4 * EVERY):
        text = f"The watchdog looked last {age.total_seconds():,.0f} s ago, not every {EVERY:g} s: it hangs."
        yield Finding("watchdog", "failure", text, "read the server's log, then start it again")
    for each in told["findings"]:
        verdict: Verdict = "failure" if each["severity"] == "critical" else "warning"
        text = f"{each['alert']}, {each['about']}: {each['text']}"
        yield Finding("watchdog", verdict, text, "docs/runbooks/workbench-blind.md has a line for each of these alerts")
    if not told["findings"] and age <= timedelta(seconds=4 * EVERY):
        yield Finding("watchdog", "ok", "The server finds nothing wrong with itself.")


def _none(patient: Patient) -> Finding:
    text = f"No server runs on {patient.settings.home}: nothing is collected, and no alert is evaluated."
    return Finding("server", "warning", text, START)


def _port(patient: Patient) -> list[Finding]:
    """Whether somebody else has the port that our server would take."""
    host, port = patient.settings.host, patient.settings.port
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    if port == 0:
        return []
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return [Finding("server", "ok", f"Port {port} is free for it.")]
    owner = _owner(port)
    who = f"process {owner}" if owner else "somebody else"
    text = f"Port {port} is taken by {who}: a server could not start here."
    return [
        Finding("server", "failure", text, "stop that one, or set PITCHEY_PORT to another port (0 takes a free one)")
    ]


def _owner(port: int) -> str | None:
    """Who listens, as far as we may see: "123 (python3)"."""
    import psutil  # type: ignore[import-untyped]

    try:
        for each in psutil.net_connections("tcp"):
            if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
                return f"{each.pid} ({psutil.Process(each.pid).name()})"
    except (psutil.Error, OSError):
        return None
    return None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
