"""`config/scrape.yml`: what to scrape, in Prometheus' own format, so that a prometheus.yml can be used as it is.

Keys that only concern other parts of Prometheus (rules, alerting, remote write, storage) are left out with a warning.
Keys that are wrong, and ways of finding targets that are not here, are errors that name file, line and key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from pitchey_slo.collect.prometheus.jobs import FileGroups, Group, Job, Limits, Login, ScrapeConfig, Tls
from pitchey_slo.collect.prometheus.relabel import ACTIONS, Rule, anchored
from pitchey_slo.collect.prometheus.yaml_node import Node, read_yaml

_OTHER_PARTS: Final = (
    "rule_files", "alerting", "remote_write", "remote_read", "storage", "tracing", "otlp", "runtime",
)  # fmt: skip
_GLOBAL: Final = {
    "scrape_interval", "scrape_timeout", "external_labels", "sample_limit", "label_limit",
    "label_name_length_limit", "label_value_length_limit", "body_size_limit",
}  # fmt: skip
_GLOBAL_LEFT_OUT: Final = {
    "evaluation_interval", "rule_query_offset", "query_log_file", "scrape_failure_log_file", "target_limit",
    "keep_dropped_targets", "scrape_protocols", "metric_name_validation_scheme", "metric_name_escaping_scheme",
    "scrape_native_histograms", "convert_classic_histograms_to_nhcb", "always_scrape_classic_histograms",
}  # fmt: skip
_JOB: Final = {
    "job_name", "scrape_interval", "scrape_timeout", "metrics_path", "scheme", "params", "honor_labels",
    "honor_timestamps", "track_timestamps_staleness", "enable_compression", "follow_redirects", "sample_limit",
    "label_limit", "label_name_length_limit", "label_value_length_limit", "body_size_limit", "static_configs",
    "file_sd_configs", "basic_auth", "authorization", "bearer_token", "bearer_token_file", "tls_config",
    "relabel_configs", "metric_relabel_configs",
}  # fmt: skip
_FLAGS: Final = (
    "honor_labels", "honor_timestamps", "track_timestamps_staleness", "enable_compression", "follow_redirects",
)  # fmt: skip
_JOB_LEFT_OUT: Final = _GLOBAL_LEFT_OUT | {
    "enable_http2", "fallback_scrape_protocol", "native_histogram_bucket_limit", "scrape_classic_histograms",
    "native_histogram_min_bucket_factor",
}  # fmt: skip
_NOT_HERE: Final = {"oauth2", "proxy_url", "proxy_from_environment", "proxy_connect_header", "no_proxy", "http_headers"}
_DISCOVERY: Final = re.compile(r"[a-z0-9]+_sd_configs")


def load_scrape_config(path: Path) -> ScrapeConfig:
    """Reads and checks the file. Raises ConfigError; an empty file means nothing to scrape."""
    root = read_yaml(path)
    if root.value is None:
        return ScrapeConfig()
    warnings: list[str] = []
    top = _left_out(root, {"global", "scrape_configs"}, _OTHER_PARTS, warnings)
    given = _left_out(top["global"], _GLOBAL, _GLOBAL_LEFT_OUT, warnings) if "global" in top else {}
    usual = Job(
        "",
        interval=given["scrape_interval"].duration() if "scrape_interval" in given else 60.0,
        timeout=given["scrape_timeout"].duration() if "scrape_timeout" in given else 10.0,
        limits=_limits(given, Limits()),
    )
    jobs: dict[str, Job] = {}
    for node in top["scrape_configs"].items() if "scrape_configs" in top else ():
        job = _job(node, usual, "scrape_timeout" in given, warnings)
        if job.name in jobs:
            node.fail(f"job_name {job.name!r} stands twice", hint="each job needs its own name")
        jobs[job.name] = job
    labels = given["external_labels"].labels() if "external_labels" in given else {}
    return ScrapeConfig(tuple(jobs.values()), labels, tuple(warnings))


def _left_out(node: Node, known: Iterable[str], left_out: Iterable[str], warnings: list[str]) -> dict[str, Node]:
    """Fields of a map; those that mean nothing here give a warning each."""
    found = node.fields([*known, *left_out])
    for name in [n for n in found if n in left_out]:
        skipped = found.pop(name)
        warnings.append(f"{skipped.file}:{skipped.line}: {skipped.key}: has no meaning here and is left out")
    return found


def _job(node: Node, usual: Job, timeout_given: bool, warnings: list[str]) -> Job:
    for name, entry in node.entries().items():
        if _DISCOVERY.fullmatch(name) and name not in _JOB:
            entry.fail(
                "this way of finding targets is not supported",
                hint="static_configs and file_sd_configs are; let a job write the files",
            )
        if name in _NOT_HERE:
            entry.fail("not supported", hint="basic_auth, authorization and tls_config are")
    found = _left_out(node, _JOB, _JOB_LEFT_OUT, warnings)
    if "job_name" not in found:
        node.fail("job_name is missing")
    interval = found["scrape_interval"].duration() if "scrape_interval" in found else usual.interval
    timeout = found["scrape_timeout"].duration() if "scrape_timeout" in found else usual.timeout
    if "scrape_timeout" not in found and not timeout_given:
        timeout = min(timeout, interval)
    where = found.get("scrape_timeout") or found.get("scrape_interval") or node
    if not 0 < timeout <= interval:
        where.fail(f"timeout {timeout:g}s with interval {interval:g}s", hint="0 < scrape_timeout <= scrape_interval")
    job = replace(
        usual,
        name=found["job_name"].text(),
        interval=interval,
        timeout=timeout,
        limits=_limits(found, usual.limits),
        login=_login(found),
        tls=_tls(found["tls_config"]) if "tls_config" in found else None,
        groups=tuple(_group(g) for g in found["static_configs"].items()) if "static_configs" in found else (),
        files=tuple(_files(f) for f in found["file_sd_configs"].items()) if "file_sd_configs" in found else (),
        relabel=_rules(found.get("relabel_configs")),
        metric_relabel=_rules(found.get("metric_relabel_configs")),
    )
    for name in _FLAGS:
        if name in found:
            job = replace(job, **{name: found[name].flag()})  # type: ignore[arg-type]  # all of them are flags
    if "metrics_path" in found:
        job = replace(job, metrics_path=found["metrics_path"].text())
    if "scheme" in found:
        job = replace(job, scheme=found["scheme"].choice(["http", "https"]))
    if "params" in found:
        job = replace(job, params={name: entry.texts() for name, entry in found["params"].entries().items()})
    return job


def _limits(found: dict[str, Node], usual: Limits) -> Limits:
    given = {
        name: found[name].size() if name == "body_size_limit" else found[name].whole()
        for name in Limits.__dataclass_fields__
        if name in found
    }
    return replace(usual, **given)


def _group(node: Node) -> Group:
    found = node.fields(["targets", "labels"])
    targets = list(found["targets"].items()) if "targets" in found else []
    for target in targets:
        if "/" in target.text():
            target.fail(
                f"{target.text()!r} is no address", hint="host:port; scheme and metrics_path have their own keys"
            )
    return Group(tuple(t.text() for t in targets), found["labels"].labels() if "labels" in found else {})


def read_groups(path: Path) -> list[Group]:
    """The groups that a file of file_sd_configs lists. Raises ConfigError."""
    root = read_yaml(path)
    return [_group(node) for node in root.items()] if root.value is not None else []


def _files(node: Node) -> FileGroups:
    found = node.fields(["files", "refresh_interval"])
    if "files" not in found:
        node.fail("files is missing")
    patterns = []
    for entry in found["files"].items():
        if not re.fullmatch(r"[^*]*(\*[^/*]*)?\.(json|yml|yaml|JSON|YML|YAML)", entry.text()):
            entry.fail(f"{entry.text()!r}", hint="a .json, .yml or .yaml file; one * in the last part")
        patterns.append(str(entry.path()))
    refresh = found["refresh_interval"].duration() if "refresh_interval" in found else 300.0
    if refresh <= 0:
        found["refresh_interval"].fail("0", hint="such as 5m")
    return FileGroups(tuple(patterns), refresh)


def _login(found: dict[str, Node]) -> Login | None:
    given = [n for n in ("basic_auth", "authorization", "bearer_token", "bearer_token_file") if n in found]
    if len(given) > 1:
        found[given[1]].fail(f"beside {given[0]}", hint="one way to log in at a time")
    if not given:
        return None
    name, node = given[0], found[given[0]]
    if name == "bearer_token":
        return Login("Bearer", secret=node.text())
    if name == "bearer_token_file":
        return Login("Bearer", secret_file=node.path())
    key = "password" if name == "basic_auth" else "credentials"
    parts = node.fields(["username", key, f"{key}_file"] if name == "basic_auth" else ["type", key, f"{key}_file"])
    if key in parts and f"{key}_file" in parts:
        parts[f"{key}_file"].fail(f"beside {key}", hint="one of the two")
    login = Login(
        "Basic" if name == "basic_auth" else parts["type"].text() if "type" in parts else "Bearer",
        user=parts["username"].text() if "username" in parts else "",
        secret=parts[key].text() if key in parts else "",
        secret_file=parts[f"{key}_file"].path() if f"{key}_file" in parts else None,
    )
    if name == "authorization" and login.scheme.lower() == "basic":
        parts["type"].fail("'basic'", hint="use basic_auth")
    return login


def _tls(node: Node) -> Tls:
    found = node.fields(["ca_file", "cert_file", "key_file", "insecure_skip_verify"])
    if ("cert_file" in found) != ("key_file" in found):
        node.fail("cert_file and key_file come together")
    paths = {name: found[name].path() for name in ("ca_file", "cert_file", "key_file") if name in found}
    for name, path in paths.items():
        if not path.is_file():
            found[name].fail(f"no file {path}")
    skip = found["insecure_skip_verify"].flag() if "insecure_skip_verify" in found else False
    return Tls(**paths, insecure_skip_verify=skip)


_RULE_KEYS: Final = ("source_labels", "separator", "target_label", "regex", "modulus", "replacement", "action")


def _rules(node: Node | None) -> tuple[Rule, ...]:
    return tuple(_rule(entry) for entry in node.items()) if node else ()


def _rule(node: Node) -> Rule:
    found = node.fields(_RULE_KEYS)
    action = "replace"
    if "action" in found:
        named = found["action"]
        action = replace(named, value=named.text().lower()).choice(ACTIONS)  # written in any case
    regex = Rule().regex
    if "regex" in found:
        try:
            regex = anchored(found["regex"].text())
        except ValueError as error:
            found["regex"].fail(f"{found['regex'].text()!r} is no expression: {error}")
    rule = Rule(
        action,
        source_labels=found["source_labels"].texts() if "source_labels" in found else (),
        separator=found["separator"].text() if "separator" in found else ";",
        regex=regex,
        target_label=found["target_label"].text() if "target_label" in found else "",
        replacement=found["replacement"].text() if "replacement" in found else "$1",
        modulus=found["modulus"].whole() if "modulus" in found else 0,
    )
    if action in ("replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal") and not rule.target_label:
        node.fail(f"action {action} needs target_label")
    if action == "hashmod" and not rule.modulus:
        node.fail("action hashmod needs a modulus above 0")
    if action in ("keepequal", "dropequal"):
        _only(found, action, {"source_labels", "target_label", "separator", "action"})
    if action in ("labeldrop", "labelkeep"):
        _only(found, action, {"regex", "action"})
    return rule


def _only(found: dict[str, Node], action: str, allowed: set[str]) -> None:
    for name in found:
        if name not in allowed:
            found[name].fail(f"means nothing to action {action}", hint=f"it has {', '.join(sorted(allowed))}")
