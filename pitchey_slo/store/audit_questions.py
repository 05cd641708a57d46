"""What the monthly audit asks of the lake: what people changed, and what was sent by which channel."""

from __future__ import annotations

from typing import Final

#: start, end: `moment`, `kind`, `name`, `who`, `why` of everything people changed within the time, the newest first
CHANGES: Final = """
    WITH asked AS (SELECT ?::TIMESTAMPTZ AS first, ?::TIMESTAMPTZ AS last), all_ AS (
        SELECT created_at AS moment, 'rule: ' || kind AS kind, split_part(rule, ';', 4) AS name, decided_by AS who,
               reason AS why FROM decisions
        UNION ALL SELECT applied_at, 'rule: applied', split_part(rule, ';', 4), applied_by, reason FROM decisions
        UNION ALL SELECT reverted_at, 'rule: reverted', split_part(rule, ';', 4), reverted_by, reason FROM decisions
        UNION ALL SELECT created_at, CASE WHEN definition IS NULL THEN 'dashboard: removed' ELSE 'dashboard' END,
               id, saved_by, comment FROM dashboards
        UNION ALL SELECT starts_at, 'silence', matchers, created_by, comment FROM silences
        UNION ALL SELECT expired_at, 'silence: ended early', matchers, NULL, comment FROM silences
        UNION ALL SELECT created_at, 'correction: ' || category, coalesce(slos, 'all SLOs'), approver, reason
               FROM corrections
        UNION ALL SELECT withdrawn_at, 'correction: withdrawn', coalesce(slos, 'all SLOs'), withdrawn_by, reason
               FROM corrections
        UNION ALL SELECT updated_at, 'synthetic test', id, added_by, NULL FROM synthetics
        UNION ALL SELECT removed_at, 'synthetic test: removed', id, added_by, NULL FROM synthetics
    )
    SELECT moment, kind, name, who, why FROM all_, asked
    WHERE moment >= first AND moment < last ORDER BY moment DESC, kind, name"""

#: start, end: `receiver`, `channel`, `sent`, `dead`, `last` of messages decided within the time
SENT: Final = """
    SELECT receiver, channel, count(*) FILTER (state = 'sent') AS sent, count(*) FILTER (state = 'dead') AS dead,
           max(sent_at) AS last
    FROM notifications WHERE created_at >= ? AND created_at < ? GROUP BY ALL ORDER BY ALL"""
