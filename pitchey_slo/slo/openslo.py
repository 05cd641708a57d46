"""Read OpenSLO v1 files strictly: all problems of all files in one error, each with file, line, key and a suggestion.

    text -> YAML documents (line numbers kept) -> check along schema.py -> frozen values (build.py) -> links

`read` takes a file or a folder (`*.yaml`, `*.yml`, also in sub-folders); a file may hold many documents. References
between objects (`indicatorRef`, `metricSourceRef`) are resolved over everything read together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pitchey_slo.errors import ConfigError, did_you_mean
from pitchey_slo.slo import build, schema
from pitchey_slo.slo.check import Problems, check, line_of, raise_all, shown
from pitchey_slo.slo.model import Specs

LARGEST = 4 << 20
MOST_VALUES = 100_000


def read(path: str | Path, *more: str | Path) -> Specs:
    """Everything that the files and folders say. ConfigError lists every problem found in them."""
    loaded: list[build.Document] = []
    found: list[ConfigError] = []
    for file in files_of([path, *more]):
        problems = Problems(str(file))
        loaded += _documents(_text_of(file), problems)
        found += problems.found
    return _finish(loaded, found)


def parse(text: str, *, file: str | None = None) -> Specs:
    """As `read`, from text; `file` is the name that errors show."""
    problems = Problems(file)
    return _finish(_documents(text, problems), problems.found)


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


def _documents(text: str, problems: Problems) -> list[build.Document]:
    """The documents of one file that fit the schema; what does not is noted."""
    good: list[build.Document] = []
    for data in _yaml(text, problems):
        if data is None:
            continue
        kind = _kind(data, problems)
        if kind is None:
            continue
        if check(data, schema.document(kind), problems, line=line_of(data, None)):
            document = build.Document(kind, data, problems.file)
            before = len(problems.found)
            build.check_meaning(document, problems)
            if len(problems.found) == before:
                good.append(document)
    return good


def _yaml(text: str, problems: Problems) -> list[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="rt")
    yaml.allow_duplicate_keys = True
    try:
        for node in YAML(typ="rt").compose_all(text):
            if _size(node, {}) > MOST_VALUES:
                problems.add(node.start_mark.line + 1, "", f"more than {MOST_VALUES:,} values", "aliases in a circle?")
                return []
            _duplicates(node, problems, set())
        return list(yaml.load_all(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(mark.line + 1 if mark else None, "", f"not YAML: {error.problem or error.context}")
    except (YAMLError, ValueError, RecursionError) as error:
        problems.add(None, "", f"not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    return []


def _size(node: Any, known: dict[int, float]) -> float:
    """Values of a document once its aliases are written out; infinite when one holds itself ("billion laughs")."""
    if node is None or isinstance(node.value, str):
        return 1
    if id(node) not in known:
        known[id(node)] = float("inf")  # met again while still open: a circle
        parts = (p for part in node.value for p in (part if isinstance(part, tuple) else (part,)))
        known[id(node)] = 1 + sum(_size(p, known) for p in parts)
    return known[id(node)]


def _duplicates(node: Any, problems: Problems, seen: set[int], path: str = "") -> None:
    """Note keys that a map has twice; most YAML readers silently keep one of the two."""
    if node is None or id(node) in seen or isinstance(node.value, str):
        return
    seen.add(id(node))
    first: dict[str, int] = {}
    for i, part in enumerate(node.value):
        if not isinstance(part, tuple):
            _duplicates(part, problems, seen, f"{path}[{i}]")
            continue
        key, value = part
        here = f"{path}.{key.value}" if path else str(key.value)
        line = key.start_mark.line + 1
        if key.value != "<<" and isinstance(key.value, str) and first.setdefault(key.value, line) != line:
            problems.add(line, here, f"key given twice (first in line {first[key.value]})", "keep one of them")
        _duplicates(value, problems, seen, here)


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


def _finish(loaded: list[build.Document], found: list[ConfigError]) -> Specs:
    found = [*found, *build.duplicate_names(loaded)]
    specs = build.link(loaded, found)
    raise_all(found)
    return specs
