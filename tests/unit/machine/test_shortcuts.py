"""Answers that are had without starting a command are those of the command, or none."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.machine import ahead
from agent.machine.ahead import Ahead
from agent.machine.shortcuts import INFO_ARGV, EngineQuestion, find_answer
from agent.model.errors import Unobservable
from tests.fixtures import FakeMachine

GOOD = b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"ServerVersion": "26.1"}\n'


@contextmanager
def engine(folder: Path, answer: bytes | None) -> Iterator[str]:
    """An engine that gives one answer, None: never one."""
    path = str(folder / "docker.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(1000)
                if answer is None:
                    caller.recv(1000)
                else:
                    caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        thread.join()


def test_any_other_command_must_be_started() -> None:
    assert find_answer(("uname", "-a"), 1.0) is None
    assert find_answer(("docker", "ps"), 1.0) is None


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody has set up the docker command there; the engine's socket is in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(EngineQuestion.__init__, "__defaults__", (str(tmp_path / "docker.sock"),))
    return tmp_path


def test_the_engine_is_asked_at_its_socket(own_home: Path) -> None:
    with engine(own_home, GOOD):
        told = find_answer(INFO_ARGV, 5.0)
    assert told is not None
    assert json.loads(told.out) == {"ServerVersion": "26.1"}


@pytest.mark.parametrize("answer", [
    b"", b"HTTP/1.0 500 Internal Server Error\r\n\r\n{}", GOOD[:-3], b"nonsense",
    GOOD.replace(b"Content-Type: application/json", b"Transfer-Encoding: chunked")])
def test_any_other_answer_is_left_to_the_command(own_home: Path, answer: bytes) -> None:
    with engine(own_home, answer):
        assert find_answer(INFO_ARGV, 5.0) is None


def test_an_engine_that_is_silent_is_unobservable_at_the_deadline(own_home: Path) -> None:
    with engine(own_home, None), pytest.raises(Unobservable, match=r"no answer within 0\.1 s"):
        find_answer(INFO_ARGV, 0.1)


def test_without_an_engine_or_the_right_to_ask_it_the_command_says_why(own_home: Path) -> None:
    assert find_answer(INFO_ARGV, 1.0) is None


@pytest.mark.parametrize(("settings", "asks"), [
    ('{"auths": {}}', True), ('{"currentContext": "elsewhere"}', False)])
def test_who_has_chosen_another_engine_is_left_to_the_command(own_home: Path, settings: str, asks: bool) -> None:
    (own_home / ".docker").mkdir()
    (own_home / ".docker/config.json").write_text(settings)
    with engine(own_home, GOOD) as path:
        assert (find_answer(INFO_ARGV, 1.0) is not None) == asks
        if not asks:
            EngineQuestion(1.0, path).result(time.monotonic() + 1)


def test_an_engine_asked_ahead_has_answered_when_it_is_needed(own_home: Path) -> None:
    with engine(own_home, GOOD):
        machine = Ahead([INFO_ARGV]).collect(FakeMachine())
        assert json.loads(machine.run(INFO_ARGV).out) == {"ServerVersion": "26.1"}


def test_a_silent_engine_asked_ahead_is_left_to_who_needs_it(
        own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "PATIENCE_S", 0.05)
    with engine(own_home, None):
        machine = Ahead([INFO_ARGV]).collect(FakeMachine(commands={INFO_ARGV: "asked"}))
        assert machine.run(INFO_ARGV).out == "asked"
