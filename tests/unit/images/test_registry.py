"""The registry client: tokens, logins, limits, damage; each told in a sentence, and no secret in any."""

from __future__ import annotations

import base64

import pytest

from agent.images import transport
from agent.images.credentials import Login
from agent.images.reference import parse_reference
from agent.images.registry import Layer, Registry, address_of
from agent.images.transport import RegistryError, fetch, retry_after_s
from tests.unit.images.conftest import Script

LAYERS = [{"digest": "sha256:" + "1" * 64, "size": 700}, {"digest": "sha256:" + "2" * 64, "size": 300}]
IMAGE = {"schemaVersion": 2, "config": {"digest": "sha256:" + "c" * 64, "size": 2}, "layers": LAYERS}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "PAUSES_S", (0.0, 0.0))


def reference(script: Script, rest: str = "a/b:1"):
    return parse_reference(f"{script.host}/{rest}")


def test_an_index_tells_architectures_and_the_size_of_one(script: Script) -> None:
    child = script.say("/v2/a/b/manifests/x", 200, IMAGE)
    script.say(f"/v2/a/b/manifests/{child}", 200, IMAGE)
    index = {"manifests": [{"digest": child, "platform": {"architecture": "amd64", "os": "linux"}},
                           {"digest": child, "platform": {"architecture": "arm64", "os": "windows"}},
                           {"digest": child, "platform": {"architecture": "unknown", "os": "unknown"}}]}
    digest = script.say("/v2/a/b/manifests/1", 200, index)
    offer = Registry(script.host).offer(reference(script), "amd64")
    assert (offer.digest, offer.architectures, offer.size_bytes) == (digest, ("amd64",), 1000)
    assert Registry(script.host).offer(reference(script), "arm64").layers == ()


def test_a_single_image_is_for_the_cpu_its_configuration_names(script: Script) -> None:
    config = script.say("/unused", 200, {"architecture": "arm64"})
    script.say(f"/v2/a/b/blobs/{config}", 200, {"architecture": "arm64"})
    script.say("/v2/a/b/manifests/1", 200, IMAGE | {"config": {"digest": config, "size": 2}})
    offer = Registry(script.host).offer(reference(script), "amd64")
    assert (offer.architectures, offer.layers) == (("arm64",), ())


def test_a_token_is_fetched_once_with_the_login_and_reused(script: Script) -> None:
    challenge = f'Bearer realm="http://{script.host}/token",service="reg",scope="repository:a/b:pull"'
    script.say("/v2/a/b/manifests/1", 401, b"", WWW_Authenticate=challenge)
    script.say("/v2/a/b/manifests/1", 200, {"manifests": []})
    script.say("/token", 200, {"token": "T0KEN"})
    registry = Registry(script.host, Login("$oauthtoken", "nvapi-x"))
    registry.offer(reference(script), "amd64")
    registry.offer(reference(script), "amd64")
    sent = [headers.get("Authorization") for _, path, headers in script.asked]
    login = "Basic " + base64.b64encode(b"$oauthtoken:nvapi-x").decode()
    assert sent == [None, login, "Bearer T0KEN", "Bearer T0KEN"]
    assert "nvapi-x" not in repr(registry)
    assert "T0KEN" not in repr(registry)


def test_a_login_is_never_sent_to_another_servers_realm_in_plain_text(script: Script) -> None:
    script.say("/v2/a/b/manifests/1", 401, b"", WWW_Authenticate='Bearer realm="http://192.0.2.1/token",service="r"')
    with pytest.raises(RegistryError, match="refuses access"):
        Registry(script.host, Login("u", "p")).offer(reference(script), "amd64")


def test_a_redirect_does_not_carry_the_login(script: Script) -> None:
    script.say("/from", 307, b"", Location=f"http://{script.host}/to")
    script.say("/to", 200, b"x")
    assert fetch(f"http://{script.host}/from", {"Authorization": "Basic s3cret"}).body == b"x"
    assert [("Authorization" in headers) for _, _, headers in script.asked] == [True, False]


