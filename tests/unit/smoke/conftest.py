from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.state.history import History


@pytest.fixture(autouse=True)
def every_history_is_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test has opened; Python 3.13 complains of what is left."""
    opened: list[History] = []
    made = History.__init__

    def noted(self: History, *args: object) -> None:
        made(self, *args)  # type: ignore[arg-type]
        opened.append(self)

    monkeypatch.setattr(History, "__init__", noted)
    yield
    for history in opened:
        history.close()
