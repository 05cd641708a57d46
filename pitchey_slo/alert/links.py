"""Where a message leads: runbook, dashboard, investigation, and this server's own pages.

The addresses of our own pages are written here and nowhere else. A link shows or asks; none of them changes anything by
being opened, because mail scanners and chat previews open every link they see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from pitchey_slo.alert.clean import clean
from pitchey_slo.alert.model import Alert, Message

#: Text on the screen -> annotations that give it, first found first.
FROM_ANNOTATIONS: Final[dict[str, tuple[str, ...]]] = {
    "Runbook": ("runbook_url", "runbook"),
    "Dashboard": ("dashboard_url", "dashboard"),
    "Investigation": ("investigation_url", "investigation"),
}
LONGEST: Final = 2_000


def alert_page(base: str, alert_id: str) -> str:
    """The page of one alert."""
    return f"{base}/alerts/{quote(alert_id, safe='')}"


def links_of(message: Message, base: str) -> dict[str, str]:
    """Text -> address, in the order people need them; what the message gives itself wins.

    `base` is `Settings.public_url`. What is not http(s) is left out; a path is one of this server.
    """
    found = {text: address for text, raw in message.links.items() if (address := address_of(raw, base))}
    for text, names in FROM_ANNOTATIONS.items():
        if text not in found and (address := _shared(message.alerts, names, base)):
            found[text] = address
    for text, address in _own(message, base).items():
        found.setdefault(text, address)
    order = [*FROM_ANNOTATIONS, "Acknowledge", "Silence", "Why"]
    known = {text: found.pop(text) for text in order if text in found}
    return known | {clean(text, 40): address for text, address in found.items()}


def runbooks(alerts: Iterable[Alert], base: str) -> list[str]:
    """The different runbooks of these alerts."""
    return _different(alerts, FROM_ANNOTATIONS["Runbook"], base)


def address_of(raw: object, base: str) -> str | None:
    """An http(s) address that is safe to put into any markup, or None.

    >>> address_of("javascript:alert(1)", "http://here")
    >>> address_of("/docs/x.md", "http://here")
    'http://here/docs/x.md'
    """
    text = str(raw).strip()
    if not text or len(text) > LONGEST:
        return None
    try:
        full = urljoin(base + "/", text) if text.startswith("/") and not text.startswith("//") else text
        parts = urlsplit(full)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        return None
    return quote(full, safe="%/:=&?~#+!$,;'@()*[]-._").replace("'", "%27").replace("|", "%7C")


def _own(message: Message, base: str) -> Mapping[str, str]:
    firing = message.firing
    if not base or not message.alerts:
        return {}
    page = alert_page(base, (firing or message.alerts)[0].id)
    if not firing:
        return {"Why": page}
    return {"Acknowledge": f"{page}#acknowledge", "Silence": f"{page}#silence", "Why": page}


def _shared(alerts: Iterable[Alert], names: tuple[str, ...], base: str) -> str | None:
    """The address that these alerts have in common; None when they differ."""
    found = _different(alerts, names, base)
    return found[0] if len(found) == 1 else None


def _different(alerts: Iterable[Alert], names: tuple[str, ...], base: str) -> list[str]:
    raw = (next((a.annotations[n] for n in names if a.annotations.get(n)), None) for a in alerts)
    return list(dict.fromkeys(address for text in raw if text and (address := address_of(text, base))))
