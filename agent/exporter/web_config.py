"""The web-config file: TLS and basic auth in the format that all Prometheus exporters share (exporter-toolkit)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.model.errors import FirstlightError

CLIENT_AUTH = ("NoClientCert", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven",
               "RequireAndVerifyClientCert")
VERSIONS = ("TLS10", "TLS11", "TLS12", "TLS13")
HEADERS = ("Content-Security-Policy", "Cross-Origin-Opener-Policy", "Permissions-Policy", "Strict-Transport-Security",
           "X-Content-Type-Options", "X-Frame-Options", "X-XSS-Protection")
TLS_KEYS = {"cert_file", "key_file", "client_auth_type", "client_ca_file", "client_allowed_sans", "min_version",
            "max_version", "cipher_suites", "curve_preferences", "prefer_server_cipher_suites"}
_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True, slots=True)
class Tls:
    """`tls_server_config`. Paths are absolute."""

    cert_file: Path
    key_file: Path
    client_auth_type: str = "NoClientCert"
    client_ca_file: Path | None = None
    client_allowed_sans: tuple[str, ...] = ()
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Return the files whose change means a new certificate."""
        return (self.cert_file, self.key_file, *((self.client_ca_file,) if self.client_ca_file else ()))


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Everything in the file. `users` maps names to bcrypt hashes."""

    tls: Tls | None = None
    users: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def load_web_config(file: Path) -> WebConfig:
    """Return the settings in a file. Raises FirstlightError that names the file, the key and what to write."""
    import yaml

    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FirstlightError(f"{file}: cannot be read: {error.strerror}", "name a readable --web-config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _wrong(file, f"not YAML: {' '.join(str(error).split())}", "see the exporter-toolkit") from error
    top = _mapping(document or {}, file, "the file", {"tls_server_config", "http_server_config", "basic_auth_users"})
    http = _mapping(top.get("http_server_config") or {}, file, "http_server_config", {"http2", "headers"})
    headers = _mapping(http.get("headers") or {}, file, "headers", set(HEADERS))
    users = _mapping(top.get("basic_auth_users") or {}, file, "basic_auth_users", None)
    for name, hashed in users.items():
        if not _BCRYPT.fullmatch(str(hashed)):
            raise _wrong(file, f"basic_auth_users: the password of {name} is not a bcrypt hash",
                         "make one with: htpasswd -nBC 10 '' (package apache2-utils)")
    told = top.get("tls_server_config")
    return WebConfig(_tls(told, file) if told else None, {str(name): str(value) for name, value in users.items()},
                     {name: _line(value, file, name) for name, value in headers.items()})


def _tls(told: Any, file: Path) -> Tls:
    keys = _mapping(told, file, "tls_server_config", TLS_KEYS)
    if keys.get("curve_preferences"):
        raise _wrong(file, "curve_preferences cannot be chosen here", "leave it out")
    for name in ("cert_file", "key_file"):
        if not keys.get(name):
            raise _wrong(file, f"tls_server_config needs {name}", "name a PEM file; relative to this file")
    auth = str(keys.get("client_auth_type") or "NoClientCert")
    if auth not in CLIENT_AUTH:
        raise _wrong(file, f"client_auth_type {auth!r} is not known", f"choose from {', '.join(CLIENT_AUTH)}")
    ca, sans = keys.get("client_ca_file"), tuple(map(str, keys.get("client_allowed_sans") or ()))
    if bool(ca) == (auth == "NoClientCert"):
        raise _wrong(file, f"client_auth_type {auth} {'with' if ca else 'without'} client_ca_file",
                     "give both, or neither")
    versions = {name: str(keys.get(name) or default) for name, default in
                (("min_version", "TLS12"), ("max_version", "TLS13"))}
    for name, version in versions.items():
        if version not in VERSIONS:
            raise _wrong(file, f"{name} {version!r} is not known", f"choose from {', '.join(VERSIONS)}")
    folder = file.absolute().parent
    return Tls(folder / str(keys["cert_file"]), folder / str(keys["key_file"]), auth,
               folder / str(ca) if ca else None, sans, versions["min_version"], versions["max_version"],
               tuple(map(str, keys.get("cipher_suites") or ())))


def _mapping(value: Any, file: Path, where: str, known: set[str] | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(file, f"{where} is not a mapping", "write `key: value` lines")
    unknown = sorted(str(key) for key in value if known is not None and key not in known)
    if unknown and known is not None:
        raise _wrong(file, f"{where}: {', '.join(unknown)} not known", f"known: {', '.join(sorted(known))}")
    return value


def _line(value: Any, file: Path, name: str) -> str:
    if not str(value).isprintable():
        raise _wrong(file, f"{name}: more than one line", "write one line")
    return str(value)


def _wrong(file: Path, what: str, hint: str) -> FirstlightError:
    return FirstlightError(f"{file}: {what}", hint)
