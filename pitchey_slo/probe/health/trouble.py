"""Failures of clients as the closed classes: which class, in which phase, said in plain words."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator

from pitchey_slo.probe.health.model import Trouble

#: OpenSSL's verification errors that speak of the end of a certificate (x509_vfy.h, X509_V_ERR_CERT_HAS_EXPIRED).
_EXPIRED = 10


def trouble_of(error: BaseException, phase: str | None, target: str) -> Trouble:
    """What `error`, raised while looking at `target` in `phase`, means."""
    if isinstance(error, Trouble):
        return error
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, socket.gaierror):
            return Trouble("dns", f"the name of {target} cannot be resolved: {one.strerror or one}", phase="dns")
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            failure = "cert_expiry" if one.verify_code == _EXPIRED else "tls"
            return Trouble(failure, f"the certificate of {target} is not to be trusted: {one.verify_message}",
                           phase="tls")  # fmt: skip
        if isinstance(one, ssl.SSLError):
            return Trouble("tls", f"no TLS with {target}: {one.reason or one}", phase="tls")
    for one in chain:
        if isinstance(one, TimeoutError) and one.errno is None:
            return Trouble("timeout", f"{target} did not answer in time", phase=phase)
    for one in sorted(chain, key=lambda e: not getattr(e, "errno", None)):  # of several tries, one that says why
        if isinstance(one, OSError):
            return Trouble("connect", f"{target}: {_words(one)}", phase=phase or "connect")
    return Trouble("probe_error", f"the look failed: {type(error).__name__}: {error}", phase=phase)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it and, when there were several tries, each of them."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        waiting += [e for e in (one.__cause__, one.__context__) if e is not None]


def _words(error: OSError) -> str:
    if error.errno in (errno.ECONNREFUSED,) or isinstance(error, ConnectionRefusedError):
        return "connection refused; nothing listens there"
    if isinstance(error, ConnectionError):
        return "the connection was closed from the other side"
    if error.errno:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
