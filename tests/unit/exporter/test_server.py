"""The server on loopback: it answers whole and fast, guards when told to, and waits for nobody."""

from __future__ import annotations

import base64
import datetime
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.exporter import server as server_module
from agent.exporter.facts import Facts, with_report
from agent.exporter.security import Security
from agent.exporter.server import Exporter
from agent.exporter.serving import Service
from agent.model.errors import FirstlightError, UsageError
from tests.fixtures import FakeMachine
from tests.monitoring.reports import report

EMPTY = FakeMachine(folders=("/sys/bus/pci/devices",))
ALICE = {"Authorization": "Basic " + base64.b64encode(b"alice:secret").decode()}


def service(*, reports: bool = True) -> Service:
    facts = with_report(Facts(), report("box", checks=5)) if reports else Facts()
    made = Service(lambda: EMPTY, lambda: facts, 30)
    made.sampler.sample()
    made.watch_once()
    return made


@contextmanager
def served(made: Service, web_config: Path | None = None) -> Iterator[int]:
    with Exporter("127.0.0.1", 0, made.exposition, made.health, Security(web_config)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def ask(port: int, path: str = "/metrics", method: str = "GET", headers: dict[str, str] | None = None,
        context: ssl.SSLContext | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = (http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=context) if context
                  else http.client.HTTPConnection("127.0.0.1", port, timeout=60))
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def certificate(folder: Path, name: str) -> None:
    """Write a certificate for 127.0.0.1 and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256()))
    (folder / "key.pem").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def guarded(folder: Path, *, tls: bool = False) -> Path:
    import bcrypt

    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    text = f"basic_auth_users: {{alice: {hashed}}}\nhttp_server_config: {{headers: {{X-Frame-Options: deny}}}}\n"
    if tls:
        certificate(folder, "first")
        text += "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"
    file = folder / "web.yml"
    file.write_text(text)
    return file


def test_metrics_are_served_in_the_format_asked_for() -> None:
    with served(service()) as port:
        status, headers, body = ask(port)
        assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert b"firstlight_check_verdict" in body
        _, headers, body = ask(port, headers={"Accept": "application/openmetrics-text"})
        assert headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert body.endswith(b"# EOF\n")
        assert ask(port, headers={"Accept-Encoding": "gzip"})[1]["content-encoding"] == "gzip"


def test_health_has_a_status_of_its_own() -> None:
    with served(service()) as port:
        status, _, body = ask(port, "/healthz")
        assert (status, body.splitlines()[0]) == (200, b"ok")
    with served(service(reports=False)) as port:
        status, _, body = ask(port, "/healthz")
        assert status == 503
        assert b"holds no report" in body


def test_other_paths_and_methods() -> None:
    with served(service()) as port:
        assert b"/metrics" in ask(port, "/")[2]
        assert ask(port, "/none")[0] == 404
        assert ask(port, method="POST")[0] == 501
        status, headers, body = ask(port, method="HEAD")
        assert (status, body) == (200, b"")
        assert int(headers["content-length"]) > 500


def test_basic_auth_guards_every_path(tmp_path: Path) -> None:
    with served(service(), guarded(tmp_path)) as port:
        for path in ("/metrics", "/healthz", "/"):
            status, headers, body = ask(port, path)
            assert (status, headers["www-authenticate"]) == (401, 'Basic realm="firstlight"')
            assert b"firstlight_" not in body
        status, headers, _ = ask(port, headers=ALICE)
        assert (status, headers["x-frame-options"]) == (200, "deny")


def test_tls_serves_and_takes_a_new_certificate_without_a_restart(tmp_path: Path) -> None:
    with served(service(), guarded(tmp_path, tls=True)) as port:
        assert ask(port, headers=ALICE, context=trusting())[0] == 200
        first = ssl.get_server_certificate(("127.0.0.1", port))
        certificate(tmp_path, "second")
        assert ssl.get_server_certificate(("127.0.0.1", port)) != first
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(port, headers=ALICE)


def test_a_config_that_becomes_wrong_leaves_the_guard_in_force(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = guarded(tmp_path)
    with served(service(), file) as port:
        file.write_text("basic_auth_users: {alice: plain}\n")
        assert ask(port)[0] == 401
        assert ask(port, headers=ALICE)[0] == 200
        assert "not a bcrypt hash; the last good one stays in force" in capsys.readouterr().err


def test_a_wrong_config_at_the_start_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "web.yml"
    file.write_text("nonsense: 1\n")
    with pytest.raises(FirstlightError, match="nonsense not known"):
        Security(file)


@pytest.mark.parametrize("tls", [False, True])
def test_clients_that_say_nothing_or_nonsense_keep_nobody_waiting(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], tls: bool) -> None:
    with served(service(), guarded(tmp_path, tls=tls)) as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        silent[0].sendall(b"\x16\x03\x01\x00\x00 nonsense\r\n\r\n")
        silent[1].sendall(b"GET /metrics HTTP/1.1\r\n")
        silent[2].close()
        context = trusting() if tls else None
        assert ask(port, headers=ALICE, context=context)[0] == 200
        for connection in silent:
            connection.close()
        assert ask(port, headers=ALICE, context=context)[0] == 200
    assert "Traceback" not in capsys.readouterr().err


def test_more_connections_than_places_are_closed_and_places_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "CONNECTIONS", 3)
    with served(service()) as port:
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        with pytest.raises((OSError, http.client.HTTPException)):
            ask(port)
        for connection in held:
            connection.close()
        for _ in range(100):
            try:
                assert ask(port)[0] == 200
            except (OSError, http.client.HTTPException):
                continue
            break
        else:
            pytest.fail("no place came back")


def test_an_error_of_ours_ends_one_connection_and_not_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: seen.append(told.exc_type))
    monkeypatch.setattr(Service, "health", lambda self: 1 / 0)
    with served(service()) as port:
        for _ in range(10):
            with pytest.raises((OSError, http.client.HTTPException)):
                ask(port, "/healthz")
        assert ask(port)[0] == 200
    assert seen == [ZeroDivisionError] * 10


def test_without_a_thread_to_spare_a_connection_is_closed_and_the_next_one_served(
        monkeypatch: pytest.MonkeyPatch) -> None:
    with served(service()) as port:
        with monkeypatch.context() as patched:
            def refuse(self: threading.Thread) -> None:
                raise RuntimeError("can't start new thread")

            patched.setattr(threading.Thread, "start", refuse)
            with pytest.raises((OSError, http.client.HTTPException)):
                ask(port)
        assert ask(port)[0] == 200


def test_threads_that_wait_do_not_grow_with_the_scrapes() -> None:
    with served(service()) as port:
        for _ in range(40):
            assert ask(port)[0] == 200
        waiting = [thread for thread in threading.enumerate() if thread.name == "scrape"]
        assert len(waiting) <= server_module.SPARE + 2


def test_an_address_in_use_is_said() -> None:
    with served(service()) as port, pytest.raises(UsageError, match="cannot be listened on"):
        service().serve("127.0.0.1", port, None, lambda url: None)


def test_the_service_ends_when_told(tmp_path: Path) -> None:
    made, ready = service(), threading.Event()
    thread = threading.Thread(target=made.serve, args=("127.0.0.1", 0, None, lambda url: ready.set()))
    thread.start()
    assert ready.wait(10)
    made.end()
    thread.join(10)
    assert not thread.is_alive()


def test_the_service_samples_by_itself_and_follows_the_facts() -> None:
    seen = threading.Event()
    facts = [Facts(), with_report(Facts(), report("box", checks=3))]
    made = Service(lambda: EMPTY, lambda: facts[0], 0.05)
    urls: list[str] = []

    def ready(url: str) -> None:
        urls.append(url)
        seen.set()

    thread = threading.Thread(target=made.serve, args=("127.0.0.1", 0, None, ready))
    thread.start()
    try:
        assert seen.wait(10)
        port = int(urls[0].split(":")[2].split("/")[0])
        for _ in range(200):
            if b'firstlight_samples_total{result="unasked"} 3' in ask(port)[2]:
                break
            threading.Event().wait(0.02)
        else:
            pytest.fail("no third sample")
    finally:
        made.end()
        thread.join(10)


def test_it_runs_on_ipv6_loopback() -> None:
    addresses = Path("/proc/net/if_inet6")
    if not addresses.exists() or "0" * 31 + "1" not in addresses.read_text():
        return  # this machine has no ::1
    made = service()
    with Exporter("::1", 0, made.exposition, made.health, Security(None)) as server:
        assert server.server_address[0] == "::1"
