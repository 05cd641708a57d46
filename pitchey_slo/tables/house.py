"""The tables that this house writes itself: corrections of SLOs, decisions about rules, saved dashboards and tests,
what alerting has to remember.

Alert state and the messages that follow from it are rows of these tables, written in one transaction
(`Store.append_all`), so that a crash loses neither.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from pitchey_slo.tables.table import TEXT, TIME, Column, Table

_LONG = 65_536

CORRECTIONS: Final = Table(
    "corrections",
    "time that does not count against an SLO's budget: who said so, why, and when it comes again",
    "register",
    time="starts_at",
    keep_days=0,
    columns=(
        Column("id", TEXT, "stable name of the correction", required=True, longest=128),
        Column("slos", TEXT, "names of the SLOs it is for, comma-separated; null for all", longest=16_384),
        Column("category", TEXT, "scheduled_maintenance, outside_business_hours, deployment or other", required=True),
        Column("reason", TEXT, "why, in plain words", required=True, longest=4_096, scrub="text"),
        Column("approver", TEXT, "who agreed", required=True, longest=128),
        Column("starts_at", TIME, "start of the first (or only) time", required=True),
        Column("seconds", pa.float64(), "length of each time", required=True, low=60, high=31_622_400),
        Column("rrule", TEXT, "RFC 5545 rule such as FREQ=WEEKLY;BYDAY=SU; null for once", longest=1_024),
        Column("zone", TEXT, "IANA time zone whose wall clock the rule follows", default="UTC", longest=64),
        Column("created_at", TIME, "when it was written down"),
        Column("withdrawn_at", TIME, "when it was taken back; null while it holds"),
        Column("withdrawn_by", TEXT, "who took it back", longest=128),
        Column("source", TEXT, "api, cli, notebook or the file it was read from", default="api", longest=512),
    ),
)

ALERTS: Final = Table(
    "alerts",
    "one row per time an alert was pending or firing, from its first moment to its end",
    "register",
    time="active_at",
    keep_days=400,
    columns=(
        Column("id", TEXT, "fingerprint and the moment it became active", required=True, longest=128),
        Column("fingerprint", TEXT, "hash of the labels: the same alert has the same, each time", required=True),
        Column("name", TEXT, "its `alertname`", required=True),
        Column("severity", TEXT, "its `severity` label", longest=32),
        Column("state", TEXT, "pending, firing or resolved", required=True, longest=32),
        Column("labels", TEXT, "all labels as a JSON object", required=True, longest=_LONG),
        Column("annotations", TEXT, "annotations with their templates filled in, as a JSON object", longest=_LONG),
        Column("value", pa.float64(), "value of the expression when it was last evaluated"),
        Column("active_at", TIME, "since when the condition holds", required=True),
        Column("fired_at", TIME, "when it began to fire; null while it is pending"),
        Column("cleared_at", TIME, "since when the condition no longer holds while `keep_firing_for` keeps it firing"),
        Column("resolved_at", TIME, "when it ended; null before"),
        Column("ends_at", TIME, "pushed alerts: when it ends unless it is sent again"),
        Column("paused_seconds", pa.float64(), "pending time that does not count towards `for`: nothing was evaluated"),
        Column("acked_at", TIME, "when somebody took it on"),
        Column("acked_by", TEXT, "who took it on", longest=128),
        Column("rule_group", TEXT, "file and group of its rule; null for pushed ones", longest=4_096),
        Column("rule", TEXT, "the rule as it was evaluated, as JSON", longest=_LONG),
        Column("generator_url", TEXT, "where its expression can be seen", longest=4_096),
        Column("updated_at", TIME, "when the row was last changed", required=True),
        Column("source", TEXT, "rules, api, or who pushed it", default="rules", longest=512),
    ),
)

ALERT_EVENTS: Final = Table(
    "alert_events",
    "everything that was decided about an alert, in order: why somebody was paged, or not",
    "stream",
    time="ts",
    keep_days=400,
    columns=(
        Column("ts", TIME, "when", required=True),
        Column("alert_id", TEXT, "id in alerts", required=True, longest=128),
        Column("fingerprint", TEXT, "as in alerts", required=True),
        Column("kind", TEXT, "state, routed, grouped, silenced, inhibited, muted, held, queued, sent, failed, ...",
               required=True, longest=32),
        Column("text", TEXT, "the decision in one plain sentence", required=True, longest=4_096),
        Column("detail", TEXT, "its facts as a JSON object", longest=_LONG),
        Column("source", TEXT, "which part of the house decided", default="alert", longest=512),
        Column("event_id", TEXT, "unique within its source; null when the sender has none", longest=256),
    ),
)  # fmt: skip  # the long list reads better in one place

NOTIFICATIONS: Final = Table(
    "notifications",
    "the outbox: every message to a channel, waiting, sent or given up",
    "register",
    time="created_at",
    keep_days=400,
    columns=(
        Column("id", TEXT, "unique; the same for all attempts, so that a receiver can drop a repeat", required=True),
        Column("dedup_key", TEXT, "one per group and receiver over its whole life: trigger and resolve share it",
               required=True),
        Column("group_key", TEXT, "the group it tells about", longest=_LONG),
        Column("receiver", TEXT, "name of the receiver", required=True),
        Column("channel", TEXT, "which of the receiver's channels: kind and number, such as slack/0", required=True),
        Column("action", TEXT, "firing, resolved, escalation, reminder, digest, test or message", required=True),
        Column("severity", TEXT, "highest severity in it", longest=32),
        Column("payload", TEXT, "what the channel renders, as JSON", required=True, longest=1 << 20),
        Column("created_at", TIME, "when it was decided", required=True),
        Column("due_at", TIME, "not to be sent before", required=True),
        Column("state", TEXT, "waiting, sent, merged (into a digest), dead (given up) or dropped", required=True),
        Column("attempts", pa.int64(), "how often it was tried", required=True),
        Column("next_attempt_at", TIME, "when it is tried next", required=True),
        Column("sent_at", TIME, "when the channel took it"),
        Column("answer", TEXT, "the channel's last answer or error", longest=4_096),
        Column("fallback_of", TEXT, "id of the dead message that this one stands in for", longest=128),
        Column("updated_at", TIME, "when the row was last changed", required=True),
    ),
)  # fmt: skip

ALERT_GROUPS: Final = Table(
    "alert_groups",
    "what is known of each group of alerts per receiver: when it is told again, what was told last",
    "register",
    time="created_at",
    keep_days=400,
    columns=(
        Column("id", TEXT, "group key and receiver", required=True, longest=_LONG),
        Column("group_key", TEXT, "route and group labels", required=True, longest=_LONG),
        Column("receiver", TEXT, "name of the receiver", required=True),
        Column("labels", TEXT, "the labels it is grouped by, as a JSON object", required=True, longest=_LONG),
        Column("created_at", TIME, "when its first alert came", required=True),
        Column("next_at", TIME, "when it is looked at next", required=True),
        Column("sent_at", TIME, "when it was told last"),
        Column("told", TEXT, "fingerprints told firing and resolved last time, as JSON", longest=1 << 20),
        Column("detail", TEXT, "cooldowns, holds and counters, as JSON", longest=1 << 20),
        Column("updated_at", TIME, "when the row was last changed", required=True),
    ),
)

ESCALATIONS: Final = Table(
    "escalations",
    "timers of escalation policies: who is told next if nobody takes the alert on",
    "register",
    time="created_at",
    keep_days=400,
    columns=(
        Column("id", TEXT, "policy, group and its first moment", required=True, longest=_LONG),
        Column("policy", TEXT, "name of the policy", required=True),
        Column("group_key", TEXT, "the group it is about", required=True, longest=_LONG),
        Column("alerts", TEXT, "ids of its alerts, as a JSON list", required=True, longest=1 << 20),
        Column("level", pa.int64(), "the level told last, from 1; 0 before the first", required=True),
        Column("loop", pa.int64(), "how often the levels were gone through", required=True),
        Column("next_at", TIME, "when the next level is told; null when there is none"),
        Column("state", TEXT, "running, held, acked, resolved or exhausted", required=True, longest=32),
        Column("held_until", TIME, "start of the working hours it waits for"),
        Column("created_at", TIME, "when it began", required=True),
        Column("updated_at", TIME, "when the row was last changed", required=True),
    ),
)

SILENCES: Final = Table(
    "silences",
    "alerts that are not told: which, when, who said so and why",
    "register",
    time="starts_at",
    keep_days=400,
    columns=(
        Column("id", TEXT, "stable name of the silence", required=True, longest=128),
        Column("matchers", TEXT, 'which alerts, as JSON: [{"name", "value", "isRegex", "isEqual"}]', required=True,
               longest=_LONG),
        Column("starts_at", TIME, "start (of the first time, when it recurs)", required=True),
        Column("ends_at", TIME, "end; for a recurring one the end of it all", required=True),
        Column("rrule", TEXT, "RFC 5545 rule; null for once", longest=1_024),
        Column("seconds", pa.float64(), "recurring: length of each time"),
        Column("zone", TEXT, "IANA time zone whose wall clock the rule follows", default="UTC", longest=64),
        Column("until_resolved", pa.bool_(), "ends early, as soon as nothing that it matches fires", default=False),
        Column("created_by", TEXT, "owner", required=True, longest=128),
        Column("comment", TEXT, "reason", required=True, longest=4_096, scrub="text"),
        Column("reminded_at", TIME, "when the owner was told that it ends soon"),
        Column("expired_at", TIME, "when somebody ended it early"),
        Column("updated_at", TIME, "when the row was last changed", required=True),
        Column("source", TEXT, "api, cli, amtool, ...", default="api", longest=512),
    ),
)  # fmt: skip

DECISIONS: Final = Table(
    "decisions",
    "what people decided about an alerting rule, why, on what evidence, and what came of it",
    "register",
    time="created_at",
    keep_days=0,
    columns=(
        Column("id", TEXT, "stable name of the decision", required=True, longest=128),
        Column("rule", TEXT, "the rule's key: file;group;kind;name;labels;number", required=True, longest=_LONG),
        Column("kind", TEXT, "accept (the proposed change), change (other numbers) or reject (it stays)", required=True,
               longest=32),
        Column("decided_by", TEXT, "who decided", required=True, longest=128),
        Column("reason", TEXT, "why, in plain words", required=True, longest=4_096, scrub="text"),
        Column("look_again_at", TIME, "when it is looked at again; null for no date"),
        Column("created_at", TIME, "when it was decided", required=True),
        Column("before", TEXT, "the rule's text in its file as it was", required=True, longest=_LONG),
        Column("after", TEXT, "the rule's text as it shall be; the same as `before` when rejected", required=True,
               longest=_LONG),
        Column("diff", TEXT, "unified diff of the rule file; empty when rejected", longest=_LONG),
        Column("evidence", TEXT, "what it rests on, as JSON: hashes of file, rule and incidents, time, scores",
               longest=1 << 20),
        Column("state", TEXT, "decided, applied or reverted", required=True, longest=32),
        Column("applied_at", TIME, "when the file was changed"),
        Column("applied_by", TEXT, "who applied it", longest=128),
        Column("reverted_at", TIME, "when the change was taken back"),
        Column("reverted_by", TEXT, "who took it back", longest=128),
        Column("source", TEXT, "api, cli or notebook", default="api", longest=512),
    ),
)  # fmt: skip

DASHBOARDS: Final = Table(
    "dashboards",
    "dashboards that people saved, each version a row; the highest version of a name is the one shown",
    "register",
    time="created_at",
    keep_days=0,
    columns=(
        Column("id", TEXT, "name and version: system@3", required=True, longest=128),
        Column("name", TEXT, "name of the dashboard, as in its address", required=True, longest=64),
        Column("version", pa.int64(), "1 and up; a file in config/dashboards counts as version 0", required=True),
        Column("definition", TEXT, "the definition as YAML; null when this version removes it", longest=1 << 20),
        Column("saved_by", TEXT, "who saved it", required=True, longest=128),
        Column("comment", TEXT, "what was changed and why", longest=4_096, scrub="text"),
        Column("created_at", TIME, "when it was saved", required=True),
        Column("source", TEXT, "api, dashboard, cli or notebook", default="api", longest=512),
    ),
)

SYNTHETICS: Final = Table(
    "synthetics",
    "synthetic tests that were added over the API; those in config/synthetics are read from their files",
    "register",
    time="updated_at",
    keep_days=0,
    columns=(
        Column("id", TEXT, "name of the test", required=True, longest=128),
        Column("definition", TEXT, "the definition as YAML; secrets by reference", required=True, longest=1 << 20),
        Column("added_by", TEXT, "who added or last changed it", required=True, longest=128),
        Column("updated_at", TIME, "when it was last changed", required=True),
        Column("removed_at", TIME, "when it was taken away; null while it runs"),
        Column("source", TEXT, "api, dashboard, cli or notebook", default="api", longest=512),
    ),
)

INCIDENT_UPDATES: Final = Table(
    "incident_updates",
    "what the public is told of an incident; one with no update is not on the status page",
    "register",
    time="created_at",
    keep_days=0,
    columns=(
        Column("id", TEXT, "stable name of the update", required=True, longest=128),
        Column("incident_id", TEXT, "which incident", required=True, longest=128),
        Column("status", TEXT, "investigating, identified, monitoring or resolved", required=True, longest=32),
        Column("components", TEXT, "components it is about, comma-separated", longest=1_024),
        Column("message", TEXT, "what people read", required=True, longest=4_096, scrub="text"),
        Column("posted_by", TEXT, "who posted it; never shown to the public", required=True, longest=128),
        Column("created_at", TIME, "when it was posted", required=True),
        Column("source", TEXT, "api, dashboard, cli or notebook", default="api", longest=512),
    ),
)

REPORT_DUES: Final = Table(
    "report_dues",
    "every time a schedule of reports was due, and what became of it; and since when each schedule is followed",
    "register",
    time="due_at",
    keep_days=400,
    columns=(
        Column("id", TEXT, "schedule and due time: daily_review@2026-11-23T05:23:00Z", required=True, longest=256),
        Column("schedule", TEXT, "name of the schedule", required=True, longest=128),
        Column("due_at", TIME, "when it was due by its cron expression, jitter aside", required=True),
        Column(
            "state",
            TEXT,
            "waiting, running, succeeded, failed or skipped; followed for the schedule itself",
            required=True,
            longest=32,
        ),
        Column("reason", TEXT, "why it failed or was skipped, in plain words", longest=4_096),
        Column("trigger", TEXT, "schedule, or manual when a person asked", longest=32),
        Column("rule", TEXT, "cron expression and zone it was due by", longest=256),
        Column("started_at", TIME, "when its run began"),
        Column("ended_at", TIME, "when it was settled"),
        Column("run_id", TEXT, "its run in report_runs", longest=128),
        Column("attempts", pa.int64(), "how often it was begun"),
        Column("told", TEXT, "ids of the messages about it, as a JSON list", longest=16_384),
        Column("receipt", TEXT, "what became of these messages, as JSON; null until all are settled", longest=16_384),
        Column("updated_at", TIME, "when this row was last written", required=True),
    ),
)

HOUSE: Final = {
    t.name: t
    for t in (
        *(CORRECTIONS, ALERTS, ALERT_EVENTS, NOTIFICATIONS, ALERT_GROUPS, ESCALATIONS, SILENCES, DECISIONS),
        *(DASHBOARDS, SYNTHETICS, INCIDENT_UPDATES, REPORT_DUES),
    )
}
