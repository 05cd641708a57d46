"""What a check is given, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pitchey_slo.client import ServerInfo
from pitchey_slo.settings import Settings

Verdict = Literal["ok", "warning", "failure", "not applicable"]
VERDICTS: Final[dict[Verdict, str]] = {
    "ok": "as it should be",
    "warning": "it works, but something is missing, old or near a limit",
    "failure": "something does not work",
    "not applicable": "nobody set it up, or nothing can be said",
}
#: Seconds an answer of the server or of a service may take.
ANSWER: Final = 4.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its area, the verdict, what it means, and the command or line that helps."""

    area: str
    verdict: Verdict
    text: str
    help: str = ""


class Unanswered(Exception):  # named for what happened
    """The server did not answer, or not with what was asked; the message says how."""


@dataclass(frozen=True)
class Patient:
    """What is examined. `server` is None when none answers; `send` whether each channel is sent a message."""

    settings: Settings
    clock: Callable[[], datetime]
    server: ServerInfo | None = None
    send: bool = False

    def ask(self, path: str) -> Any:
        """The JSON that the server answers. Raises Unanswered."""
        import httpx

        assert self.server is not None
        try:
            response = httpx.get(
                f"{self.server.url}{path}",
                headers={"Authorization": f"Bearer {self.server.token}"},
                timeout=ANSWER,
                trust_env=False,
                verify=self.server.url.startswith("https:"),
            )
            return response.raise_for_status().json()
        except httpx.HTTPStatusError as error:
            raise Unanswered(f"{path} answers {error.response.status_code}: {error.response.text[:300]}") from None
        except (httpx.HTTPError, ValueError) as error:
            raise Unanswered(f"{path}: {error or type(error).__name__}") from None
