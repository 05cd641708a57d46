"""The routes file: Alertmanager's format is read as it is, what is wrong is named, what cannot work is switched off."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitchey_slo.alert.config import RoutesConfig, load_routes
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import Settings

from .routes_made import EXAMPLES, PAGERDUTY, SIMPLE, SLACK, TREE

SHIPPED = Path(__file__).parents[2] / "config" / "routes" / "routes.yml"


def load(text: str, folder: Path, **environ: str) -> RoutesConfig:
    file = folder / "routes.yml"
    file.write_text(text, encoding="utf-8")
    return load_routes(file, settings=Settings.load(env_file=None), environ=environ)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_in_alertmanagers_manner_loads(name: str, tmp_path: Path) -> None:
    config = load(EXAMPLES[name], tmp_path)
    assert config.receivers
    assert not {"xoxb", "tok", "s3cret", "bot-token"} & set(repr(config).replace("'", " ").split())


def test_others_services_become_apprise_urls_that_apprise_takes(tmp_path: Path) -> None:
    apprise = pytest.importorskip("apprise")
    found = []
    for name in ("PUSHOVER", "OPSGENIE", "CHAT", "MORE"):
        config = load(EXAMPLES[name], tmp_path)
        for receiver in config.receivers.values():
            found += [(c.settings["service"], c.settings["url"].get_secret_value()) for c in receiver.channels]
    services = {
        "discord", "incidentio", "mattermost", "msteamsv2", "opsgenie", "pushover", "rocketchat", "signl4", "sns",
        "telegram", "victorops", "webex", "wechat",
    }  # fmt: skip
    assert {service for service, _ in found} == services
    for service, url in found:
        assert apprise.Apprise.instantiate(url) is not None, service
    assert dict(found)["telegram"] == "tgram://123456789:abcdefg_hijklmnop/-1001234:7/?silent=yes"


def test_what_nobody_can_send_is_switched_off_and_says_what_to_use(tmp_path: Path) -> None:
    config = load(EXAMPLES["MORE"], tmp_path)
    assert [c.kind for c in config.receivers["more"].switched_off] == ["jira"]
    assert any("webhook_configs with a Jira automation rule" in n and ":17:" in n for n in config.notices)


def test_options_are_inherited_and_intervals_are_not(tmp_path: Path) -> None:
    config = load(TREE, tmp_path)
    database, frontend, dev, oncall = config.route.routes
    assert (database.group_wait, database.group_interval, database.group_by) == (10, 300, ("cluster", "alertname"))
    assert frontend.group_by == ("product", "environment")
    assert [i.name for i in dev.mute] == ["offhours", "holidays"]
    assert (oncall.mute, [i.name for i in oncall.active]) == ((), ["offhours", "holidays"])
    deep = load(SIMPLE, tmp_path).route.routes[2].routes[0]
    assert (deep.group_by, deep.repeat_interval, deep.receiver) == (
        ("alertname", "cluster", "database"),
        10_800,
        "team-X-pager",
    )
    assert deep.key == '{}/{service="database"}/{owner="team-X"}'


def test_globals_fill_what_a_channel_does_not_give(tmp_path: Path) -> None:
    first, second = load(SLACK, tmp_path).receivers["s"].channels
    assert first.settings["api_url_file"] == str(tmp_path / "slack.url")
    assert "api_url_file" not in second.settings
    assert second.settings["api_url"].get_secret_value() == "https://slack.com/api/chat.postMessage"
    assert (first.send_resolved, second.send_resolved, second.name) == (True, False, "slack/1")
    mail = load(EXAMPLES["EMAIL"], tmp_path).receivers["mail"].channels[0]
    assert (mail.settings["smarthost"], mail.settings["require_tls"]) == ("smtp.example.org:587", False)


def test_a_secret_may_stand_in_a_file_or_in_the_environment(tmp_path: Path) -> None:
    by_file, _old = load(PAGERDUTY, tmp_path).receivers["pd"].channels
    assert by_file.settings["routing_key_file"] == str(tmp_path / "pd.key")
    text = "route: {receiver: a}\nreceivers: [{name: a, slack_configs: [{api_url: '${HOOK:-http://${HOST}/x}'}]}]"
    assert load(text, tmp_path, HOOK="http://h/").receivers["a"].channels[0].settings["api_url"].get_secret_value() == (
        "http://h/"
    )
    inner = load(text, tmp_path, HOST="local").receivers["a"].channels[0].settings["api_url"]
    assert inner.get_secret_value() == "http://local/x"
    off = load(text, tmp_path)
    assert off.receivers["a"].channels == ()
    assert off.receivers["a"].switched_off[0].off == "HOST is not set"
    assert "switched off: HOST is not set" in off.notices[0]


def test_the_shipped_file_works_with_the_settings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {
        "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/a",
        "PAGERDUTY_INTEGRATION_KEY": "k" * 32,
        "ALERT_EMAIL_FROM": "alerts@pitchey.com",
        "SMTP_HOST": "smtp.example.org:587",
        "SMTP_USERNAME": "apikey",
        "SMTP_PASSWORD": "secret",
    }
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    config = load_routes(SHIPPED, settings=Settings.load(env_file=None), environ={})
    assert config.notices == ()
    kinds = {name: [c.kind for c in r.channels] for name, r in config.receivers.items()}
    assert sorted(kinds["pager"]) == ["console", "email", "pagerduty", "slack"]
    assert sorted(kinds["slack"]) == ["console", "slack"]
    by_severity = {
        s: [r.receiver for r in config.route.match({"severity": s})] for s in ("critical", "warning", "info")
    }
    assert by_severity == {"critical": ["pager"], "warning": ["slack"], "info": ["slack"]}
    mail = config.receivers["mail"].channels[0].settings
    assert (mail["to"], mail["from"], mail["auth_username"]) == ("alerts@pitchey.com", "alerts@pitchey.com", "apikey")
    assert config.permissions["pagerduty"] == {"critical"}


def test_the_shipped_file_without_secrets_writes_to_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_WEBHOOK_URL", "PAGERDUTY_INTEGRATION_KEY", "ALERT_EMAIL_FROM", "SMTP_HOST"):
        monkeypatch.delenv(name, raising=False)
    config = load_routes(SHIPPED, settings=Settings.load(env_file=None), environ={})
    assert {tuple(c.kind for c in r.channels) for r in config.receivers.values()} == {("console",)}
    assert any("SLACK_WEBHOOK_URL is not set" in n for n in config.notices)


GOOD = """\
route:
  receiver: a
