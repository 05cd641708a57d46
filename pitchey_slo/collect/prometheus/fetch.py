"""One HTTP request to a target: within its time, its bytes and its protocols."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final

from pitchey_slo.collect.prometheus.jobs import BODY_LIMIT, Job, Login
from pitchey_slo.collect.unpack import too_large, unpack
from pitchey_slo.errors import CollectError, ConfigError

if TYPE_CHECKING:
    import httpx

ACCEPT: Final = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=1.0.0;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def trust_of(job: Job, usual: ssl.SSLContext) -> ssl.SSLContext:
    """Which certificates a job believes in: `usual` (the machine's) unless it says otherwise. Raises ConfigError for
    keys and certificates that cannot be read."""
    if job.tls is None:
        return usual
    try:
        context = ssl.create_default_context(cafile=str(job.tls.ca_file) if job.tls.ca_file else None)
        if job.tls.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if job.tls.cert_file and job.tls.key_file:
            context.load_cert_chain(job.tls.cert_file, job.tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"job {job.name}: certificates cannot be read: {error}", key="tls_config") from None
    return context


def client_for(job: Job, trust: ssl.SSLContext) -> httpx.AsyncClient:
    """A client for one job's targets. Proxies of the environment are not used."""
    import httpx

    return httpx.AsyncClient(
        verify=trust,
        follow_redirects=job.follow_redirects,
        max_redirects=10,
        timeout=job.timeout,
        trust_env=False,
        headers={
            "Accept": ACCEPT,
            "Accept-Encoding": "gzip" if job.enable_compression else "identity",
            "User-Agent": "pitchey-slo",
            "X-Prometheus-Scrape-Timeout-Seconds": f"{job.timeout:g}",
        },
    )


def authorization(login: Login) -> str:
    """The value of the Authorization header; a secret in a file is read now. Raises CollectError."""
    secret = login.secret
    if login.secret_file is not None:
        try:
            secret = login.secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CollectError(f"{login.secret_file}: cannot be read: {error}") from None
    if login.scheme != "Basic":
        return f"{login.scheme} {secret}"
    import base64

    return f"Basic {base64.b64encode(f'{login.user}:{secret}'.encode()).decode()}"


async def fetch(client: httpx.AsyncClient, url: str, job: Job) -> tuple[bytes, str | None]:
    """(body, content type) of a target's answer, decompressed. Raises CollectError, BodyTooLarge and UnknownFormat with
    a text for people. All of it together takes no longer than the job's timeout."""
    import asyncio

    import httpx

    try:
        async with asyncio.timeout(job.timeout):
            return await _fetch(client, url, job)
    except TimeoutError:
        raise CollectError(f"no answer within {job.timeout:g}s") from None
    except httpx.TimeoutException:
        raise CollectError(f"no answer within {job.timeout:g}s") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise CollectError(f"{type(error).__name__}: {error}") from None
    except (OSError, UnicodeError, ValueError) as error:
        raise CollectError(f"{type(error).__name__}: {error}") from None


async def _fetch(client: httpx.AsyncClient, url: str, job: Job) -> tuple[bytes, str | None]:
    limit = job.limits.body_size_limit or BODY_LIMIT
    headers = {"Authorization": authorization(job.login)} if job.login else {}
    parts: list[bytes] = []
    size = 0
    async with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code != 200:
            raise CollectError(f"the target answered {answer.status_code} {answer.reason_phrase}")
        async for part in answer.aiter_raw():
            size += len(part)
            if size > limit:
                raise too_large(limit, "the exposition")
            parts.append(part)
    body = unpack(b"".join(parts), answer.headers.get("Content-Encoding"), limit)
    return body, answer.headers.get("Content-Type")
