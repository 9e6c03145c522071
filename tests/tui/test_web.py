"""`firstlight tui --web` as a real server on loopback: who may reach it, and what its page asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitoring.stack import fetch
from tests.tui.browser import served
from tui.web import PAGE, is_ours

HERE = "127.0.0.1:8000"


@pytest.mark.parametrize(("headers", "ours"), [
    ({"Host": HERE}, True), ({"Host": "localhost:8000"}, True),
    ({"Host": HERE, "Origin": "http://127.0.0.1:8000"}, True),
    ({"Host": HERE, "Origin": "http://localhost:8000"}, True),
    ({"Host": HERE, "Origin": "http://evil.example"}, False), ({"Host": HERE, "Origin": "null"}, False),
    ({"Host": HERE, "Origin": "http://localhost:3000"}, False), ({"Host": "evil.example:8000"}, False), ({}, False),
])
def test_only_our_own_page_and_nobodys_reach_it(headers: dict[str, str], ours: bool) -> None:
    assert is_ours(headers) is ours


def test_the_page_asks_nobody_but_us() -> None:
    assert "://" not in (PAGE / "app_index.html").read_text()


@pytest.mark.timeout(300)
def test_a_page_of_somebody_else_is_refused_by_the_server_itself(tmp_path: Path) -> None:
    pytest.importorskip("textual_serve")
    with served(tmp_path) as address:
        status, body = fetch(address)
        assert status == 200
        assert b"data-session-websocket-url=\"ws://127.0.0.1:" in body
        assert fetch(address, {"Origin": "http://evil.example"})[0] == 403
        assert fetch(f"{address}ws", {"Origin": "http://evil.example", "Connection": "Upgrade"})[0] == 403
        assert fetch(address, {"Host": "evil.example"})[0] == 403
