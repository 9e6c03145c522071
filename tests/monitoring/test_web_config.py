"""The same web-config file guards node_exporter (which uses the exporter-toolkit) and us alike."""

from __future__ import annotations

import base64
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.monitoring.stack import exporter, free_port, need, running, until
from tests.monitoring.test_rules import promtool
from tests.nvml.stand_in import StandIn
from tests.unit.exporter.test_server import guarded, trusting

pytestmark = pytest.mark.node
RIGHT, WRONG, NONE = "alice:secret", "alice:wrong", ""


def status(url: str, credentials: str, context: ssl.SSLContext | None) -> int:
    asked = urllib.request.Request(url)  # noqa: S310 - loopback
    if credentials:
        asked.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
    try:
        with urllib.request.urlopen(asked, timeout=10, context=context) as answer:  # noqa: S310
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("tls", [False, True])
def test_one_file_guards_both_alike(stand_in: StandIn, tmp_path: Path, tls: bool) -> None:
    need("prometheus-node-exporter")
    file = guarded(tmp_path, tls=tls)
    promtool("check", "web-config", str(file))
    stand_in.use("gb10")
    context, scheme = (trusting(), "https") if tls else (None, "http")
    port = free_port()
    with exporter(tmp_path, stand_in, "gb10", web_config=str(file)) as (address, _), running(
            tmp_path / "node.log", "prometheus-node-exporter", f"--web.config.file={file}",
            f"--web.listen-address=127.0.0.1:{port}"):
        theirs = f"{scheme}://127.0.0.1:{port}/metrics"
        until(lambda: status(theirs, RIGHT, context) == 200, 30, "node_exporter answers")
        assert address.startswith(f"{scheme}://")
        for credentials, expected in ((RIGHT, 200), (WRONG, 401), (NONE, 401)):
            assert status(theirs, credentials, context) == expected
            assert status(f"{address}/metrics", credentials, context) == expected
