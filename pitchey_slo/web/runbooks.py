"""The runbooks that alerts link to, as pages: Markdown of `docs/runbooks`, or of `runbooks` in the folder of
configurations, which wins."""

from __future__ import annotations

import asyncio
import re
from html import escape
from pathlib import Path

from fastapi import APIRouter, Request, Response

from pitchey_slo.errors import NotFound
from pitchey_slo.settings import Settings, shipped
from pitchey_slo.web.auth import needs
from pitchey_slo.web.house import house_of

router = APIRouter(tags=["alerts"])

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,80}")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_STYLE = (Path(__file__).parent / "pages" / "runbook.css").read_text("utf-8")


@router.get("/docs/runbooks/{name}.md", **needs(None))
async def runbook(request: Request) -> Response:
    """What to do about an alert. Public: it holds no data of anybody."""
    name = request.path_params["name"]
    path = _find(name, house_of(request).settings) if _NAME.fullmatch(name) else None
    if path is None:
        raise NotFound(f"no runbook {name[:80]!r}; docs/runbooks holds those there are")
    text = await asyncio.to_thread(path.read_text, "utf-8")
    return Response(page(text), headers=_HEADERS, media_type="text/html")


def page(text: str) -> str:
    """A Markdown text as one page; markup inside the text is shown, not obeyed."""
    from markdown_it import MarkdownIt

    title = next((line.lstrip("# ") for line in text.splitlines() if line.startswith("# ")), "Runbook")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main>{body}</main></html>"
    )


def _find(name: str, settings: Settings) -> Path | None:
    places = (settings.config / "runbooks", shipped("docs") / "runbooks")
    return next((path for place in places if (path := place / f"{name}.md").is_file()), None)
