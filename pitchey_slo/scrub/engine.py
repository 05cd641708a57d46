"""The scrubber: one text at a time, everything else is made of that."""

from __future__ import annotations

import functools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pitchey_slo.scrub import encoded, names, tree, unfold
from pitchey_slo.scrub.counts import Counts
from pitchey_slo.scrub.found import Found
from pitchey_slo.scrub.gate import Gate, either
from pitchey_slo.scrub.key import keyed
from pitchey_slo.scrub.policy import FAILED, Action, Policy
from pitchey_slo.scrub.rules import authorization, card, email, iban, ip, own, pair, pem, phone, ssn, token, url

if TYPE_CHECKING:
    import pyarrow as pa

#: Characters of one text; what is longer is cut.
LONGEST: Final = 1 << 18
#: Seconds of processor time that one long text may take.
PATIENCE: Final = 2.0
_SHORT: Final = 4_096
#: JSON in a text in JSON in a text ...
DEEPEST: Final = 5
MARK: Final = "[scrub_failed]"
_MOST_CACHED: Final = 1_024

Find = Callable[[str], Iterable[Found]]


class GaveUp(Exception):
    """A bound was passed; the text is replaced as a whole."""


class Scrubber:
    """Takes personal data and secrets out of texts, trees, labels and tables. Safe to use from any thread.

    Nothing it is given comes back unlooked at: where a rule raises or a bound is passed, the value is `[scrub_failed]`
    and counted under "failed". What it wrote once it leaves alone the second time.
    """

    def __init__(self, policy: Policy | None = None, key: bytes | None = None) -> None:
        self.policy = policy or Policy()
        self.key = key
        self._counts = Counts()
        self._times = threading.local()
        policy = self.policy
        self._finds: dict[str, Find] = {
            "email": email.find,
            "card": card.find,
            "iban": iban.find,
            "ip": functools.partial(ip.find, keep=policy.keep_networks),
            "ssn": ssn.find,
            "phone": functools.partial(phone.find, regions=policy.regions),
            "token": token.find,
            "authorization": authorization.find,
            "pem": pem.find,
            "url": url.find,
            "pair": functools.partial(pair.find, own=policy.names),
        }
        gates: dict[str, tuple[str, ...]] = {
            "email": email.GATES, "card": card.GATES, "iban": iban.GATES, "ip": ip.GATES, "ssn": ssn.GATES,
            "phone": phone.GATES, "token": token.gates(), "authorization": authorization.GATES, "pem": pem.GATES,
            "url": url.GATES, "pair": pair.gates(policy.names),
        }  # fmt: skip
        for pattern in policy.patterns:
            self._finds[f"own:{pattern.name}"] = functools.partial(own.find, pattern=pattern)
            gates[f"own:{pattern.name}"] = (pattern.regex,)
        gates |= {"unfold": unfold.GATES, "encoded": encoded.GATES}
        self.gate = Gate(gates)
        #: what `gate.any` let in is looked at once more: the same, with cards as people write them
        self.closer = either(p for several in (gates | {"card": card.SHAPES}).values() for p in several)
        self._actions = functools.lru_cache(maxsize=_MOST_CACHED)(policy.actions_for)
        self._label = functools.lru_cache(maxsize=16_384)(self._label_value)

    @classmethod
    def default(cls, key: bytes | None = None) -> Scrubber:
        """With the rules that come with the package; without a key what would be hashed is masked."""
        from pitchey_slo.scrub.config import shipped_policy

        return cls(shipped_policy(), key)

    def text(self, text: str, *, source: str = "", where: str = "") -> str:
        """`text` without what the rules find. `where` is the name of its field, which counts as a key's name does."""
        try:
            if where:
                return str(tree.field(self, where, text, source))
            return self.inner(text, source, 0)
        except Exception:  # noqa: BLE001  # whatever it is, the text must not pass
            return self.failed(source)

    def value(self, value: Any, *, source: str = "") -> Any:
        """The same for a tree of dictionaries, lists, texts, bytes and numbers; names of keys decide, too."""
        try:
            return tree.scrubbed(self, value, source, 0)
        except Exception:  # noqa: BLE001
            return self.failed(source)

    def labels(self, labels: Mapping[str, str], *, source: str = "") -> dict[str, str]:
        """Labels of a series. A label named after a person (email, user_id, client_ip) keeps series apart by a hash;
        one named after a machine (instance, host, pod) keeps its address; `le`, `quantile` and `__name__` stay."""
        return {
            name if name.isidentifier() and name.isascii() else self.text(name, source=source): self._label(
                name, value, source
            )
            for name, value in labels.items()
        }

    def rows(self, table: str, rows: pa.Table) -> pa.Table:
        """Rows of `table` with the columns that `tables.scrubbed` names scrubbed, by the rules of each row's source."""
        from pitchey_slo.scrub.rows import scrub_rows

        return scrub_rows(self, table, rows)

    def counts(self) -> dict[tuple[str, str], int]:
        """(rule, source) -> times it found something since the start; rule "failed" counts what was replaced unread."""
        return self._counts.all()

    def logging_filter(self, source: str = "log") -> logging.Filter:
        """A filter for handlers of the standard library's logging: message, arguments, exception and stack."""
        from pitchey_slo.scrub.log_filter import ScrubFilter

        return ScrubFilter(self, source)

    # what the rest of this room uses

    @contextmanager
    def times(self, times: int) -> Iterator[None]:
        """What is found meanwhile by this thread counts so many times: a value that stands in many rows."""
        self._times.now = times
        try:
            yield
        finally:
            self._times.now = 1

    def _count(self, rule: str, source: str) -> None:
        self._counts.add(rule, source, getattr(self._times, "now", 1))

    def failed(self, source: str) -> str:
        self._count(FAILED, source)
        return MARK

    def inner(self, text: str, source: str, depth: int, *, skip: frozenset[str] = frozenset()) -> str:
        """`text` scrubbed; raises where it cannot be. `skip` names rules that do not count here."""
        if len(text) > LONGEST:
            self._count(FAILED, source)
            text = text[:LONGEST] + "[cut]"
        if not text.isascii():
            text = _whole(text)
        opened = self.gate.open(text)
        if not opened:
            return text
        if text[:1] in "{[ \n\t" and text.lstrip()[:1] in ("{", "["):
            known = self._json(text, source, depth)
            if known is not None:
                return known
        found = self.find(text, opened, self._actions(source), depth, skip)
        return self.replaced(text, found, source) if found else text

    def _json(self, text: str, source: str, depth: int) -> str | None:
        """The text's JSON scrubbed; None when it is none, the text itself when nothing was found."""
        if depth > DEEPEST:
            raise GaveUp(f"JSON in texts deeper than {DEEPEST}")
        try:
            value = json.loads(text, object_pairs_hook=tree.pairs)
        except ValueError:
            return None
        after = tree.scrubbed(self, value, source, depth + 1)
        if after == value and not tree.doubled(value):
            return text
        return json.dumps(after, ensure_ascii=False, separators=(",", ":") if '": ' not in text else None)

    def find(
        self, text: str, opened: frozenset[str], actions: Mapping[str, Action], depth: int, skip: frozenset[str]
    ) -> list[Found]:
        """Everything the rules find, in order, without overlaps."""
        until = time.thread_time() + PATIENCE if len(text) > _SHORT else 0.0
        found = list(self._direct(text, opened, until))
        if "unfold" in opened and (view := unfold.unfold(text)) is not None:
            inside = self.gate.open(view.text)
            hidden = list(self._direct(view.text, inside, until))
            if "encoded" in inside:
                hidden.extend(self._encoded(view.text, depth, actions, skip))
            found.extend(view.place(f) for f in hidden)
        if "encoded" in opened:
            found.extend(self._encoded(text, depth, actions, skip))
        wanted = [
            f for f in found if actions.get(f.rule) != "off" and f.rule not in skip and not self._allowed(f.value)
        ]
        return _apart(wanted)

    def _direct(self, text: str, opened: frozenset[str], until: float) -> Iterator[Found]:
        """What the open rules find; `until`: when this thread's processor time is up, 0 for never."""
        for name, find in self._finds.items():
            if name not in opened:
                continue
            for found in find(text):
                if found.end > found.start:
                    yield found
                if until and time.thread_time() > until:
                    raise GaveUp(f"{name} took too long")

    def _encoded(self, text: str, depth: int, actions: Mapping[str, Action], skip: frozenset[str]) -> Iterator[Found]:
        """Base64 that holds something: the whole of it goes, under the rule of the first thing in it."""
        for start, end, decoded in encoded.tokens(text):
            opened = self.gate.open(decoded) - {"encoded"}
            if opened and (inside := self.find(decoded, opened, actions, depth + 1, skip)):
                yield Found(start, end, inside[0].rule, inside[0].value)

    def _allowed(self, value: str) -> bool:
        return bool(self.policy.allow_texts) and _fits(value, self.policy.allow_texts)

    def replaced(self, text: str, found: list[Found], source: str) -> str:
        pieces, at = [], 0
        for f in found:
            pieces += [text[at : f.start], self.instead(f.rule, f.value, source)]
            at = f.end
        return "".join((*pieces, text[at:]))

    def instead(self, rule: str, value: str, source: str, action: Action | None = None) -> str:
        """What stands in place of a value, counted."""
        self._count(rule, source)
        action = action or self._actions(source).get(rule, "mask")
        if action == "remove":
            return ""
        short = {"personal_key": "person", "secret_key": "secret"}.get(rule, rule)
        return f"{short}:{keyed(self.key, rule, value)}" if action == "hash" and self.key else f"[{short}]"

    def off(self, rule: str, source: str) -> bool:
        return self._actions(source).get(rule) == "off"

    def single(self, text: str, source: str) -> tuple[str, str]:
        """Rule and value when `text` is one find and nothing else; ("personal_key", text) otherwise."""
        opened = self.gate.open(text)
        found = self.find(text, opened, self._actions(source), 0, frozenset()) if opened else []
        if len(found) == 1 and (found[0].start, found[0].end) == (0, len(text)):
            return found[0].rule, found[0].value
        return "personal_key", text

    def _label_value(self, name: str, value: str, source: str) -> str:
        try:
            return tree.label(self, name, value, source)
        except Exception:  # noqa: BLE001
            return self.failed(source)


