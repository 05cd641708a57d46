"""Pictures of every page of the dashboards into docs/images/dashboards/: light, dark and phone width.

Run: `python docs/shots.py URL [BOARD...]` against dashboards that run on a demo (`make demo`, docs/demo.md); needs the
Debian package chromium. Pictures above 250 kB are made with fewer colours.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

TO = Path(__file__).parent / "images" / "dashboards"
BOARDS = ("system", "performance", "business", "slos", "alerts", "review", "synthetic", "logs", "reports")
LOOKS = {"light": (1440, 900), "dark": (1440, 900), "phone": (390, 844)}
MOST = 250_000


def ready(page: Page) -> None:
    page.locator('main#board[aria-busy="false"] .card').first.wait_for()
    page.locator(".body.loading").first.wait_for(state="detached")
    page.locator('.whatif[aria-busy="true"]').wait_for(state="detached", timeout=120_000)  # worked out on demand
    page.wait_for_timeout(1_500)  # charts draw after their numbers came


def propose(page: Page) -> None:
    """A rule with the numbers that its tuning proposes."""
    page.locator(".review-rule", has_text="HighErrorRate").first.click()
    ready(page)
    page.get_by_role("button", name="As proposed").click()


def keep(name: str, png: bytes) -> None:
    """Write a picture, with fewer colours until it is small enough."""
    picture, colours, saved = Image.open(io.BytesIO(png)).convert("RGB"), 256, png
    while len(saved) > MOST and colours >= 16:
        out = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        saved, colours = out.getvalue(), colours // 2
    (TO / f"{name}.png").write_bytes(saved)
    print(f"{name}.png {len(saved) / 1e3:,.0f} kB")  # noqa: T201


def main(url: str, boards: list[str]) -> None:
    TO.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for look, (width, height) in LOOKS.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if look == "dark" else "light"
            )
            page = context.new_page()
            page.set_default_timeout(90_000)
            for board in boards or BOARDS:
                page.goto(f"{url}/show/{board}")
                ready(page)
                if board == "review":
                    propose(page)
                tall = page.evaluate("document.documentElement.scrollHeight")
                keep(
                    f"{board}_{look}",
                    page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": min(tall, 2_400)}),
                )
            if look == "light" and not boards:
                page.goto(f"{url}/show/performance?widget=percentiles&compare=1d")
                ready(page)
                keep("large_light", page.screenshot())
                page.goto(f"{url}/signin")
                keep("signin_light", page.screenshot())
                page.goto(f"{url}/show/system")
                ready(page)
                page.get_by_role("button", name="You").click()
                page.get_by_role("menuitemradio", name="Edit this board").click()
                page.get_by_role("toolbar").wait_for()
                page.wait_for_timeout(2_000)
                keep("editor_light", page.screenshot())
            context.close()
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), sys.argv[2:])
