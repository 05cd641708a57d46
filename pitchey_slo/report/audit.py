"""What the monthly security audit says: who may do what, who was refused, what people changed, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pitchey_slo.analyse.daily import Kept, kept
from pitchey_slo.report import told
from pitchey_slo.report.about import About, about, changes, ending
from pitchey_slo.report.facts import Fact
from pitchey_slo.report.told import Column, Html
from pitchey_slo.report.words import ago, many, said
from pitchey_slo.store import audit_questions as ask
from pitchey_slo.store.tokens import Token, listed

if TYPE_CHECKING:
    from pitchey_slo.workbench import Moment, Workbench

NOTEBOOK: Final = "90_monthly_audit"
#: A token that nobody used for so long is not needed.
UNUSED: Final = timedelta(days=90)
#: One that ends so soon is to be renewed.
SOON: Final = timedelta(days=30)
#: A backup older than this is none.
OLD_BACKUP: Final = timedelta(days=8)
_TABLES: Final = ("decisions", "dashboards", "silences", "corrections", "synthetics", "notifications", "samples")
_DENIED: Final = 'sum by (path, method, status) (increase(pitchey_slo_http_requests_total{status=~"401|403|429"}[$]))'
_ASKED: Final = "sum(increase(pitchey_slo_http_requests_total[$]))"
_SCRUBBED: Final = "sum by (rule, source) (increase(pitchey_scrubbed_total[$]))"
_WORDS: Final = {"401": "unknown token", "403": "scope missing", "429": "too many requests"}
#: Settings of a channel that say whom it reaches, and are no secret.
_REACH: Final = ("to", "channel", "recipients", "numbers")


@dataclass(frozen=True)
class Backup:
    """One backup as its manifest tells it."""

    name: str
    made_at: datetime
    rows: int


@dataclass(frozen=True)
class Channel:
    """One way people are told: whom it reaches, and what went by it within the time."""

    receiver: str
    channel: str
    reaches: str
    sent: int
    dead: int
    last: datetime | None


@dataclass(frozen=True, eq=False)
class Audit:
    """None is "not known": `tokens` when the list cannot be read, `denied` and `scrubbed` when nobody counted,
    `backups` when no folder was named. `tokens_at`: when the list was written; None for now."""

    start: datetime
    end: datetime
    now: datetime
    tokens: tuple[Token, ...] | None
    tokens_at: datetime | None
    denied: tuple[tuple[Mapping[str, str], float], ...] | None
    scrubbed: tuple[tuple[Mapping[str, str], float], ...] | None
    changed: tuple[Mapping[str, Any], ...]
    kept: tuple[Kept, ...]
    backups: tuple[Backup, ...] | None
    channels: tuple[Channel, ...]
    routes_problem: str
    about: About

    @property
    def alive(self) -> tuple[Token, ...]:
        return tuple(t for t in self.tokens or () if t.alive(self.now))

    def remarks(self, t: Token) -> tuple[str, ...]:
        """What is to be said of a token that opens something."""
        seen = t.last_used_at or t.created_at
        found = []
        if self.now - seen > UNUSED:
            found.append(
                "never used" if t.last_used_at is None else f"unused for {ago((self.now - seen).total_seconds())}"
            )
        if t.expires_at is None:
            found.append("never expires")
        elif t.expires_at - self.now < SOON:
            found.append(f"ends in {ago((t.expires_at - self.now).total_seconds())}")
        if "admin" in t.scopes:
            found.append("may do everything")
        return tuple(found)

    @property
    def unused(self) -> tuple[Token, ...]:
        return tuple(t for t in self.alive if self.now - (t.last_used_at or t.created_at) > UNUSED)

    @property
    def nameless(self) -> tuple[Mapping[str, Any], ...]:
        """Changes of which nobody, or no reason, is written down."""
        return tuple(c for c in self.changed if not c["who"] or not (c["why"] or c["kind"].startswith("synthetic")))

    def summary(self) -> Html:
        """Who may do what, what was refused and changed, what is to be done."""
        return told.paragraph(
            self._tokens(), self._refused(), self._changes(), self._retention(), self._do(), kind="lead"
        ) + told.paragraph(
            f"{said(self.start)} to {said(self.end)}. Who read what is not recorded: there is no audit trail of reads, "
            "only of changes, of refusals and of a token's last use.",
            kind="quiet",
        )

    def facts(self) -> list[Fact]:
        """The month in a few numbers."""
        known = self.tokens is not None
        return [
            Fact("tokens", "tokens that open something", len(self.alive) if known else None),
            Fact("admin", "of them, that may do everything",
                 sum("admin" in t.scopes for t in self.alive) if known else None, better="down"),
            Fact("unused", "of them, unused for 90 days", len(self.unused) if known else None, better="down"),
            Fact("denied", "requests refused", _sum(self.denied), better="down"),
            Fact("scrubbed", "personal data taken out", _sum(self.scrubbed)),
            Fact("changes", "changes by people", len(self.changed)),
            Fact("late", "tables beyond their retention", sum(k.late for k in self.kept), better="down"),
            Fact("dead", "messages given up", sum(c.dead for c in self.channels), better="down"),
        ]  # fmt: skip

    def changes(self) -> Html:
        """What changed since the last such report."""
        return changes(self.about, self.facts(), self.summary())

    def todo(self) -> Html:
        """What is to be done, in order."""
        columns = (Column("what", wide=True), Column("how", wide=True))
        return told.table(columns, list(self._todo()), empty="Nothing to do.")

    def access(self) -> Html:
        """Every token that opens something, those with a remark first."""
        if self.tokens is None:
            return told.paragraph(
                "The list of tokens cannot be read: a server owns the store and has not written tokens.json yet. "
                "It does with the next request that carries a token.",
                kind="quiet",
            )
        rows = [
            (
                told.two_lines(t.name or "no name", t.id),
                ", ".join(sorted(t.scopes)),
                f"{t.created_at:%Y-%m-%d}",
                f"{t.last_used_at:%Y-%m-%d}" if t.last_used_at else "not yet",
                f"{t.expires_at:%Y-%m-%d}" if t.expires_at else "never",
                told.mark("at_risk", "! " + ", ".join(self.remarks(t)))
                if self.remarks(t)
                else told.mark("healthy", "✓"),
            )
            for t in sorted(self.alive, key=lambda t: (-len(self.remarks(t)), t.created_at))
        ]
        columns = (Column("token"), Column("may"), Column("created", short=True), Column("last used", short=True),
                   Column("expires", short=True), Column("", wide=True))  # fmt: skip
        over = len(self.tokens) - len(self.alive)
        when = f"As of {said(self.tokens_at)}; uses since are not in it. " if self.tokens_at else ""
        return told.table(columns, rows, empty="No token opens anything.") + told.paragraph(
            f"{when}{many(over, 'token')} more {'is' if over == 1 else 'are'} revoked or expired." if over else when,
            kind="quiet",
        )

    def refusals(self) -> Html:
        """Requests that were refused, by path."""
        if self.denied is None:
            return told.paragraph("Not counted: the server stored no numbers of its own for this time.", kind="quiet")
        rows = [
            (labels.get("path", "–"), labels.get("method", "–"), _WORDS.get(labels.get("status", ""), "–"), f"{n:,.0f}")
            for labels, n in self.denied
        ]
        columns = (
            Column("path"),
            Column("method", short=True),
            Column("why", short=True),
            Column("times", number=True),
        )
        return told.table(columns, rows, empty="No request was refused.")

    def changed_by(self) -> Html:
        """Who changed what, when and why."""
        rows = [
            (said(c["moment"]), c["kind"], _name(c["name"]), c["who"] or told.mark("at_risk", "not written down"),
             c["why"] or "–")
            for c in self.changed
        ]  # fmt: skip
        columns = (Column("when", short=True), Column("what", short=True), Column("of"), Column("who"),
                   Column("why", wide=True))  # fmt: skip
        return told.table(columns, rows, empty="Nobody changed anything that is recorded.") + told.paragraph(
            "Files under config/ (rules, routes, SLOs) are changed outside; their history is that of your repository.",
            kind="note",
        )

    def personal(self) -> Html:
        """What was taken out, by rule and source."""
        if self.scrubbed is None:
            return told.paragraph("Not counted: the server stored no numbers of its own for this time.", kind="quiet")
        rows = [(s.get("rule", "–"), s.get("source", "–"), f"{n:,.0f}") for s, n in self.scrubbed]
        columns = (Column("rule"), Column("source"), Column("times", number=True))
        return told.table(columns, rows, empty="Nothing had to be taken out.")

    def retention(self) -> Html:
        """Each table's policy against its oldest row, and the backups."""
        rows = [
            (k.table, f"{k.keep_days} d", said(k.oldest), ago((self.now - k.oldest).total_seconds()),
             told.mark(*(("at_risk", "! too old") if k.late else ("healthy", "✓"))))
            for k in sorted(self.kept, key=lambda k: (not k.late, k.table))
            if k.oldest
        ]  # fmt: skip
        columns = (Column("table"), Column("kept for", number=True), Column("oldest row", short=True),
                   Column("its age", number=True), Column("", short=True))  # fmt: skip
        note = "A row's age counts from when it happened or arrived; an old file loaded lately may stay longer."
        return told.table(columns, rows, empty="Nothing is stored.") + told.paragraph(note, kind="note")

    def copies(self) -> Html:
        """Backups of the named folder, the newest first."""
        if self.backups is None:
            return told.paragraph(
                "Not known: pitchey-slo backup FOLDER writes to any folder; name it as the parameter backups.",
                kind="quiet",
            )
        rows = [(b.name, said(b.made_at), f"{b.rows:,}") for b in self.backups[:10]]
        columns = (Column("backup"), Column("made", short=True), Column("rows", number=True))
        return told.table(columns, rows, empty="There is none in that folder.")

    def reached(self) -> Html:
        """Alert channels: whom they reach, and what went by them."""
        rows = [
            (c.receiver, c.channel, c.reaches or "–", f"{c.sent:,}", f"{c.dead:,}" if c.dead else "–", said(c.last))
            for c in self.channels
        ]
        columns = (Column("receiver"), Column("channel", short=True), Column("reaches", wide=True),
                   Column("sent", number=True), Column("given up", number=True),
                   Column("last", short=True))  # fmt: skip
        note = "Whether a channel's secret is set is not known here (reports have none); pitchey-slo alerts test says."
        return (
            told.table(columns, rows, empty="No channel is configured, and none was used.")
            + told.paragraph(self.routes_problem, kind="note")
            + told.paragraph(note, kind="quiet")
        )

    def provenance(self) -> Html:
        """What it was made from."""
        return ending(self.about)

    def _tokens(self) -> str:
        if self.tokens is None:
            return "The list of tokens cannot be read."
        if not self.alive:
            return "No token opens anything."
        admin = sum("admin" in t.scopes for t in self.alive) or "none"
        words = f"{many(len(self.alive), 'token')} {_open(len(self.alive))} something, {admin} of them everything"
        return f"{words}; {many(len(self.unused), 'token')} had no use for 90 days." if self.unused else f"{words}."

    def _refused(self) -> str:
        if self.denied is None:
            return "Refused requests were not counted."
        return (
            f"{many(round(_sum(self.denied) or 0), 'request')} {'was' if _sum(self.denied) == 1 else 'were'} refused."
        )

    def _changes(self) -> str:
        if not self.changed:
            return "Nobody changed anything that is recorded."
        words = f"People changed {many(len(self.changed), 'thing')}"
        return f"{words}, {len(self.nameless)} without a name or a reason." if self.nameless else f"{words}."

    def _retention(self) -> str:
        late = [k.table for k in self.kept if k.late]
        return f"Beyond their retention: {', '.join(late)}." if late else "Every table is within its retention."

    def _do(self) -> str:
        rows = [what for what, _ in self._todo()]
        return f"{many(len(rows), 'thing')} to do; first: {rows[0]}" if rows else "Nothing to do."

    def _todo(self) -> Iterator[tuple[str, str]]:
        for t in self.unused:
            yield f"Revoke {t.name or t.id}: nobody has used it for 90 days.", f"pitchey-slo token revoke {t.id}"
        for t in self.alive:
            if t.expires_at is None and t not in self.unused:
                yield f"Replace {t.name or t.id} by one that ends.", f"pitchey-slo token create --days 365 {_scopes(t)}"
            elif t.expires_at is not None and t.expires_at - self.now < SOON and t not in self.unused:
                yield f"Renew {t.name or t.id} before it ends.", f"pitchey-slo token create {_scopes(t)}"
        for k in (k for k in self.kept if k.late):
            yield f"See why {k.table} holds rows beyond its {k.keep_days} days.", "pitchey-slo retention --dry-run"
        if self.backups is not None and not any(self.now - b.made_at < OLD_BACKUP for b in self.backups):
            yield "Make a backup: there is none of the last week.", "pitchey-slo backup FOLDER"
        for c in (c for c in self.channels if c.dead):
            yield f"Mend {c.channel} of {c.receiver}: {many(c.dead, 'message')} given up.", "pitchey-slo alerts test"


