"""What dashboards ask that PromQL cannot say: SQL written once.

Texts in capitals are asked of registers with parameters; functions get the table expression of a stream's rows in the
span asked for (`Rows.whole`) and give the text. Times come back as milliseconds since 1970, so that no caller needs to
know about time zones. `_ms` below is how.
"""

from __future__ import annotations

from typing import Final

#: start, end, end, end, start, how many
MARKS: Final = """
    SELECT * FROM (
        SELECT 'deployment' AS kind, id, epoch_ms(ts) AS "at", NULL::BIGINT AS until,
               concat_ws(' ', service, version) AS title
        FROM deployments WHERE ts >= ? AND ts <= ?
        UNION ALL
        SELECT 'incident', id, epoch_ms(started_at), epoch_ms(ended_at), title
        FROM incidents WHERE started_at <= ? AND coalesce(ended_at, ?) >= ?
        ORDER BY "at" DESC LIMIT ?
    ) ORDER BY "at" """

NEWEST: Final = "SELECT epoch_ms(max(ts)) AS ms FROM requests"
