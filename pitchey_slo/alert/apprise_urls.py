"""Alertmanager's integrations that we do not send ourselves, as the URLs by which Apprise knows their services.

Each function takes the settings of a channel (secrets as text) and gives a URL. KeyError names a key that is missing;
ValueError says what Apprise cannot do, and the channel is then switched off with that sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

Settings = Mapping[str, Any]


def _q(value: Any) -> str:
    return quote(str(value), safe="")


def _webhook(given: Settings) -> str:
    return str(given["webhook_url"])


def _discord(given: Settings) -> str:
    parts = urlsplit(_webhook(given)).path.split("/")
    if "webhooks" not in parts or len(parts) < parts.index("webhooks") + 3:
        raise ValueError("webhook_url is no Discord webhook: https://discord.com/api/webhooks/ID/TOKEN")
    at = parts.index("webhooks")
    who = f"{_q(given['username'])}@" if given.get("username") else ""
    return f"discord://{who}{_q(parts[at + 1])}/{_q(parts[at + 2])}"


def _telegram(given: Settings) -> str:
    chat = str(given["chat_id"])
    thread = f":{given['message_thread_id']}" if given.get("message_thread_id") else ""
    silent = "?silent=yes" if given.get("disable_notifications") else ""
    return f"tgram://{given['bot_token']}/{chat}{thread}/{silent}"


def _pushover(given: Settings) -> str:
    device = f"/{_q(given['device'])}" if given.get("device") else ""
    sound = f"?sound={_q(given['sound'])}" if given.get("sound") else ""
    return f"pover://{_q(given['user_key'])}@{_q(given['token'])}{device}{sound}"


def _opsgenie(given: Settings) -> str:
    region = "?region=eu" if ".eu." in str(given.get("api_url", "")) else ""
    teams = [f"@{_q(r['name'])}" for r in given.get("responders", ()) if r.get("type") == "team" and r.get("name")]
    return f"opsgenie://{_q(given['api_key'])}/{'/'.join(teams)}{region}"


def _webex(given: Settings) -> str:
    token = given.get("http_config", {}).get("authorization", {}).get("credentials")
    if not token:
        raise ValueError("the bot's token is missing: http_config.authorization.credentials")
    return f"wxteams://{_q(token)}/{_q(given['room_id'])}?mode=bot"


def _sns(given: Settings) -> str:
    keys = [given.get("sigv4", {}).get(name) for name in _AWS]
    if not all(keys[:2]):
        raise ValueError("Apprise signs with sigv4.access_key and sigv4.secret_key only; give both")
    arn = str(given.get("topic_arn") or "").split(":")
    region = keys[2] or (arn[3] if len(arn) == 6 else "")
    target = f"%23{_q(arn[5])}" if len(arn) == 6 else _q(given.get("phone_number", ""))
    if not region or not target:
        raise ValueError("Apprise tells a topic_arn or a phone_number, in sigv4.region")
    return f"sns://{_q(keys[0])}/{_q(keys[1])}/{_q(region)}/{target}"


_AWS: Final = ("access_key", "secret_key", "region")


def _victorops(given: Settings) -> str:
    return f"victorops://{_q(given['routing_key'])}@{_q(given['api_key'])}"


def _rocketchat(given: Settings) -> str:
    place = urlsplit(str(given.get("api_url") or "https://open.rocket.chat/"))
    scheme = "rocket" if place.scheme == "http" else "rockets"
    channel = str(given.get("channel", "")).lstrip("#")
    return f"{scheme}://{_q(given['token_id'])}:{_q(given['token'])}@{place.netloc}/#{_q(channel)}"


def _mattermost(given: Settings) -> str:
    place = urlsplit(_webhook(given))
    scheme = "mmost" if place.scheme == "http" else "mmosts"
    path, _, token = place.path.rstrip("/").rpartition("/hooks/")
    if not token:
        raise ValueError("webhook_url is no Mattermost webhook: https://HOST/hooks/TOKEN")
    channel = f"?channel={_q(given['channel'])}" if given.get("channel") else ""
    return f"{scheme}://{place.netloc}{path}/{_q(token)}{channel}"


def _signl4(given: Settings) -> str:
    return f"signl4://{_q(given['team_secret'])}"


def _wechat(given: Settings) -> str:
    to = [f"@{_q(user)}" for user in str(given.get("to_user", "")).split("|") if user and "{{" not in user]
    parts = (_q(given["corp_id"]), _q(given["api_secret"]), _q(given["agent_id"]))
    return f"wechat://{parts[0]}:{parts[1]}@{parts[2]}/{'/'.join(to)}"


def _incidentio(given: Settings) -> str:
    source = str(given["url"]).rstrip("/").rpartition("/")[2]
    return f"incidentio://{_q(source)}/{_q(given['alert_source_token'])}"


def _jsm(given: Settings) -> str:
    return f"jira://{_q(given['api_key'])}"


URLS: Final[dict[str, Callable[[Settings], str]]] = {
    "discord_configs": _discord,
    "incidentio_configs": _incidentio,
    "jsm_configs": _jsm,
    "mattermost_configs": _mattermost,
    "msteamsv2_configs": _webhook,
    "opsgenie_configs": _opsgenie,
    "pushover_configs": _pushover,
    "rocketchat_configs": _rocketchat,
    "signl4_configs": _signl4,
    "sns_configs": _sns,
    "telegram_configs": _telegram,
    "victorops_configs": _victorops,
    "webex_configs": _webex,
    "wechat_configs": _wechat,
}
#: What to use where Apprise has no such service.
ADVICE: Final = {
    "jira_configs": "Apprise opens no Jira issues; use webhook_configs with a Jira automation rule, or e-mail it in",
    "msteams_configs": "Microsoft ended these connectors; make a Workflow and use msteamsv2_configs with its address",
}
