"""The notebooks there are: their names, what they say about themselves, and the parameters they take."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pitchey_slo.errors import ReportError, did_you_mean
from pitchey_slo.report.parameters import Parameter, declared
from pitchey_slo.settings import shipped

# The name becomes a folder and a Papermill path, where braces would be filled in as a format string.
_STEM = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")


@dataclass(frozen=True)
class Notebook:
    """One notebook. `text` is the file as it was read: what is hashed is what is run."""

    path: Path
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    text: str

    @property
    def name(self) -> str:
        """File name without .ipynb, for example 30_slo_report."""
        return self.path.stem

    @property
    def short(self) -> str:
        """What people call it: 30_slo_report is "slo"."""
        return re.sub(r"^\d+_", "", self.name).removesuffix("_report") or self.name

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The cells as the file holds them."""
        return cells_of(self.text)

    @property
    def hash(self) -> str:
        """SHA-256 of the file in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def folder() -> Path:
    """`./notebooks` where there is one, else the notebooks that come with the package."""
    own = Path("notebooks")
    return own if own.is_dir() else shipped("notebooks")


def notebooks(where: Path | None = None) -> tuple[Notebook, ...]:
    """All notebooks of a folder, by name."""
    return tuple(read(path) for path in sorted((where or folder()).glob("*.ipynb")))


def find(name: str, where: Path | None = None) -> Notebook:
    """The notebook called `name`: its file name with or without .ipynb, its short name, or a path to a file.

    Raises ReportError that says what would work.
    """
    if name.endswith(".ipynb") and Path(name).is_file():
        return read(Path(name))
    paths = sorted((where or folder()).glob("*.ipynb"))
    wanted = name.removesuffix(".ipynb")
    exact = [p for p in paths if p.stem == wanted]
    found = exact or [p for p in paths if re.sub(r"^\d+_", "", p.stem).removesuffix("_report") == wanted]
    if len(found) == 1:
        return read(found[0])
    names = [p.stem for p in paths]
    if found:
        raise ReportError(f'"{name}" could be {", ".join(p.stem for p in found)}; say which')
    hint = did_you_mean(name, names)
    listed = ", ".join(names) or "none"
    raise ReportError(
        f'no notebook "{name}" in {where or folder()}; ' + (f"{hint} " if hint else "") + f"There are: {listed}",
        reason="not_found",
    )


def read(path: Path) -> Notebook:
    """One notebook file; ReportError when it is not one."""
    if not _STEM.match(path.stem):
        raise ReportError(f"{path}: a notebook's name holds letters, digits, dots, dashes and underscores only")
    try:
        text = path.read_text(encoding="utf-8")
        cells = cells_of(text)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path}: not a notebook that can be read: {error}") from None
    tagged = [c for c in cells if "parameters" in c.get("metadata", {}).get("tags", [])]
    if len(tagged) > 1:
        raise ReportError(f"{path}: {len(tagged)} cells are tagged `parameters`; one is allowed")
    prose = next((source(c) for c in cells if c.get("cell_type") == "markdown"), "")
    title, description = _introduction(prose)
    parameters = declared(source(tagged[0]), notebook=path.stem) if tagged else ()
    return Notebook(path, title or path.stem, description, parameters, text)


def cells_of(text: str) -> list[dict[str, Any]]:
    """The cells of a notebook file's text."""
    cells: list[dict[str, Any]] = json.loads(text)["cells"]
    return cells


def source(cell: dict[str, Any]) -> str:
    """A cell's text; the file format allows one text or a list of lines."""
    text = cell.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def _introduction(prose: str) -> tuple[str, str]:
    """(first heading, first paragraph after it) of the first markdown cell"""
    heading = re.search(r"^#+\s+(.+)$", prose, re.MULTILINE)
    rest = prose[heading.end() :] if heading else prose
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", rest) if p.strip() and not p.lstrip().startswith("#")]
    return (heading[1].strip() if heading else ""), " ".join(paragraphs[0].split()) if paragraphs else ""
