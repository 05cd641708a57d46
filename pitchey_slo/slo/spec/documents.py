"""YAML text -> documents whose maps and lists know their lines, within bounds and without keys given twice."""

from __future__ import annotations

from typing import Any

from pitchey_slo.slo.spec.check import Problems

MOST_VALUES = 100_000


def load(text: str, problems: Problems) -> list[Any]:
    """Its documents, none when it is no YAML; what is wrong with it is noted in `problems`."""
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
