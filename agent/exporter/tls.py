"""TLS for the exporter: a context made of the web-config file, made anew when a certificate changes on disk."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from agent.model.errors import FirstlightError

if TYPE_CHECKING:
    from agent.exporter.web_config import Tls

_VERSIONS = {"TLS10": ssl.TLSVersion.TLSv1, "TLS11": ssl.TLSVersion.TLSv1_1, "TLS12": ssl.TLSVersion.TLSv1_2,
             "TLS13": ssl.TLSVersion.TLSv1_3}
# Go's names of the suites of TLS 1.2 that are not broken; those of TLS 1.3 cannot be chosen.
_SUITES = {
    f"TLS_ECDHE_{key}_WITH_{go}": f"ECDHE-{key}-{openssl}" for key in ("RSA", "ECDSA") for go, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"), ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"), ("CHACHA20_POLY1305", "CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA256", "AES128-SHA256"), ("AES_128_CBC_SHA", "AES128-SHA"), ("AES_256_CBC_SHA", "AES256-SHA"))
}
_OF_TLS13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
_REQUEST = {"NoClientCert": ssl.CERT_NONE, "RequestClientCert": ssl.CERT_OPTIONAL,
            "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL, "RequireAnyClientCert": ssl.CERT_REQUIRED,
            "RequireAndVerifyClientCert": ssl.CERT_REQUIRED}


def make_context(tls: Tls) -> ssl.SSLContext:
    """Return a server context. A given client certificate is always verified. Raises FirstlightError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = _VERSIONS[tls.min_version], _VERSIONS[tls.max_version]
    unknown = sorted(set(tls.cipher_suites) - _SUITES.keys() - _OF_TLS13)
    if unknown:
        raise FirstlightError(f"cipher_suites: {', '.join(unknown)} not known", f"known: {', '.join(sorted(_SUITES))}")
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file)
        if tls.client_ca_file is not None:
            context.load_verify_locations(tls.client_ca_file)
        chosen = [_SUITES[name] for name in tls.cipher_suites if name in _SUITES]
        if chosen:
            context.set_ciphers(":".join(chosen))
    except OSError as error:  # ssl.SSLError among them
        files = ", ".join(map(str, tls.files))
        raise FirstlightError(f"{files}: cannot be used for TLS: {error.strerror or error}",
                              "give a certificate and its key as PEM files that this user can read") from error
    context.verify_mode = _REQUEST[tls.client_auth_type]
    return context


def is_allowed(connection: ssl.SSLSocket, tls: Tls) -> bool:
    """Return whether the client's certificate names one of client_allowed_sans (none given: any)."""
    if not tls.client_allowed_sans:
        return True
    names = (connection.getpeercert() or {}).get("subjectAltName", ())
    told = {str(entry[1]) for entry in names if isinstance(entry, tuple)}
    return bool(told & set(tls.client_allowed_sans))
