"""One attempt of a browser test: Chromium, led by Playwright (the extra `browser`), with our proxy as its only way out.

`goto` fails as a request does, with the same classes and phases; every other move fails as an assertion: what a user
would look for was not there in time. Phases are those of the first address that is opened: dns and connect as the proxy
measured them, the rest as the page's own navigation timing says. A failure keeps a screenshot and a HAR (`keep.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets as chance
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pitchey_slo.errors import ProbeFault
from pitchey_slo.guard import Guard
from pitchey_slo.probe.synthetic.definition import CLEAN_UP_SECONDS, Definition, Move
from pitchey_slo.probe.synthetic.http import Answer
from pitchey_slo.probe.synthetic.journey import Attempt, Done
from pitchey_slo.probe.synthetic.keep import clean_har, prune
from pitchey_slo.probe.synthetic.phases import Fault, Phases, span
from pitchey_slo.probe.synthetic.proxy import MARK, Proxy
from pitchey_slo.probe.synthetic.template import NotThere, Values, secrets_in
from pitchey_slo.probe.synthetic.url import BadUrl, Url, parse

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Locator, Page, Response, Route

LAUNCH_SECONDS: Final = 30.0
TIMING_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 10.0
#: Nothing of the browser may find its own way: no UDP, and no name but that of the proxy.
ARGUMENTS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
#: Chromium's words for what went wrong, and ours.
_ERRORS: Final = (
    (r"ERR_CERT_DATE_INVALID", "cert_expiry", "tls"),
    (r"ERR_CERT_|ERR_SSL_|ERR_BAD_SSL", "tls", "tls"),
    (r"ERR_TOO_MANY_REDIRECTS|ERR_UNSAFE_REDIRECT", "http_status", "first_byte"),
    (r"ERR_CONNECTION_(RESET|CLOSED)|ERR_EMPTY_RESPONSE|ERR_SOCKET_NOT_CONNECTED", "connect", "first_byte"),
    (r"ERR_INVALID_HTTP_RESPONSE|ERR_RESPONSE_HEADERS", "body", "first_byte"),
    (r"ERR_CONTENT_|ERR_INCOMPLETE_CHUNKED|ERR_HTTP2_", "body", "transfer"),
)
_TIMING: Final = "() => performance.getEntriesByType('navigation')[0]?.toJSON() ?? null"


@dataclass
class Kept:
    """Where the files of a failure go; None keeps nothing."""

    folder: Path | None
    run: str
    files: list[str] = field(default_factory=list)


async def browse(
    definition: Definition, values: Values, guard: Guard, clock: Callable[[], datetime], keep: Path | None = None
) -> Attempt:
    """One attempt. `keep` is the folder that a folder for this run is made in when it fails. Raises ProbeFault when no
    browser can be started."""
    kept = Kept(keep, values.given["run_id"])
    with tempfile.TemporaryDirectory(prefix="pitchey-browser-") as scratch:
        har = Path(scratch) / "requests.har"
        async with Proxy(guard) as proxy, _opened(proxy, har) as (context, page):
            walk = _Walk(definition, values, clock, proxy, page)
            await context.route("**/*", walk.pass_on)
            attempt = await walk.all()
            if attempt.failed is not None and keep is not None:
                await _screenshot(page, walk, kept)
        if attempt.failed is not None and keep is not None:
            _keep_har(har, values, kept)
            prune(keep, clock())
            attempt.failed.details["kept"] = kept.files
    return attempt


@asynccontextmanager
async def _opened(proxy: Proxy, har: Path) -> AsyncIterator[tuple[BrowserContext, Page]]:
    """A fresh browser with nothing in it. Raises ProbeFault."""
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError:
        raise ProbeFault("browser tests need the extra `browser`: pip install 'pitchey-slo[browser]'") from None
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(
                executable_path=found, args=list(ARGUMENTS), timeout=LAUNCH_SECONDS * 1_000,
                chromium_sandbox=os.geteuid() != 0,  # Chromium refuses to be sandboxed as root
                proxy={"server": f"http://127.0.0.1:{proxy.port}", "username": "probe", "password": proxy.password,
                       "bypass": "<-loopback>"},
            )  # fmt: skip
        except Error as error:
            raise ProbeFault(f"Chromium cannot be started: {error.message.splitlines()[0]}") from None
        try:
            context = await browser.new_context(
                record_har_path=har, record_har_content="omit", accept_downloads=False, service_workers="block"
            )
            yield context, await context.new_page()
            with contextlib.suppress(Error, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await context.close()  # writes the HAR
        finally:
            await browser.close()


class _Walk:
    def __init__(
        self, definition: Definition, values: Values, clock: Callable[[], datetime], proxy: Proxy, page: Page
    ) -> None:
        self.definition, self.values, self.clock, self.proxy, self.page = definition, values, clock, proxy, page
        self.trace = chance.token_hex(16)
        self.own: tuple[str, str, int] | None = None
        #: fields that hold a secret
        self.secret: list[Locator] = []

    async def all(self) -> Attempt:
        done: list[Done] = []
        end, failed = time.perf_counter() + self.definition.timeout, False
        for move in self.definition.moves:
            if failed and not move.always:
                continue
            left = CLEAN_UP_SECONDS if move.always else end - time.perf_counter()
            seconds = (move.timeout or left) if move.always else min(left, move.timeout or left)
            done.append(await self._step(move, seconds))
            failed = failed or done[-1].fault is not None
        return Attempt(tuple(done), self.trace)

    async def _step(self, move: Move, seconds: float) -> Done:
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as TooLate

        phases, started = Phases(), time.perf_counter()
        answer: Answer | None = None
        fault: Fault | None = None
        try:
            if seconds <= 0:
                raise Fault("timeout", f"the steps before took all of the {span(self.definition.timeout)}")
            if move.do == "goto":
                answer = await self._goto(move, seconds, phases)
            else:
                await self._do(move, seconds * 1_000)
        except Fault as error:
            fault = error
        except (ProbeFault, BadUrl, NotThere) as error:
            fault = Fault("probe_error", str(error))
        except TooLate:
            fault = Fault("assertion", f"{_told(move)}: not within {span(seconds)}")
        except (Error, AssertionError) as error:
            fault = Fault("assertion", f"{_told(move)}: {str(error).splitlines()[0]}")
        took = time.perf_counter() - started
        details = {"url": self.page.url.partition("?")[0]}
        return Done(move.name, self.clock(), took, phases, move.always, answer, fault, details=details)

    async def _goto(self, move: Move, seconds: float, phases: Phases) -> Answer:
        """Open an address. Raises Fault with the classes and phases of a request."""
        from playwright.async_api import Error
        from playwright.async_api import TimeoutError as TooLate

        url = parse(self.values.url(move.value or ""))
        self.own = self.own or url.origin
        before = self.proxy.received
        self.proxy.faults.clear()
        try:
            answer = await self.page.goto(str(url), timeout=seconds * 1_000)
        except TooLate:
            connected = (url.host, url.port) in self.proxy.phases
            phase = "first_byte" if connected else "connect"
            raise Fault("timeout", f"the page was not there within {span(seconds)}", phase=phase) from None
        except Error as error:
            raise self._fault(url, error.message) from None
        finally:
            await self._timed(url, phases)
        status = answer.status if answer else 0
        if answer is not None and MARK in answer.headers:
            raise self._fault(parse(answer.url), "")
        if status >= 400:
            raise Fault("http_status", f"status {status}, not 2xx", phase="first_byte", status=status)
        days = await self._cert_days(answer)
        return Answer(url, status, (), b"", self.proxy.received - before, True, "", days)

    def _fault(self, url: Url, said: str) -> Fault:
        """Why an address could not be opened: as the proxy knows it, else in Chromium's words."""
        if fault := self.proxy.faults.get((url.host, url.port)):
            return fault
        name = next(iter(re.findall(r"ERR_[A-Z0-9_]+", said)), said.splitlines()[0] if said else "nothing was said")
        elsewhere = next(iter(self.proxy.faults.values()), None)  # where a redirect led
        if elsewhere is not None and ("TUNNEL" in name or not said):
            return elsewhere
        for pattern, failure, phase in _ERRORS:
            if re.search(pattern, name):
                return Fault(failure, f"the page cannot be opened: {name}", phase=phase)
        return Fault("connect", f"the page cannot be opened: {name}", phase="first_byte")

    async def _timed(self, url: Url, phases: Phases) -> None:
        """Book the phases of this navigation."""
        if known := self.proxy.phases.pop((url.host, url.port), None):
            phases.ms |= known.ms
        with contextlib.suppress(Exception):  # the page may be gone, or never was, or not come to answer
            async with asyncio.timeout(TIMING_SECONDS):
                timing = await self.page.evaluate(_TIMING)
            if timing and timing["name"].startswith("http"):
                if timing["secureConnectionStart"] > 0:
                    phases.ms["tls"] = max(0.0, timing["connectEnd"] - timing["secureConnectionStart"])
                phases.ms["first_byte"] = max(0.0, timing["responseStart"] - timing["requestStart"])
                phases.ms["transfer"] = max(0.0, timing["responseEnd"] - timing["responseStart"])

    async def _cert_days(self, answer: Response | None) -> float | None:
        found = await answer.security_details() if answer is not None else None
        end = found.get("validTo") if found else None
        return (end - self.clock().timestamp()) / 86_400 if end else None

    async def _do(self, move: Move, ms: float) -> None:
        """One move within a page. Raises what Playwright raises."""
        value = self.values.text(move.value) if move.value is not None else ""
        selector = self.values.text(move.selector) if move.selector is not None else "html"
        place = self.page.locator(selector).first
        if secrets_in(move.value or ""):
            self.secret.append(place)
        if move.do == "fill":
            await place.fill(value, timeout=ms)
        elif move.do == "click":
            await place.click(timeout=ms)
        elif move.do == "press":
            await place.press(value, timeout=ms)
        elif move.do == "select":
            await place.select_option(value, timeout=ms)
        else:
            await self._expect(move, place, value, ms)

    async def _expect(self, move: Move, place: Locator, value: str, ms: float) -> None:
        from playwright.async_api import expect

        if move.expects == "visible":
            await expect(place).to_be_visible(timeout=ms)
        elif move.expects == "hidden":
            await expect(place).to_be_hidden(timeout=ms)
        elif move.expects == "text":
            await expect(place).to_contain_text(value, timeout=ms)
        elif move.expects == "url":
            await expect(self.page).to_have_url(re.compile("^" + re.escape(value)), timeout=ms)
        else:
            await expect(self.page).to_have_title(re.compile(re.escape(value)), timeout=ms)

    async def pass_on(self, route: Route) -> None:
        """Every request of the page comes by here first: only the web's schemes go on (the proxy judges where to), and
        documents of the platform itself carry the trace."""
        asked = route.request
        if not asked.url.startswith(("http://", "https://", "data:", "blob:")):
            return await route.abort("accessdenied")
        with contextlib.suppress(BadUrl):
            if asked.is_navigation_request() and parse(asked.url.partition("#")[0]).origin == self.own:
                trace = f"00-{self.trace}-{chance.token_hex(8)}-01"
                return await route.continue_(headers={**asked.headers, "traceparent": trace})
        return await route.continue_()


def _told(move: Move) -> str:
    """A move in words; what is typed is left out, it may be a secret."""
    what = move.selector or (move.value if move.do == "expect" else "") or ""
    return " ".join(filter(None, (move.do, move.expects, what)))


async def _screenshot(page: Page, walk: _Walk, kept: Kept) -> None:
    from playwright.async_api import Error

    with contextlib.suppress(Error, OSError):
        seen = await page.content()
        if walk.values.secrets.hide(seen) == seen:
            path = _folder(kept) / "screenshot.png"
            await page.screenshot(path=path, mask=walk.secret, timeout=5_000)
            kept.files.append(f"{kept.run}/{path.name}")


def _keep_har(har: Path, values: Values, kept: Kept) -> None:
    with contextlib.suppress(OSError):
        path = _folder(kept) / "requests.har"
        if clean_har(har, path, values.secrets):
            kept.files.append(f"{kept.run}/{path.name}")


def _folder(kept: Kept) -> Path:
    assert kept.folder is not None
    folder = kept.folder / kept.run
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
