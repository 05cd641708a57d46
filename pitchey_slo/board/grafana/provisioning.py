"""The files of a Grafana that shows these dashboards by itself: dashboards, and what provisions them.

pitchey-overview.json, pitchey-performance.json, ...
provisioning/dashboards/pitchey.yml     loads the files of a folder
provisioning/datasources/pitchey.yml    this server as a Prometheus data source; address and token come from Grafana's
                                        environment
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pitchey_slo.board.grafana.dashboard import file_name, text
from pitchey_slo.board.model import Definition

_DASHBOARDS: Final = """\
# Made by `pitchey-slo export grafana --to DIR`. Grafana reads the JSON files of the folder below and reads them again
# when they change: mount them there, or put another path.
apiVersion: 1
providers:
  - name: pitchey-slo
    folder: Pitchey
    type: file
    disableDeletion: false
    allowUiUpdates: false
    updateIntervalSeconds: 30
    options:
      path: /var/lib/grafana/dashboards/pitchey
"""
_SOURCES: Final = """\
# Made by `pitchey-slo export grafana --to DIR`. The workbench speaks Prometheus' HTTP API. Grafana puts in PITCHEY_URL
# (such as http://pitchey-slo:8001) and PITCHEY_TOKEN (`pitchey-slo token create --scope read --name grafana`) from its
# own environment; no secret stands in this file.
apiVersion: 1
datasources:
  - name: Pitchey
    uid: pitchey-slo
    type: prometheus
    access: proxy
    url: $PITCHEY_URL
    isDefault: true
    editable: false
    jsonData:
      httpMethod: POST
      prometheusType: Prometheus
      prometheusVersion: 3.5.0
      timeInterval: 15s
      httpHeaderName1: Authorization
    secureJsonData:
      httpHeaderValue1: Bearer $PITCHEY_TOKEN
"""


def files(definitions: Iterable[Definition]) -> dict[str, str]:
    """Path below a folder -> text of each file."""
    made = {file_name(definition): text(definition) for definition in definitions}
    return made | {
        "provisioning/dashboards/pitchey.yml": _DASHBOARDS,
        "provisioning/datasources/pitchey.yml": _SOURCES,
    }
