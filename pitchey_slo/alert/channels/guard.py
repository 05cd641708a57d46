"""Which addresses a webhook may reach: the internet, not our own network (`pitchey_slo.guard` judges)."""

from __future__ import annotations

from pitchey_slo.errors import AddressRefused, ChannelError, NameNotResolved
from pitchey_slo.guard import DNS_SECONDS, is_public, resolve

__all__ = ["addresses_of", "is_public"]


def addresses_of(host: str, port: int, *, allow_private: bool, seconds: float = DNS_SECONDS) -> list[str]:
    """The addresses of `host`, all of them judged. Raises ChannelError: transient when the name server is at fault,
    permanent when an address is not allowed."""
    try:
        return resolve(host, port, seconds=seconds, allow=("0.0.0.0/0", "::/0") if allow_private else ())
    except NameNotResolved as error:
        raise ChannelError(error.message) from None
    except AddressRefused as error:
        told = error.message.rpartition("; ")[0]
        raise ChannelError(f"{told}; allow_private: true permits it", permanent=True) from None
