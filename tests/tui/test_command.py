"""`firstlight tui` from the outside."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from agent.cli.main import main
from tui import web


@pytest.mark.parametrize(("words", "said"), [
    (["tui"], "no terminal"), (["tui", "--demo", "nobody"], "no terminal"),
    (["tui", "--demo", "--machine", "x.json"], "exclude each other"), (["tui", "--web", "70000"], "70000 is no port"),
])
def test_what_cannot_be_is_said_in_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 3
    assert said in capsys.readouterr().err


def test_the_browser_form_listens_on_the_loopback_address_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    class Server:
        def __init__(self, command: str, **settings: object) -> None:
            asked.update(settings, command=command)

        def serve(self) -> None:
            asked["served"] = True

        async def _make_app(self) -> None:
            """As textual-serve has it."""

    package, module = ModuleType("textual_serve"), ModuleType("textual_serve.server")
    module.Server = Server  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "textual_serve", package)
    monkeypatch.setitem(sys.modules, "textual_serve.server", module)
    web.serve(8123, ["tui", "--machine", "a b.json"])
    assert (asked["host"], asked["port"], asked["served"]) == ("127.0.0.1", 8123, True)
    assert "'a b.json'" in str(asked["command"])


def test_without_textual_serve_the_way_to_get_it_is_named(monkeypatch: pytest.MonkeyPatch,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve.server", None)
    assert main(["tui", "--web"]) == 3
    assert "pip install '.[web]'" in capsys.readouterr().err
