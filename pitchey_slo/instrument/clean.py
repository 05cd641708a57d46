"""Personal data are taken out before anything leaves the process: the seam to the room `scrub`."""

from __future__ import annotations

from typing import Any, Final, Protocol

#: Stands for what could not be scrubbed: nothing leaves unscrubbed.
FAILED: Final = "[scrub_failed]"


class Scrubs(Protocol):
    """What we need of a scrubber; `pitchey_slo.scrub.Scrubber` is one."""

    def text(self, text: str, *, source: str = "") -> str: ...

    def value(self, tree: Any, *, source: str = "") -> Any: ...


def default(key: bytes | None = None) -> Scrubs:
    """The shipped rules. `key` makes hashes of values that are hashed rather than masked."""
    from pitchey_slo.scrub import Scrubber

    made = Scrubber.default(key)
    made.text("+44 20 7946 0958")  # reads its tables now, so that no request waits for them
    return made


def value(scrubs: Scrubs, tree: Any, source: str) -> Any:
    """`tree` without personal data; `FAILED` when that cannot be had."""
    try:
        return scrubs.value(tree, source=source)
    except Exception:  # noqa: BLE001  # fails closed: better no text than somebody's
        return FAILED