def test_a_refused_login_ends_and_does_not_turn_in_circles(script: Script) -> None:
    script.say("/v2/a/b/manifests/1", 401, b"", WWW_Authenticate='Basic realm="x"')
    with pytest.raises(RegistryError, match=r"refuses access \(HTTP 401\)"):
        Registry(script.host, Login("u", "p")).offer(reference(script), "amd64")
    assert len(script.asked) == 2


def test_a_short_limit_is_waited_for_and_a_long_one_is_told(script: Script) -> None:
    waited: list[float] = []
    script.say("/x", 429, b"", Retry_After="7")
    script.say("/x", 200, b"ok")
    assert fetch(f"http://{script.host}/x", {}, sleep=waited.append).body == b"ok"
    assert waited == [7.0]
    script.say("/v2/a/b/manifests/1", 429, b"", Retry_After="21600")
    with pytest.raises(RegistryError, match="asks to wait 21600 s") as caught:
        Registry(script.host).offer(reference(script), "amd64")
    assert not caught.value.lasting


def test_a_server_error_is_asked_again_and_then_passes_or_is_told(script: Script) -> None:
    script.say("/x", 503)
    script.say("/x", 200, b"ok")
    assert fetch(f"http://{script.host}/x", {}).status == 200
    script.say("/v2/a/b/manifests/1", 502)
    with pytest.raises(RegistryError, match="HTTP 502") as caught:
        Registry(script.host).offer(reference(script), "amd64")
    assert not caught.value.lasting


def test_nobody_there_is_told_at_once(script: Script) -> None:
    with pytest.raises(RegistryError, match="does not answer") as caught:
        fetch("http://127.0.0.1:1/v2/", {})
    assert not caught.value.lasting


@pytest.mark.parametrize(("body", "headers", "says"), [
    ({"manifests": []}, {"Docker_Content_Digest": "sha256:" + "0" * 64}, "manifest is damaged"),
    (b"{", {}, "is no JSON"), ({"schemaVersion": 1, "fsLayers": []}, {}, "old or unknown form"),
])
def test_a_manifest_that_cannot_be_right_is_refused(script: Script, body, headers, says) -> None:
    script.say("/v2/a/b/manifests/1", 200, body, **headers)
    with pytest.raises(RegistryError, match=says):
        Registry(script.host).offer(reference(script), "amd64")


def test_a_pinned_digest_is_compared_with_what_came(script: Script) -> None:
    pinned = "sha256:" + "9" * 64
    script.say(f"/v2/a/b/manifests/{pinned}", 200, {"manifests": []})
    with pytest.raises(RegistryError, match="damaged"):
        Registry(script.host).offer(reference(script, f"a/b:1@{pinned}"), "amd64")


def test_layers_are_asked_for_by_head_alone(script: Script) -> None:
    one, two, three = ("sha256:" + mark * 64 for mark in "123")
    script.say(f"/v2/a/b/blobs/{one}", 200, b"", Content_Length="10")
    script.say(f"/v2/a/b/blobs/{two}", 200, b"", Content_Length="4")
    layers = (Layer(one, 10), Layer(two, 5), Layer(three, 1))
    faults = Registry(script.host).missing_layers(reference(script), layers)
    assert ["4 bytes instead of 5" in faults[0], "is missing" in faults[1], len(faults)] == [True, True, 2]
    assert {method for method, _, _ in script.asked} == {"HEAD"}


def test_plain_http_is_for_this_machine_alone() -> None:
    hosts = ("127.0.0.1:5000", "localhost:5000", "nvcr.io", "127.0.0.1.example.com", "docker.io")
    assert [address_of(host).partition(":")[0] for host in hosts] == ["http", "http", "https", "https", "https"]


@pytest.mark.parametrize(("value", "expected"), [
    ("3", 3.0), ("", None), ("soon", None), ("Sat, 21 Nov 2026 16:00:10 GMT", 10.0),
    ("Sat, 21 Nov 2020 16:00:00 GMT", 0.0),
])
def test_retry_after_is_seconds_or_a_date(value: str, expected: float | None) -> None:
    assert retry_after_s(value, 1795276800.0) == expected
