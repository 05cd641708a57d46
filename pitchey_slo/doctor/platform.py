"""Pitchey itself, as the source document's troubleshooting asks: its API, its database, its metrics; and its clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

from pitchey_slo.doctor.model import ANSWER, Finding, Patient

#: What is asked of Pitchey: path -> what it tells.
PATHS: Final[dict[str, str]] = {
    "/api/health": "its health",
    "/api/health/db": "its database",
    "/api/monitoring/metrics": "its metrics",
}
#: Seconds that the clocks may differ; a Date header is cut to whole seconds.
OFF: Final = 1.0


def look(patient: Patient) -> Iterator[Finding]:
    """Whether API_BASE_URL answers on its health paths."""
    if "api_base_url" not in patient.settings.model_fields_set:
        text = "API_BASE_URL is not set, so Pitchey's own API is not asked."
        yield Finding("platform", "not applicable", text, "API_BASE_URL=https://... in .env")
        return
    place = shown(patient.settings.api_base_url)
    for path, what in PATHS.items():
        answer, trouble, cure = _get(patient, path)
        if trouble:
            yield Finding("platform", "failure", f"{place}{path} ({what}): {trouble}", cure)
            if answer is None:
                return
        elif answer.status_code in (404, 405):
            yield Finding("platform", "not applicable", f"{place}{path} is not there, so it does not tell {what}.")
        elif answer.status_code in (401, 403):
            yield Finding("platform", "not applicable", f"{place}{path} wants a token to tell {what}.")
        elif answer.status_code >= 400:
            text = f"{place}{path} answers {answer.status_code}: {answer.text[:200]!r}"
            book = "database-problems.md" if path.endswith("/db") else "high-error-rate.md"
            yield Finding("platform", "failure", text, f"curl -i {place}{path}; then docs/runbooks/{book}")
        else:
            took = answer.elapsed.total_seconds()
            slow = took > 1
            text = f"{place}{path} answers {answer.status_code} in {took * 1000:.0f} ms."
            cure = "docs/runbooks/performance-issues.md" if slow else ""
            yield Finding("platform", "warning" if slow else "ok", text, cure)


def clock(patient: Patient) -> Iterator[Finding]:
    """This machine's clock against the Date of Pitchey's answers."""
    if "api_base_url" not in patient.settings.model_fields_set:
        text = "Without API_BASE_URL there is no other clock to compare this machine's with."
        yield Finding("clock", "not applicable", text, "timedatectl    # says whether it is synchronised")
        return
    before = patient.clock()
    answer, _, _ = _get(patient, "/api/health")
    after = patient.clock()
    try:
        theirs = parsedate_to_datetime(answer.headers["date"])
    except (AttributeError, KeyError, TypeError, ValueError):
        yield Finding("clock", "not applicable", "Pitchey's answer has no Date to compare this machine's clock with.")
        return
    # what the header says is true of some moment in [theirs, theirs + 1 s) between `before` and `after`
    ahead = (before - (theirs + timedelta(seconds=1))).total_seconds()
    behind = (theirs - after).total_seconds()
    off = max(ahead, behind, 0.0)
    if off <= OFF:
        yield Finding("clock", "ok", "This machine's clock and Pitchey's agree to about a second.")
        return
    way = "ahead of" if ahead > 0 else "behind"
    text = (
        f"This machine's clock is {off:,.0f} s {way} Pitchey's; events land at wrong times, alerts come late or early."
    )
    yield Finding("clock", "warning", text, "timedatectl set-ntp true    # on the machine that is wrong")


def shown(address: str) -> str:
    """An address without user, password and query."""
    parts = urlsplit(address)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path.rstrip('/')}"


def _get(patient: Patient, path: str) -> tuple[Any, str, str]:
    """(answer, trouble, what helps); the answer is None when there is trouble."""
    import httpx

    base = patient.settings.api_base_url
    host = urlsplit(base).hostname or base
    try:
        return httpx.get(base.rstrip("/") + path, timeout=ANSWER, trust_env=False), "", ""
    except httpx.ConnectTimeout:
        return (
            None,
            "no connection in time",
            f"a firewall drops packets? From another network: curl -i {shown(base)}{path}",
        )
    except httpx.TimeoutException:
        return None, f"connected, and no answer within {ANSWER:g} s", "it hangs: docs/runbooks/performance-issues.md"
    except httpx.ConnectError as error:
        text = str(error)
        if "CERTIFICATE" in text.upper() or "SSL" in text.upper():
            return None, f"TLS fails: {text}", "docs/runbooks/certificate-expiring.md"
        if "Name or service" in text or "resolution" in text or "nodename" in text or "No address" in text:
            return (
                None,
                f"the name {host} has no address",
                f"is API_BASE_URL in .env right? Ask the name server: getent hosts {host}",
            )
        return (
            None,
            "nothing listens there",
            "is API_BASE_URL in .env right, and is it running? docs/runbooks/high-error-rate.md",
        )
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return None, f"{type(error).__name__}", "API_BASE_URL must be https://host or http://host:port"
