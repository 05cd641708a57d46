"""The same dashboards as Grafana reads them: the classic JSON model, which imports by hand and provisions from files.

Every panel asks PromQL through this server's Prometheus API. A named question becomes the queries that its definition
gives as `grafana:`, or a text with a link to the workbench where PromQL cannot say it. The data source is a variable,
`${datasource}`, and not an `__inputs` entry: the latter is filled by the import page only, and provisioning fails on it
(grafana/grafana#10786). `${workbench}` is where links back lead.

What Grafana shows may differ from the workbench in its steps (it chooses its own) and not in its queries: variables are
put in by Grafana's own rules, which escape as ours do. Colours are Grafana's names; states keep their meaning.
"""

from pitchey_slo.board.grafana.dashboard import dashboard, file_name, text
from pitchey_slo.board.grafana.provisioning import files
from pitchey_slo.board.grafana.words import uid

__all__ = ["dashboard", "file_name", "files", "text", "uid"]
