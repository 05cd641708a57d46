"""Read OpenSLO files strictly: all problems of all files in one error, each with file, line, key and a suggestion.

    text -> YAML documents (line numbers kept) -> check along schema.py -> frozen values (build.py) -> links

`read` takes a file or a folder (`*.yaml`, `*.yml`, also in sub-folders); a file may hold many documents. References
between objects (`indicatorRef`, `metricSourceRef`, `alertPolicyRef`, `conditionRef`, `targetRef`) are resolved over
everything read together. OpenSLO v1alpha is read as the v1 that it means (alpha.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.slo.model import Specs
from pitchey_slo.slo.spec import alpha, build, schema
from pitchey_slo.slo.spec.check import Problems, check, line_of, raise_all, shown
from pitchey_slo.slo.spec.documents import load
from pitchey_slo.slo.spec.meaning import Document, check_meaning

LARGEST = 4 << 20


def read(path: str | Path, *more: str | Path) -> Specs:
    """Everything that the files and folders say. ConfigError lists every problem found in them."""
    loaded = Loaded()
    for file in files_of([path, *more]):
        loaded.add(_text_of(file), str(file))
    return loaded.specs()


def parse(text: str, *, file: str | None = None) -> Specs:
    """As `read`, from text; `file` is the name that errors show."""
    loaded = Loaded()
    loaded.add(text, file)
    return loaded.specs()


@dataclass
class Loaded:
    """What was read so far: documents that are right, and problems. `broken` are kind and name of the other documents:
    that a reference leads to one of them is no problem of its own."""

    documents: list[Document] = field(default_factory=list)
    found: list[ConfigError] = field(default_factory=list)
    broken: set[tuple[str, str]] = field(default_factory=set)

    def add(self, text: str, file: str | None) -> None:
        """Read one file's text."""
        problems = Problems(file)
        self.documents += _documents(text, problems, self.broken)
        self.found += problems.found

    def link(self) -> tuple[Specs, list[ConfigError]]:
        """The values, and every problem found on the way to them."""
        found = [*self.found, *build.duplicate_names(self.documents)]
        return build.link(self.documents, found, self.broken), found

    def specs(self) -> Specs:
        """The values; ConfigError when there is any problem."""
        specs, found = self.link()
        raise_all(found)
        return specs


def files_of(paths: Iterable[str | Path]) -> Iterator[Path]:
    """The YAML files that these files and folders are or hold, folders in order of name."""
    for path in map(Path, paths):
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix in (".yaml", ".yml") and p.is_file())
        elif path.is_file():
            yield path
        else:
            raise ConfigError("no such file or folder", file=path, hint="pitchey-slo init writes examples")


def _text_of(file: Path) -> str:
    if file.stat().st_size > LARGEST:
        raise ConfigError(f"{file.stat().st_size:,} bytes", file=file, hint=f"at most {LARGEST:,} are read")
    try:
        return file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8: {error.reason} at byte {error.start}", file=file) from None


def _documents(text: str, problems: Problems, broken: set[tuple[str, str]]) -> list[Document]:
    """The documents of one file that fit the schema; what does not is noted."""
    good: list[Document] = []
    for data in load(text, problems):
        if data is None:
            continue
        if isinstance(data, dict) and data.get("apiVersion") == alpha.VERSION:
            good += _alpha_documents(data, problems)
            continue
        kind = _kind(data, problems)
        if kind is None:
            continue
        before = len(problems.found)
        document = Document(kind, data, problems.file)
        if check(data, schema.document(kind), problems, line=line_of(data, None)):
            check_meaning(document, problems)
        if len(problems.found) == before:
            good.append(document)
        elif isinstance(data.get("metadata"), dict):
            broken.add((kind, str(data["metadata"].get("name"))))
    return good


def _alpha_documents(data: Any, problems: Problems) -> list[Document]:
    documents = [Document(kind, v1, problems.file) for kind, v1 in alpha.as_v1(data, problems)]
    before = len(problems.found)
    for i, document in enumerate(documents):
        inner = Problems(problems.file)
        check_meaning(document, inner)
        for p in inner.found:
            problems.add(p.line, alpha.key_in_alpha(p.key or "", i), p.problem, p.hint)
    return documents if len(problems.found) == before else []


def _kind(data: Any, problems: Problems) -> str | None:
    if not isinstance(data, dict):
        problems.add(
            line_of(data, None), "", f"{shown(data)} where an OpenSLO object is needed", "apiVersion: openslo/v1"
        )
        return None
    kind = data.get("kind")
    if isinstance(kind, str) and kind in schema.KINDS:
        return kind
    known = ", ".join(schema.KINDS)
    same = next((f'did you mean "{k}"?' for k in schema.KINDS if k.lower() == str(kind).lower()), None)
    hint = same or (did_you_mean(str(kind), schema.KINDS) if kind is not None else None) or f"one of: {known}"
    line = line_of(data, "kind" if "kind" in data else None)
    problems.add(line, "kind", "missing" if kind is None else f"{shown(kind)} is no kind of OpenSLO v1", hint)
    return None