def audit(
    wb: Workbench, *, window: str = "30d", backups: str = "", end: Moment = None, now: datetime | None = None
) -> Audit:
    """Gather it: `window` up to `end` (None: now, since access is of now). `backups`: the folder they lie in."""
    from pitchey_slo.workbench import parse_time, step_ms

    moment = now or datetime.now(UTC)
    last = parse_time(end, "end") or moment
    start = last - timedelta(milliseconds=step_ms(window))
    found = listed(wb.settings.home)
    channels, problem = _channels(wb, start, last)
    counted = _counted(wb, _ASKED, window, last)
    return Audit(
        start=start,
        end=last,
        now=moment,
        tokens=tuple(found[0]) if found else None,
        tokens_at=found[1] if found else None,
        denied=_counted(wb, _DENIED, window, last) or () if counted else None,
        scrubbed=_counted(wb, _SCRUBBED, window, last) or (() if counted else None),
        changed=tuple(wb.reader.query(ask.CHANGES, [start, last]).to_pylist()),
        kept=kept(wb.reader, wb.settings, moment),
        backups=_backups(Path(backups).expanduser()) if backups else None,
        channels=channels,
        routes_problem=problem,
        about=about(wb, NOTEBOOK, start=start, end=last, tables=_TABLES,
                    parameters={"window": window, "backups": backups, "end": end}, now=moment),
    )  # fmt: skip


