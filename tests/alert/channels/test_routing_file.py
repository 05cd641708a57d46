"""Every channel a routing file can name is one that can be built, and the file's templates come through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pitchey_slo.alert.channels import CHANNELS, House, channels_of, templates_in
from pitchey_slo.alert.config import RoutesConfig, load_routes
from pitchey_slo.alert.receiver_keys import KINDS
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import Settings
from pitchey_slo.testing import FixedClock

from ..routes_made import EXAMPLES  # noqa: TID252  # tests/alert has no name of its own
from .collector import Answering, Collector, collecting
from .made import alert, message, note


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as made:
        yield made


def load(text: str, folder: Path) -> RoutesConfig:
    file = folder / "routes.yml"
    file.write_text(text, encoding="utf-8")
    secrets = {"slack_webhook_url": "https://hooks.example/services/T/B/X", "pagerduty_integration_key": "k" * 32}
    return load_routes(file, settings=Settings.load(env_file=None, **secrets), environ={})


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_channels_of_every_example_can_be_built(name: str, tmp_path: Path) -> None:
    config = load(EXAMPLES[name], tmp_path)
    built = channels_of(config.receivers.values(), House())
    assert {r: set(c) for r, c in built.items()} == {
        r.name: {c.name for c in r.channels} for r in config.receivers.values()
    }


def test_every_kind_we_send_ourselves_has_its_key_in_the_file() -> None:
    ours = {key.removesuffix("_configs") for key, kind in KINDS.items() if not kind.by_apprise}
    assert ours == set(CHANNELS)


def test_every_template_setting_is_a_key_of_the_file() -> None:
    for name, channel in CHANNELS.items():
        known = {*KINDS[f"{name}_configs"].keys, "message"}
        assert set(channel.templated) <= known, name


def test_templates_of_the_file_reach_the_channel(collector: Collector, tmp_path: Path) -> None:
    (tmp_path / "own.tmpl").write_text('{{ define "own.title" }}{{ .CommonLabels.alertname | toUpper }}{{ end }}')
    config = load(
        f"""
templates: ["{tmp_path}/*.tmpl"]
route: {{receiver: all}}
receivers:
  - name: all
    slack_configs:
      - api_url: {collector.url}
        allow_private: true
        title: '{{{{ template "own.title" . }}}}'
    pagerduty_configs:
      - routing_key: key
        url: {collector.url}/v2/enqueue
        allow_private: true
        description: '{{{{ template "own.title" . }}}}'
    webhook_configs:
      - url: {collector.url}/hook
        allow_private: true
        timeout: 3s
""",
        tmp_path,
    )
    house = House("http://here", FixedClock(), templates_in(config.templates))
    channels = channels_of(config.receivers.values(), house)["all"]
    collector.judge = lambda r: Answering(202) if "enqueue" in r.path else None
    for name, channel in channels.items():
        channel.send(note(channel=name, said=message(alert("Odd"))))
    slack, pagerduty, webhook = (collector.requests[i].json for i in range(3))
    if "payload" not in pagerduty:  # the order is that of the file's kinds
        pagerduty, webhook = webhook, pagerduty
    assert slack["text"] == "*ODD*"
    assert pagerduty["payload"]["summary"] == "ODD"
    assert webhook["alerts"][0]["labels"]["alertname"] == "Odd"
    assert channels["webhook/0"].deadline == 3


def test_templates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.tmpl").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match=r"bad\.tmpl: templates: cannot be read"):
        templates_in([f"{tmp_path}/*.tmpl"])
