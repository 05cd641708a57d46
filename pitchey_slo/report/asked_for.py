"""Which metrics anybody asks for: every expression of rules, SLOs, dashboards and watched series, parsed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pitchey_slo.errors import PitcheyError

if TYPE_CHECKING:
    from pitchey_slo.promql import tree
    from pitchey_slo.workbench import Workbench


@dataclass(frozen=True)
class Asked:
    """`by`: metric -> who asks for it; `patterns`: (regular expression on names, who). `unread`: what could not be
    read, so that whatever only it asks for looks unused."""

    by: Mapping[str, frozenset[str]]
    patterns: tuple[tuple[str, str], ...]
    unread: tuple[str, ...]
    text: str

    def of(self, metric: str) -> tuple[str, ...]:
        """Who asks for a metric; nobody is the empty tuple."""
        found = set(self.by.get(metric, ()))
        found |= {who for pattern, who in self.patterns if re.fullmatch(pattern, metric)}
        return tuple(sorted(found))

    def event(self, name: str) -> bool:
        """Whether a business event is named in any expression, condition or definition."""
        return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", self.text) is not None


def asked_for(wb: Workbench) -> Asked:
    """Read everything that is configured."""
    by: dict[str, set[str]] = defaultdict(set)
    patterns: list[tuple[str, str]] = []
    unread: list[str] = []
    texts: list[str] = []
    for who, expr in _expressions(wb, unread, texts):
        texts.append(expr)
        try:
            names = list(_names(expr))
        except PitcheyError as error:
            unread.append(f"{who}: {error.message.splitlines()[0]}")
            continue
        for name, pattern in names:
            if pattern:
                patterns.append((name, who))
            else:
                by[name].add(who)
    return Asked({n: frozenset(w) for n, w in by.items()}, tuple(patterns), tuple(unread), "\n".join(texts))


def _expressions(wb: Workbench, unread: list[str], texts: list[str]) -> Iterator[tuple[str, str]]:
    """(who, expression) of all; what cannot be read is put down in `unread`, definitions in `texts`."""
    from pitchey_slo.alert.rule_book import RuleBook
    from pitchey_slo.analyse.watch import load_watched
    from pitchey_slo.analyse.watch.config import FILE
    from pitchey_slo.board import fill
    from pitchey_slo.board.shelf import Shelf, folder_of
    from pitchey_slo.board.span import PLACEHOLDERS
    from pitchey_slo.promql.derived_metrics import METRICS

    config = wb.settings.config
    book = RuleBook(config / "rules", config / "slos")
    book.refresh()
    unread += [f"{file}: {problem}" for file, problem in book.problems.items()]
    for group in book.groups:
        yield from ((f"rule {rule.name}", rule.expr) for rule in group.rules)
    try:
        yield from ((f"watched series {w.name}", w.expr) for w in load_watched(config / FILE))
    except PitcheyError as error:
        unread.append(f"{FILE}: {error.message}")
    shelf = Shelf(folder_of(wb.settings), lambda sql, given: wb.reader.query(sql, given))
    shown, problems = shelf.every()
    unread += problems
    for each in shown:
        texts.append(each.text)
        names = dict.fromkeys((v.name for v in each.definition.variables), ("x",))
        for widget in (w for row in each.definition.rows for w in row.widgets):
            for query in widget.queries:
                yield f"dashboard {each.definition.name}", fill.fill(query.expr, names, PLACEHOLDERS)
        for variable in each.definition.variables:
            if variable.metric:
                yield f"dashboard {each.definition.name}", variable.metric
    texts += [f"{getattr(m, 'condition', '')} {m.labels}" for m in METRICS.values()]
    if (config / "slos").is_dir():
        texts += [
            path.read_text(encoding="utf-8", errors="replace") for path in sorted((config / "slos").rglob("*.y*ml"))
        ]


def _names(expr: str) -> Iterator[tuple[str, bool]]:
    """(metric, whether it is a pattern) of each selector."""
    from pitchey_slo.promql import tree
    from pitchey_slo.promql.parse import parse

    for node in _walk(parse(expr)):
        if isinstance(node, tree.Selector):
            for matchers in node.alternatives:
                named = [m for m in matchers if m.name == "__name__"]
                yield from ((m.value, m.op == "=~") for m in named if m.op in ("=", "=~"))
                if not named:
                    yield ".*", True


def _walk(root: tree.Node) -> Iterable[tree.Node]:
    from pitchey_slo.promql.tree import children

    waiting = [root]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children(node)