def _counted(wb: Workbench, expr: str, window: str, at: datetime) -> tuple[tuple[Mapping[str, str], float], ...] | None:
    """Series of an increase over the time, the largest first; None when nothing was stored."""
    result = wb.promql_result(expr.replace("$", window), end=at)
    frame = result.to_pandas()
    if not len(result):
        return None
    found = [(dict(labels), float(v)) for labels, v in zip(result.labels, frame.to_numpy(dtype=float)[-1], strict=True)]
    return tuple(sorted(((lab, v) for lab, v in found if v >= 0.5), key=lambda each: -each[1]))


def _channels(wb: Workbench, start: datetime, end: datetime) -> tuple[tuple[Channel, ...], str]:
    from pitchey_slo.analyse.backtest.ask import routes_of
    from pitchey_slo.errors import ConfigError

    sent = {(r["receiver"], r["channel"]): r for r in wb.reader.query(ask.SENT, [start, end]).to_pylist()}
    reach: dict[tuple[str, str], str] = {}
    problem = ""
    try:
        for receiver in routes_of(wb.settings).receivers.values():
            for c in (*receiver.channels, *receiver.switched_off):
                told_ = [str(c.settings[name]) for name in _REACH if c.settings.get(name)]
                reach[receiver.name, c.name] = ", ".join(w for w in told_ if "${" not in w)
    except ConfigError as error:
        problem = f"The routes cannot be read: {error.message}"
    made = []
    for key in sorted({*reach, *sent}):
        row = sent.get(key, {"sent": 0, "dead": 0, "last": None})
        reaches = reach.get(key, "no longer configured")
        made.append(Channel(*key, reaches, int(row["sent"]), int(row["dead"]), row["last"]))
    return tuple(made), problem


def _backups(folder: Path) -> tuple[Backup, ...]:
    from pitchey_slo.store.backup import MANIFEST

    made = []
    for path in folder.glob(f"*/{MANIFEST}"):
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            rows = sum(int(n) for n in manifest["rows"].values())
            made.append(Backup(path.parent.name, datetime.fromisoformat(manifest["made_at"]), rows))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue  # not one of ours
    return tuple(sorted(made, key=lambda b: b.made_at, reverse=True))


def _sum(counted: Sequence[tuple[Mapping[str, str], float]] | None) -> float | None:
    return None if counted is None else float(round(sum(n for _, n in counted)))


def _name(name: str | None) -> str:
    """A silence's matchers as people write them; every other name as it is."""
    try:
        return ", ".join(
            f"{m['name']}{'=' if m['isEqual'] else '!='}{'~' if m['isRegex'] else ''}{m['value']}"
            for m in json.loads(name or "")
        )
    except (ValueError, TypeError, KeyError):
        return name or "–"


def _open(number: int) -> str:
    return "opens" if number == 1 else "open"


def _scopes(token: Token) -> str:
    return " ".join(f"--scope {scope}" for scope in sorted(token.scopes))
