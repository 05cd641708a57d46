"""A notebook as it was run -> one page that works with no network: mail it, archive it, open it in ten years.

Each page carries its own plotly.js (4.8 MB, 1.5 MB once zipped by mail or web server). One shared file beside the pages
would be smaller on disk, and blank charts as soon as somebody sends one page to somebody else.

The page states a Content-Security-Policy: nothing is fetched from anywhere, and only the two scripts written here run,
known by their hashes. Whatever a notebook, a route name or an incident's title brings along stays inert.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import threading
from pathlib import Path
from typing import Any, Final

import nbformat
import orjson
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode

from pitchey_slo.report.banner import TAG
from pitchey_slo.report.freshness import sentences
from pitchey_slo.report.record import Run
from pitchey_slo.report.words import lasted, said, shown

PLOTLY: Final = "application/vnd.plotly.v1+json"
_HERE: Final = Path(__file__).parent
_ONE: Final = threading.Lock()
_HIDDEN: Final = {"parameters", "injected-parameters", "papermill-error-cell-tag", TAG}  # the banner tells that one


def write(run: Run) -> Path:
    """Make the page of a run from the notebook in its folder; answers the path."""
    nb = nbformat.read(run.output, as_version=4)  # type: ignore[no-untyped-call]
    path = Path(run.html)
    path.write_text(page(nb, run), encoding="utf-8")
    return path


def page(nb: NotebookNode, run: Run) -> str:
    """The page as text. Code is folded away; a cell that failed is shown open, with its traceback."""
    figures = _prepare(nb)
    scripts = [*([_plotly_js()] if figures else []), _text("page.js")]
    facts = {
        "css": _text("page.css"),
        "scripts": scripts,
        "policy": _policy(scripts),
        "facts": _facts(run),
        "run": run.as_dict(),
        "data": sentences(run.freshness) if run.freshness else [],
        "hidden": _HIDDEN,
    }
    with _ONE:  # an exporter keeps what it works on
        body, _ = _exporter().from_notebook_node(nb, resources={"page": facts})
    return str(body)


@functools.cache
def _exporter() -> HTMLExporter:
    """Kept, since reading its templates takes as long as most pages."""
    return HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="page",
        extra_template_basedirs=[str(_HERE)],
        exclude_anchor_links=True,
        mathjax_url="",
        require_js_url="",
        jupyter_widgets_base_url="",
        embed_images=True,
    )


def _prepare(nb: NotebookNode) -> int:
    """Number the code cells, drop the title that the page prints itself, and turn each Plotly figure into a box that
    page.js fills. Answers how many figures there are."""
    figures = number = 0
    first = next((c for c in nb.cells if c.cell_type == "markdown" and _shown(c)), None)
    if first is not None and first.source.lstrip().startswith("# "):
        first.source = first.source.lstrip().partition("\n")[2]
    for cell in nb.cells:
        if cell.cell_type != "code":
            continue
        number += 1
        cell.metadata["number"] = number
        for output in cell.outputs:
            if PLOTLY in output.get("data", {}):
                output.data = {"text/html": _figure(output.data[PLOTLY])}
                figures += 1
    return figures


def _shown(cell: NotebookNode) -> bool:
    return not _HIDDEN & set(cell.metadata.get("tags", []))


def _figure(figure: dict[str, Any]) -> str:
    """`<` is escaped, so that no text inside the figure can end the data block."""
    text = orjson.dumps(figure).decode().replace("<", "\\u003c")
    height = figure.get("layout", {}).get("height") or 360
    return (
        f'<div class="figure"><div class="plot" style="height:{int(height)}px"></div>'
        f'<script type="application/json">{text}</script></div>'
    )


def _facts(run: Run) -> list[tuple[str, str]]:
    return [
        *((name, shown(value)) for name, value in run.parameters.items()),
        ("run at", said(run.started_at)),
        ("took", lasted(run.seconds)),
        ("newest event", said(run.data_watermark)),
        *([("schedule", f"{run.schedule}, due {said(run.due_at)}")] if run.schedule else []),
    ]


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@functools.cache
def _plotly_js() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script


def _text(name: str) -> str:
    return (_HERE / "page" / name).read_text(encoding="utf-8")
