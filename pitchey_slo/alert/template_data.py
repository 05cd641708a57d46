"""What the notification templates of a routing file see: Alertmanager's data, with our own words beside it.

`.Title` and `.Text` are what we would have said; Alertmanager's default templates (`slack.default.title`, ...) are
defined as those, so that files which include them go on working.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pitchey_slo.alert.model import Alert, Notification, utc
from pitchey_slo.alert.templates import ALERTMANAGER, Alerts, Pairs, Struct, render
from pitchey_slo.alert.text import Told, common_annotations, common_labels

#: A setting that only asks for the default.
_ASKS_FOR_DEFAULT: Final = re.compile(r'\s*\{\{-?\s*template\s+"[a-z0-9]+\.default\.[A-Za-z]+"\s+\.\s*-?\}\}\s*')
_TITLES: Final = ("title", "subject", "summary", "fallback", "description")
_TEXTS: Final = ("text", "message", "html", "body")
_SERVICES: Final = (
    "slack", "email", "pagerduty", "opsgenie", "pushover", "discord", "msteams", "msteamsv2", "webex", "telegram",
    "sns", "victorops", "wechat", "rocketchat", "mattermost", "jira", "sms", "apprise",
)  # fmt: skip
DEFAULTS: Final = (
    '{{ define "__subject" }}{{ .Title }}{{ end }}{{ define "__description" }}{{ .Text }}{{ end }}'
    '{{ define "__alertmanager" }}pitchey-slo{{ end }}{{ define "__alertmanagerURL" }}{{ .ExternalURL }}{{ end }}'
    '{{ define "__text_alert_list" }}{{ range . }}Labels:\n{{ range .Labels.SortedPairs }} - {{ .Name }} = {{ .Value }}'
    "\n{{ end }}Annotations:\n{{ range .Annotations.SortedPairs }} - {{ .Name }} = {{ .Value }}\n{{ end }}"
    "Source: {{ .GeneratorURL }}\n{{ end }}{{ end }}"
    + "".join(f'{{{{ define "{s}.default.{t}" }}}}{{{{ .Title }}}}{{{{ end }}}}' for s in _SERVICES for t in _TITLES)
    + "".join(f'{{{{ define "{s}.default.{t}" }}}}{{{{ .Text }}}}{{{{ end }}}}' for s in _SERVICES for t in _TEXTS)
)
#: The zero time of Go, which a template recognises by `.IsZero`.
NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)


def is_default(text: str) -> bool:
    """Whether a setting only asks for what we do anyhow.

    >>> is_default('{{ template "slack.default.title" . }}')
    True
    """
    return bool(_ASKS_FOR_DEFAULT.fullmatch(text))


def fill(
    text: str,
    notification: Notification,
    told: Told,
    url: str,
    definitions: tuple[str, ...],
    *,
    quote: Callable[[str], str] = str,
    as_html: bool = False,
) -> str:
    """`text` with its templates filled in. `quote` is applied to every label, annotation and word of ours, so that the
    author's markup works and that of strangers does not. Raises TemplateError."""
    data = data_of(notification, told, url, quote)
    return render(text, data, ALERTMANAGER, definitions=(DEFAULTS, *definitions), as_html=as_html)


def data_of(notification: Notification, told: Told, url: str, quote: Callable[[str], str] = str) -> Struct:
    """Alertmanager's template data."""
    message = notification.message
    return Struct(
        Receiver=notification.receiver,
        Status="resolved" if told.mood == "resolved" else "firing",
        Alerts=Alerts(_alert(alert, quote) for alert in message.alerts),
        GroupLabels=_pairs(message.group_labels, quote),
        CommonLabels=_pairs(common_labels(message.alerts), quote),
        CommonAnnotations=_pairs(common_annotations(message.alerts), quote),
        ExternalURL=url,
        GroupKey=quote(notification.group_key),
        TruncatedAlerts=0,
        Title=quote(told.title),
        Text=quote(told.plain()),
        Links=_pairs(told.links, str),
    )


def _alert(alert: Alert, quote: Callable[[str], str]) -> Struct:
    return Struct(
        Status="resolved" if alert.state == "resolved" else "firing",
        Labels=_pairs(alert.labels, quote),
        Annotations=_pairs(alert.annotations, quote),
        StartsAt=utc(alert.fired_at or alert.active_at),
        EndsAt=utc(alert.resolved_at) if alert.resolved_at else NEVER,
        GeneratorURL=alert.generator_url,
        Fingerprint=alert.fingerprint,
        Value=alert.value,
    )


def _pairs(given: Mapping[str, Any], quote: Callable[[str], str]) -> Pairs:
    return Pairs({str(name): quote(str(value)) for name, value in given.items()})