receivers:
  - name: a
"""


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rout:\n  receiver: a\nreceivers: []", 1, 'rout: unknown key (did you mean "route"?)'),
        (GOOD.replace("receiver: a", "receiver: b"), 2, "route.receiver: 'b'"),
        (GOOD.replace("receiver: a", "reciever: a"), 2, 'did you mean "receiver"?'),
        (GOOD + "  - name: a\n", 5, "the name 'a' stands twice"),
        (GOOD.replace("  receiver: a", "  receiver: a\n  matchers: [a=b]"), 3, "not on the root route"),
        (GOOD.replace("  receiver: a", "  receiver: a\n  continue: true"), 3, "no siblings"),
        (GOOD.replace("  receiver: a", "  receiver: a\n  group_interval: 0s"), 3, "more than 0"),
        (GOOD.replace("  receiver: a", "  receiver: a\n  group_wait: 30"), 3, "such as 15s"),
        (GOOD.replace("  receiver: a", "  receiver: a\n  group_by: ['...', a]"), 3, "stands alone"),
        (GOOD.replace("  receiver: a", "  receiver: a\n  group_by: [a, a]"), 3, "stands twice"),
        (GOOD.replace("  receiver: a", "  receiver: a\n  routes:\n  - matchers: ['a=~\"(\"']"), 4, "no regular expr"),
        (GOOD.replace("  receiver: a", "  receiver: a\n  routes:\n  - matchers: [nothing]"), 4, "expected one of = !="),
        (GOOD.replace("  receiver: a", "  receiver: a\n  routes:\n  - mute_time_intervals: [x]"), 4, "'x'"),
        (GOOD + "    slack_configs: [{api_url: x, api_url_file: y}]", 5, "beside api_url"),
        (GOOD + "    slack_configs: [{chanel: x}]", 5, 'did you mean "channel"?'),
        (GOOD + "    slak_configs: []", 5, 'did you mean "slack_configs"?'),
        (GOOD + "    webhook_configs: [{}]", 5, "url is missing"),
        (GOOD + "    webhook_configs: [{url: x, max_alerts: -1}]", 5, "whole number"),
        (GOOD + "    telegram_configs: [{bot_token: x}]", 5, "chat_id is missing"),
        (
            GOOD + "    webhook_configs:\n      - url: x\n        http_config: {basic_auth: {}, authorization: {}}",
            7,
            "one way to log in",
        ),
        (
            GOOD + "time_intervals: [{name: n, time_intervals: [{times: [{start_time: '25:00', end_time: '26:00'}]}]}]",
            5,
            "no time of day",
        ),
        (GOOD + "time_intervals: [{name: n, time_intervals: [{weekdays: [moonday]}]}]", 5, 'did you mean "monday"?'),
        (GOOD + "time_intervals: [{name: n, time_intervals: [{location: Europe/Londn}]}]", 5, "Europe/London"),
        (GOOD + "escalation: [{name: p, levels: [{after: 5m, receiver: x}]}]", 5, "'x'"),
        (
            GOOD + "escalation: [{name: p, levels: [{after: 5m, receiver: a}, {after: 5m, receiver: a}]}]",
            5,
            "counts from the start",
        ),
        (GOOD + "escalation: [{name: p, business_hours: o, levels: [{receiver: a}]}]", 5, "business_hours: 'o'"),
        (GOOD + "business_hours: [{name: o, holidays: ZZ}]", 5, "neither a date nor a country"),
        (GOOD + "channel_permissions: {pagerdut: [critical]}", 5, 'did you mean "pagerduty"?'),
        (GOOD + "fallback_receiver: b", 5, "'b'"),
        ("route: [", 1, "not YAML"),
        ("", 1, "the file is empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_line_key_and_what_would_work(text: str, line: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path)
    assert words in str(caught.value)
    assert caught.value.line == line
    assert caught.value.file == tmp_path / "routes.yml"


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = (
        GOOD.replace("receiver: a", "receiver: b")
        + "    slack_configs: [{x: 1}]\n  - name: c\n    email_configs: [{}]\n"
    )
    with pytest.raises(ConfigError, match="3 problems") as caught:
        load(text, tmp_path)
    assert [p["line"] for p in caught.value.detail] == [2, 5, 7]
