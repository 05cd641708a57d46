"""scrape.yml is Prometheus' own; what is wrong in it is shown with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitchey_slo.collect.prometheus.config import load_scrape_config, read_groups
from pitchey_slo.collect.prometheus.jobs import Group, Limits
from pitchey_slo.errors import ConfigError
from pitchey_slo.settings import shipped

FULL = """
global:
  scrape_interval: 15s
  scrape_timeout: 5s
  evaluation_interval: 30s
  external_labels: {region: eu}
  sample_limit: 5000
rule_files: [rules.yml]
scrape_configs:
  - job_name: node
    scrape_interval: 1m30s
    metrics_path: /m
    scheme: https
    params: {collect: [cpu, disk]}
    honor_labels: true
    honor_timestamps: false
    body_size_limit: 10MB
    static_configs:
      - targets: ["a:9100", "b:9100"]
        labels: {env: prod, shard: 1}
    file_sd_configs:
      - files: ["targets/*.json"]
        refresh_interval: 1m
    basic_auth: {username: me, password: hunter2}
    tls_config: {insecure_skip_verify: true}
    relabel_configs:
      - source_labels: [__address__]
        regex: "(.*):.*"
        target_label: host
    metric_relabel_configs:
      - {action: DROP, source_labels: [__name__], regex: go_.*}
  - job_name: plain
"""


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "scrape.yml"
    path.write_text(text)
    return load_scrape_config(path)


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "scrape.yml"
    path.write_text(FULL)
    config = load_scrape_config(path)
    node, plain = config.jobs
    assert (node.name, node.interval, node.timeout, node.scheme, node.metrics_path) == ("node", 90, 5, "https", "/m")
    assert node.params == {"collect": ("cpu", "disk")}
    assert (node.honor_labels, node.honor_timestamps, node.enable_compression) == (True, False, True)
    assert node.limits == Limits(sample_limit=5000, body_size_limit=10 << 20)
    assert node.groups == (Group(("a:9100", "b:9100"), {"env": "prod", "shard": "1"}),)
    assert node.files[0].patterns == (str(tmp_path / "targets/*.json"),)
    assert node.login is not None and node.login.user == "me"
    assert "hunter2" not in repr(config)
    assert node.relabel[0].target_label == "host"
    assert node.metric_relabel[0].action == "drop"
    assert (plain.interval, plain.timeout, plain.login) == (15, 5, None)
    assert config.external_labels == {"region": "eu"}
    assert [w.split(": ")[1] for w in config.warnings] == ["rule_files", "global.evaluation_interval"]


JOB = "scrape_configs:\n  - job_name: a\n"
STATIC = JOB + "    static_configs:\n      -"
RULES = JOB + "    relabel_configs:\n      -"


@pytest.mark.parametrize(
    ("text", "line", "key", "word"),
    [
        ("globl: {}\n", 1, "globl", 'did you mean "global"?'),
        (JOB + "    metrics_pth: /m\n", 3, "J.metrics_pth", 'did you mean "metrics_path"?'),
        (JOB + "    scrape_interval: 15\n", 3, "J.scrape_interval", "not a duration"),
        (JOB + "    scrape_timeout: 2m\n", 3, "J.scrape_timeout", "scrape_timeout <= scrape_interval"),
        (JOB + "    honor_labels: 'true'\n", 3, "J.honor_labels", "neither true nor false"),
        (JOB + "    scheme: ftp\n", 3, "J.scheme", "one of http, https"),
        (JOB + "    sample_limit: -1\n", 3, "J.sample_limit", "whole number"),
        (JOB + "    body_size_limit: big\n", 3, "J.body_size_limit", "such as 10MB"),
        (JOB + "    kubernetes_sd_configs: []\n", 3, "J.kubernetes_sd_configs", "file_sd_configs are"),
        (JOB + "    oauth2: {}\n", 3, "J.oauth2", "basic_auth, authorization"),
        (JOB + "  - job_name: a\n", 3, "scrape_configs[1]", "stands twice"),
        ("scrape_configs:\n  - metrics_path: /\n", 2, "scrape_configs[0]", "job_name is missing"),
        ("scrape_configs: 5\n", 1, "scrape_configs", "where a list belongs"),
        ("- a\n", 1, None, "where a map"),
        (STATIC + " targets: ['http://x/']\n", 4, "J.static_configs[0].targets[0]", "host:port"),
        (STATIC + " target: [x]\n", 4, "J.static_configs[0].target", 'did you mean "targets"?'),
        (JOB + "    file_sd_configs:\n      - files: [x.txt]\n", 4, "J.file_sd_configs[0].files[0]", ".json"),
        (JOB + "    basic_auth: {user: x}\n", 3, "J.basic_auth.user", 'did you mean "username"?'),
        (JOB + "    authorization: {type: Basic}\n", 3, "J.authorization.type", "use basic_auth"),
        (JOB + "    tls_config: {ca_file: none.pem}\n", 3, "J.tls_config.ca_file", "no file"),
        (RULES + " {action: repalce}\n", 4, "J.relabel_configs[0].action", 'did you mean "replace"?'),
        (RULES + " {regex: '('}\n", 4, "J.relabel_configs[0].regex", "no expression"),
        (RULES + " {regex: a}\n", 4, "J.relabel_configs[0]", "needs target_label"),
        (RULES + " {action: hashmod, target_label: a}\n", 4, "J.relabel_configs[0]", "modulus"),
        (RULES + " {action: labeldrop, target_label: b}\n", 4, "J.relabel_configs[0].target_label", "means nothing"),
        ("global: {\n", 2, None, "not YAML"),
        ("global: {}\nglobal: {}\n", 2, None, "not YAML"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_key(tmp_path: Path, text: str, line: int, key: str | None, word: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path, text)
    key = key.replace("J.", "scrape_configs[0].") if key else key
    assert (raised.value.file, raised.value.line, raised.value.key) == (tmp_path / "scrape.yml", line, key)
    assert word in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yml: no such file"):
        load_scrape_config(tmp_path / "nowhere.yml")


def test_an_empty_file_means_nothing_to_scrape(tmp_path: Path) -> None:
    path = tmp_path / "scrape.yml"
    path.write_text("# nothing yet\n")
    assert load_scrape_config(path).jobs == ()


def test_files_of_targets(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('[{"targets": ["a:1"], "labels": {"x": "y"}}, {"targets": []}]')
    assert read_groups(path) == [Group(("a:1",), {"x": "y"}), Group(())]
    path.write_text('[{"targets": ["a:1"],\n"lables": {}}]')
    with pytest.raises(ConfigError, match="lables"):
        read_groups(path)


def test_the_shipped_example_scrapes_nothing_by_itself_and_its_comments_are_valid(tmp_path: Path) -> None:
    shipped_file = shipped("config") / "scrape.yml"
    assert load_scrape_config(shipped_file).jobs == ()
    text = shipped_file.read_text().replace("scrape_configs: []\n", "")
    path = tmp_path / "scrape.yml"
    path.write_text("\n".join(line.removeprefix("#") for line in text.splitlines()[3:]))
    assert [job.name for job in load_scrape_config(path).jobs] == ["node", "api", "workers"]
