"""What the browser loads: our scripts and styles, and those that Bokeh, Panel and plotly.js come with. All from here.

Each address holds a version made of all contents, so that a browser keeps a file for ever and never an old one. Files
are read once and kept compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import lru_cache
from pathlib import Path

from tornado.web import HTTPError, RequestHandler

HERE = Path(__file__).parent
KINDS = (".js", ".css", ".svg", ".json", ".ico")
#: Below this many bytes compressing saves nothing.
SMALL = 512

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def policy(nonce: str) -> str:
    """What a page may load and run: its own origin and this answer's own script. The component arrives as a blob."""
    return (
        f"default-src 'none'; script-src 'self' blob: 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


@lru_cache(maxsize=1)
def known() -> dict[str, Path]:
    """name in an address -> file; nothing else is served."""
    import bokeh
    import panel

    found = {
        f"{folder}/{path.name}": path
        for folder in ("app", "widgets")
        for path in sorted((HERE / folder).iterdir())
        if path.suffix in KINDS
    }
    theirs = Path(bokeh.__file__).parent / "server" / "static" / "js"
    dist = Path(panel.__file__).parent / "dist"
    found |= {f"lib/{name}": theirs / name for name in ("bokeh.min.js", "bokeh-widgets.min.js", "bokeh-tables.min.js")}
    found["lib/panel.min.js"] = dist / "panel.min.js"
    found["lib/es-module-shims.js"] = next((dist / "bundled" / "reactiveesm").rglob("es-module-shims.min.js"))
    found["lib/plotly.min.js"] = next((dist / "bundled" / "plotlyplot").glob("plotly-*.min.js"))
    return found


@lru_cache(maxsize=1)
def version() -> str:
    """Changes with any of the files."""
    total = hashlib.sha256()
    for name, path in sorted(known().items()):
        total.update(name.encode())
        # libraries are large and change with their version, which their size tells well enough
        total.update(path.read_bytes() if not name.startswith("lib/") else str(path.stat().st_size).encode())
    return total.hexdigest()[:12]


@lru_cache(maxsize=256)
def content(name: str) -> tuple[bytes, bytes | None, str]:
    """(bytes, the same compressed or None, media type). Raises KeyError."""
    path = known()[name]
    body = path.read_bytes()
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0] or "application/json"
    small = gzip.compress(body, 6, mtime=0) if len(body) > SMALL else None
    return body, small, kind


class Files(RequestHandler):
    """GET /at/VERSION/app/main.js. A version that is not the newest is answered all the same, but not kept."""

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def get(self, asked: str, name: str) -> None:
        try:
            body, small, kind = content(name)
        except KeyError:
            raise HTTPError(404) from None
        self.set_header("Content-Type", kind)
        self.set_header("Vary", "Accept-Encoding")
        fresh = asked == version()
        self.set_header("Cache-Control", "public, max-age=31536000, immutable" if fresh else "no-store")
        if small is not None and "gzip" in self.request.headers.get("Accept-Encoding", ""):
            self.set_header("Content-Encoding", "gzip")
            self.write(small)
        else:
            self.write(body)
