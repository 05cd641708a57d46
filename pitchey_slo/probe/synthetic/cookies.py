"""The cookies of one attempt, kept and sent as a browser would (the rules are those of the standard library's jar)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import Request

if TYPE_CHECKING:
    from http.cookiejar import CookieJar

    from pitchey_slo.probe.synthetic.http import Answer
    from pitchey_slo.probe.synthetic.url import Url


class Cookies:
    def __init__(self) -> None:
        self._jar: CookieJar | None = None

    def take(self, answer: Answer) -> None:
        """Keep what the answer sets."""
        if answer.header("set-cookie") is None:
            return
        if self._jar is None:
            from http.cookiejar import CookieJar

            self._jar = CookieJar()
        self._jar.extract_cookies(_Response(answer), Request(str(answer.url)))  # type: ignore[arg-type]  # duck

    def header(self, url: Url) -> str | None:
        """The Cookie header for an address; None when there is none to send."""
        if self._jar is None:
            return None
        request = Request(str(url))
        self._jar.add_cookie_header(request)
        return request.get_header("Cookie")

    def value(self, name: str) -> str | None:
        """The value of the last cookie of that name."""
        found = [cookie.value for cookie in self._jar or () if cookie.name == name]
        return found[-1] if found else None


class _Response:
    """What the jar asks of a response."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def info(self) -> _Response:
        return self

    def get_all(self, name: str, default: list[str] | None = None) -> list[str]:
        return [value for key, value in self._answer.headers if key == name.lower()] or default or []
