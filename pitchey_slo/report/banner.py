"""The verdict on the data, put into the notebook itself before it is run: below its title, where nobody can miss it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pitchey_slo.report.freshness import sentences

TAG: Final = "freshness"
_MARKS: Final = {"fresh": "✓", "stale": "⚠", "partial": "⚠", "unknown": "⚠"}


def with_verdict(text: str, freshness: Mapping[str, Any]) -> str:
    """The notebook file `text` with one more cell after its first one of prose. Nothing of it changes elsewhere."""
    notebook = json.loads(text)
    cells = notebook["cells"]
    cell: dict[str, Any] = {"cell_type": "markdown", "metadata": {"tags": [TAG]}, "source": markdown(freshness)}
    if (notebook.get("nbformat", 4), notebook.get("nbformat_minor", 0)) >= (4, 5):
        cell["id"] = TAG
    after_title = 1 if cells and cells[0].get("cell_type") == "markdown" else 0
    cells.insert(after_title, cell)
    return json.dumps(notebook, ensure_ascii=False)


def markdown(freshness: Mapping[str, Any]) -> str:
    """
    >>> markdown({"verdict": "stale", "problems": ["It is old."]})
    '> ⚠ **The data of this report is old.** It is old.'
    """
    first, *rest = sentences(freshness)
    mark = _MARKS[freshness.get("verdict", "unknown")]
    # names of sources are whatever people sent: no markup of theirs
    told = " ".join(["", *(_plain(sentence) for sentence in rest)])
    return f"> {mark} **{first}**{told}" if freshness.get("verdict") != "fresh" else f"> {mark} {_plain(first)}"


def _plain(text: str) -> str:
    for sign in "\\`*_[]<>":
        text = text.replace(sign, f"\\{sign}")
    return text
