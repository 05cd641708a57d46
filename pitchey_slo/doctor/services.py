"""Cloudflare: the KV namespace of the status page, and Analytics Engine (`wrangler kv namespace list`, by its API)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pitchey_slo.collect.analytics_engine import FILE
from pitchey_slo.doctor.model import ANSWER, Finding, Patient, Verdict
from pitchey_slo.errors import ConfigError, PullError
from pitchey_slo.web.analytics_engine_keep import configured, sql_api


def cloudflare(patient: Patient) -> Iterator[Finding]:
    """Account and token, what they may do, how far the pull is."""
    settings = patient.settings
    account, token = settings.cloudflare_account_id, settings.cloudflare_api_token
    if not account and not token:
        text = "No Cloudflare account is set: no status page at the edge, nothing pulled from Analytics Engine."
        yield Finding("cloudflare", "not applicable", text, "CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN in .env")
        return
    if not account or not token:
        missing = "CLOUDFLARE_API_TOKEN" if account else "CLOUDFLARE_ACCOUNT_ID"
        yield Finding("cloudflare", "failure", f"{missing} is not set, the other one is.", f"{missing}=... in .env")
        return
    yield _namespace(patient)
    yield from _engine(patient)


def _namespace(patient: Patient) -> Finding:
    import httpx

    settings = patient.settings
    assert settings.cloudflare_api_token is not None
    base = f"{settings.cloudflare_api_url.rstrip('/')}/accounts/{settings.cloudflare_account_id}"
    headers = {"Authorization": f"Bearer {settings.cloudflare_api_token.get_secret_value()}"}
    try:
        answer = httpx.get(
            f"{base}/storage/kv/namespaces", params={"per_page": 100}, headers=headers, timeout=ANSWER, trust_env=False
        )
        told: Any = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        text = f"Cloudflare's API does not answer: {type(error).__name__}"
        return Finding("cloudflare", "failure", text, "is the way out to CLOUDFLARE_API_URL open?")
    if answer.status_code in (401, 403) or not isinstance(told, dict) or not told.get("success"):
        text = f"Cloudflare answers {answer.status_code} to the question for KV namespaces."
        cure = "the token in CLOUDFLARE_API_TOKEN needs Workers KV Storage: Edit; is the account id right?"
        return Finding("cloudflare", "failure", text, cure)
    listed = [one for one in told.get("result") or [] if isinstance(one, dict)]
    names = {str(one.get("title")) for one in listed} | {str(one.get("id")) for one in listed}
    if settings.kv_namespace in names:
        return Finding("cloudflare", "ok", f"The KV namespace {settings.kv_namespace} is there.")
    text = f"The account has no KV namespace {settings.kv_namespace} among its first {len(listed)}."
    cure = f"wrangler kv namespace create {settings.kv_namespace}, or KV_NAMESPACE=... of `wrangler kv namespace list`"
    return Finding("cloudflare", "warning", text, cure)


def _engine(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    try:
        config = configured(settings)
        api = sql_api(settings, patient.clock)
    except ConfigError as error:
        verdict: Verdict = "failure" if (settings.config / FILE).exists() else "not applicable"
        yield Finding("cloudflare", verdict, error.message, "docs/analytics-engine.md")
        return
    try:
        api.ask(f"SELECT count() AS n FROM {config.dataset} WHERE timestamp > NOW() - INTERVAL '1' HOUR FORMAT JSON")
        yield Finding("cloudflare", "ok", f"The dataset {config.dataset} of Analytics Engine answers.")
    except PullError as error:
        cure = "pitchey-slo pull analytics-engine --dry-run says more; docs/analytics-engine.md, the table of errors"
        yield Finding("cloudflare", "failure", f"Analytics Engine: {error}", cure)
    finally:
        api.close()
    if patient.server is not None:
        told = patient.ask("/api/monitoring/analytics-engine")
        if told["problem"]:
            yield Finding("cloudflare", "failure", f"The server's pull: {told['problem']}", "docs/analytics-engine.md")
        elif told["until"]:
            yield Finding("cloudflare", "ok", f"The server has pulled everything up to {told['until'][:19]} UTC.")