def _whole(text: str) -> str:
    """Halves of surrogate pairs, which no encoding takes, become question marks."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


@functools.lru_cache(maxsize=4_096)
def _fits(value: str, globs: tuple[str, ...]) -> bool:
    import fnmatch

    return any(fnmatch.fnmatchcase(value.lower(), glob.lower()) for glob in globs)


#: Of finds that overlap, the one whose rule stands first names the whole.
_ORDER: Final = (
    *("pem", "jwt", "token", "url_credentials", "authorization", "cookie", "card", "iban", "ssn"),
    *("email", "phone", "ip", "secret_key", "personal_key"),
)
_RANK: Final = {name: i for i, name in enumerate(_ORDER)}


def _apart(found: list[Found]) -> list[Found]:
    """In order of place; finds that overlap become one."""
    if len(found) < 2:
        return found
    found.sort(key=lambda f: (f.start, -f.end))
    apart = [found[0]]
    for f in found[1:]:
        last = apart[-1]
        if f.start >= last.end:
            apart.append(f)
        else:
            first = min(last, f, key=lambda x: (_RANK.get(x.rule, -1), x.start - x.end))
            apart[-1] = Found(last.start, max(last.end, f.end), first.rule, first.value)
    return apart


__all__ = ["MARK", "GaveUp", "Scrubber", "names"]
