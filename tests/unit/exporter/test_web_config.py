"""The web-config file: what the exporter-toolkit accepts, and plain words for what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.exporter.passwords import Gate
from agent.exporter.tls import make_context
from agent.exporter.web_config import load_web_config
from agent.model.errors import FirstlightError

HASH = "$2b$04$RfhVVEKjYWg7jOeK7eDMIeo2xYVIIM5DsB7k6JkzuDsTfuNeFRQC2"


def write(folder: Path, text: str) -> Path:
    file = folder / "web.yml"
    file.write_text(text)
    return file


def test_an_empty_file_is_no_guard(tmp_path: Path) -> None:
    config = load_web_config(write(tmp_path, ""))
    assert (config.tls, config.users, config.headers) == (None, {}, {})


def test_everything_is_read_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_web_config(write(tmp_path, f"""
tls_server_config:
  cert_file: server.crt
  key_file: /etc/ssl/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example]
  min_version: TLS13
  prefer_server_cipher_suites: true
http_server_config:
  http2: true
  headers:
    X-Frame-Options: deny
basic_auth_users:
  alice: {HASH}
"""))
    assert config.tls is not None
    assert config.tls.cert_file == tmp_path / "server.crt"
    assert config.tls.key_file == Path("/etc/ssl/server.key")
    assert config.tls.client_ca_file == tmp_path / "ca.crt"
    assert config.tls.min_version == "TLS13"
    assert config.headers == {"X-Frame-Options": "deny"}
    assert config.users == {"alice": HASH}


@pytest.mark.parametrize(("text", "words"), [
    ("tls_server_config: {cert_file: a}", "needs key_file"),
    ("tls_config: {}", "tls_config not known"),
    ("basic_auth_users: {alice: secret}", "the password of alice is not a bcrypt hash"),
    ("basic_auth_users: [alice]", "basic_auth_users is not a mapping"),
    ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS9}", "min_version 'TLS9' is not known"),
    ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: Maybe}", "client_auth_type 'Maybe'"),
    ("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}", "NoClientCert with client_ca_file"),
    ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert}", "without client_ca"),
    ("tls_server_config: {cert_file: a, key_file: b, curve_preferences: [X25519]}", "curve_preferences"),
    ("http_server_config: {headers: {Server: x}}", "Server not known"),
    ('http_server_config: {headers: {X-Frame-Options: "a\\nSet-Cookie: b"}}', "more than one line"),
    ("{", "not YAML"),
    ("- a", "not a mapping"),
])
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FirstlightError) as error:
        load_web_config(write(tmp_path, text))
    assert error.value.message.startswith(f"{tmp_path}/web.yml: ")
    assert words in error.value.message
    assert error.value.hint


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(FirstlightError, match="cannot be read: No such file"):
        load_web_config(tmp_path / "none.yml")


def test_a_missing_certificate_is_said(tmp_path: Path) -> None:
    config = load_web_config(write(tmp_path, "tls_server_config: {cert_file: a, key_file: b}"))
    assert config.tls is not None
    with pytest.raises(FirstlightError, match="cannot be used for TLS"):
        make_context(config.tls)


def test_an_unknown_cipher_suite_is_said(tmp_path: Path) -> None:
    config = load_web_config(write(
        tmp_path, "tls_server_config: {cert_file: a, key_file: b, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]}"))
    assert config.tls is not None
    with pytest.raises(FirstlightError, match="TLS_RSA_WITH_RC4_128_SHA not known"):
        make_context(config.tls)


@pytest.mark.parametrize(("header", "enters"), [
    ("Basic YWxpY2U6c2VjcmV0", True),  # alice:secret
    ("basic YWxpY2U6c2VjcmV0", True),
    ("Basic YWxpY2U6d3Jvbmc=", False),  # alice:wrong
    ("Basic Ym9iOnNlY3JldA==", False),  # bob:secret
    ("Basic Og==", False), ("Basic !!!", False), ("Bearer YWxpY2U6c2VjcmV0", False), ("", False), ("Basic /w==", False),
])
def test_only_the_right_password_opens(header: str, enters: bool) -> None:
    import bcrypt

    gate = Gate({"alice": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()})
    assert [gate.lets_in(header), gate.lets_in(header)] == [enters, enters]


def test_without_users_everybody_enters() -> None:
    assert Gate({}).lets_in("")
