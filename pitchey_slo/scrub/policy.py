"""What is done about what is found: an action per rule, for everybody and for single sources."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from pitchey_slo.scrub.names import Names
from pitchey_slo.scrub.rules import ip, phone

Action = Literal["mask", "hash", "remove", "off"]
ACTIONS: Final = ("mask", "hash", "remove", "off")
#: Every rule, what it finds, and what is done unless told otherwise. `hash` keeps one person's rows together.
RULES: Final[Mapping[str, tuple[str, Action]]] = MappingProxyType(
    {
        "email": ("e-mail addresses", "hash"),
        "phone": ("telephone numbers", "hash"),
        "card": ("payment cards with a valid check digit", "mask"),
        "iban": ("bank accounts with a valid checksum", "mask"),
        "ip": ("addresses of the internet, IPv4 and IPv6", "hash"),
        "ssn": ("United States social security numbers", "mask"),
        "jwt": ("JSON web tokens", "mask"),
        "token": ("tokens whose form gives them away: AWS, GitHub, Slack, Stripe, ...", "mask"),
        "authorization": ("what stands after Authorization, Bearer, Basic, curl -u", "mask"),
        "cookie": ("Cookie and Set-Cookie headers", "mask"),
        "pem": ("PEM blocks: keys and certificates", "mask"),
        "url_credentials": ("user and password in a URL", "mask"),
        "secret_key": ("values of fields named like a secret: password, api_key, session_id, ...", "mask"),
        "personal_key": ("values of fields named like a person's: email, user_id, client_ip, ...", "hash"),
    }
)
FAILED: Final = "failed"


@dataclass(frozen=True)
class Pattern:
    """A pattern of one's own, in RE2's syntax: what it matches is replaced under its name."""

    name: str
    regex: str
    action: Action = "mask"


@dataclass(frozen=True)
class Override:
    """What holds for sources whose name fits `glob`: other actions by rule."""

    glob: str
    actions: Mapping[str, Action]


@dataclass(frozen=True)
class Policy:
    """The whole of config/scrubbing.yml. `allow_texts` are globs (letter case counts for nothing) of values that stay,
    `allow_fields` names of fields that are not looked at."""

    actions: Mapping[str, Action] = field(
        default_factory=lambda: MappingProxyType({n: a for n, (_, a) in RULES.items()})
    )
    patterns: tuple[Pattern, ...] = ()
    names: Names = field(default_factory=Names)
    allow_texts: tuple[str, ...] = ("git@*",)
    allow_fields: tuple[str, ...] = ()
    regions: tuple[str, ...] = phone.REGIONS
    keep_networks: tuple[str, ...] = ip.KEEP
    overrides: tuple[Override, ...] = (Override("probe:*", MappingProxyType({"ip": "off"})),)

    def actions_for(self, source: str) -> Mapping[str, Action]:
        """Actions by rule for one source; of several overrides that fit, the later one wins."""
        found = {**self.actions, **{p.name: p.action for p in self.patterns}}
        for override in self.overrides:
            if fnmatch.fnmatchcase(source, override.glob):
                found |= override.actions
        return found
