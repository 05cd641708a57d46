"""Which keys each kind of channel has in the routes file: Alertmanager's, and ours.

Read from Alertmanager's docs/configuration.md and its config package. Keys that its newer versions may bring belong
here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    """Keys of one `..._configs:`; `by_apprise`: not sent by ourselves."""

    keys: tuple[str, ...]
    send_resolved: bool = True
    by_apprise: bool = False
    flags: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    durations: tuple[str, ...] = ()


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _kind(keys: str, *, resolved: bool = True, apprise: bool = False, flags: str = "", numbers: str = "",
          durations: str = "") -> Kind:  # fmt: skip
    more = (tuple(text.split()) for text in (flags, numbers, durations))
    flagged, numbered, timed = more
    return Kind((*keys.split(), *flagged, *numbered, *timed), resolved, apprise, flagged, numbered, timed)


#: Keys that every channel takes; all but the first two are ours (docs/routing.md, docs/channels.md).
ANYWHERE: Final = ("send_resolved", "http_config", "allow_private", "rate", "digest", "timeout_seconds")

KINDS: Final = {
    "slack_configs": _kind(
        "api_url api_url_file app_token app_token_file app_url channel username color title title_link pretext text "
        "fields footer fallback callback_id icon_emoji icon_url image_url thumb_url mrkdwn_in actions "
        "message_text update_message thread_strategy",
        resolved=False, flags="link_names short_fields edit_messages", durations="timeout",
    ),
    "email_configs": _kind(
        "to from smarthost hello auth_username auth_username_file auth_password auth_password_file auth_secret "
        "auth_secret_file auth_identity tls_config html text headers subject threading",
        resolved=False, flags="require_tls implicit_tls force_implicit_tls",
    ),
    "pagerduty_configs": _kind(
        "routing_key routing_key_file service_key service_key_file url client client_url description severity source "
        "details images links component group class",
        durations="timeout",
    ),
    "webhook_configs": _kind(
        "url url_file secret secret_file secrets format", numbers="max_alerts", durations="timeout"
    ),
    "sms_configs": _kind(
        "account_sid auth_token auth_token_file api_key api_secret api_secret_file from to messaging_service_sid "
        "url status_callback text",
        resolved=False, flags="unicode", numbers="max_segments validity_period", durations="timeout",
    ),
    "apprise_configs": _kind("url url_file urls title text tags body_format"),
    "console_configs": _kind("text to", flags="color"),
    "discord_configs": _kind(
        "webhook_url webhook_url_file title message content username avatar_url", apprise=True
    ),
    "incidentio_configs": _kind(
        "url url_file alert_source_token alert_source_token_file metadata", apprise=True, numbers="max_alerts",
        durations="timeout",
    ),
    "jira_configs": _kind(
        "api_url api_type project summary description labels priority issue_type resolve_transition reopen_transition "
        "wont_fix_resolution fields custom_fields",
        apprise=True, durations="reopen_duration",
    ),
    "jsm_configs": _kind("api_key api_key_file api_url message description source details entity responders actions "
                         "tags note priority", apprise=True, flags="update_alerts"),
    "mattermost_configs": _kind(
        "webhook_url webhook_url_file channel username text icon_emoji icon_url attachments type props priority "
        "title fields", apprise=True,
    ),
    "msteams_configs": _kind("webhook_url webhook_url_file title summary text", apprise=True),
    "msteamsv2_configs": _kind("webhook_url webhook_url_file title text", apprise=True),
    "opsgenie_configs": _kind(
        "api_key api_key_file api_url message description source details responders tags note priority entity actions",
        apprise=True, flags="update_alerts",
    ),
    "pushover_configs": _kind(
        "user_key user_key_file token token_file title message url url_title device sound priority",
        apprise=True, flags="html monospace", durations="retry expire ttl",
    ),
    "rocketchat_configs": _kind(
        "api_url channel token token_file token_id token_id_file color emoji icon_url text title titleLink title_link "
        "fields image_url thumb_url actions", apprise=True, flags="link_names short_fields",
    ),
    "signl4_configs": _kind("team_secret team_secret_file title message", apprise=True),
    "sns_configs": _kind("api_url sigv4 topic_arn subject phone_number target_arn message attributes", apprise=True),
    "telegram_configs": _kind(
        "api_url bot_token bot_token_file chat_id chat_id_file message_thread_id message parse_mode",
        apprise=True, flags="disable_notifications",
    ),
    "victorops_configs": _kind(
        "api_key api_key_file api_url routing_key message_type entity_display_name state_message monitoring_tool "
        "custom_fields", apprise=True,
    ),
    "webex_configs": _kind("api_url room_id message", apprise=True),
    "wechat_configs": _kind(
        "api_secret api_secret_file api_url corp_id message message_type agent_id to_user to_party to_tag",
        resolved=False, apprise=True,
    ),
}  # fmt: skip  # one kind after the other reads better than one key per line

_SECRET: Final = _words(
    "app_token auth_password auth_secret routing_key service_key secret secrets auth_token api_key api_secret password "
    "credentials client_secret bearer_token webhook_url token token_id bot_token user_key alert_source_token "
    "secret_key access_key team_secret urls"
)
#: Keys that are secret with some kinds only.
_SECRET_IN: Final = {
    "api_url": ("slack_configs",),
    "url": ("webhook_configs", "apprise_configs", "incidentio_configs"),
}


def is_secret(kind: str, key: str) -> bool:
    """True when nobody may see the value of this key of this `..._configs`."""
    if (kind, key) == ("victorops_configs", "routing_key"):  # the name of a team, unlike PagerDuty's
        return False
    return key in _SECRET or kind in _SECRET_IN.get(key, ())


#: `..._configs` -> key -> key of `global:` that it is taken from.
FROM_GLOBAL: Final[dict[str, dict[str, str]]] = {
    "slack_configs": {
        "api_url": "slack_api_url", "api_url_file": "slack_api_url_file", "app_token": "slack_app_token",
        "app_token_file": "slack_app_token_file", "app_url": "slack_app_url", "http_config": "http_config",
    },
    "email_configs": {
        "from": "smtp_from", "smarthost": "smtp_smarthost", "hello": "smtp_hello",
        "auth_username": "smtp_auth_username", "auth_password": "smtp_auth_password",
        "auth_password_file": "smtp_auth_password_file", "auth_secret": "smtp_auth_secret",
        "auth_identity": "smtp_auth_identity", "require_tls": "smtp_require_tls", "tls_config": "smtp_tls_config",
        "auth_secret_file": "smtp_auth_secret_file", "force_implicit_tls": "smtp_force_implicit_tls",
    },
    "pagerduty_configs": {
        "routing_key": "pagerduty_routing_key", "url": "pagerduty_url", "http_config": "http_config",
    },
    "opsgenie_configs": {
        "api_key": "opsgenie_api_key", "api_key_file": "opsgenie_api_key_file", "api_url": "opsgenie_api_url",
    },
    "victorops_configs": {"api_key": "victorops_api_key", "api_key_file": "victorops_api_key_file"},
    "wechat_configs": {"api_secret": "wechat_api_secret", "corp_id": "wechat_api_corp_id"},
    "rocketchat_configs": {
        "api_url": "rocketchat_api_url", "token": "rocketchat_token", "token_file": "rocketchat_token_file",
        "token_id": "rocketchat_token_id", "token_id_file": "rocketchat_token_id_file",
    },
    "mattermost_configs": {
        "webhook_url": "mattermost_webhook_url", "webhook_url_file": "mattermost_webhook_url_file",
    },
    "signl4_configs": {"team_secret": "signl4_team_secret", "team_secret_file": "signl4_team_secret_file"},
    "jsm_configs": {"api_key": "jsm_api_key", "api_key_file": "jsm_api_key_file"},
    "jira_configs": {"api_url": "jira_api_url"},
    "telegram_configs": {
        "api_url": "telegram_api_url", "bot_token": "telegram_bot_token", "bot_token_file": "telegram_bot_token_file",
    },
    "webex_configs": {"http_config": "http_config"},
    "webhook_configs": {"http_config": "http_config"},
    "sms_configs": {
        "account_sid": "twilio_account_sid", "auth_token": "twilio_auth_token",
        "auth_token_file": "twilio_auth_token_file", "from": "twilio_from",
    },
}  # fmt: skip

#: `..._configs` -> (keys of which one is needed, the setting that would give it; None: only the file can).
REQUIRED: Final[dict[str, tuple[tuple[tuple[str, ...], str | None], ...]]] = {
    "slack_configs": ((("api_url", "app_token"), "SLACK_WEBHOOK_URL"),),
    "email_configs": ((("to",), None), (("smarthost",), "SMTP_HOST"), (("from",), "ALERT_EMAIL_FROM")),
    "pagerduty_configs": ((("routing_key", "service_key"), "PAGERDUTY_INTEGRATION_KEY"),),
    "webhook_configs": ((("url",), None),),
    "sms_configs": (
        (("account_sid",), None), (("auth_token", "api_secret"), None), (("from", "messaging_service_sid"), None),
        (("to",), None),
    ),
    "apprise_configs": ((("url", "urls"), None),),
}  # fmt: skip

#: Keys of `http_config:` and `tls_config:`.
HTTP: Final = (
    "basic_auth", "authorization", "oauth2", "bearer_token", "bearer_token_file", "enable_http2", "proxy_url",
    "no_proxy", "proxy_from_environment", "proxy_connect_header", "follow_redirects", "tls_config", "http_headers",
)  # fmt: skip
#: Those of them that channels leave out.
NO_PROXIES: Final = ("proxy_url", "no_proxy", "proxy_from_environment", "proxy_connect_header")
TLS: Final = (
    "ca", "ca_file", "cert", "cert_file", "key", "key_file", "server_name", "insecure_skip_verify", "min_version",
    "max_version",
)  # fmt: skip

#: Keys of `global:`.
GLOBAL: Final = _words(
    "resolve_timeout http_config smtp_from smtp_hello smtp_smarthost smtp_auth_username smtp_auth_password "
    "smtp_auth_password_file smtp_auth_secret smtp_auth_secret_file smtp_auth_identity smtp_require_tls "
    "smtp_tls_config smtp_force_implicit_tls slack_api_url slack_api_url_file slack_app_token slack_app_token_file "
    "slack_app_url pagerduty_url pagerduty_routing_key opsgenie_api_url opsgenie_api_key opsgenie_api_key_file "
    "victorops_api_url victorops_api_key victorops_api_key_file wechat_api_url wechat_api_secret "
    "wechat_api_secret_file wechat_api_corp_id telegram_api_url telegram_bot_token telegram_bot_token_file "
    "webex_api_url rocketchat_api_url rocketchat_token rocketchat_token_file rocketchat_token_id "
    "rocketchat_token_id_file jira_api_url mattermost_webhook_url mattermost_webhook_url_file jsm_api_url jsm_api_key "
    "jsm_api_key_file signl4_team_secret signl4_team_secret_file twilio_account_sid twilio_auth_token "
    "twilio_auth_token_file twilio_from"
)
