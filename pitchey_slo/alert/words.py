"""Times and lengths as the decisions of dispatch write them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(time: datetime) -> str:
    """
    >>> moment(datetime(2026, 3, 2, 12, 0, 30, tzinfo=UTC))
    '2026-03-02 12:00:30 UTC'
    """
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def iso(time: datetime | None) -> str | None:
    """As JSON answers carry a time.

    >>> iso(datetime(2026, 3, 2, 12, 0, tzinfo=UTC)), iso(None)
    ('2026-03-02T12:00:00Z', None)
    """
    return None if time is None else time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def length(seconds: float) -> str:
    """
    >>> length(90), length(14_400), length(0.5)
    ('1m30s', '4h', '0.5s')
    """
    if seconds < 1:
        return f"{seconds:g}s"
    left, parts = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts[:2])


def listed(names: list[str]) -> str:
    """
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
