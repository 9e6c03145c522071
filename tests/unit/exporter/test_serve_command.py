"""`firstlight serve`: its options and the textfile mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.cli.main import main
from agent.cli.serve import LISTEN, address
from agent.exporter import serving
from agent.model.errors import UsageError
from tests.unit.cli.conftest import apart, capture

__all__ = ["apart", "capture"]


@pytest.mark.parametrize(("text", "expected"), [
    ("127.0.0.1:9836", ("127.0.0.1", 9836)), ("0.0.0.0:80", ("0.0.0.0", 80)), (":0", ("127.0.0.1", 0)),
    ("[::1]:9836", ("::1", 9836)), ("9836", ("127.0.0.1", 9836)),
])
def test_an_address_is_host_and_port_and_loopback_by_default(text: str, expected: tuple[str, int]) -> None:
    assert address(text) == expected


@pytest.mark.parametrize("text", ["localhost", "localhost:", "a:b", "127.0.0.1:99999", ""])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no HOST:PORT"):
        address(text)


def test_it_listens_on_loopback_unless_told() -> None:
    assert address(LISTEN) == (serving.HOST, serving.PORT)
    assert serving.HOST == "127.0.0.1"


def test_the_textfile_is_written_whole_for_everyone_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    file = tmp_path / "firstlight.prom"
    assert main(["serve", "--textfile", str(file)]) == 0
    assert "firstlight_build_info{" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["firstlight.prom"]


def test_a_textfile_that_node_exporter_would_not_read_is_refused(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--textfile", str(tmp_path / "metrics.txt")]) == 3
    assert "end in .prom" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "nan", "inf"])
def test_sampling_all_the_time_or_never_is_refused(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--sample-every", seconds]) == 3
    assert "at least 1 second" in capsys.readouterr().err


def test_a_recorded_machine_can_be_served(capture: str, tmp_path: Path) -> None:
    file = tmp_path / "recorded.prom"
    assert main(["serve", "--machine", capture, "--textfile", str(file)]) == 0
    assert 'firstlight_check_verdict{check="kernel.' in file.read_text()
    assert "box-7" not in file.read_text()
